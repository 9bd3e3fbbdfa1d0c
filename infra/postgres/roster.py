"""Accounts and their tokens as the `token-refresh` worker sees them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.ids import AccountId, RunId
from core.report import Reason, UnitReport, instant
from core.tokens.model import Keeping
from infra.postgres.queries import load
from infra.postgres.reports import record_units
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresRoster:
    """The `TokenRoster` port."""

    database: Database

    def look(self) -> Sequence[Keeping]:
        with self.database.transaction() as connection:
            return [_keeping(row) for row in _run(connection, "look", {})]

    def standing(self, run_id: RunId, worker: str, account_id: AccountId) -> Reason | None:
        values = {"run_id": run_id, "worker": worker, "account_id": account_id}
        with self.database.transaction() as connection:
            row = _run(connection, "standing", values).first()
        if row is None or not row.alive:
            return Reason.LEASE_LOST if row is not None else Reason.ACCOUNT_INACTIVE
        if not row.workers_enabled:
            return Reason.GLOBALLY_OFF
        if row.status == "needs_reconnect":
            return Reason.NEEDS_RECONNECT
        return None if row.status == "active" else Reason.ACCOUNT_INACTIVE

    def warned(self, run_id: RunId, keeping: Keeping, days: int) -> bool:
        facts = {"consent_ends_at": instant(keeping.consent_ends_at), "within_days": days}
        values = {
            "run_id": run_id,
            "account_id": keeping.account_id,
            "ends_at": keeping.consent_ends_at,
            "days": days,
            "facts": json.dumps(facts),
        }
        with self.database.transaction() as connection:
            return _run(connection, "warned", values).first() is not None

    def record(self, run_id: RunId, reports: Sequence[UnitReport]) -> None:
        with self.database.transaction() as connection:
            record_units(connection, run_id, reports)


def _run(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.CursorResult[Any]:
    return connection.execute(load("tokens")[name], dict(values))


def _keeping(row: sa.Row[Any]) -> Keeping:
    return Keeping(
        account_id=AccountId(row.id),
        account=row.name,
        environment=row.environment,
        status=row.status,
        version=row.version,
        access_expires_at=row.access_expires_at,
        refreshed_at=row.refreshed_at,
        retry_at=row.retry_at,
        consent_ends_at=row.refresh_expires_at,
        warned_days=row.warned_days,
        failed_at=row.failed_at,
    )
