"""What a caller may ask: read, or refused by a sentence that names the parameter."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import UsageError
from handlers.parameters import Parameters, delivery_name, read, read_since, read_span

AT = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)


def test_nothing_asked_is_an_ordinary_run() -> None:
    asked = read({})

    assert asked == Parameters()
    assert not asked.named
    assert asked.as_json() == {}


def test_everything_may_be_asked_at_once() -> None:
    asked = read(
        {
            "account": ["shop", " other ", "shop"],
            "stream": "orders",
            "since": "2026-11-01",
            "deadline_s": "20",
            "dry_run": "yes",
            "strict": 1,
        }
    )

    assert asked == Parameters(
        accounts=("shop", "other"),
        streams=("orders",),
        since=datetime(2026, 11, 1, tzinfo=UTC),
        deadline_s=20.0,
        dry_run=True,
        strict=True,
    )
    assert asked.named
    assert asked.as_json() == {
        "account": ["shop", "other"],
        "stream": ["orders"],
        "since": "2026-11-01T00:00:00.000Z",
        "deadline_s": 20.0,
        "dry_run": True,
    }


def test_a_word_for_several_streams_means_them_all() -> None:
    asked = Parameters(streams=("orders", "offers", "best_offers"))

    meant = asked.expanded({"offers": ("best_offers", "inventory_offers")})

    assert meant.streams == ("orders", "best_offers", "inventory_offers")
    assert asked.expanded({}) == asked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:00:00Z", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01T08:00:00+02:00", datetime(2026, 11, 1, 6, tzinfo=UTC)),
        (" 2026-11-01T08:00:00 ", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
    ],
)
def test_since_is_an_instant_or_a_span(text: str, expected: datetime | timedelta) -> None:
    assert read_since(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "7", "7w", "-7d", "99999d", "2026-13-01", "9999-12-31T23:59:59-14:00",
     "0001-01-01T00:00:00+14:00", "\ud800"],
)  # fmt: skip
def test_other_sinces_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="since"):
        read_since(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2999-01-01", "since: 2999-01-01T00:00:00.000Z lies in the future"),
        ("2026-11-22T05:00:00Z", "lies in the future"),
        ("0d", "lies in the future"),
        ("0001-01-01", "lies before eBay began"),
        ("1994-12-31", "lies before eBay began"),
        ("9999-12-31T23:59:59+14:00", "lies in the future"),
    ],
)
def test_a_since_from_which_nothing_can_be_read_is_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read({"since": text}).check(AT)


def test_a_span_is_held_to_the_same_bounds_as_an_instant() -> None:
    read({"since": "9999d"}).check(AT)
    read({"since": "1s"}).check(AT)
    read({}).check(AT)

    with pytest.raises(UsageError, match="before eBay began"):
        read({"since": "9999d"}).check(datetime(2021, 1, 1, tzinfo=UTC))


def test_a_span_is_counted_back_from_the_runs_start() -> None:
    selection = read({"since": "7d"}).selection(AT)

    assert selection.since == AT - timedelta(days=7)
    assert selection.named


def test_an_instant_stays_where_it_is() -> None:
    assert read({"since": "2026-11-01"}).selection(AT).since == datetime(2026, 11, 1, tzinfo=UTC)
    assert read({"account": "shop"}).selection(AT).since is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("5m", 300), ("1h", 3600), ("1.5", 1.5)]
)
def test_a_span_is_seconds(text: str, seconds: float) -> None:
    assert read_span("deadline", text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "0", "0s", "-1", "nan", "inf", "1e999"])
def test_other_spans_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="deadline"):
        read_span("deadline", text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account", 5),
        ("account", ""),
        ("account", " "),
        ("account", [None]),
        ("account", {"a": 1}),
        ("account", "a\x00b"),
        ("stream", "a\ud800"),
        ("stream", ["orders", 1]),
        ("deadline_s", True),
        ("deadline_s", "x"),
        ("deadline_s", [1]),
        ("deadline_s", 0),
        ("deadline_s", float("nan")),
        ("deadline_s", 10**400),
        ("dry_run", "perhaps"),
        ("strict", []),
        ("strict", 2),
        ("nonsense", 1),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UsageError, match=name):
        read({name: value})


@pytest.mark.parametrize(
    ("value", "meaning"),
    [(True, True), (False, False), (None, False), ("1", True), ("", True), ("TRUE", True),
     ("on", True), (0, False), ("no", False), ("off", False)],
)  # fmt: skip
def test_flags_are_read_as_people_write_them(value: Any, meaning: bool) -> None:
    assert read({"strict": value}).strict is meaning


def test_an_empty_list_of_names_means_all() -> None:
    assert read({"account": [], "stream": None}) == Parameters()


def test_one_request_has_one_fingerprint_however_it_is_answered() -> None:
    asked = Parameters(accounts=("shop",))

    same = Parameters(accounts=("shop",), strict=True)
    others = [
        Parameters(),
        Parameters(accounts=("other",)),
        Parameters(streams=("shop",)),
        Parameters(accounts=("shop",), dry_run=True),
        Parameters(accounts=("shop",), deadline_s=5),
        Parameters(accounts=("shop",), since=timedelta(days=7)),
        Parameters(accounts=("shop",), since=AT),
    ]

    assert same.fingerprint() == asked.fingerprint()
    assert len({each.fingerprint() for each in [asked, *others]}) == 8


def test_a_delivery_keeps_its_name_where_an_index_can_hold_it() -> None:
    longs = [delivery_name("x" * 5000 + end) for end in "12"]

    assert delivery_name("msg_1") == "msg_1"
    assert delivery_name("x" * 255) == "x" * 255
    assert longs[0] != longs[1]
    assert all(len(name) < 255 for name in longs)
    assert delivery_name("a\x00b").startswith("sha256:")
    assert delivery_name("a\ud800").startswith("sha256:")
