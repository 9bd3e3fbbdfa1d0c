"""From the cursors there to the cursors here: nothing is believed that may leave a gap."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.moving.cursors import (
    FAMILIES,
    OLDEST,
    plan_streams,
    read_cursor,
    unknown_families,
)
from core.moving.model import OldState, PlannedStream, StreamState
from core.sync.begin import CLOCK_STEP
from core.sync.model import Walk
from infra.ebay.streams.registry import STREAMS

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Here:
    name: str
    is_snapshot: bool = False


def state(family: str, cursor: str | None = None, *, enabled: bool = True) -> OldState:
    return OldState(family=family, enabled=enabled, cursor=cursor, last_run_at=None)


def planned(stream: str, *states: OldState, with_history: bool = False) -> PlannedStream:
    [only] = plan_streams(states, [Here(stream)], NOW, with_history=with_history)
    return only


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-22T09:15:00Z", datetime(2026, 11, 22, 9, 15, tzinfo=UTC)),
        ("2026-11-22T09:15:00+00:00", datetime(2026, 11, 22, 9, 15, tzinfo=UTC)),
        ("2026-11-22T11:15:00+02:00", datetime(2026, 11, 22, 9, 15, tzinfo=UTC)),
        ("2026-11-22T09:15:00.123456Z", datetime(2026, 11, 22, 9, 15, 0, 123000, tzinfo=UTC)),
        ("2026-11-22T12:20:00Z", NOW),
    ],
)
def test_what_is_written_strictly_is_read_and_never_lies_ahead(text: str, at: datetime) -> None:
    reading = read_cursor(text, NOW)

    assert (reading.at, reading.wrong) == (at, None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2025-12-02T12:15:00+00:00Z", "took for now"),
        ("2025-12-02T12:15:00-05:00Z", "took for now"),
        ("", "cannot be read"),
        ("2026-11-22", "cannot be read"),
        ("2026-11-22T09:15:00", "cannot be read"),
        ("20261122T091500Z", "cannot be read"),
        ("2026-11-31T09:15:00Z", "cannot be read"),
        ("0001-01-01T00:00:00+14:00", "cannot be read"),
        ("2026-11-22T09:15:00Z\n", "cannot be read"),
        ("٢٠٢٦-11-22T09:15:00Z", "cannot be read"),
        ("2026-11-22T12:29:00Z", "in the future"),
        ("2024-11-01T00:00:00Z", "two years"),
        ("infinity", "cannot be read"),
    ],
)
def test_r5_a_cursor_that_cannot_be_trusted_is_the_beginning_and_never_now(
    text: str, why: str
) -> None:
    reading = read_cursor(text, NOW)

    assert reading.at is None
    assert why in (reading.wrong or "")


def test_no_cursor_is_nothing_wrong() -> None:
    assert (read_cursor(None, NOW).at, read_cursor(None, NOW).wrong) == (None, None)


@given(st.datetimes(datetime(2024, 12, 1), datetime(2026, 11, 22, 12)), st.sampled_from("Z+"))  # noqa: DTZ001  (made aware below)
def test_r4_what_its_worker_writes_comes_back(at: datetime, zone: str) -> None:
    aware = at.replace(tzinfo=UTC, microsecond=0)
    text = aware.strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if zone == "Z" else "+00:00")

    assert read_cursor(text, NOW).at == aware


@given(st.text())
def test_whatever_lies_there_is_read_or_told_to_be_wrong(text: str) -> None:
    reading = read_cursor(text, NOW)

    assert (reading.at is None) == (reading.wrong is not None)
    assert (reading.wrong or "").isprintable()


def test_the_clocks_tolerance_is_that_of_the_reading() -> None:
    """Features of core do not meet; this one has a copy."""
    assert timedelta(minutes=28) == CLOCK_STEP
    assert read_cursor((NOW + CLOCK_STEP).isoformat(), NOW).at == NOW
    assert read_cursor((NOW - OLDEST).isoformat(), NOW).at == NOW - OLDEST


def test_every_stream_that_is_continued_exists_and_every_family_goes_somewhere() -> None:
    old = {
        *("orders", "transactions", "offers", "messages", "active_inventory", "buyer", "cases"),
        *("inquiries", "finances", "returns", "disputes"),
    }

    assert set(FAMILIES) <= {stream.name for stream in STREAMS}
    assert {family for families in FAMILIES.values() for family in families} == old


def test_the_whole_map() -> None:
    states = [
        state(family, f"2026-11-22T0{number}:00:00Z")
        for number, family in enumerate(
            ("orders", "transactions", "finances", "messages", "cases", "inquiries", "returns")
        )
    ] + [state(family, "2026-11-22T09:00:00Z") for family in ("offers", "active_inventory",
                                                              "buyer", "disputes")]  # fmt: skip
    here = [Here(stream.name, stream.walk is Walk.SNAPSHOT) for stream in STREAMS]

    told = plan_streams(states, here, NOW, with_history=False)

    hours = {
        each.state.stream: None if each.state.cursor_at is None else each.state.cursor_at.hour
        for each in told
    }
    assert hours == {
        "orders": 0,
        "transactions": 1,
        "payouts": 2,
        "messages": 3,
        "cases": 4,
        "inquiries": 5,
        "returns": 6,
        "active_inventory": None,
        "buyer": None,
        "inventory_offers": None,
        "best_offers": None,
        "disputes": None,
        "cancellations": None,
    }
    assert all(each.state.enabled for each in told)


def test_two_families_give_the_earlier_cursor_and_one_is_enough() -> None:
    both = planned(
        "transactions",
        state("transactions", "2026-11-22T05:00:00Z"),
        state("finances", "2026-11-22T03:00:00Z"),
    )
    one = planned("transactions", state("transactions"), state("finances", "2026-11-22T03:00:00Z"))

    for each in (both, one):
        assert each.state.cursor_at == datetime(2026, 11, 22, 3, tzinfo=UTC)
    assert both.from_ == ("transactions", "finances")
    assert "earliest" in both.why
    assert one.why == ""


def test_one_cursor_that_is_wrong_spoils_the_others() -> None:
    told = planned(
        "transactions",
        state("transactions", "2026-11-22T05:00:00Z"),
        state("finances", "2026-11-22T05:00:00+00:00Z"),
    )

    assert told.state.cursor_at is None
    assert "90 days" in told.why


def test_a_stream_is_off_where_everything_is_off_that_it_continues() -> None:
    off, on = state("transactions", enabled=False), state("finances")

    assert planned("transactions", off, on).state.enabled
    assert not planned("transactions", off).state.enabled
    assert not planned("transactions", off, state("finances", enabled=False)).state.enabled
    assert not planned("orders", state("orders"), state("orders", enabled=False)).state.enabled
    assert planned("orders").state.enabled


def test_with_history_no_cursor_is_continued() -> None:
    told = planned("orders", state("orders", "2026-11-22T05:00:00Z"), with_history=True)

    assert told.state == StreamState(stream="orders", cursor_at=None, enabled=True)
    assert "--with-history" in told.why


def test_a_family_without_a_counterpart_is_named_once() -> None:
    states = [state("orders"), state("assign_storages"), state("assign_storages")]

    assert unknown_families(states) == ("assign_storages",)
