"""Who asks us to come later: waited for without counting it, and not for ever."""

from datetime import datetime, timedelta

from core.jobs.model import MAX_DETAIL, Job, Retry, Snooze

THROTTLED = "throttled"
PATIENCE = timedelta(days=3)
"""Since the job's first try; then each attempt counts, so that it ends. A day is the longest wait
that anybody may ask for.
"""


def throttled(
    job: Job,
    until: datetime,
    now: datetime,
    *,
    detail: str,
    reason: str = THROTTLED,
    phase: str | None = None,
) -> Snooze | Retry:
    """`reason` is what is told of one wait, `detail` what stands in the job once they count."""
    if now - job.tried_since <= PATIENCE:
        return Snooze(until=until, reason=reason, phase=phase)
    told = f"throttled for more than {PATIENCE.days} days: {detail}"
    return Retry(code=THROTTLED, detail=told[:MAX_DETAIL], after=until - now, phase=phase)
