"""`/docs`: fifty operations, of which one is looked for."""

import re
from itertools import starmap

import pytest

from handlers.api import make_api
from handlers.rest.page import page


@pytest.fixture(scope="module")
def shown() -> str:
    return bytes(page(make_api().openapi(), "/dev").body).decode()


def test_each_operation_is_listed_and_the_link_leads_to_it(shown: str) -> None:
    listed = re.findall(r'<li><a href="#([^"]+)"><code>([^<]+)</code></a></li>', shown)
    there = re.findall(r'<h2 id="([^"]+)"><code>([^<]+)</code></h2>', shown)

    operations = [
        (method.upper(), path)
        for path, methods in make_api().openapi()["paths"].items()
        for method in methods
    ]
    assert listed == there
    assert [name for _, name in listed] == list(starmap("{} /dev{}".format, operations))
    assert len({mark for mark, _ in listed}) == len(operations)


def test_long_paths_break_on_a_narrow_screen(shown: str) -> None:
    assert "code { overflow-wrap: anywhere }" in shown


def test_what_is_to_be_sent_is_shown_as_such(shown: str) -> None:
    assert "<code>Authorization: Bearer &lt;API_TOKEN&gt;</code>" in shown
    assert "`" not in shown.partition("<h2")[0]
