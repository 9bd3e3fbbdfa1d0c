"""One run, from the call to the report: the same for Lambda, HTTP and the command line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

from core.clock import CarriedClock, Monotonic, Sleeper
from core.context import Observation, RunContext
from core.deadline import Deadline
from core.errors import ConfigurationError, StoreUnavailableError
from core.events import Log
from core.ids import Fence, IdSource, RunId
from core.report import Outcome, Reason, RunReport, WorkReport
from core.retry import RetryPolicy
from core.runs.model import (
    Begun,
    Busy,
    Conduct,
    Ending,
    KeyReused,
    Paused,
    Replayed,
    RunRequest,
    Tripped,
)
from core.runs.ports import FINISH_S, Pings, RunStore

RENEWALS_PER_LEASE = 3
CRASH_LOOP = "Crash loop detected"
SWITCHED_OFF = "the switch of {0} is off (`workers resume {0}`), or that of all (`--all`)"
FINISH_TRIES = RetryPolicy(base=0.2, cap=1.0)
FINISH_ATTEMPTS, FINISH_WITHIN_S, FINISH_AT_LEAST_S = 5, 2.5, 0.3
ANSWERING = 0.9
"""The share of the margin that is over when the answer must leave."""

Work = Callable[[RunContext], WorkReport]


class KeyReusedError(Exception):
    """One `Idempotency-Key`, two different requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProtocol:
    """`wall` dates the reports of runs that never reached the database; nothing else."""

    store: RunStore
    pings: Pings
    new_id: IdSource
    ticks: Monotonic
    wall: Callable[[], datetime]
    sleep: Sleeper
    rng: Random
    log: Log
    lease: timedelta
    stop_requested: Callable[[], bool]
    observe: Callable[[Observation], None]

    def run_once(self, request: RunRequest, deadline: Deadline, work: Work) -> RunReport:
        """Begin, work, report. Every way out is a report; nothing is raised but KeyReusedError.

        1. The run may not start: `skipped`, or the stored report of the same delivery.
        2. The database or a setting is missing: `failed`, with no row where none can be written.
        3. It works, and its report and the release of its lease are one transaction.
        """
        run_id = RunId(self.new_id())
        began = self.ticks()
        try:
            beginning = self.store.begin(run_id, request)
        except (StoreUnavailableError, ConfigurationError) as error:
            took = self.ticks() - began
            return self.end(unreached(run_id, request, error, self.wall(), took))
        if isinstance(beginning, Begun):
            return self._run(beginning, request, deadline, work, began)
        return self._not_started(run_id, request, beginning)

    def _not_started(
        self,
        run_id: RunId,
        request: RunRequest,
        beginning: Replayed | Paused | Tripped | Busy | KeyReused,
    ) -> RunReport:
        if isinstance(beginning, KeyReused):
            raise KeyReusedError(request.trigger.delivery_id)
        if isinstance(beginning, Replayed):
            return self._replay(run_id, request, beginning)
        report = _refusal(run_id, request, beginning)
        if isinstance(beginning, Tripped):
            self._tell_abandoned(beginning.abandoned, request)
        if isinstance(beginning, Tripped) and beginning.just:
            self._crash_loop(report)
        try:
            self.store.refuse(report, request)
        except StoreUnavailableError as error:
            self.log.warning("run.unrecorded", run_id=str(run_id), error=str(error))
        return self.end(report)

    def _replay(self, run_id: RunId, request: RunRequest, replayed: Replayed) -> RunReport:
        stored = replayed.report
        self.log.info(
            "run.replayed",
            run_id=str(stored["run_id"]),
            worker=request.worker,
            via=request.trigger.via,
            delivery_id=request.trigger.delivery_id,
        )
        return RunReport(
            run_id=run_id,
            worker=request.worker,
            trigger=request.trigger,
            outcome=Outcome(str(stored["outcome"])),
            reason=None if stored["reason"] is None else Reason(str(stored["reason"])),
            more=bool(stored["more"]),
            started_at=datetime.fromisoformat(str(stored["started_at"])),
            finished_at=datetime.fromisoformat(str(stored["finished_at"])),
            duration_ms=int(str(stored["duration_ms"])),
            stored=stored,
        )

    def _run(
        self, begun: Begun, request: RunRequest, deadline: Deadline, work: Work, began: float
    ) -> RunReport:
        clock = CarriedClock(begun.began_at, self.ticks(), self.ticks)
        self._tell_abandoned(begun.abandoned, request)
        self.log.info(
            "run.started",
            run_id=str(begun.run_id),
            worker=request.worker,
            via=request.trigger.via,
            delivery_id=request.trigger.delivery_id,
        )
        done = self._work(begun, request, clock, deadline, work)
        report = RunReport(
            run_id=begun.run_id,
            worker=request.worker,
            trigger=request.trigger,
            outcome=done.outcome,
            reason=done.reason,
            detail=done.detail,
            more=done.more,
            started_at=begun.began_at,
            finished_at=clock.now(),
            duration_ms=round((self.ticks() - began) * 1000),
            counts=done.counts,
            units=done.units,
            next_due_at=done.next_due_at,
            holder=done.holder,
        )
        return self.end(self._finish(report, begun.fence, deadline))

    def _work(
        self,
        begun: Begun,
        request: RunRequest,
        clock: CarriedClock,
        deadline: Deadline,
        work: Work,
    ) -> WorkReport:
        context = RunContext(
            run_id=begun.run_id,
            worker=request.worker,
            started_at=begun.began_at,
            clock=clock,
            deadline=deadline,
            rng=self.rng,
            log=self.log,
            stop_requested=self.stop_requested,
            renew=lambda: self.store.renew(begun.run_id, request.worker, begun.fence),
            renew_every_s=self.lease.total_seconds() / RENEWALS_PER_LEASE,
            observe=self.observe,
        )
        try:
            return work(context)
        except (StoreUnavailableError, ConfigurationError) as error:
            return _failure(error)
        except Exception as error:
            self.log.exception("worker.raised", run_id=str(begun.run_id), worker=request.worker)
            return _failure(error)

    def _finish(self, report: RunReport, fence: Fence | None, deadline: Deadline) -> RunReport:
        try:
            ending = self._ending(report, fence, deadline)
        except StoreUnavailableError as error:
            return replace(
                report, outcome=Outcome.FAILED, reason=Reason.DATABASE, detail=str(error)
            )
        if ending.lost:
            return replace(report, outcome=Outcome.PARTIAL, reason=Reason.LEASE_LOST, more=False)
        if ending.tripped:
            self._crash_loop(report)
        return replace(report, tripped=ending.tripped)

    def _ending(self, report: RunReport, fence: Fence | None, deadline: Deadline) -> Ending:
        """Tried again for a moment: a connection that broke must not leave lease and row behind.

        Not for longer than who called will wait: a run that is killed counts as our own fault.
        """
        ends = self.ticks() + min(FINISH_WITHIN_S, deadline.remaining_to(ANSWERING))
        conduct = _conduct(report)
        attempt = 1
        while True:
            left = max(deadline.remaining_to(ANSWERING), FINISH_AT_LEAST_S)
            try:
                return self.store.finish(
                    report, fence, conduct=conduct, timeout=min(left, FINISH_S)
                )
            except StoreUnavailableError:
                delay = FINISH_TRIES.jittered(attempt, self.rng)
                if attempt == FINISH_ATTEMPTS or self.ticks() + delay > ends:
                    raise
                self.sleep(delay)
                attempt += 1

    def end(self, report: RunReport) -> RunReport:
        """Say how it ended: one log line, and a ping unless nothing was tried."""
        self._tell(report)
        if report.outcome is not Outcome.SKIPPED:
            self.pings.ping(report.worker, report)
        return report

    def _tell(self, report: RunReport) -> None:
        facts = {
            "run_id": str(report.run_id),
            "worker": report.worker,
            "outcome": report.outcome,
            "reason": report.reason,
            "detail": report.detail,
            "more": report.more,
            "duration_ms": report.duration_ms,
            "via": report.trigger.via,
            "counts": dict(report.counts),
        }
        if report.outcome is Outcome.FAILED:
            self.log.error("run.failed", **facts)
        elif report.outcome is Outcome.DEGRADED or report.reason is Reason.NO_ACCOUNTS:
            self.log.warning("run.finished", **facts)
        else:
            self.log.info("run.finished", **facts)

    def _tell_abandoned(self, abandoned: Sequence[RunId], request: RunRequest) -> None:
        for run_id in abandoned:
            self.log.warning("run.abandoned", run_id=str(run_id), worker=request.worker)

    def _crash_loop(self, report: RunReport) -> None:
        self.log.critical(CRASH_LOOP, worker=report.worker, run_id=str(report.run_id))


