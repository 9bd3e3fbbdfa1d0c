"""Signing keys in PostgreSQL, sealed, and the right to make one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import LeaseLostError
from core.ids import Fence
from core.signing.model import KeyState, KnownKey, Making, Owner, SealedKey
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresSigningKeys:
    """The `KeyStore` port."""

    database: Database

    def read(self, owner: Owner) -> KeyState:
        with self.database.transaction() as connection:
            row = _run(connection, "read", owner._asdict()).first()
            if row is not None:
                return _state(row)
            read_at: datetime = _run(connection, "now", {}).scalar_one()
        return KeyState(version=0, key=None, retry_at=None, last_error=None, read_at=read_at)

    def start(self, owner: Owner, version: int, lease: timedelta) -> Making | None:
        values = owner._asdict() | {"version": version, "lease_s": lease.total_seconds()}
        with self.database.transaction() as connection:
            row = _run(connection, "start", values).first()
        return None if row is None else Making(fence=Fence(row.fence))

    def save(self, owner: Owner, making: Making, key: SealedKey) -> None:
        self._fenced("save", owner, making, asdict(key))

    def fail(self, owner: Owner, making: Making, *, error: str, wait: timedelta) -> datetime:
        values = {"error": error, "wait_s": wait.total_seconds()}
        retry_at: datetime = self._fenced("fail", owner, making, values).retry_at
        return retry_at

    def list(self) -> Sequence[KnownKey]:
        with self.database.transaction() as connection:
            return [
                KnownKey(
                    owner=Owner(row.environment, row.client_id),
                    state=_state(row),
                    making=row.making,
                )
                for row in _run(connection, "list", {})
            ]

    def _fenced(
        self, name: str, owner: Owner, making: Making, values: Mapping[str, object]
    ) -> sa.Row[Any]:
        key = owner._asdict() | {"fence": making.fence}
        with self.database.transaction() as connection:
            row = _run(connection, name, key | dict(values)).first()
            if row is None:
                raise LeaseLostError("another process made the signing key meanwhile")
            return row


def _run(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.CursorResult[Any]:
    return connection.execute(load("signing")[name], dict(values))


def _state(row: sa.Row[Any]) -> KeyState:
    return KeyState(
        version=row.version,
        key=None if row.key_id is None else _sealed(row),
        retry_at=row.retry_at,
        last_error=row.last_error,
        read_at=row.read_at,
    )


def _sealed(row: sa.Row[Any]) -> SealedKey:
    return SealedKey(
        key_id=row.key_id,
        cipher=row.cipher,
        jwe=row.jwe,
        private_key=row.private_key,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
