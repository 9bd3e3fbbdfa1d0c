"""Pausing, resuming and rewinding streams: what is refused, what it costs, what is undone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.errors import UsageError
from core.streams.control import ControlStreams, NoSuchStreamError, RefusedError
from core.streams.model import StreamState
from tests.support.memory_streams import (
    NOTHING_KNOWN,
    NOW,
    RULES,
    TERMS,
    FlatCosts,
    MemoryStreams,
    a_pass,
    a_stream,
)

DAY = timedelta(days=1)
BACK = NOW - 10 * DAY


def control(*states: StreamState, **changes: object) -> ControlStreams:
    store = MemoryStreams(states=list(states) or [a_stream()], **changes)  # type: ignore[arg-type]  # the test knows its fields
    return ControlStreams(
        store=store,
        costs=FlatCosts(),
        rules=RULES,
        aliases={"claims": ("returns",)},
        terms=TERMS,
    )


def cursor(streams: ControlStreams) -> datetime | None:
    return streams.list().states[0].new.cursor_at


def test_streams_are_listed_by_name_by_a_word_for_several_or_all() -> None:
    streams = control(a_stream(), a_stream("returns"), a_stream("buyer", account="other"))

    def listed(accounts: Sequence[str] = (), names: Sequence[str] = ()) -> list[str]:
        return [state.stream for state in streams.list(accounts, names).states]

    assert listed() == listed(["all"], ["all"]) == ["orders", "returns", "buyer"]
    assert listed(["shop"], ["claims", "orders"]) == ["orders", "returns"]
    assert streams.one("other", "buyer").states[0].account == "other"


@pytest.mark.parametrize(
    ("accounts", "names", "told"),
    [
        (["nobody"], ["orders"], "nobody"),
        (["shop"], ["feedback"], "there are: orders, returns, buyer"),
        (["all"], ["buyer"], "no such stream"),
    ],
)
def test_a_name_that_does_not_exist_is_told(
    accounts: Sequence[str], names: Sequence[str], told: str
) -> None:
    with pytest.raises(NoSuchStreamError, match=told):
        control().switch(accounts, names, enabled=False, via="cli")


def test_nothing_is_switched_that_was_not_named() -> None:
    with pytest.raises(UsageError, match="name accounts and streams"):
        control().switch([], ["all"], enabled=False, via="cli")


def test_a_pause_and_a_resume_done_twice_are_done_once() -> None:
    streams = control(a_stream(open=a_pass()))

    once, twice = (streams.switch(["shop"], ["all"], enabled=False, via="api") for _ in range(2))
    again = streams.switch(["shop"], ["all"], enabled=True, via="api")

    assert (once.changed, twice.changed, again.changed) == (1, 0, 1)
    assert not once.states[0].new.enabled
    assert once.states[0].new.due_at is None
    assert again.states[0].new.due_at == NOW
    assert again.states[0].new.switched_via == "api"


def test_an_interval_of_nothing_is_off() -> None:
    spaced = control().every(["shop"], ["orders"], timedelta(), via="cli")

    assert (spaced.changed, spaced.states[0].new.due_at) == (1, None)


@pytest.mark.parametrize("interval", [timedelta(seconds=59), timedelta(days=31)])
def test_an_interval_out_of_reason_is_refused(interval: timedelta) -> None:
    with pytest.raises(UsageError, match="from 1m to 30d"):
        control().every(["shop"], ["orders"], interval, via="cli")


def test_a_rewind_sets_the_cursor_back_and_keeps_the_old_one() -> None:
    streams = control()

    plan, rewound = streams.rewind("shop", "orders", BACK, via="cli", reason="lost rows")

    assert rewound.changed
    assert (plan.from_, plan.to) == (NOW - timedelta(minutes=3), BACK)
    assert cursor(streams) == BACK
    [kept] = streams.list().states[0].rewinds
    assert (kept.old_cursor_at, kept.new_cursor_at) == (NOW - timedelta(minutes=3), BACK)
    assert (kept.via, kept.reason) == ("cli", "lost rows")


def test_a_span_is_counted_from_the_databases_clock() -> None:
    assert control().plan("shop", "orders", 10 * DAY).to == BACK


def test_a_plan_changes_nothing() -> None:
    streams = control()

    streams.plan("shop", "orders", BACK)

    assert cursor(streams) == NOW - timedelta(minutes=3)


def test_a_rewind_done_twice_is_done_once_while_it_is_read_again() -> None:
    streams = control()

    first, second = (streams.rewind("shop", "orders", BACK, via="api")[1] for _ in range(2))

    assert (first.changed, second.changed) == (True, False)
    assert len(streams.list().states[0].rewinds) == 1


def test_what_is_on_its_way_there_from_further_back_is_left_as_it_is() -> None:
    """A span counts from now, so that a call that comes again means a little later."""
    streams = control()
    streams.rewind("shop", "orders", BACK, via="api")

    _, again = streams.rewind("shop", "orders", BACK + timedelta(seconds=2), via="api")

    assert not again.changed
    assert cursor(streams) == BACK


def test_what_has_been_read_again_past_there_can_be_rewound_to_there() -> None:
    streams = control()
    _, rewound = streams.rewind("shop", "orders", BACK, via="cli")
    on = replace(rewound.state, new=a_pass(cursor_at=BACK + 5 * DAY))

    assert control(on).rewind("shop", "orders", BACK + DAY, via="cli")[1].changed
    assert not control(on).rewind("shop", "orders", BACK, via="cli")[1].changed


def test_further_back_it_can_always_be_rewound() -> None:
    streams = control()
    streams.rewind("shop", "orders", BACK, via="cli")

    _, further = streams.rewind("shop", "orders", BACK - DAY, via="cli")

    assert further.changed
    assert cursor(streams) == BACK - DAY


NEVER_READ = a_pass(cursor_at=None, last_success_at=None)


@pytest.mark.parametrize(
    ("state", "to", "error", "told"),
    [
        (a_stream(), NOW, UsageError, "future"),
        (a_stream(), NOW - 731 * DAY, UsageError, "the earliest is 2024-11-23"),
        (a_stream("returns"), NOW - 541 * DAY, UsageError, "540 days"),
        (a_stream("buyer"), BACK, RefusedError, "`streams resume`"),
        (a_stream(new=a_pass(cursor_at=BACK)), BACK, RefusedError, "only goes back"),
        (a_stream(new=a_pass(cursor_at=BACK)), BACK + DAY, RefusedError, "2026-11-12"),
        (a_stream(new=NEVER_READ), BACK, RefusedError, "begins at 2026-08-24"),
        (a_stream(new=a_pass(cursor_at=NOW + DAY)), BACK, RefusedError, "not been read to its end"),
    ],
)
def test_a_rewind_that_would_leave_a_gap_or_bring_nothing_is_refused(
    state: StreamState, to: datetime, error: type[UsageError], told: str
) -> None:
    streams = control(state)

    with pytest.raises(error, match=told):
        streams.rewind("shop", state.stream, to, via="cli")

    assert streams.list().states == [state]


def test_before_its_first_reading_begins_a_stream_can_be_rewound() -> None:
    streams = control(a_stream(new=NEVER_READ))

    assert streams.rewind("shop", "orders", NOW - 200 * DAY, via="cli")[1].changed
    assert streams.undo("shop", "orders", via="cli").changed
    assert cursor(streams) is None


def test_a_first_reading_that_takes_long_is_not_rewound_to_where_it_has_begun() -> None:
    """Ninety days before now lies later meanwhile: between the two would be a gap."""
    begun = NOW - 95 * DAY
    streams = control(a_stream(new=replace(NEVER_READ, reading_from=begun)))

    with pytest.raises(RefusedError, match="begins at 2026-08-19"):
        streams.rewind("shop", "orders", begun, via="cli")

    assert streams.rewind("shop", "orders", begun - DAY, via="cli")[1].changed
    assert streams.list().states[0].rewinds[0].stood_at(TERMS) == begun


def test_a_reason_that_is_a_book_is_refused() -> None:
    with pytest.raises(UsageError, match="at most 500"):
        control().rewind("shop", "orders", BACK, via="api", reason="x" * 501)


def test_what_is_expected_is_what_is_stored_or_what_readings_brought_if_that_is_more() -> None:
    known = replace(NOTHING_KNOWN, stored=50, read=300, span=30 * DAY)

    sparse = control(known=known).plan("shop", "orders", BACK)
    dense = control(known=replace(known, stored=200)).plan("shop", "orders", BACK)
    unread = control(known=replace(NOTHING_KNOWN, stored=7)).plan("shop", "orders", BACK)

    uncounted = control(known=replace(known, stored=None)).plan("shop", "orders", BACK)

    assert (sparse.rows, sparse.stored, sparse.a_day) == (100, 50, 10.0)
    assert (dense.rows, dense.stored) == (200, 200)
    assert (unread.rows, unread.a_day) == (7, None)
    # A call for each row that is missing.
    assert (sparse.cost.pages, sparse.cost.calls) == (2, 52)
    assert (uncounted.rows, uncounted.cost.calls) == (100, 2)


@pytest.mark.parametrize(
    ("changes", "left", "limit"),
    [
        ({}, 4500, 5000),
        ({"used": 4000, "reset_at": NOW + DAY}, 500, 5000),
        ({"used": 4000, "reset_at": NOW - DAY}, 4500, 5000),
        ({"used": 9999, "reset_at": NOW + DAY, "limit": 10_000}, 0, 10_000),
        ({"blocked_until": NOW + DAY}, 0, 5000),
        ({"blocked_until": NOW - DAY}, 4500, 5000),
    ],
)
def test_the_cost_is_held_against_what_is_left_of_the_day(
    changes: dict[str, object], left: int, limit: int
) -> None:
    known = replace(NOTHING_KNOWN, **changes)  # type: ignore[arg-type]  # the test knows its fields

    plan = control(known=known).plan("shop", "orders", BACK)

    assert (plan.calls_left, plan.limit) == (left, limit)
    assert plan.affordable == (left > 0)


def test_an_undo_puts_the_cursor_back_where_it_stood() -> None:
    streams = control()
    streams.rewind("shop", "orders", BACK, via="cli")

    undone, again = (streams.undo("shop", "orders", via="cli") for _ in range(2))

    assert (undone.changed, again.changed) == (True, False)
    assert cursor(streams) == NOW - timedelta(minutes=3)


def test_of_rewinds_that_followed_each_other_the_undo_goes_before_the_first() -> None:
    streams = control()
    streams.rewind("shop", "orders", BACK, via="cli")
    streams.rewind("shop", "orders", BACK - DAY, via="cli")

    streams.undo("shop", "orders", via="cli")

    assert cursor(streams) == NOW - timedelta(minutes=3)
    assert all(each.undone_at for each in streams.list().states[0].rewinds)
    assert streams.rewind("shop", "orders", BACK, via="cli")[1].changed


def test_what_was_never_rewound_has_nothing_to_undo() -> None:
    with pytest.raises(RefusedError, match="never rewound"):
        control().undo("shop", "orders", via="cli")


def test_past_where_the_cursor_stood_there_is_nothing_left_to_undo() -> None:
    streams = control()
    _, rewound = streams.rewind("shop", "orders", BACK, via="cli")
    read = replace(rewound.state, new=a_pass(cursor_at=NOW - timedelta(minutes=2)))
    again = control(read)

    with pytest.raises(RefusedError, match="nothing left to undo"):
        again.undo("shop", "orders", via="cli")
    assert cursor(again) == NOW - timedelta(minutes=2)
