"""Tasks, in PostgreSQL."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.jobs.admission import Kinds, admit
from core.jobs.control import JobConflictError, JobControl
from core.jobs.model import JobId, NewJob, Priority, Status
from core.tasks.model import (
    LATE,
    Changes,
    Filter,
    KeptTask,
    Listing,
    Made,
    Mark,
    Task,
    TaskEvent,
    TaskId,
)
from core.tasks.redact import is_opaque
from infra.postgres.errors import ConflictError
from infra.postgres.job_rows import enqueue_in_line
from infra.postgres.queries import load
from infra.postgres.transaction import Database

KEYS = "task:"
"""Before a caller's idempotency key: other jobs have theirs."""
SHOWN = 1000
"""Characters of a description in a list."""
WAIT_MS = 15_000
"""For the same task that is being made: each of many who send it at once waits for those before."""
COUNT_MS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresTasks:
    """The `TaskStore` port. `second_look`: the job that looks at a task's text again."""

    database: Database
    kinds: Kinds
    jobs: JobControl
    second_look: Callable[[TaskId], NewJob]

    def create(self, task: KeptTask) -> Made:
        try:
            return self._make(task)
        except ConflictError:
            return self._make(task)

    def _make(self, task: KeptTask) -> Made:
        with self.database.transaction(
            statement_timeout_ms=WAIT_MS,
            lock_timeout_ms=WAIT_MS,
            transaction_timeout_ms=2 * WAIT_MS,
        ) as connection:
            return self._same(connection, task) or self._create(connection, task)

    def _same(self, connection: sa.Connection, task: KeptTask) -> Made | None:
        """An idempotency key says more than a window."""
        if task.idempotency_key is not None or not task.same_within:
            return None
        _run(connection, "lock_same", digest=task.digest)
        within_s = task.same_within.total_seconds()
        found = _run(connection, "same", digest=task.digest, within_s=within_s).scalar()
        return None if found is None else Made(id=TaskId(found), created=False)

    def _create(self, connection: sa.Connection, task: KeptTask) -> Made:
        task = _with_keyed_names(connection, task)
        [enqueued] = enqueue_in_line(connection, admit([_job(task)], self.kinds))
        made = TaskId(enqueued.id)
        if not enqueued.created:
            same = _run(connection, "is_same", job_id=made, digest=task.digest).scalar()
            return Made(id=made, created=False, same=bool(same))
        _run(connection, "insert_task", job_id=made, **_row(task))
        if task.enrich:
            enqueue_in_line(connection, admit([self.second_look(made)], self.kinds))
        return Made(id=made, created=True)

    def between(self, first: UUID, last: UUID, most: int) -> Sequence[Task]:
        with self.database.transaction() as connection:
            rows = _run(connection, "between", first=first, last=last, most=most)
            return [_task(row) for row in rows]

    def list(self, wanted: Filter, after: Mark | None, most: int) -> Listing:
        chosen = {
            "statuses": list(wanted.statuses),
            "types": list(wanted.types),
            "domain": wanted.domain,
            "since": wanted.since,
            "search": wanted.search,
        }
        with self.database.reading(statement_timeout_ms=COUNT_MS) as connection:
            found = _run(connection, "count_tasks", **chosen).one()
            if not found.total:
                return Listing(total=0, tasks=(), next=None)
            between = {**chosen, "since": found.oldest, "until": found.newest}
            rows = _run(
                connection, "list_tasks", **between, **_place(after), longest=SHOWN, most=most + 1
            ).all()
        tasks = [_task(row) for row in rows[:most]]
        last = Mark(at=tasks[-1].created_at, id=tasks[-1].id) if len(rows) > most else None
        return Listing(total=found.total, tasks=tasks, next=last)

    def changes(self, after: Mark | None, most: int) -> Changes:
        values = {"late_s": LATE.total_seconds(), "longest": SHOWN, "most": most + 1}
        with self.database.transaction() as connection:
            rows = _run(connection, "changes", **_place(after), **values).all()
        tasks = [_task(row) for row in rows[:most]]
        last = Mark(at=tasks[-1].changed_at, id=tasks[-1].id) if tasks else after
        return Changes(tasks=tasks, next=last, more=len(rows) > most)

    def release(self, task_id: TaskId) -> bool:
        return _is_done(lambda: self.jobs.run_now(JobId(task_id)))

    def cancel(self, task_id: TaskId) -> bool:
        return _is_done(lambda: self.jobs.cancel(JobId(task_id)))

    def events(self, task_id: TaskId, after: int, most: int) -> Sequence[TaskEvent]:
        with self.database.transaction() as connection:
            rows = _run(connection, "events", job_id=task_id, after=after, most=most)
            return [TaskEvent(**row._mapping) for row in rows]  # noqa: SLF001  (SQLAlchemy's public name)


def _with_keyed_names(connection: sa.Connection, task: KeptTask) -> KeptTask:
    ordering, idempotency = task.ordering_key, task.idempotency_key
    return replace(
        task,
        ordering_key=_keyed(connection, ordering),
        idempotency_key=_keyed(connection, idempotency),
    )


def _keyed(connection: sa.Connection, name: str | None) -> str | None:
    """A digest of a phone number tells it to who tries them all, if it needs no key of ours."""
    if name is None or not is_opaque(name):
        return name
    return f"keyed-{_run(connection, 'keyed', opaque=name).scalar_one()}"


def _is_done(change: Callable[[], Status]) -> bool:
    try:
        change()
    except JobConflictError:
        return False
    return True


def _run(connection: sa.Connection, name: str, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("tasks")[name], values)


def _place(mark: Mark | None) -> dict[str, datetime | UUID | None]:
    if mark is None:
        return {"after_at": None, "after_id": None}
    return {"after_at": mark.at, "after_id": mark.id}


def _job(task: KeptTask) -> NewJob:
    key = task.idempotency_key
    return NewJob(
        kind=task.type,
        payload=task.params,
        priority=Priority(task.priority),
        run_at=task.run_at,
        ordering_key=task.ordering_key,
        idempotency_key=None if key is None else KEYS + key,
        draft=task.draft,
    )


def _row(task: KeptTask) -> dict[str, object]:
    return {
        "domain": task.domain,
        "description": task.description,
        "original_text": task.original_text,
        "drift_score": task.drift_score,
        "event_tags": list(task.event_tags),
        "confidence": task.confidence,
        "attributes": json.dumps(task.attributes),
        "redacted": json.dumps(task.redacted),
        "tagging_error": task.tagging_error,
        "digest": task.digest,
    }


def _task(row: sa.Row[Any]) -> Task:
    facts = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
    return Task(type=facts.pop("kind"), **facts)
