"""Queues and their switches in PostgreSQL: the `Queues` port."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.jobs.control import COUNTED
from core.jobs.ports import QueueState, Streak
from core.runs.model import PROBE_EVERY, TRIP_AFTER
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresQueues:
    """`known`: the queues of the kinds; they exist before they have jobs."""

    database: Database
    known: AbstractSet[str]

    def look(self) -> Sequence[QueueState]:
        with self.database.transaction(by_index=True) as connection:
            return [
                QueueState(
                    queue=row.queue,
                    enabled=row.enabled,
                    faults=row.faults,
                    tripped=row.tripped,
                    probe=row.probe,
                    due=row.due,
                )
                for row in _run(connection, "look", most=COUNTED)
            ]

    def begin_probe(self, queue: str) -> bool:
        values = {"queue": queue, "probe_s": PROBE_EVERY.total_seconds()}
        with self.database.transaction(by_index=True) as connection:
            return _run(connection, "begin_probe", **values).first() is not None

    def judge(self, queue: str, streak: Streak) -> bool:
        values = {
            "queue": queue,
            "before": streak.before,
            "after": streak.after,
            "longest": streak.longest,
            "sound": streak.sound,
            "trip_after": TRIP_AFTER,
            "probe_s": PROBE_EVERY.total_seconds(),
        }
        with self.database.transaction(by_index=True) as connection:
            if streak.longest:
                _run(connection, "note_fault", queue=queue)
            row = _run(connection, "judge", **values).first()
            return row is not None and bool(row.just)

    def switch(self, queue: str, *, enabled: bool) -> bool:
        with self.database.transaction(by_index=True) as connection:
            if queue not in self.known and not _run(connection, "known", queue=queue).scalar_one():
                return False
            _run(connection, "switch", queue=queue, enabled=enabled)
            return True


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("jobs_queues")[name], values)
