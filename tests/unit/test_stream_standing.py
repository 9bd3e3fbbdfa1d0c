"""How a stream is, in a word."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.report import SENTENCES, Reason
from core.streams.model import PassState, Rewind, StreamState, Word, WorkerSwitch
from core.streams.standing import DIED, READ_AGAIN, Judge, Standing, still_read_again
from tests.support.memory_streams import NOW, RULES, TERMS, a_pass, a_stream

ON = WorkerSwitch(enabled=True, tripped=False)
DAY = timedelta(days=1)
JUDGE = Judge(rules=RULES, terms=TERMS)


def standing(state: StreamState, worker: WorkerSwitch = ON) -> Standing:
    return JUDGE.standing(state, worker, NOW)


def rewound(back: timedelta, *, old: datetime | None = NOW, number: int = 1) -> Rewind:
    return Rewind(
        id=number, at=NOW, via="cli", reason=None, old_cursor_at=old, new_cursor_at=NOW - back
    )


@pytest.mark.parametrize(
    ("state", "word", "told"),
    [
        (a_stream(), Word.ON_TIME, ""),
        (a_stream(account_status="paused"), Word.PAUSED, "`accounts resume`"),
        (a_stream(account_status="needs_reconnect"), Word.ACTION_REQUIRED, "reconnect"),
        (a_stream(account_status="disconnected"), Word.OFF, "disconnected"),
        (a_stream(new=a_pass(enabled=False)), Word.PAUSED, "`streams resume`"),
        (a_stream(new=a_pass(interval=timedelta())), Word.OFF, "`streams every`"),
        (a_stream(new=a_pass(running=True, failures=1)), Word.RUNNING, ""),
        (a_stream(open=a_pass(running=True, failures=1)), Word.RUNNING, ""),
        (a_stream(new=a_pass(last_reason="unsupported")), Word.OFF, "sandbox"),
        (a_stream(new=a_pass(last_reason="no_token")), Word.ACTION_REQUIRED, "refresh token"),
        (a_stream(new=a_pass(last_reason="missing_scope", failures=2)), Word.ACTION_REQUIRED, ""),
        (a_stream(new=a_pass(failures=3, last_reason="upstream")), Word.FAILING, "eBay"),
        (a_stream(new=a_pass(failures=1, dead=True)), Word.FAILING, DIED),
        (a_stream(new=a_pass(failures=1, last_reason="of tomorrow")), Word.FAILING, ""),
        (a_stream(open=a_pass(failures=2, last_reason="upstream")), Word.FAILING, "eBay"),
        (a_stream(new=a_pass(last_success_at=None, cursor_at=None)), Word.NEVER, "`ebay`"),
        (a_stream(new=a_pass(last_success_at=NOW - DAY)), Word.LATE, "catch up"),
        (a_stream(new=a_pass(last_success_at=NOW - DAY, due_at=NOW)), Word.LATE, "often enough"),
        (a_stream(new=a_pass(cursor_at=NOW - 2 * DAY)), Word.LATE, "catch up"),
        (a_stream(new=a_pass(last_success_at=NOW - DAY, last_reason="budget")), Word.LATE, "day's"),
        (a_stream("buyer", new=a_pass(cursor_at=NOW - 2 * DAY)), Word.ON_TIME, ""),
    ],
)
def test_a_stream_is_told_in_a_word_and_what_helps(
    state: StreamState, word: Word, told: str
) -> None:
    found = standing(state)

    assert found.word is word
    assert told in (found.sentence or "")
    if word in {Word.ON_TIME, Word.RUNNING}:
        assert found.sentence is None


@pytest.mark.parametrize(
    ("worker", "word", "told"),
    [
        (WorkerSwitch(enabled=False, tripped=False), Word.PAUSED, "`workers resume`"),
        (WorkerSwitch(enabled=True, tripped=True), Word.ACTION_REQUIRED, "ten times"),
    ],
)
def test_what_a_paused_worker_leaves_is_never_late(
    worker: WorkerSwitch, word: Word, told: str
) -> None:
    found = standing(a_stream(new=a_pass(last_success_at=NOW - DAY)), worker)

    assert found.word is word
    assert told in (found.sentence or "")


def test_how_often_it_failed_stands_in_the_label() -> None:
    state = a_stream(new=a_pass(failures=3, last_reason="upstream", last_error="502"))

    found = standing(state)

    assert (found.label, found.error) == ("Failing \N{MULTIPLICATION SIGN}3", "502")
    assert found.sentence == SENTENCES[Reason.UPSTREAM]


@pytest.mark.parametrize(
    ("state", "label"),
    [
        (a_pass(cursor_at=NOW - timedelta(days=2, hours=5)), "Late by 2 d"),
        (a_pass(last_success_at=NOW - timedelta(hours=5, minutes=59)), "Late by 5 h"),
        (a_pass(cursor_at=NOW - timedelta(minutes=14)), "Late by 12 min"),
    ],
)
def test_r8_what_is_two_days_behind_says_so_and_not_that_all_is_well(
    state: PassState, label: str
) -> None:
    assert standing(a_stream(new=state)).label == label


def test_how_far_it_is_behind_is_told_of_what_has_a_past() -> None:
    behind = a_pass(cursor_at=NOW - 2 * DAY)

    assert standing(a_stream(new=behind)).behind == 2 * DAY - TERMS.lag
    assert standing(a_stream("buyer", new=behind)).behind is None
    assert standing(a_stream(new=a_pass(cursor_at=NOW + DAY))).behind == timedelta(0)


FIRST = a_pass(last_success_at=None, cursor_at=None)


@pytest.mark.parametrize(
    ("state", "percent"),
    [
        (a_stream(), None),
        (a_stream(new=FIRST), None),
        (a_stream(new=replace(FIRST, read_to=NOW - 45 * DAY)), 50),
        (a_stream(new=replace(FIRST, cursor_at=NOW - 9 * DAY)), 90),
        (a_stream(new=replace(FIRST, read_to=NOW - 100 * DAY)), 0),
        (a_stream(new=replace(FIRST, read_to=NOW)), 99),
        (a_stream("buyer", new=a_pass(share_read=0.25)), 25),
        (a_stream("buyer", new=a_pass()), None),
    ],
)
def test_r3_how_much_of_the_first_reading_is_done(state: StreamState, percent: int | None) -> None:
    assert standing(state).percent == percent


def test_how_much_is_read_again_since_a_rewind() -> None:
    state = a_stream(new=a_pass(cursor_at=NOW - 5 * DAY), rewinds=(rewound(10 * DAY),))

    found = standing(state)

    assert (found.word, found.percent, found.sentence) == (Word.LATE, 50, READ_AGAIN)


def test_a_rewind_is_over_where_its_old_cursor_is_reached_or_it_was_undone() -> None:
    state = a_stream(new=a_pass(cursor_at=NOW - DAY))
    over = rewound(5 * DAY, old=NOW - DAY)
    undone = replace(rewound(5 * DAY), undone_at=NOW)

    assert not still_read_again(replace(state, rewinds=(over, undone)), TERMS)
    assert not still_read_again(
        a_stream(new=a_pass(cursor_at=None), rewinds=(rewound(DAY),)), TERMS
    )


@pytest.mark.parametrize("old", [None, NOW + DAY])
def test_before_a_first_reading_a_rewind_is_over_where_that_would_have_begun(
    old: datetime | None,
) -> None:
    def again(cursor: PassState) -> bool:
        state = a_stream(new=cursor, rewinds=(rewound(200 * DAY, old=old),))
        return bool(still_read_again(state, TERMS))

    assert again(a_pass(cursor_at=NOW - 91 * DAY))
    assert not again(a_pass(cursor_at=NOW - 90 * DAY))
