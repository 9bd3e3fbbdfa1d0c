"""Whose a place is."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO

import pytest

from core.errors import UsageError
from core.intake.places import Places
from core.intake.ports import Opened


@dataclass
class Named:
    name: str
    asked: list[str] = field(default_factory=list)

    def check(self, place: str) -> None:
        self.asked.append(place)

    @contextmanager
    def open(self, place: str) -> Iterator[Opened]:
        yield Opened(name=self.name, content=BytesIO(place.encode()), size=None)


PLACES = Places(folders=Named("folders"), buckets=Named("buckets"), uploads=Named("uploads"))


@pytest.mark.parametrize(
    ("place", "whose"),
    [
        ("/srv/intake/a.csv", "folders"),
        ("file:///srv/intake/a.csv", "folders"),
        ("s3://court/a.csv", "buckets"),
        ("upload:5f0c", "uploads"),
    ],
)
def test_each_place_is_read_by_those_who_know_it(place: str, whose: str) -> None:
    with PLACES.open(place) as opened:
        assert opened.name == whose
        assert opened.content.read() == place.encode()


@pytest.mark.parametrize(
    ("place", "asked"),
    [("/a", PLACES.folders), ("s3://a/b", PLACES.buckets), ("upload:1", PLACES.uploads)],
)
def test_a_place_is_checked_by_them_too(place: str, asked: Named) -> None:
    PLACES.check(place)

    assert asked.asked[-1] == place


@pytest.mark.parametrize(
    "place",
    ["", "a.csv", "data_in/a.csv", "../a.csv", "https://example.com/a.csv", "s3:/a", "C:\\a.csv"],
)
def test_what_is_no_place_is_told_how_places_look(place: str) -> None:
    with pytest.raises(UsageError, match="name it like /srv/intake/"):
        PLACES.check(place)


@pytest.mark.parametrize("place", ["/a\n", "/a\0", "/" + "a" * 2000, "/\ud800"])
def test_what_no_place_can_hold_is_refused(place: str) -> None:
    with pytest.raises(UsageError, match="at most 2000 characters"):
        PLACES.check(place)
