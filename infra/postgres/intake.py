"""Files of judgments in PostgreSQL: the `Batches` port."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import sqlalchemy as sa

from core.errors import LeaseLostError, RejectedContentError, UsageError
from core.intake.model import (
    ERRORS_PERCENT,
    FIRST_ERRORS,
    UNKNOWN_DEFENDANT,
    UNKNOWN_PLAINTIFF,
    Batch,
    BatchId,
    BatchStatus,
    Begun,
    Busy,
    Chunk,
    Duplicate,
    Fault,
    Layout,
    NewBatch,
    Row,
)
from core.jobs.model import Job
from infra.postgres import job_rows
from infra.postgres.queries import load
from infra.postgres.transaction import Database

T = TypeVar("T")

DISCARDED_AT_ONCE = 20_000
REFUSED = "refused_by_the_database"


class _OverBudgetError(Exception):
    """What was moved in this transaction must not stay."""

    def __init__(self, refused: int) -> None:
        super().__init__()
        self.refused = refused


@dataclass(frozen=True, slots=True)
class _Left:
    """Half-read by somebody who is no longer at it, and given up now."""

    ids: Sequence[BatchId]


@dataclass(slots=True)
class _Moved:
    taken: int = 0
    inserted: int = 0
    updated: int = 0


@dataclass(frozen=True, slots=True)
class PostgresBatches:
    database: Database

    def resume(self, job: Job) -> Batch | None:
        with self.database.transaction() as connection:
            row = _run(connection, "of_job", job_id=job.id).first()
            return None if row is None else _batch(row)

    def begin(self, job: Job, new: NewBatch) -> Begun:
        while True:
            begun = self._fenced(job, lambda connection: _begin(connection, job, new))
            if not isinstance(begun, _Left):
                return begun
            for batch_id in begun.ids:
                while self._discard(batch_id):
                    pass

    def stage(self, job: Job, batch: Batch, chunk: Chunk) -> Batch:
        """As it came; where PostgreSQL refuses its content, carefully in another transaction."""
        try:
            return self._fenced(job, lambda connection: _stage(connection, batch, chunk, _whole))
        except RejectedContentError:
            return self._fenced(job, lambda connection: _stage(connection, batch, chunk, halved))

    def seal(self, job: Job, batch: Batch) -> Batch:
        values = {"id": batch.id, "job_id": batch.job_id}
        return self._fenced(job, lambda connection: _changed(connection, "seal", **values))

    def upsert(self, job: Job, batch: Batch, most: int) -> Batch:
        try:
            return self._fenced(job, lambda connection: _move(connection, batch, most))
        except RejectedContentError:
            return self._upsert_carefully(job, batch, most)

    def _upsert_carefully(self, job: Job, batch: Batch, most: int) -> Batch:
        try:
            return self._fenced(job, lambda connection: _move_carefully(connection, batch, most))
        except _OverBudgetError as error:
            return replace(batch, invalid=batch.invalid + error.refused)

    def fail(self, job: Job, batch: Batch, reason: str) -> None:
        def give_up(connection: sa.Connection) -> None:
            _give_up(connection, batch.id, reason, batch.invalid)

        self._fenced(job, give_up)

    def discard(self, batch: Batch) -> bool:
        return self._discard(batch.id)

    def _fenced(self, job: Job, work: Callable[[sa.Connection], T]) -> T:
        def fenced(connection: sa.Connection) -> T:
            if job_rows.run(connection, "fence", id=job.id, fence=job.fence).first() is None:
                raise LeaseLostError("another run has taken the job over")
            return work(connection)

        return self.database.run(fenced)

    def _discard(self, batch_id: BatchId) -> bool:
        values = {"batch_id": batch_id, "most": DISCARDED_AT_ONCE}
        return bool(
            self.database.run(lambda connection: _run(connection, "discard", **values).scalar())
        )


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("intake")[name], values)


def _changed(connection: sa.Connection, name: str, /, **values: object) -> Batch:
    row = _run(connection, name, **values).first()
    if row is None:
        raise LeaseLostError("another job has taken the file over")
    return _batch(row)


def _batch(row: sa.Row[Any]) -> Batch:
    facts = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
    layout = Layout.from_json(facts.pop("layout"))
    status = BatchStatus(facts.pop("status"))
    return Batch(layout=layout, status=status, **facts)


def _find(connection: sa.Connection, batch_id: BatchId) -> Batch | None:
    row = _run(connection, "batch", id=batch_id).first()
    return None if row is None else _batch(row)


def _begin(connection: sa.Connection, job: Job, new: NewBatch) -> Begun | _Left:
    """1. Somebody is at it. 2. Somebody has staged it. 3. Somebody has left it. 4. It is taken
    already. 5. It is begun.
    """
    file = {"id": new.id, "file_hash": new.survey.file_hash}
    _run(connection, "lock_file", file_hash=new.survey.file_hash)
    # Another file may come under the same id, at the same moment.
    _run(connection, "lock_file", file_hash=str(new.id))
    there = _run(connection, "at_work", **file).all()
    if any(each.held and each.job_id != job.id for each in there):
        return Busy()
    staged = next((each.id for each in there if each.staged), None)
    if staged is not None:
        return _changed(connection, "adopt", id=staged, job_id=job.id)
    same = _find(connection, new.id)
    strewn = _strewn(connection, [BatchId(each.id) for each in there], new.id)
    if strewn:
        return _Left(strewn)
    _refuse_other(same, job, new)
    of = None if new.force else _taken_as(connection, same, file)
    return _begun(connection, job, new) if of is None else _duplicate(connection, job, new, of)


def _strewn(connection: sa.Connection, left: Sequence[BatchId], by: BatchId) -> Sequence[BatchId]:
    """What nobody works on is given up; batches with rows that nobody needs."""
    for each in {*left, *_run(connection, "abandoned").scalars()}:
        _give_up(connection, each, f"half-read by a job that did not end; {by} came after it")
    return [BatchId(each) for each in _run(connection, "strewn").scalars()]


def _refuse_other(same: Batch | None, job: Job, new: NewBatch) -> None:
    """A file that was given up may be sent again, mended, as the same batch."""
    if same is None or same.status is BatchStatus.FAILED or same.job_id == job.id:
        return
    if same.file_hash == new.survey.file_hash:
        return
    raise UsageError(f"batch_id {new.id} is that of another file; give this one an id of its own")


def _taken_as(
    connection: sa.Connection, same: Batch | None, file: dict[str, object]
) -> BatchId | None:
    if same is not None and same.status is BatchStatus.COMPLETED:
        return same.id
    found = _run(connection, "taken_as", **file).scalar()
    return None if found is None else BatchId(found)


def _begun(connection: sa.Connection, job: Job, new: NewBatch) -> Batch:
    _run(connection, "begin", error_threshold_percent=ERRORS_PERCENT, **_facts(job, new))
    _run(connection, "forget_errors", id=new.id)
    begun = _find(connection, new.id)
    assert begun is not None
    return begun


def _duplicate(connection: sa.Connection, job: Job, new: NewBatch, of: BatchId) -> Duplicate:
    if of != new.id:
        _run(connection, "note_duplicate", duplicate_of=of, **_facts(job, new))
    return Duplicate(id=new.id, of=of)


def _facts(job: Job, new: NewBatch) -> dict[str, object]:
    layout = new.survey.layout
    return {
        "id": new.id,
        "job_id": job.id,
        "kind": new.kind,
        "file_path": new.file_path,
        "file_hash": new.survey.file_hash,
        "source_reference": new.source_reference,
        "format": layout.format,
        "layout": json.dumps(layout.as_json()),
        "rows_surveyed": new.survey.rows,
    }


def _give_up(
    connection: sa.Connection, batch_id: BatchId, reason: str, invalid: int | None = None
) -> None:
    _run(connection, "fail", id=batch_id, reason=reason, invalid=invalid)
    _run(connection, "keep_first_errors", id=batch_id, most=FIRST_ERRORS)


Write = Callable[[Sequence[T]], None]
Refused = list[tuple[T, RejectedContentError]]


def _whole(_: sa.Connection, rows: Sequence[T], write: Write[T]) -> Refused[T]:
    if rows:
        write(rows)
    return []


def halved(connection: sa.Connection, rows: Sequence[T], write: Write[T]) -> Refused[T]:
    """Down to those that cannot be written; the others are."""
    if not rows:
        return []
    try:
        with connection.begin_nested():
            write(rows)
    except RejectedContentError as error:
        if len(rows) == 1:
            return [(rows[0], error)]
    else:
        return []
    middle = len(rows) // 2
    return halved(connection, rows[:middle], write) + halved(connection, rows[middle:], write)


def _stage(
    connection: sa.Connection,
    batch: Batch,
    chunk: Chunk,
    store: Callable[[sa.Connection, Sequence[Row], Write[Row]], Refused[Row]],
) -> Batch:
    staged = repeated = 0

    def write(rows: Sequence[Row]) -> None:
        nonlocal staged, repeated
        told = _run(connection, "stage", batch_id=batch.id, rows=_json(map(_row, rows))).one()
        staged, repeated = staged + told.staged, repeated + told.repeated

    refused = store(connection, chunk.rows, write)
    faults = [_refusal(row.row_number, error) for row, error in refused]
    _keep(connection, batch, [*chunk.errors, *faults], chunk.told_warnings)
    return _changed(
        connection,
        "advance",
        id=batch.id,
        job_id=batch.job_id,
        before=batch.rows_read,
        rows_read=chunk.last,
        staged=staged,
        repeated=chunk.repeated + repeated,
        invalid=chunk.invalid + len(refused),
        warnings=chunk.warnings,
    )


def _keep(
    connection: sa.Connection, batch: Batch, errors: Sequence[Fault], warnings: Sequence[Fault]
) -> None:
    told = [
        *(_fault("error", each) for each in errors),
        *(_fault("warning", each) for each in warnings[: max(0, FIRST_ERRORS - batch.warnings)]),
    ]
    if told:
        _run(connection, "keep_errors", batch_id=batch.id, errors=_json(told))


def _move(connection: sa.Connection, batch: Batch, most: int) -> Batch:
    _hold(connection, batch)
    next_ = _next(connection, batch, most)
    moved = _Moved()
    if next_.cases:
        _move_between(connection, batch, (batch.moved_to, next_.last), moved)
    counted = _count(connection, batch, moved, done=next_.cases < most)
    return replace(counted, moved_to=next_.last or "")


def _move_carefully(connection: sa.Connection, batch: Batch, most: int) -> Batch:
    _hold(connection, batch)
    next_ = _next(connection, batch, most)
    between = {"after": batch.moved_to, "last": next_.last}
    cases = _run(connection, "cases", batch_id=batch.id, **between).scalars().all()
    moved = _Moved()

    def write(some: Sequence[str]) -> None:
        _move_between(connection, batch, (some[0], some[-1]), moved)

    refused = halved(connection, cases, write)
    for case, error in refused:
        row = _run(connection, "drop_row", batch_id=batch.id, case_number=case).scalar_one()
        _keep(connection, batch, [_refusal(row, error)], ())
    counted = _count(connection, batch, moved, refused=len(refused), done=next_.cases < most)
    if counted.is_over_budget:
        raise _OverBudgetError(len(refused))
    return replace(counted, moved_to=next_.last)


def _next(connection: sa.Connection, batch: Batch, most: int) -> sa.Row[Any]:
    values = {"batch_id": batch.id, "after": batch.moved_to, "most": most}
    return _run(connection, "next_cases", **values).one()


def _hold(connection: sa.Connection, batch: Batch) -> None:
    values = {"id": batch.id, "job_id": batch.job_id, "status": BatchStatus.UPSERTING}
    if _run(connection, "hold", **values).first() is None:
        raise LeaseLostError("another job has taken the file over")


def _move_between(
    connection: sa.Connection, batch: Batch, between: tuple[str, str], moved: _Moved
) -> None:
    told = _run(
        connection,
        "move",
        batch_id=batch.id,
        first=between[0],
        last=between[1],
        source_reference=batch.source_reference,
        unknown_plaintiff=UNKNOWN_PLAINTIFF,
        unknown_defendant=UNKNOWN_DEFENDANT,
    ).one()
    moved.taken += told.taken
    moved.inserted += told.inserted
    moved.updated += told.updated


def _count(
    connection: sa.Connection, batch: Batch, moved: _Moved, *, done: bool, refused: int = 0
) -> Batch:
    return _changed(
        connection,
        "count_moved",
        id=batch.id,
        job_id=batch.job_id,
        inserted=moved.inserted,
        updated=moved.updated,
        unchanged=moved.taken - moved.inserted - moved.updated,
        refused=refused,
        done=done,
    )


def _row(row: Row) -> dict[str, object]:
    return {
        "case_number": row.case_number,
        "row_number": row.row_number,
        "plaintiff": row.plaintiff,
        "defendant": row.defendant,
        "amount": row.amount,
        "filing_date": row.filing_date,
        "judgment_date": row.judgment_date,
        "county": row.county,
        "court": row.court,
    }


def _fault(severity: str, fault: Fault) -> dict[str, object]:
    return {
        "severity": severity,
        "row_number": fault.row_number,
        "column_name": fault.column,
        "code": fault.code,
        "value": fault.value,
    }


def _refusal(row_number: int, error: RejectedContentError) -> Fault:
    return Fault(row_number, "", f"{REFUSED}_{error.sqlstate}")


def _json(rows: Iterable[object]) -> str:
    """Amounts and dates as text, so that none passes through a float."""
    return json.dumps(list(rows), default=str)
