"""Jobs and queues as people read them, in PostgreSQL: the `JobReader` port."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.jobs.admission import Kinds
from core.jobs.control import (
    COUNTED,
    AmbiguousJobError,
    DeadFilter,
    DeadGroup,
    JobEvent,
    JobFilter,
    JobMark,
    JobPage,
    NoSuchJobError,
    QueueView,
)
from core.jobs.model import JobId, Status
from core.jobs.ports import JobView
from infra.postgres.job_control import dead_values
from infra.postgres.queries import load
from infra.postgres.transaction import Database

HEX, ID_DIGITS, CANDIDATES = frozenset("0123456789abcdef"), 32, 10


@dataclass(frozen=True, slots=True)
class PostgresJobView:
    database: Database
    kinds: Kinds

    def find(self, given: str) -> JobView:
        first, last = range_of(given)
        with self.database.transaction() as connection:
            rows = _run(connection, "between", first=first, last=last, most=CANDIDATES).all()
        if not rows:
            raise _nobody(given)
        if len(rows) > 1:
            ids = [JobId(row.id) for row in rows]
            raise AmbiguousJobError(f"several jobs' ids begin with {given!r}; give more of it", ids)
        return _view(rows[0])

    def page(self, wanted: JobFilter, after: JobMark | None, most: int) -> JobPage:
        values = _filter_values(wanted)
        mark = {"at": after and after.at, "id": after and after.id}
        with self.database.transaction() as connection:
            total = _run(connection, "total", **values).scalar_one()
            rows = _run(connection, "page", **values, **mark, most=most + 1).all()
        jobs = [_view(row) for row in rows[:most]]
        is_last = len(rows) <= most
        next_ = None if is_last else JobMark(at=jobs[-1].created_at, id=jobs[-1].id)
        return JobPage(jobs=jobs, total=total, next=next_)

    def events(self, job_id: JobId) -> Sequence[JobEvent]:
        with self.database.transaction() as connection:
            return [_event(row) for row in _run(connection, "events", id=job_id)]

    def queues(self) -> Sequence[QueueView]:
        known = sorted({kind.queue for kind in self.kinds.values()})
        with self.database.transaction() as connection:
            statement = load("jobs_queues")["overview"]
            rows = connection.execute(statement, {"known": known, "most": COUNTED}).mappings()
            return [QueueView(**row) for row in rows]

    def dead(self, wanted: DeadFilter) -> Sequence[DeadGroup]:
        with self.database.transaction() as connection:
            rows = _run(connection, "dead", **dead_values(wanted)).mappings()
            return [DeadGroup(**row) for row in rows]


def range_of(given: str) -> tuple[UUID, UUID]:
    """The first and the last id that begin with this. Raises NoSuchJobError where none can."""
    digits = given.strip().lower().replace("-", "")
    if not digits or len(digits) > ID_DIGITS or not HEX.issuperset(digits):
        raise _nobody(given)
    return UUID(digits.ljust(ID_DIGITS, "0")), UUID(digits.ljust(ID_DIGITS, "f"))


def _nobody(given: str) -> NoSuchJobError:
    return NoSuchJobError(f"no job's id begins with {given[:40]!r}; see `jobs list`")


def _filter_values(wanted: JobFilter) -> dict[str, object]:
    return {
        "statuses": [status.value for status in wanted.statuses] or None,
        "queues": list(wanted.queues) or None,
        "kinds": list(wanted.kinds) or None,
        "ordering_key": wanted.ordering_key,
        "error_code": wanted.error_code,
        "since": wanted.since,
        "search": wanted.search,
    }


def _view(row: sa.Row[Any]) -> JobView:
    fields = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
    return JobView(**{**fields, "status": Status(row.status)})


def _event(row: sa.Row[Any]) -> JobEvent:
    fields = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
    return JobEvent(**{**fields, "run_id": None if row.run_id is None else str(row.run_id)})


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("jobs_view")[name], values)
