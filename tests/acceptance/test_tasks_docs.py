"""docs/tasks.md: its commands, typed as they stand there; its tables name what there is."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from core.tasks.redact import TOKENS
from core.tasks.tag import PRIORITIES
from core.tasks.words import REPLACED, STATUSES
from handlers.rest.task_forms import Create
from tests.support.postgres import Server
from tests.support.site import ROOT, Served, Site, new_site

TEXT = (ROOT / "docs" / "tasks.md").read_text()
SHOWN = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
TOKEN = "canary-api-token-0123456789"


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=1, orders=1) as site:
        yield site.with_settings(API_TOKEN=TOKEN)


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    return _module_site


def answers(server: Served, script: str) -> list[dict[str, object]]:
    """What its commands print, one JSON object after the other."""
    done = subprocess.run(
        ["bash", "-euc", script.replace("http://127.0.0.1:8000", server.url)],
        env={"API_TOKEN": TOKEN, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    decoder, text, told = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        value, end = decoder.raw_decode(text)
        told.append(value)
        text = text[end:].lstrip()
    return told


def test_its_commands_answer_as_it_says(server: Served, site: Site) -> None:
    first, later, found = answers(server, SHOWN[0])
    begun, status, changes = answers(server, SHOWN[1])

    assert (first["status"], later["status"], found["total"]) == ("completed", "draft", 1)
    assert (begun["status"], status["status"]) == ("completed", "completed")
    assert set(changes) == {"items", "cursor", "more"}


def test_it_explains_every_field_word_and_token() -> None:
    named = set(re.findall(r"`\[?([a-z_A-Z]+)\]?`", TEXT))

    assert set(Create.model_fields) <= named
    assert {*STATUSES, *REPLACED, *PRIORITIES} <= named
    assert {token.strip("[]") for token in TOKENS.values()} <= named
