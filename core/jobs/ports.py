"""What the drain needs from outside. One method of a store is one transaction."""

from collections.abc import Callable, Collection, Mapping, Sequence
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
class Dead:
    """The engine's verdict, whatever attempts are left: another one would end the same."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a claimed job; `retry_at` is set for a Retry.

    `fault`: our own code's, which the queue's crash loop counts. `result`: the JSON text of what a
    Completed says, as it was when it was checked.
    """

    job: Job
    verdict: Verdict | Dead
    retry_at: datetime | None = None
    fault: bool = False
    result: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What is claimed of one queue: at most `batch` jobs, for as long as `lease`.

    `kinds`: only these; none: all there are, those that nobody knows too. `alone`: kinds of which
    one is claimed at a time. `without`: ordering keys that have had their share of this run.
    """

    queue: str
    batch: int
    lease: timedelta
    kinds: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`dead`: found with all their attempts used up; `cancelled`: found with their end asked for.

    `more`: there may be others due.
    """

    jobs: tuple[Job, ...] = ()
    dead: int = 0
    cancelled: int = 0
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

        A job of a kind that goes alone, one with a single attempt, and one that comes back by an
        expired lease are claimed alone: first in line it is the only one, further back the batch
        ends before it. Counts the attempt; what has none left ends as dead here. A queue's switches
        (`Queues`) are looked at by who calls.
        """
        ...

    def claim_one(self, run_id: RunId, job_id: JobId, lease: timedelta) -> Job | NotClaimed: ...

    def settle(self, run_id: RunId, settled: Sequence[Settled]) -> Sequence[Ended]:
        """Each fenced by itself: a lost one does not take the others with it.

        One whose end was asked for is CANCELLED, whatever its verdict: its result and what should
        follow are discarded. A Retry at the last attempt ends as DEAD, as does a job whose
        follow-ups no queue would take.
        """
        ...

    def settle_with(
        self, run_id: RunId, settled: Settled, effect: Callable[[Transaction], None]
    ) -> Ended:
        """The effect and its settling, both or neither; the fence is looked at first.

        LOST, CANCELLED and DEAD: the effect was not called. What it raises is raised, nothing
        written.
        """
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
class QueueState:
    """A queue that has jobs, or a switch of its own.

    `due`: how many may be claimed now; of an open queue 1 stands for any number, of one that is
    paused or tripped up to 1,000 are counted. `probe`: it is tripped and its hourly probe is due,
    one job of it may be tried.
    """

    queue: str
    enabled: bool = True
    faults: int = 0
    tripped: bool = False
    probe: bool = False
    due: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """What jobs of one queue, settled one after the other, say about our own code.

    Faults: `before` the first job that was done, `after` the last one, the `longest` row of them
    anywhere; `sound`: one was done at all.
    """

    before: int
    after: int
    longest: int
    sound: bool


class Queues(Protocol):
    def look(self) -> Sequence[QueueState]:
        """Every queue with unfinished jobs or a row of its own, by name."""
        ...

    def begin_probe(self, queue: str) -> bool:
        """The right to this hour's probe of a tripped queue; False: somebody else has it."""
        ...

    def judge(self, queue: str, streak: Streak) -> bool:
        """Count our own faults in a row; True when these were the ones too many."""
        ...

    def switch(self, queue: str, *, enabled: bool) -> bool:
        """Pause or resume; resuming forgives faults. False: there is no such queue."""
        ...


class Watch(Protocol):
    """Looks on while a drain works, in its coordinating thread; raises nothing."""

    def began(self, run: RunContext, queues: Collection[str], kinds: Collection[str]) -> None:
        """`queues`: those with something in them; `kinds`: all that are taken, none: every one."""
        ...

    def claimed(self, queue: str, claim: Claim) -> None: ...

    def looks(self) -> None:
        """Before the drain looks again for what is due."""
        ...

    def ended(self) -> None: ...


class Unwatched:
    def began(self, run: RunContext, queues: Collection[str], kinds: Collection[str]) -> None:
        pass

    def claimed(self, queue: str, claim: Claim) -> None:
        pass

    def looks(self) -> None:
        pass

    def ended(self) -> None:
        pass


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
