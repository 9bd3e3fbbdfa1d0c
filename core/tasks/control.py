"""Tasks as their callers meet them: made, found, begun, cancelled."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.errors import UsageError
from core.tasks.model import (
    AmbiguousTaskError,
    KeyTakenError,
    Made,
    NewTask,
    NoSuchTaskError,
    Task,
    TaskConflictError,
    TaskEvent,
    TaskId,
)
from core.tasks.ports import TaskStore
from core.tasks.prepare import prepare, read_id

CANDIDATES = 10
LOST = "what is personal was taken out of params: `preserve_original_text` keeps it"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlTasks:
    """`types`: the kinds of job that may be asked for."""

    store: TaskStore
    types: Collection[str]

    def create(self, asked: NewTask) -> Made:
        """Raises UsageError, and KeyTakenError where its key stands for another task."""
        if asked.type not in self.types:
            raise UsageError(
                f"type: there is no such one; there are {', '.join(sorted(self.types))}"
            )
        kept = prepare(asked)
        try:
            made = self.store.create(kept)
        except UsageError as error:
            if kept.params == asked.params:
                raise
            raise UsageError(f"{error}; {LOST}") from error
        if not made.same:
            raise KeyTakenError("this idempotency key was used for another task; take a new one")
        return made

    def one(self, given: str) -> Task:
        """By its id or the beginning of it. Raises NoSuchTaskError, AmbiguousTaskError."""
        found = self.store.between(*read_id(given), CANDIDATES)
        if not found:
            raise NoSuchTaskError("there is no such task; GET /api/v1/tasks lists them")
        if len(found) > 1:
            raise AmbiguousTaskError(
                "several tasks begin with this; give more of the id", [each.id for each in found]
            )
        return found[0]

    def run(self, given: str) -> Task:
        """A draft is begun, a delayed task is due, what is under way goes on.

        Raises TaskConflictError for what has ended.
        """
        task = self.one(given)
        if not self.store.release(task.id):
            status = self._again(task).status
            raise TaskConflictError(
                f"the task has ended as {status}, and what has ended stays so; make a new one"
            )
        return self._again(task)

    def cancel(self, given: str) -> Task:
        """Cancelled twice it is cancelled once. Raises TaskConflictError for another end."""
        task = self.one(given)
        is_ending = self.store.cancel(task.id)
        task = self._again(task)
        if not is_ending and task.status != "cancelled":
            raise TaskConflictError(f"the task has ended as {task.status} already")
        return task

    def events(self, given: str, after: int, most: int) -> tuple[TaskId, Sequence[TaskEvent]]:
        task = self.one(given)
        return task.id, self.store.events(task.id, after, most)

    def _again(self, task: Task) -> Task:
        return self.one(str(task.id))
