"""What tasks need from outside. One method is one transaction."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from core.tasks.model import Changes, Filter, KeptTask, Listing, Made, Mark, Task, TaskEvent, TaskId


class TaskStore(Protocol):
    def create(self, task: KeptTask) -> Made:
        """Its job, what is told of it and its second look: all or nothing.

        The same task within its window, or under its idempotency key, is not made again. Raises
        UsageError for a type that there is not, and for params that are not its kind's.
        """
        ...

    def between(self, first: UUID, last: UUID, most: int) -> Sequence[Task]:
        """Those with ids in this range, whole, at most `most`."""
        ...

    def list(self, wanted: Filter, after: Mark | None, most: int) -> Listing:
        """Newest first."""
        ...

    def changes(self, after: Mark | None, most: int) -> Changes:
        """In the order in which they changed; only what nobody can still commit before."""
        ...

    def release(self, task_id: TaskId) -> bool:
        """A draft, or what was put off, becomes due; False: it has ended."""
        ...

    def cancel(self, task_id: TaskId) -> bool:
        """At once, or where it is being performed as soon as that ends; False: it has ended."""
        ...

    def events(self, task_id: TaskId, after: int, most: int) -> Sequence[TaskEvent]: ...
