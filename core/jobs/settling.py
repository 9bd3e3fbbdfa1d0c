"""What a verdict writes: the same for every store."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from core.errors import UsageError
from core.jobs.admission import Admitted, Kinds, admit
from core.jobs.model import (
    MAX_DETAIL,
    Cancelled,
    Completed,
    Failed,
    Job,
    Retry,
    Settling,
    Snooze,
    Status,
    Waiting,
)
from core.jobs.ports import Dead, Ended, Settled

BAD_FOLLOW_UP, EXHAUSTED = "bad_follow_up", "attempts_exhausted"
LAST_LEASE = "its lease expired, and it was the last of its attempts: it may end its worker"


# Frozen it would take twice the time to make, a microsecond of each job.
@dataclass(slots=True, kw_only=True)
class Change:
    """What becomes of the row, if its fence still stands and nobody asked for its end.

    None leaves a column as it is, but for an error, which a completed job loses. `give_back`: the
    attempt is not counted. `told`: an event beside the columns, with `detail`. `result` is JSON
    text.
    """

    job: Job
    ended: Ended
    status: Status
    run_at: datetime | None = None
    wait_name: str | None = None
    wait_until: datetime | None = None
    phase: str | None = None
    result: str | None = None
    outcome: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    give_back: bool = False
    told: str | None = None
    detail: str | None = None
    then: Sequence[Admitted] = ()

    @property
    def is_plain(self) -> bool:
        """There is nothing to write but that it is completed, and with what result."""
        return self.status is Status.COMPLETED and self.outcome is None


def changes(settled: Sequence[Settled], kinds: Kinds) -> list[Change]:
    return [_change(each, kinds) for each in settled]


def _change(settled: Settled, kinds: Kinds) -> Change:
    verdict = settled.verdict
    if not isinstance(verdict, Settling) or not verdict.then:
        return _plain(settled)
    try:
        return replace(_plain(settled), then=admit(verdict.then, kinds))
    except UsageError as error:
        # The job may not stand for ever for what it wants done next: a person must look.
        return _dead(settled.job, BAD_FOLLOW_UP, str(error))


def _plain(settled: Settled) -> Change:
    job, verdict = settled.job, settled.verdict
    if isinstance(verdict, Completed):
        return _completed(settled, verdict)
    if isinstance(verdict, Retry):
        return _retried(job, verdict, settled.retry_at)
    if isinstance(verdict, Snooze):
        return _snoozed(job, verdict)
    if isinstance(verdict, Waiting):
        return _waiting(job, verdict)
    return _final(job, verdict)


def _completed(settled: Settled, verdict: Completed) -> Change:
    result = settled.result
    if result is None and verdict.result is not None:
        result = json.dumps(dict(verdict.result))
    return Change(
        job=settled.job,
        ended=Ended.COMPLETED,
        status=Status.COMPLETED,
        result=result,
        outcome=verdict.outcome,
    )


def _final(job: Job, verdict: Failed | Dead | Cancelled) -> Change:
    match verdict:
        case Cancelled(outcome=outcome):
            ended, status = Ended.CANCELLED, Status.CANCELLED
            return Change(job=job, ended=ended, status=status, outcome=outcome)
        case Dead(code=code, detail=detail):
            return _dead(job, code, detail)
        case Failed(code=code, detail=detail):
            ended, status = Ended.FAILED, Status.FAILED
            return Change(job=job, ended=ended, status=status, error_code=code, error_detail=detail)
    assert_never(verdict)


def _dead(job: Job, code: str, detail: str) -> Change:
    return Change(
        job=job,
        ended=Ended.DEAD,
        status=Status.DEAD,
        error_code=code,
        error_detail=detail[:MAX_DETAIL],
    )


def _retried(job: Job, verdict: Retry, retry_at: datetime | None) -> Change:
    if job.attempt >= job.max_attempts:
        return _dead(job, verdict.code, verdict.detail)
    assert retry_at is not None
    return Change(
        job=job,
        ended=Ended.RETRIED,
        status=Status.PENDING,
        run_at=retry_at,
        error_code=verdict.code,
        error_detail=verdict.detail,
        phase=verdict.phase,
        told="retried",
        detail=verdict.detail,
    )


def _snoozed(job: Job, verdict: Snooze) -> Change:
    return Change(
        job=job,
        ended=Ended.SNOOZED,
        status=Status.PENDING,
        run_at=verdict.until,
        phase=verdict.phase,
        give_back=True,
        told="snoozed",
        detail=verdict.reason,
    )


def _waiting(job: Job, verdict: Waiting) -> Change:
    return Change(
        job=job,
        ended=Ended.WAITING,
        status=Status.WAITING,
        wait_name=verdict.name,
        wait_until=verdict.until,
        phase=verdict.phase,
        give_back=True,
        told="waiting",
        detail=verdict.name,
    )
