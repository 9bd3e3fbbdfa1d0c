"""What people ask of single jobs, in PostgreSQL: the `JobControl` and `Retention` ports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.jobs.admission import Admitted, Kinds, check_depth, json_text
from core.jobs.control import (
    DISCARDED,
    DeadFilter,
    JobConflictError,
    NoSuchJobError,
    NoSuchQueueError,
)
from core.jobs.model import MAX_DEPTH, TERMINAL, Enqueued, JobId, NewJob, Priority, Status
from core.jobs.trying import clean
from infra.postgres.job_rows import (
    Line,
    enqueue_in_line,
    lines_json,
    lock,
    place_staged,
    refresh,
    run,
)
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresJobControl:
    database: Database
    kinds: Kinds

    def cancel(self, job_id: JobId) -> Status:
        return self.database.run(lambda connection: cancel(connection, job_id), by_index=True)

    def run_now(self, job_id: JobId) -> Status:
        return self.database.run(lambda connection: run_now(connection, job_id), by_index=True)

    def retry(self, job_id: JobId) -> Enqueued:
        def try_again(connection: sa.Connection) -> Enqueued:
            row = _run(connection, "again", id=job_id).first()
            if row is None:
                raise _nobody(job_id)
            status = Status(row.status)
            if status not in TERMINAL or status is Status.COMPLETED:
                raise JobConflictError(f"job {job_id} is {status}: nothing to try again", status)
            return enqueue_in_line(connection, [_again(row)])[0]

        return self.database.run(try_again, by_index=True)

    def retry_dead(self, wanted: DeadFilter, most: int) -> int:
        def try_again(connection: sa.Connection) -> int:
            rows = _run(connection, "dead", **dead_values(wanted), most=most).all()
            if not rows:
                return 0
            made = enqueue_in_line(connection, [_again(row) for row in rows])
            return sum(each.created for each in made)

        return self.database.run(try_again, by_index=True)

    def discard(self, job_id: JobId, reason: str) -> None:
        values = {"id": job_id, "outcome": DISCARDED, "reason": clean(reason)}
        with self.database.transaction() as connection:
            status = Status(_line(connection, job_id).status)
            if status is not Status.DEAD:
                raise JobConflictError(f"job {job_id} is {status}, not dead", status)
            _run(connection, "discard", **values)

    def signal(
        self, job_id: JobId, name: str, data: Mapping[str, object], *, key: str | None = None
    ) -> bool:
        text = json_text(f"the data of the signal {name!r}", data)

        def send(connection: sa.Connection) -> bool:
            lines = _lock(connection, job_id)
            _demand_unfinished(connection, job_id)
            kept = keep_signal(connection, job_id, name, text, key=key)
            refresh(connection, lines)
            return kept

        return self.database.run(send, by_index=True)

    def pause_key(self, queue: str, ordering_key: str, *, paused: bool) -> None:
        values = {"queue": queue, "ordering_key": ordering_key, "paused": paused}
        with self.database.transaction(by_index=True) as connection:
            if _run(connection, "pause_key", **values).first() is None:
                raise NoSuchQueueError(f"there is no key {ordering_key!r} in the queue {queue!r}")

    def forget(self, before: datetime, most: int) -> int:
        with self.database.transaction(by_index=True) as connection:
            return int(_run(connection, "forget", before=before, most=most).scalar_one())


def keep_signal(
    connection: sa.Connection, job_id: JobId, name: str, data: str, *, key: str | None = None
) -> bool:
    """On the caller's transaction, which holds its line and its row, and refreshes the line."""
    if _run(connection, "keep_signal", id=job_id, name=name, key=key, data=data).first() is None:
        return False
    _run(connection, "tell_signal", id=job_id, name=name)
    run(connection, "wake", ids=[job_id])
    return True


def cancel(connection: sa.Connection, job_id: JobId) -> Status:
    """On the caller's transaction. Raises NoSuchJobError, JobConflictError."""
    lines = _lock(connection, job_id)
    told = _run(connection, "cancel", id=job_id).first()
    if told is not None:
        refresh(connection, lines)
    status = _status(connection, job_id)
    if status in TERMINAL and status is not Status.CANCELLED:
        raise _ended(job_id, status)
    return status


def run_now(connection: sa.Connection, job_id: JobId) -> Status:
    """On the caller's transaction. Raises NoSuchJobError, JobConflictError, UsageError."""
    row = _line(connection, job_id)
    line = (row.queue, row.ordering_key)
    if row.status == Status.DRAFT and row.ordering_key is not None:
        run(connection, "lock_new_lines", lines=lines_json([line]))
        found = run(connection, "depths", lines=lines_json([line]), most=MAX_DEPTH + 1).one()
        check_depth(line, found.depth + found.staged, 1)
        if found.staged:
            place_staged(connection, [line])
    lines = _lock(connection, job_id)
    status = _demand_unfinished(connection, job_id)
    if _run(connection, "run_now", id=job_id).first() is not None:
        refresh(connection, lines)
        return Status.PENDING
    return status


def dead_values(wanted: DeadFilter) -> dict[str, object]:
    return {
        "queue": wanted.queue,
        "kind": wanted.kind,
        "error_code": wanted.error_code,
        "since": wanted.since,
        "until": wanted.until,
    }


def _again(row: sa.Row[Any]) -> Admitted:
    """As it was admitted once: a kind that is gone since ends it again, with its reason."""
    job = NewJob(
        kind=row.kind,
        ordering_key=row.ordering_key,
        priority=Priority(row.priority),
        dedupe_key=row.dedupe_key,
        origin=JobId(row.id),
    )
    return Admitted(
        job=job,
        queue=row.queue,
        ordering_key=row.ordering_key,
        max_attempts=row.max_attempts,
        payload=row.payload,
    )


def _line(connection: sa.Connection, job_id: JobId) -> sa.Row[Any]:
    row = _run(connection, "line_of", id=job_id).first()
    if row is None:
        raise _nobody(job_id)
    return row


def _lock(connection: sa.Connection, job_id: JobId) -> Sequence[Line]:
    """The key's row, if the job has a key: a job never changes it."""
    row = _line(connection, job_id)
    lines = [] if row.ordering_key is None else [(row.queue, row.ordering_key)]
    lock(connection, lines)
    return lines


def _demand_unfinished(connection: sa.Connection, job_id: JobId) -> Status:
    row = _run(connection, "lock_job", id=job_id).first()
    if row is None:
        raise _nobody(job_id)
    status = Status(row.status)
    if status in TERMINAL:
        raise _ended(job_id, status)
    return status


def _status(connection: sa.Connection, job_id: JobId) -> Status:
    return Status(_line(connection, job_id).status)


def _nobody(job_id: JobId) -> NoSuchJobError:
    return NoSuchJobError(f"there is no job {job_id}; see `jobs list`")


def _ended(job_id: JobId, status: Status) -> JobConflictError:
    return JobConflictError(f"job {job_id} has ended as {status}, and stays so", status)


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("jobs_control")[name], values)
