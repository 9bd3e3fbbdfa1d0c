"""What people ask of jobs: looked at, cancelled, begun, tried again, woken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.errors import UsageError
from core.jobs.model import Enqueued, JobId, Status
from core.jobs.ports import JobView


class NoSuchJobError(UsageError):
    """HTTP 404."""


class AmbiguousJobError(UsageError):
    """HTTP 409: several ids begin with what was given."""

    def __init__(self, message: str, candidates: Sequence[JobId]) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class JobConflictError(UsageError):
    """HTTP 409: what its status does not allow."""

    def __init__(self, message: str, status: Status) -> None:
        super().__init__(message)
        self.status = status


class NoSuchQueueError(UsageError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Empty and None stand for everything. `search`: a text in kind, key or payload."""

    statuses: Sequence[Status] = ()
    queues: Sequence[str] = ()
    kinds: Sequence[str] = ()
    ordering_key: str | None = None
    error_code: str | None = None
    since: datetime | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMark:
    """A place in the list: the last one that was read."""

    at: datetime
    id: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Newest first. `total`: all that the filter lets through; `next`: None at the end."""

    jobs: Sequence[JobView]
    total: int
    next: JobMark | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent:
    """`created`, `started` and the end are told by the job's columns, the rest was written."""

    at: datetime
    event: str
    run_id: str | None = None
    code: str | None = None
    detail: str | None = None
    data: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """Counts are of at most `COUNTED` each, and then say so: nothing counts a million rows.

    Of a key only the head is counted. `oldest_due_at`: the job that has been due longest.
    """

    queue: str
    enabled: bool
    faults: int
    tripped_at: datetime | None
    probe_at: datetime | None
    due: int
    later: int
    processing: int
    waiting: int
    dead: int
    keys: int
    paused_keys: int
    oldest_due_at: datetime | None


COUNTED = 1000
DISCARDED = "discarded"
"""The outcome of a dead job that somebody has looked at and needs no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroup:
    """Dead jobs with one cause, neither tried again nor discarded; `detail`: the newest one's."""

    queue: str
    kind: str
    error_code: str
    jobs: int
    oldest_at: datetime
    newest_at: datetime
    newest: JobId
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadFilter:
    """Of dead jobs that nobody has tried again; empty and None stand for everything.

    `since`, `until`: when they had ended; what dies after it was counted is not among these.
    """

    queue: str | None = None
    kind: str | None = None
    error_code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class JobReader(Protocol):
    def find(self, given: str) -> JobView:
        """By id or the beginning of one, with payload and result.

        Raises NoSuchJobError, AmbiguousJobError.
        """
        ...

    def page(self, wanted: JobFilter, after: JobMark | None, most: int) -> JobPage: ...

    def events(self, job_id: JobId) -> Sequence[JobEvent]: ...

    def queues(self) -> Sequence[QueueView]: ...

    def dead(self, wanted: DeadFilter) -> Sequence[DeadGroup]: ...


class JobControl(Protocol):
    """Each raises NoSuchJobError for a job that is not there."""

    def cancel(self, job_id: JobId) -> Status:
        """What it is now: cancelled at once, or processing until its run sees it.

        Raises JobConflictError for one that has ended otherwise.
        """
        ...

    def run_now(self, job_id: JobId) -> Status:
        """A draft joins its queue, a delayed job is due; what is under way goes on.

        Raises JobConflictError for one that has ended.
        """
        ...

    def retry(self, job_id: JobId) -> Enqueued:
        """A new job that names this one; the second time the first one's id.

        Raises JobConflictError for one that has not ended, or was completed.
        """
        ...

    def retry_dead(self, wanted: DeadFilter, most: int) -> int:
        """Try that many of them again, oldest first; how many. Call again until it is 0."""
        ...

    def discard(self, job_id: JobId, reason: str) -> None:
        """A dead job that needs no retry: it stays dead, says why, and is not among the dead.

        The first reason stands. Raises JobConflictError for one that is not dead.
        """
        ...

    def signal(
        self, job_id: JobId, name: str, data: Mapping[str, object], *, key: str | None = None
    ) -> bool:
        """Wake it where it waits for `name`, else keep it until it does. False: `key` came before.

        Raises JobConflictError for one that has ended.
        """
        ...

    def pause_key(self, queue: str, ordering_key: str, *, paused: bool) -> None:
        """Nothing of the key is claimed while it is paused; what runs goes on.

        Raises NoSuchQueueError for a key that was never used.
        """
        ...


class Retention(Protocol):
    def forget(self, before: datetime, most: int) -> int:
        """Delete that many jobs that ended before then, and keys at rest; 0: nothing is left."""
        ...
