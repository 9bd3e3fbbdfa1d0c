"""What is known of the kinds that reach outside before there is a job of theirs.

Their modules are an eighth of what a drain with nothing due imports, so they are imported with the
first job: at its check when it is enqueued, and at its performance.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from core.jobs.kinds import PATIENT, Effect, JobContext, JobKind
from core.jobs.model import Job, Verdict

Made = Callable[[], Mapping[str, JobKind]]
NOTIFY = "notify"
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Late:
    """A kind's own words, to be true of the kind that is made (a test compares them)."""

    name: str
    queue: str
    lease: timedelta = MINUTE
    keyed: bool = False


LATE = (
    Late("http_request", "http"),
    Late("notify.telegram", NOTIFY, lease=2 * MINUTE, keyed=True),
    Late("notify.webhook", NOTIFY),
    Late("notify.email", NOTIFY),
    Late("run_worker", "workers", lease=7 * MINUTE),
)


def late_kinds(made: Made) -> tuple[JobKind, ...]:
    """`made` is called once, with the first job."""
    once = cache(made)
    return tuple(_kind(late, once) for late in LATE)


def _kind(late: Late, made: Made) -> JobKind:
    def check(payload: Mapping[str, object], /) -> None:
        made()[late.name].check(payload)

    def perform(job: Job, context: JobContext, /) -> Verdict:
        return made()[late.name].perform(job, context)

    def expires(job: Job) -> datetime | None:
        ends = made()[late.name].expires
        return None if ends is None else ends(job)

    def key(payload: Mapping[str, object]) -> str | None:
        named = made()[late.name].key
        return None if named is None else named(payload)

    return JobKind(
        name=late.name,
        queue=late.queue,
        effect=Effect.OUTSIDE,
        check=check,
        perform=perform,
        backoff=PATIENT,
        lease=late.lease,
        batch=1,
        expires=expires,
        key=key if late.keyed else None,
    )
