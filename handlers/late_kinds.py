"""What is known of kinds before there is a job of theirs.

Modules of kinds that reach outside, or that one office has and others have not, would be a good
part of what a drain with nothing due imports. So they are imported with the first job: at its check
when it is enqueued, and at its performance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from core.jobs.kinds import PATIENT, TRANSIENT, Backoff, Effect, JobContext, JobKind
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
    effect: Effect = Effect.OUTSIDE
    batch: int = 1
    max_attempts: int = 8
    backoff: Backoff = PATIENT
    longest: timedelta = 10 * MINUTE
    ends: bool = True
    """Its jobs may have an instant after which they are not to be done."""
    overdue_is_dead: bool = False


OUTSIDE = (
    Late("http_request", "http"),
    Late("notify.telegram", NOTIFY, lease=2 * MINUTE, keyed=True),
    Late("notify.webhook", NOTIFY),
    Late("notify.email", NOTIFY),
    Late("run_worker", "workers", lease=7 * MINUTE),
)
CHATS = (
    Late(
        "chat",
        "chat",
        keyed=True,
        max_attempts=3,
        backoff=Backoff(base=15.0, cap=60.0),
        overdue_is_dead=True,
        ends=False,
    ),
)

ENFORCEMENT = tuple(
    Late(
        name,
        "enforcement",
        keyed=True,
        effect=Effect.DATABASE,
        batch=20,
        backoff=TRANSIENT,
        ends=False,
    )
    for name in ("enforcement_action", "enforcement_strategy")
)

WATCHING = (
    Late(
        "watch_folder",
        "intake",
        keyed=True,
        effect=Effect.DATABASE,
        backoff=TRANSIENT,
        ends=False,
    ),
)
INTAKE = tuple(
    Late(name, "intake", ends=False, effect=Effect.DATABASE)
    for name in ("simplicity_ingest", "intake", "ingest")
)


def late_kinds(made: Made, told: Sequence[Late] = OUTSIDE) -> tuple[JobKind, ...]:
    """`made` is called once, with the first job of any of them."""
    once = cache(made)
    return tuple(_kind(late, once) for late in told)


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
        effect=late.effect,
        check=check,
        perform=perform,
        max_attempts=late.max_attempts,
        backoff=late.backoff,
        lease=late.lease,
        longest=late.longest,
        overdue_is_dead=late.overdue_is_dead,
        batch=late.batch,
        expires=expires if late.ends else None,
        key=key if late.keyed else None,
    )
