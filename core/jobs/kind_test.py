"""`test`: gives back what it was given, to see that queues are drained."""

from collections.abc import Mapping

from core.jobs.kinds import Effect, JobContext, JobKind
from core.jobs.model import Completed, Job, Verdict


def _anything(_: Mapping[str, object]) -> None:
    """Any payload is a good one."""


def _echo(job: Job, _: JobContext) -> Verdict:
    return Completed(result={"echo": dict(job.payload)})


TEST = JobKind(
    name="test",
    queue="default",
    effect=Effect.NONE,
    check=_anything,
    perform=_echo,
    inline_s=1.0,
)
