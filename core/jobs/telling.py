"""What a drain says of single jobs in its log; never what was in them."""

from core.context import RunContext
from core.jobs.kinds import JobKind
from core.jobs.model import Job, JobId, Retry
from core.jobs.ports import Dead, Settled
from core.jobs.trying import settled

TIMED_OUT, CUT_OFF = "timed_out", "cut_off"
EVENTS = {TIMED_OUT: "job.timed_out", CUT_OFF: "job.cut_off"}


def tell_dead(each: Settled, run: RunContext) -> None:
    """Somebody may look at it."""
    job, verdict = each.job, each.verdict
    run.log.warning(
        "job.dead_lettered",
        run_id=str(run.run_id),
        job_id=str(job.id),
        kind=job.kind,
        queue=job.queue,
        attempt=job.attempt,
        code=getattr(verdict, "code", None),
    )


def tell_lost(job_id: JobId, run: RunContext) -> None:
    run.log.warning("job.lease_lost", run_id=str(run.run_id), job_id=str(job_id))


def cut_short(job: Job, kind: JobKind, for_s: float, code: str, run: RunContext) -> Settled:
    """A failed try, told; a fault of ours where its kind took more than it may."""
    why = "its kind has no more time" if code == TIMED_OUT else "the run's time was over"
    run.log.warning(
        EVENTS[code],
        run_id=str(run.run_id),
        job_id=str(job.id),
        kind=job.kind,
        attempt=job.attempt,
        after_s=round(for_s, 1),
    )
    detail = f"cut off after {for_s:.0f} s: {why}"
    if code == TIMED_OUT and kind.overdue_is_dead:
        return Settled(job=job, verdict=Dead(code=code, detail=detail), fault=True)
    verdict = Retry(code=code, detail=detail)
    return settled(job, kind, verdict, run, fault=code == TIMED_OUT)
