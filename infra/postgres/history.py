"""Workers and runs, as the command line and the pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import UsageError
from core.runs.model import WorkerState
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresHistory:
    database: Database

    def workers(self) -> Sequence[WorkerState]:
        with self.database.transaction() as connection:
            return [_state(row) for row in _run(connection, "list_workers")]

    def switch(self, worker: str, *, enabled: bool) -> None:
        """`*` is the switch over all. Raises UsageError for a worker that does not exist."""
        with self.database.transaction() as connection:
            found = _run(connection, "switch_worker", worker=worker, enabled=enabled).first()
            if found is None:
                raise UsageError(f"there is no worker {worker!r}; see `workers list`")

    def list(
        self, worker: str | None, outcome: str | None, since: datetime | None, most: int
    ) -> Sequence[dict[str, Any]]:
        with self.database.transaction() as connection:
            rows = _run(
                connection, "list_runs", worker=worker, outcome=outcome, since=since, most=most
            )
            return [dict(row._mapping) for row in rows]  # noqa: SLF001  (SQLAlchemy's public name)

    def stored(self) -> Sequence[dict[str, Any]]:
        """Per account and stream: how many rows are here, and how far they are complete."""
        with self.database.transaction() as connection:
            rows = connection.execute(load("sync")["stored"], {})
            return [dict(row._mapping) for row in rows]  # noqa: SLF001  (SQLAlchemy's public name)

    def show(self, prefix: str) -> dict[str, Any]:
        """One run with its units and events. Raises UsageError unless exactly one id fits."""
        with self.database.transaction() as connection:
            found = _run(connection, "show_run", prefix=_like(prefix)).all()
            if len(found) != 1:
                problem = "no run's id begins" if not found else "several runs' ids begin"
                raise UsageError(f"{problem} with {prefix!r}; see `runs`")
            run = dict(found[0]._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
            for part in ("units", "events"):
                rows = _run(connection, f"show_{part}", run_id=run["id"])
                run[part] = [dict(row._mapping) for row in rows]  # noqa: SLF001  (the same)
            return run


def _run(connection: sa.Connection, name: str, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("runs")[name], values)


def _like(prefix: str) -> str:
    escaped = prefix.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


def _state(row: sa.Row[Any]) -> WorkerState:
    return WorkerState(
        worker=row.worker_id,
        enabled=row.enabled and row.all_enabled,
        interval=timedelta(seconds=row.interval_s),
        status=row.status,
        last_heartbeat_at=row.last_heartbeat_at,
        outcome=row.outcome,
        reason=row.reason,
        finished_at=row.finished_at,
        due=row.due,
    )
