"""One call of `queue-drain`: perform what is due of every queue, until there is none or no time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from queue import SimpleQueue
from threading import Event

from core.clock import Sleeper
from core.context import RunContext
from core.errors import StoreUnavailableError
from core.jobs.control import Retention
from core.jobs.kinds import JobKind
from core.jobs.lanes import Selection
from core.jobs.ports import JobStore, Queues, Schedules, Unwatched, Watch
from core.jobs.settler import Settler
from core.jobs.shift import Shift
from core.jobs.tally import Tally
from core.jobs.trying import frames
from core.jobs.turn import Tools
from core.report import Reason, WorkReport

STAGED_AT_MOST = 1000
FORGOTTEN_AT_ONCE, FORGET_S = 500, 2.0
DRY_RUN = "dry run: nothing was done; these queues have jobs due"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainQueue:
    """`parallel` jobs at once, each in a thread of its own; cheap ones many to a thread.

    Several runs share the work: what keeps them apart are the jobs' own leases. `keep`: how long a
    job that has ended is kept.
    """

    jobs: JobStore
    queues: Queues
    schedules: Schedules
    kinds: Mapping[str, JobKind]
    retention: Retention
    sleep: Sleeper
    parallel: int
    lease: timedelta
    keep: timedelta
    watch: Watch = field(default_factory=Unwatched)

    def run_once(self, context: RunContext, selection: Selection) -> WorkReport:
        """Fire what is due, move what was staged, then claim, perform and settle.

        A job that fails does not stop the others; a database that goes away is what the report
        says, beside what was done.
        """
        tally = Tally()
        try:
            # In this order: what schedules make for a line is staged.
            self._fire(context, tally)
            tally.counts["moved"] = self.jobs.move_staged(STAGED_AT_MOST)
        except StoreUnavailableError as error:
            tally.away = str(error)
            return tally.report()
        shift = self._shift(context, selection, tally)
        try:
            shift.work()
        finally:
            # Also where a mistake of ours ends the run: its threads end with their present jobs.
            shift.tools.closing.set()
        self.watch.ended()
        shift.sum_up()
        self._forget(context, tally)
        return tally.report()

    def _fire(self, context: RunContext, tally: Tally) -> None:
        try:
            tally.scheduled(self.schedules.fire(context))
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  (jobs that stand there already do not wait)
            tally.passed_over[Reason.INTERNAL] += 1
            _tell_broken_clock(context, error)

    def _forget(self, context: RunContext, tally: Tally) -> None:
        """In what time is left: nothing waits for it, and a run that cannot has not failed."""
        if tally.away is not None:
            return
        before = context.started_at - self.keep
        try:
            while context.deadline.allows(FORGET_S) and not context.stop_requested():
                if self.retention.forget(before, FORGOTTEN_AT_ONCE) < FORGOTTEN_AT_ONCE:
                    return
        except StoreUnavailableError as error:
            context.log.warning("jobs.not_forgotten", error=str(error))

    def preview(self, context: RunContext, selection: Selection) -> WorkReport:
        """What a run would find due; nothing is claimed."""
        tally = Tally()
        shift = self._shift(context, selection, tally)
        due = shift.look()
        shift.sum_up()
        told = f"{DRY_RUN}: {', '.join(due)}" if due else None
        return replace(tally.report(), detail=told)

    def _shift(self, context: RunContext, selection: Selection, tally: Tally) -> Shift:
        settler = Settler(jobs=self.jobs, kinds=self.kinds, run=context, sleep=self.sleep)
        tools = Tools(
            run=context,
            jobs=self.jobs,
            kinds=self.kinds,
            settler=settler,
            lease=self.lease,
            inbox=SimpleQueue(),
            closing=Event(),
        )
        return Shift(
            tools=tools,
            queues=self.queues,
            watch=self.watch,
            selection=selection,
            parallel=self.parallel,
            tally=tally,
            staged_at_most=STAGED_AT_MOST,
        )


def _tell_broken_clock(context: RunContext, error: Exception) -> None:
    context.log.error(
        "schedules.failed",
        run_id=str(context.run_id),
        error=type(error).__name__,
        traceback=frames(error),
    )