def unreached(
    run_id: RunId, request: RunRequest, error: Exception, at: datetime, took_s: float
) -> RunReport:
    """The report of a run that has no row: the database, a setting or our own care is missing."""
    failure = _failure(error)
    return RunReport(
        run_id=run_id,
        worker=request.worker,
        trigger=request.trigger,
        outcome=Outcome.FAILED,
        reason=failure.reason,
        detail=failure.detail,
        started_at=at,
        finished_at=at,
        duration_ms=round(took_s * 1000),
    )


def _failure(error: Exception) -> WorkReport:
    """A bug's text may hold anything, so only its type is told; the log has the traceback."""
    reason, detail = Reason.BUG, type(error).__name__
    if isinstance(error, StoreUnavailableError):
        reason, detail = Reason.DATABASE, str(error)
    elif isinstance(error, ConfigurationError):
        reason, detail = Reason.CONFIG, str(error)
    return WorkReport(outcome=Outcome.FAILED, reason=reason, detail=detail)


def _conduct(report: RunReport) -> Conduct:
    """Idle runs, deadlines and other people's failures neither count nor reset.

    A job that was done proves our code whatever else its run met: drains that find a backlog at
    each call end by their deadline each time.
    """
    if report.reason is Reason.BUG:
        return Conduct.FAULT
    if report.counts.get("completed"):
        return Conduct.SOUND
    worked = report.outcome in {Outcome.DONE, Outcome.DEGRADED} and bool(report.units)
    return Conduct.SOUND if worked else Conduct.SILENT


def _refusal(run_id: RunId, request: RunRequest, why: Paused | Tripped | Busy) -> RunReport:
    reason = {
        Paused: Reason.PAUSED,
        Tripped: Reason.TRIPPED,
        Busy: Reason.ALREADY_RUNNING,
    }[type(why)]
    return RunReport(
        run_id=run_id,
        worker=request.worker,
        trigger=request.trigger,
        outcome=Outcome.SKIPPED,
        reason=reason,
        detail=SWITCHED_OFF.format(request.worker) if isinstance(why, Paused) else None,
        started_at=why.at,
        finished_at=why.at,
        duration_ms=0,
        holder=why.holder if isinstance(why, Busy) else None,
        tripped=isinstance(why, Tripped) and why.just,
    )
