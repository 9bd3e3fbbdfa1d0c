"""`run_worker`: one run of another worker, and what its report means for the job."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from core.errors import UsageError
from core.ids import RunId
from core.jobs.asked_run import AskedRun
from core.jobs.kinds import BadPayloadError
from core.jobs.model import Cancelled, Completed, Failed, Retry, Snooze, Verdict
from core.jobs.shipped.run_worker import LEASE, LONGEST, RunWorkers
from core.report import Outcome, Reason, RunReport, Trigger
from tests.support.outside import ID, NOW, context, job

WORKERS = ("ebay-cycle", "token-refresh", "queue-drain")
CYCLE = {"worker": "ebay-cycle"}


@dataclass
class Runs:
    outcome: Outcome = Outcome.DONE
    reason: Reason | None = None
    detail: str | None = None
    asked: list[AskedRun] = field(default_factory=list)

    def __call__(self, asked: AskedRun, /) -> RunReport:
        self.asked.append(asked)
        if asked.accounts == ("nobody",):
            raise UsageError("there is no account nobody")
        return RunReport(
            run_id=RunId(UUID("0f8fad5b-d9cb-469f-a165-70867728950e")),
            worker=asked.worker,
            trigger=Trigger(via="job"),
            outcome=self.outcome,
            reason=self.reason,
            detail=self.detail,
            started_at=NOW,
            finished_at=NOW,
            duration_ms=1,
        )


def performed(
    payload: dict[str, Any], runs: Runs, *, left_s: float = 1e6, cancelled: bool = False
) -> Verdict:
    kind = RunWorkers(run_once=runs, workers=WORKERS)
    return kind.perform(job(payload), context(left_s=left_s, cancelled=cancelled))


def test_a_worker_is_run_once_within_what_is_left() -> None:
    runs = Runs()

    verdict = performed({**CYCLE, "accounts": ["a", "b"], "streams": ["orders"]}, runs, left_s=22)

    [asked] = runs.asked
    assert (asked.worker, asked.accounts, asked.streams) == ("ebay-cycle", ("a", "b"), ("orders",))
    assert asked.limit_s == 20
    assert str(ID) in asked.cause
    assert isinstance(verdict, Completed)
    assert (verdict.outcome, (verdict.result or {})["worker"]) == ("done", "ebay-cycle")


def test_however_much_time_there_is_the_run_ends_before_the_jobs_lease() -> None:
    runs = Runs()

    performed(CYCLE, runs)

    assert runs.asked[0].limit_s == LONGEST.total_seconds()
    assert RunWorkers(run_once=runs, workers=WORKERS).kind().lease == LEASE > LONGEST


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.DONE, Reason.NOTHING_DUE),
        (Outcome.PARTIAL, Reason.DEADLINE),
        (Outcome.DEGRADED, None),
        (Outcome.SKIPPED, Reason.NO_ACCOUNTS),
    ],
)
def test_what_ran_is_completed_with_the_runs_outcome(
    outcome: Outcome, reason: Reason | None
) -> None:
    verdict = performed(CYCLE, Runs(outcome, reason))

    assert isinstance(verdict, Completed)
    assert verdict.outcome == outcome


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [(Outcome.SKIPPED, Reason.ALREADY_RUNNING), (Outcome.PARTIAL, Reason.LEASE_LOST)],
)
def test_where_another_run_is_at_it_the_job_comes_back(outcome: Outcome, reason: Reason) -> None:
    verdict = performed(CYCLE, Runs(outcome, reason))

    assert verdict == Snooze(until=NOW + timedelta(seconds=30), reason="already_running")


@pytest.mark.parametrize(
    ("outcome", "reason", "kind"),
    [
        (Outcome.SKIPPED, Reason.PAUSED, Failed),
        (Outcome.SKIPPED, Reason.TRIPPED, Failed),
        (Outcome.DEGRADED, Reason.ALL_NEED_RECONNECT, Failed),
        (Outcome.FAILED, Reason.UPSTREAM, Retry),
        (Outcome.FAILED, Reason.DATABASE, Retry),
        (Outcome.FAILED, Reason.BUG, Retry),
    ],
)
def test_what_did_not_run_says_why(
    outcome: Outcome, reason: Reason, kind: type[Failed | Retry]
) -> None:
    verdict = performed(CYCLE, Runs(outcome, reason))

    assert isinstance(verdict, kind)
    assert verdict.code == reason
    assert verdict.detail


def test_a_detail_of_the_run_is_the_jobs() -> None:
    verdict = performed(CYCLE, Runs(Outcome.FAILED, Reason.CONFIG, "ENCRYPTION_KEYS is not set"))

    assert isinstance(verdict, Retry)
    assert verdict.detail == "ENCRYPTION_KEYS is not set"


def test_names_that_there_are_not_fail_for_good() -> None:
    verdict = performed({**CYCLE, "accounts": ["nobody"]}, Runs())

    assert verdict == Failed(code="bad_names", detail="there is no account nobody")


def test_a_run_without_time_is_put_off() -> None:
    runs = Runs()

    verdict = performed(CYCLE, runs, left_s=9)

    assert verdict == Snooze(until=NOW + timedelta(seconds=10), reason="deadline")
    assert runs.asked == []


def test_what_is_cancelled_is_not_run() -> None:
    runs = Runs()

    assert performed(CYCLE, runs, cancelled=True) == Cancelled()
    assert runs.asked == []


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({}, "worker: must be a text"),
        ({"worker": "queue-drain"}, "worker: queue-drain is what performs this job"),
        ({"worker": "run_worker"}, "there are: ebay-cycle, token-refresh$"),
        ({**CYCLE, "accounts": "a"}, "accounts: must be a list of names"),
        ({**CYCLE, "streams": [1]}, "streams: must be a list of names"),
        ({**CYCLE, "account": "a"}, "account: there is no such field"),
        ({**CYCLE, "not_after": "x"}, "not_after: must be"),
    ],
)
def test_a_payload_that_cannot_be_run_is_refused_by_its_field(
    payload: dict[str, Any], why: str
) -> None:
    with pytest.raises(BadPayloadError, match=why):
        RunWorkers(run_once=Runs(), workers=WORKERS).kind().check(payload)
