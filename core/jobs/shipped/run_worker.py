"""`run_worker`: one run of another worker, as a job, through the same door as all its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import UsageError
from core.jobs.asked_run import AskedRun, RunOnce
from core.jobs.kinds import PATIENT, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Failed, Job, Retry, Snooze, Verdict
from core.jobs.shipped import answers, fields
from core.report import SENTENCES, Outcome, Reason, RunReport

NAME = "run_worker"
QUEUE = "workers"
KNOWN = ("worker", "accounts", "streams", fields.NOT_AFTER)
DRAIN = "queue-drain"
LONGEST = timedelta(minutes=5)
LEASE = LONGEST + timedelta(minutes=2)
"""A run keeps no job's lease alive, so that one must outlast it."""
SHORTEST_S = 8.0
SETTLING_S = 2.0
LOOK_AGAIN = timedelta(seconds=30)
_AT_IT = frozenset({Reason.ALREADY_RUNNING, Reason.LEASE_LOST})
_DONE = frozenset({Outcome.DONE, Outcome.PARTIAL, Outcome.DEGRADED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorkers:
    run_once: RunOnce
    workers: Sequence[str]

    def kind(self) -> JobKind:
        return JobKind(
            name=NAME,
            queue=QUEUE,
            effect=Effect.OUTSIDE,
            check=self.check,
            perform=self.perform,
            backoff=PATIENT,
            lease=LEASE,
            batch=1,
            expires=fields.expires,
        )

    def check(self, payload: Mapping[str, object]) -> None:
        fields.only(payload, KNOWN)
        fields.not_after(payload)
        worker = fields.line(payload, "worker", 100)
        known = [name for name in self.workers if name != DRAIN]
        if worker == DRAIN:
            raise BadPayloadError(f"worker: {DRAIN} is what performs this job; name another one")
        if worker not in known:
            raise BadPayloadError(f"worker: there is no such one; there are: {', '.join(known)}")
        fields.names(payload, "accounts")
        fields.names(payload, "streams")

    def perform(self, job: Job, context: JobContext) -> Verdict:
        self.check(job.payload)
        # A run without time does nothing, and would be reported as done.
        put_off = answers.held_up(job, context, needs_s=SHORTEST_S + SETTLING_S)
        if put_off is not None:
            return put_off
        try:
            report = self.run_once(_asked(job, context))
        except UsageError as error:
            return Failed(code="bad_names", detail=str(error))
        return _verdict(report, context.clock.now())


def _asked(job: Job, context: JobContext) -> AskedRun:
    left = context.deadline.remaining() - SETTLING_S
    return AskedRun(
        worker=fields.line(job.payload, "worker", 100),
        accounts=fields.names(job.payload, "accounts"),
        streams=fields.names(job.payload, "streams"),
        limit_s=min(left, LONGEST.total_seconds()),
        # The fence too: the same delivery twice would be answered with the first one's report.
        cause=f"job {job.id} {job.fence}",
    )


def _verdict(report: RunReport, now: datetime) -> Verdict:
    """1. It ran: as it ended. 2. Another run is at it: later. 3. Switched off: no. 4. Again."""
    reason = report.reason
    if reason in _AT_IT:
        return Snooze(until=now + LOOK_AGAIN, reason=Reason.ALREADY_RUNNING)
    if reason is Reason.ALL_NEED_RECONNECT:
        return Failed(code=reason, detail=SENTENCES[reason])
    if report.outcome in _DONE or reason is Reason.NO_ACCOUNTS:
        return Completed(result=report.as_json(), outcome=report.outcome)
    code = reason or Reason.INTERNAL
    detail = report.detail or SENTENCES[code]
    ended = Failed if report.outcome is Outcome.SKIPPED else Retry
    return ended(code=code, detail=detail)
