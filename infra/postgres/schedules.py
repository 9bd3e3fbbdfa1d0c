"""Schedules as people make and see them, in PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.jobs.admission import Kinds
from core.schedules.model import Page, Saved, Schedule, Wanted
from core.schedules.ports import Allow, Make
from infra.postgres import schedule_rows
from infra.postgres.job_rows import enqueue
from infra.postgres.queries import load
from infra.postgres.schedule_jobs import facts, job_of
from infra.postgres.schedule_rows import as_schedule
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSchedules:
    """The `ScheduleStore` port."""

    database: Database
    kinds: Kinds

    def now(self) -> datetime:
        with self.database.transaction() as connection:
            return schedule_rows.now(connection)

    def list(self, wanted: Wanted) -> Page:
        chosen = {"kind": wanted.kind, "enabled": wanted.enabled}
        with self.database.transaction() as connection:
            total = _run(connection, "total", **chosen).one().total
            # One more than asked for tells whether there is another page.
            place = {"after": wanted.after, "limit": wanted.limit + 1}
            rows = _run(connection, "page", **chosen, **place).all()
        shown = [as_schedule(row) for row in rows[: wanted.limit]]
        after = shown[-1].definition.name if len(rows) > wanted.limit else None
        return Page(schedules=shown, total=total, after=after)

    def find(self, name: str) -> Schedule | None:
        with self.database.transaction() as connection:
            row = _run(connection, "find", name=name).first()
        return None if row is None else as_schedule(row)

    def save(self, name: str, make: Make) -> Saved:
        return self.database.run(lambda connection: schedule_rows.save(connection, name, make))

    def remove(self, name: str) -> bool:
        return self.database.run(lambda connection: schedule_rows.remove(connection, name))

    def run_now(self, name: str, allow: Allow, key: str | None) -> UUID | None:
        return self.database.run(lambda connection: self._run_now(connection, name, allow, key))

    def _run_now(
        self, connection: sa.Connection, name: str, allow: Allow, key: str | None
    ) -> UUID | None:
        schedule = schedule_rows.locked(connection, name)
        if schedule is None:
            return None
        named = None if key is None else f"sched:{schedule.id}:run:{key}"
        before = None if named is None else _run(connection, "run_before", key=named).first()
        if before is not None:
            return UUID(str(before.id))
        [due] = facts(connection, [schedule], self.kinds)
        allow(due)
        [made] = enqueue(connection, [job_of(schedule.definition, schedule.id, named)], self.kinds)
        at = schedule_rows.now(connection)
        _run(connection, "ran", id=schedule.id, at=at, job_id=made.id)
        return made.id


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("schedules")[name], values)
