"""What a report means to its caller: an HTTP status, a wait, an exit code."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from core.ids import RunId
from core.report import Holder, Outcome, Reason, RunReport, Trigger
from handlers.answers import exit_code, http_status, retry_after

AT = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)
RUN = RunId(UUID(int=1))
D, P, G, S, F = Outcome.DONE, Outcome.PARTIAL, Outcome.DEGRADED, Outcome.SKIPPED, Outcome.FAILED


def report(
    outcome: Outcome,
    reason: Reason | None = None,
    *,
    holder: Holder | None = None,
    tripped: bool = False,
) -> RunReport:
    return RunReport(
        run_id=RUN,
        worker="ebay-cycle",
        trigger=Trigger(via="cli"),
        outcome=outcome,
        reason=reason,
        started_at=AT,
        finished_at=AT,
        duration_ms=0,
        holder=holder,
        tripped=tripped,
    )


@pytest.mark.parametrize(
    ("outcome", "reason", "status", "strict_status", "code"),
    [
        (D, None, 200, 200, 0),
        (D, Reason.NOTHING_DUE, 200, 200, 0),
        (P, Reason.DEADLINE, 200, 200, 0),
        (P, Reason.BUDGET, 200, 200, 0),
        (P, Reason.LEASE_LOST, 200, 200, 75),
        (G, None, 200, 200, 1),
        (G, Reason.ALL_NEED_RECONNECT, 200, 200, 77),
        (S, Reason.ALREADY_RUNNING, 200, 409, 75),
        (S, Reason.PAUSED, 200, 200, 0),
        (S, Reason.TRIPPED, 200, 200, 0),
        (S, Reason.NO_ACCOUNTS, 200, 200, 0),
        (F, Reason.UPSTREAM, 200, 503, 69),
        (F, Reason.UNITS_FAILED, 200, 503, 1),
        (F, None, 200, 503, 1),
        (F, Reason.DATABASE, 503, 503, 69),
        (F, Reason.CONFIG, 503, 503, 78),
        (F, Reason.BUG, 500, 500, 70),
    ],
)
def test_each_row_of_the_outcome_table(
    outcome: Outcome, reason: Reason | None, status: int, strict_status: int, code: int
) -> None:
    ended = report(outcome, reason)

    assert http_status(ended, strict=False) == status
    assert http_status(ended, strict=True) == strict_status
    assert exit_code(ended) == code


def test_a_run_that_trips_its_worker_exits_1_whatever_it_was() -> None:
    assert exit_code(report(F, Reason.BUG, tripped=True)) == 1
    assert exit_code(report(S, Reason.TRIPPED, tripped=True)) == 1


def test_a_run_at_work_may_be_called_fine() -> None:
    assert exit_code(report(S, Reason.ALREADY_RUNNING), ok_if_running=True) == 0
    assert exit_code(report(F, Reason.BUG), ok_if_running=True) == 70


@pytest.mark.parametrize(
    ("left", "wait"),
    [
        (timedelta(seconds=42), 42),
        (timedelta(seconds=41.4), 41),
        (timedelta(milliseconds=10), 1),
        (timedelta(seconds=-5), 1),
    ],
)
def test_a_holder_is_waited_for_until_its_lease_ends(left: timedelta, wait: int) -> None:
    holder = Holder(run_id=RUN, since=AT, until=AT + left)

    assert retry_after(report(S, Reason.ALREADY_RUNNING, holder=holder)) == wait


@pytest.mark.parametrize(
    ("outcome", "reason", "wait"),
    [
        (S, Reason.ALREADY_RUNNING, 60),
        (F, Reason.UPSTREAM, 60),
        (F, Reason.UNITS_FAILED, 60),
        (F, Reason.DATABASE, 60),
        (F, Reason.CONFIG, None),
        (F, Reason.BUG, None),
        (D, None, None),
    ],
)
def test_other_waits_are_a_minute_where_waiting_helps(
    outcome: Outcome, reason: Reason | None, wait: int | None
) -> None:
    assert retry_after(report(outcome, reason, holder=Holder())) == wait
