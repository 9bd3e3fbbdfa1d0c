"""What schedules need from outside. One method of a store is one transaction."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.schedules.model import Batch, Definition, Due, Page, Saved, Schedule, Wanted

Make = Callable[[Schedule | None], Definition]
"""What a schedule should be, from what it is; None: there is none of this name."""
Allow = Callable[[Due], None]


class Targets(Protocol):
    def check(self, definition: Definition) -> None:
        """Whether such a job can be enqueued. Raises UsageError: kind, queue, payload, key."""
        ...

    def queue_of(self, definition: Definition) -> str | None:
        """Its own, or its kind's; None: nobody knows the kind."""
        ...


class ScheduleStore(Protocol):
    """Instants are reckoned by the database's clock, in the transaction that stores them."""

    def now(self) -> datetime: ...

    def list(self, wanted: Wanted) -> Page: ...

    def find(self, name: str) -> Schedule | None: ...

    def save(self, name: str, make: Make) -> Saved:
        """Make it, or make it another one; `core.schedules.due.next_of` says when it comes next.

        `make` is called with the row locked, perhaps twice, and may raise: then nothing changes.
        """
        ...

    def remove(self, name: str) -> bool: ...

    def run_now(self, name: str, allow: Allow, key: str | None) -> UUID | None:
        """A job at once; when it comes next stays. None: there is none of this name.

        `allow` is called with the row locked, and may raise. `key`: a second time with the same
        one is the first job.
        """
        ...


class FiringStore(Protocol):
    def fire(self, now: datetime, limit: int) -> Batch:
        """Jobs and next instants of so many due schedules, the oldest first, both or neither."""
        ...
