"""What the drain needs from outside. One method of a store is one transaction."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from core.context import RunContext
from core.ids import RunId
from core.jobs.model import Enqueued, Job, JobId, NewJob, Status, Transaction, Verdict


class Ended(StrEnum):
    """How a job left this run's hands; LOST: another one had taken it over, nothing was written."""

    COMPLETED = "completed"
    FAILED = "failed"
    RETRIED = "retried"
    DEAD = "dead"
    WAITING = "waiting"
    SNOOZED = "snoozed"
    CANCELLED = "cancelled"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a claimed job; `retry_at` is set for a Retry.

    `fault`: our own code's, which the queue's crash loop counts.
    """

    job: Job
    verdict: Verdict
    retry_at: datetime | None = None
    fault: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Kinds that are claimed together: how many at once, and for how long."""

    queue: str
    kinds: tuple[str, ...]
    batch: int
    lease: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`dead`: found with all their attempts used up. `more`: there may be others due."""

    jobs: tuple[Job, ...] = ()
    dead: int = 0
    more: bool = False


class NotClaimed(StrEnum):
    """Why one job could not be claimed by its id."""

    NOT_FOUND = "not_found"
    KEY_BUSY = "key_busy"
    NOT_DUE = "not_due"
    PAUSED = "paused"
    WAITING = "waiting"
    DRAFT = "draft"
    ENDED = "ended"
    RUNNING = "running"


class JobStore(Protocol):
    def enqueue(self, jobs: Sequence[NewJob]) -> Sequence[Enqueued]:
        """All or none, in the order given; each as its kind says where it says nothing itself.

        Raises BadPayloadError, UsageError (unknown kind, too deep a key, too large a payload).
        """
        ...

    def move_staged(self, limit: int) -> int:
        """Put what other transactions staged into its keys, key by key; how many."""
        ...

    def claim(self, run_id: RunId, lane: Lane) -> Claim:
        """Lease what is due: by priority, then instant; of each key its head only.

        A job that comes back by an expired lease is claimed alone. Counts the attempt; what has
        none left ends as dead here.
        """
        ...

    def claim_one(self, run_id: RunId, job_id: JobId, lease: timedelta) -> Job | NotClaimed: ...

    def settle(self, run_id: RunId, settled: Sequence[Settled]) -> Sequence[Ended]:
        """Each fenced by itself: a lost one does not take the others with it."""
        ...

    def settle_with(
        self, run_id: RunId, settled: Settled, effect: Callable[[Transaction], None]
    ) -> Ended:
        """The effect and its settling, both or neither; the fence is looked at first."""
        ...

    def renew(self, jobs: Sequence[Job], lease: timedelta) -> Mapping[JobId, bool]:
        """Of those still held: whether somebody asked for its end. The others are lost."""
        ...

    def release(self, jobs: Sequence[Job]) -> None:
        """Claimed and not begun: due again at once, the attempt given back."""
        ...

    def waiting_for(self, queues: AbstractSet[str]) -> Mapping[str, int]:
        """How many jobs are not claimable now, by reason (`key_busy`, `waiting`, `not_due`, ...).

        Bounded: at most 1,000 of each are counted.
        """
        ...


class Fired(Protocol):
    """What the clock brought: jobs made, schedules passed over by reason, whether more is due."""

    @property
    def jobs(self) -> int: ...

    @property
    def skipped(self) -> Mapping[str, int]: ...

    @property
    def more(self) -> bool: ...


class Schedules(Protocol):
    def fire(self, context: RunContext) -> Fired:
        """Enqueue what schedules make due, once; bounded, and it stops near the deadline.

        Nothing due costs one statement. Called at the beginning of each drain that is not dry.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job as people read it, without its payload unless asked for by id."""

    id: JobId
    queue: str
    kind: str
    status: Status
    phase: str | None
    ordering_key: str | None
    priority: int
    run_at: datetime
    attempts: int
    max_attempts: int
    outcome: str | None
    error_code: str | None
    error_detail: str | None
    origin: JobId | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    payload: Mapping[str, object] | None = None
    result: Mapping[str, object] | None = None
