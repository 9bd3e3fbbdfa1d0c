"""What each drain does first: enqueue what the clock made due."""

from collections import Counter
from dataclasses import dataclass

from core.context import RunContext
from core.schedules.model import Fired, Reason
from core.schedules.ports import FiringStore

TIME_PER_BATCH_S = 2.0
TOLD = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FireSchedules:
    """`most` schedules in one run, a `batch` in one transaction."""

    store: FiringStore
    batch: int = 100
    most: int = 1000

    def fire(self, context: RunContext) -> Fired:
        """Until nothing is due, so many have fired, or the deadline is near."""
        jobs, left, more = 0, self.most, False
        skipped: list[tuple[str, Reason]] = []
        while left > 0 and context.deadline.allows(TIME_PER_BATCH_S):
            done = self.store.fire(context.clock.now(), min(self.batch, left))
            jobs, left, more = jobs + done.jobs, left - done.schedules, done.more
            skipped += done.skipped
            for name, traceback in done.broken:
                context.log.error("schedule.failed", schedule=name, traceback=traceback)
            if not more:
                break
        _tell(context, skipped)
        return Fired(jobs=jobs, skipped=Counter(reason for _, reason in skipped), more=more)


def _tell(context: RunContext, skipped: list[tuple[str, Reason]]) -> None:
    """A line for each reason: a thousand schedules of a queue that is disabled are one fact."""
    for reason in sorted({reason for _, reason in skipped}):
        names = [name for name, why in skipped if why is reason]
        context.log.warning(
            "schedules.skipped", reason=reason, count=len(names), schedules=names[:TOLD]
        )
