"""A task: what is asked for, what of it is kept, what is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NewType
from uuid import UUID

from core.errors import UsageError

TaskId = NewType("TaskId", UUID)

MAX_TEXT = 16_384
"""Characters of a description that are kept."""
MAX_WORD = 64
"""Characters of a domain."""
MAX_KEY = 200
SAME_WINDOW = timedelta(seconds=10)
LONGEST_WINDOW = timedelta(days=1)
PRIORITIES = (1, 5, 10, 20)
TERMINAL = frozenset({"completed", "failed", "dead", "cancelled"})
LATE = timedelta(seconds=5)
"""A change is told this long after it was made: one that is committed late is not missed."""


class NoSuchTaskError(UsageError):
    """Where it could be found: `GET /api/v1/tasks`."""


class TaskConflictError(UsageError):
    """The task is not in a state for it."""


class AmbiguousTaskError(UsageError):
    """Several tasks begin with what was given; `candidates` are some of them."""

    def __init__(self, message: str, candidates: Sequence[TaskId]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class KeyTakenError(UsageError):
    """One idempotency key, two different tasks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """`draft`: made, and not begun before somebody says so. `priority` None: what its tags say.

    `same_within`: the same task again, within that time, is the first one.
    """

    type: str
    description: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    domain: str | None = None
    drift_score: float = 0.0
    draft: bool = False
    preserve_original_text: bool = False
    priority: int | None = None
    run_at: datetime | None = None
    ordering_key: str | None = None
    idempotency_key: str | None = None
    same_within: timedelta = SAME_WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTask:
    """What may be stored of it. `digest` tells the same task from another one.

    `original_text` is there only where it was asked for.
    """

    type: str
    description: str
    original_text: str | None
    params: Mapping[str, object]
    domain: str | None
    drift_score: float
    draft: bool
    priority: int
    run_at: datetime | None
    ordering_key: str | None
    idempotency_key: str | None
    same_within: timedelta
    event_tags: tuple[str, ...]
    confidence: float
    attributes: Mapping[str, object]
    redacted: Mapping[str, int]
    tagging_error: str | None
    enrich: bool
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """`created` False: there was one already, and `same` tells whether it is the same task."""

    id: TaskId
    created: bool
    same: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as it is now; what is long only where one is asked for by its id."""

    id: TaskId
    type: str
    status: str
    description: str
    domain: str | None
    drift_score: float
    event_tags: Sequence[str]
    confidence: float
    attributes: Mapping[str, object]
    redacted: Mapping[str, int]
    tagging_error: str | None
    priority: int
    phase: str | None
    outcome: str | None
    error_code: str | None
    error_detail: str | None
    attempts: int
    max_attempts: int
    run_at: datetime
    ordering_key: str | None
    cancel_asked_at: datetime | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    changed_at: datetime
    params: Mapping[str, object] | None = None
    result: Mapping[str, object] | None = None
    original_text: str | None = None
    enrichment: Mapping[str, object] | None = None
    enriched_at: datetime | None = None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Empty and None stand for everything. `search`: in id, type, description and result."""

    statuses: Sequence[str] = ()
    types: Sequence[str] = ()
    domain: str | None = None
    since: datetime | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A place in a list: the last one that was read."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """`total`: all that the filter lets through, read or not. `next`: None at the end."""

    total: int
    tasks: Sequence[Task]
    next: Mark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """`next` is always there: from it the following call goes on. `more`: call again at once."""

    tasks: Sequence[Task]
    next: Mark | None
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskEvent:
    id: int
    at: datetime
    event: str
    code: str | None
    detail: str | None
