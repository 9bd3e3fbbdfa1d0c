"""A job, from what is asked for to its end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, NewType, Protocol
from uuid import UUID

JobId = NewType("JobId", UUID)

MAX_PAYLOAD = 256 * 1024
"""Bytes of a payload or a result as JSON."""
MAX_NESTING = 100
"""Of lists and objects: more is a mistake or an attack, and an answer could not show it."""
MAX_CODE, MAX_DETAIL = 128, 8000
MAX_KEY, MAX_KEY_BYTES = 512, 1024
"""Characters, and bytes, of a queue's name and of the keys: two of them fit into one index."""
MAX_ATTEMPTS = 1000
MAX_DEPTH = 1000
"""Unfinished jobs of one ordering key: a blocked key is no place to pile up work."""


class Status(StrEnum):
    """`failed` is the handler's verdict, `dead` the engine's. Terminal is final."""

    DRAFT = "draft"
    PENDING = "pending"
    PROCESSING = "processing"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.DEAD, Status.CANCELLED})


class Priority(IntEnum):
    """Higher goes first, between keys and never inside one."""

    LOW = 1
    NORMAL = 5
    HIGH = 10
    URGENT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Work to be done, as it is asked for; None: what its kind says.

    `ordering_key`: jobs of one queue and key run strictly in order, one at a time.
    `idempotency_key` is unique for ever, `dedupe_key` among jobs that have not ended: a second job
    with either is not made, and the first one's id is the answer. `origin`: the dead job that this
    one tries again.
    """

    kind: str
    payload: Mapping[str, object] = field(default_factory=dict)
    queue: str | None = None
    ordering_key: str | None = None
    priority: Priority = Priority.NORMAL
    run_at: datetime | None = None
    max_attempts: int | None = None
    idempotency_key: str | None = None
    dedupe_key: str | None = None
    draft: bool = False
    origin: JobId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueued:
    """`created` is False where a job with the same key stood there already: `id` is that one's."""

    id: JobId
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that this run has claimed: `fence` is what each write of it must show.

    `attempt` counts this one. `returned`: its last holder's lease expired. `signal`: what ended its
    last waiting, `{"name", "data"}`, or `{"name", "timed_out": True}`; kept until it settles for
    good or waits again. `origin`: the job that it tries again. `tried_since`: its first try, this
    one or before it.
    """

    id: JobId
    fence: int
    queue: str
    kind: str
    payload: Mapping[str, object]
    ordering_key: str | None
    priority: Priority
    phase: str | None
    attempt: int
    max_attempts: int
    idempotency_key: str | None
    created_at: datetime
    tried_since: datetime
    leased_until: datetime
    returned: bool = False
    signal: Mapping[str, object] | None = None
    origin: JobId | None = None


class Transaction(Protocol):
    """The transaction in which a job settles; what is written with it stands or falls with that."""

    def execute(self, name: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        """Run the named statement of our own SQL files; its rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """`effect` and `then` are written with the verdict, in one transaction: all of them or nothing.

    Nothing of them is where the job was lost, or its end was asked for.
    """

    effect: Callable[[Transaction], None] | None = None
    then: Sequence[NewJob] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(Settling):
    result: Mapping[str, object] | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Settling):
    """The handler's verdict: it would fail again. Ends as `failed`."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Try again after the kind's backoff, or `after`; at the last attempt it ends as `dead`.

    `phase`: how far it came, for the next attempt; None: as it was.
    """

    code: str
    detail: str
    after: timedelta | None = None
    phase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snooze:
    """Not now, and nothing is wrong: the attempt is given back. `phase` as of Retry."""

    until: datetime
    reason: str
    phase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Settling):
    """Holds its key, not its lease, until a signal `name` comes or the instant `until` does."""

    name: str
    until: datetime
    phase: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Settling):
    """`outcome`, for one: `rolled_back`."""

    outcome: str | None = None


Verdict = Completed | Failed | Retry | Snooze | Waiting | Cancelled
