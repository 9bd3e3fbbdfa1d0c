"""Sealed tokens in PostgreSQL, and the right to refresh them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import LeaseLostError
from core.ids import AccountId, Fence, RunId
from core.tokens.model import Refresh, SealedGrant, StoredToken
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresTokens:
    """The `TokenStore` port; `run_id` refreshes, None for a person's command."""

    database: Database
    run_id: RunId | None = None

    def read(self, account_id: AccountId) -> StoredToken | None:
        with self.database.transaction() as connection:
            row = _first(connection, "read", {"account_id": account_id})
        if row is None:
            return None
        return StoredToken(
            needs_reconnect=row.needs_reconnect,
            version=row.version,
            refresh_token=row.refresh_token,
            access_token=row.access_token,
            access_expires_at=row.access_expires_at,
            refreshed_at=row.refreshed_at,
            retry_at=row.retry_at,
            read_at=row.read_at,
        )

    def start(
        self, account_id: AccountId, version: int, lease: timedelta, triggered_by: str
    ) -> Refresh | None:
        values = {
            "account_id": account_id,
            "version": version,
            "lease_s": lease.total_seconds(),
            "run_id": self.run_id,
        }
        with self.database.transaction() as connection:
            row = _first(connection, "start", values)
        if row is None:
            return None
        return Refresh(
            fence=Fence(row.fence),
            started_at=row.started_at,
            old_expires_at=row.access_expires_at,
            triggered_by=triggered_by,
        )

    def save(self, account_id: AccountId, refresh: Refresh, grant: SealedGrant) -> None:
        lasts = grant.refresh_token_expires_in
        values = {
            "access_token": grant.access_token,
            "expires_in_s": grant.expires_in.total_seconds(),
            "refresh_token": grant.refresh_token,
            "refresh_expires_in_s": None if lasts is None else lasts.total_seconds(),
        }
        with self.database.transaction() as connection:
            saved = _fenced(connection, "save", account_id, refresh, values)
            self._log(connection, account_id, refresh, new_expires_at=saved.access_expires_at)

    def fail(
        self,
        account_id: AccountId,
        refresh: Refresh,
        *,
        code: str,
        message: str,
        revoked: bool,
        retry_at: datetime | None = None,
    ) -> None:
        with self.database.transaction() as connection:
            if revoked:
                _first(connection, "lock_account", {"account_id": account_id})
            _fenced(connection, "give_back", account_id, refresh, {"retry_at": retry_at})
            if revoked:
                _first(connection, "revoke", {"account_id": account_id, "reason": message})
            self._log(connection, account_id, refresh, error_code=code, error_message=message)

    def refreshes(self, account_id: AccountId, most: int) -> Sequence[dict[str, Any]]:
        """The latest, newest first."""
        values = {"account_id": account_id, "most": most}
        with self.database.transaction() as connection:
            rows = connection.execute(load("tokens")["refreshes"], values).mappings()
            return [dict(row) for row in rows]

    def _log(
        self,
        connection: sa.Connection,
        account_id: AccountId,
        refresh: Refresh,
        *,
        new_expires_at: datetime | None = None,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> None:
        values = {
            "run_id": self.run_id,
            "account_id": account_id,
            "triggered_by": refresh.triggered_by,
            "started_at": refresh.started_at,
            "success": error_code is None,
            "error_code": error_code,
            "error_message": error_message,
            "old_expires_at": refresh.old_expires_at,
            "new_expires_at": new_expires_at,
        }
        connection.execute(load("tokens")["log"], values)


def _first(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.Row[Any] | None:
    return connection.execute(load("tokens")[name], dict(values)).first()


def _fenced(
    connection: sa.Connection,
    name: str,
    account_id: AccountId,
    refresh: Refresh,
    values: Mapping[str, object],
) -> sa.Row[Any]:
    key = {"account_id": account_id, "fence": refresh.fence}
    row = _first(connection, name, key | dict(values))
    if row is None:
        raise LeaseLostError("another process refreshed this token meanwhile")
    return row
