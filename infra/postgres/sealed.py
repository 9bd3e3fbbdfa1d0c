"""The canary, and every sealed value: what changing the keys works on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from core.ids import AccountId
from core.signing.model import Owner
from core.tokens.model import SealedPair, SealedValue
from infra.postgres.queries import load
from infra.postgres.transaction import Database


@dataclass(frozen=True, slots=True)
class PostgresCanary:
    """The `Canary` port."""

    database: Database

    def read(self) -> str | None:
        with self.database.transaction() as connection:
            sealed: str | None = _run(connection, "canary", {}).scalar()
            return sealed

    def make(self, sealed: str) -> str:
        with self.database.transaction() as connection:
            _run(connection, "make_canary", {"sealed": sealed})
            standing: str = _run(connection, "canary", {}).scalar_one()
            return standing

    def replace(self, sealed: str) -> None:
        with self.database.transaction() as connection:
            _run(connection, "replace_canary", {"sealed": sealed})

    def replace_unused(self, sealed: str) -> bool:
        with self.database.transaction() as connection:
            return _run(connection, "replace_unused", {"sealed": sealed}).first() is not None

    def samples(self, most: int) -> Sequence[tuple[AccountId, str]]:
        with self.database.transaction() as connection:
            rows = _run(connection, "batch", {"after": 0, "most": most})
            return [(AccountId(row.account_id), row.refresh_token) for row in rows]


@dataclass(frozen=True, slots=True)
class PostgresSealed:
    """The `SealedTokens` port."""

    database: Database

    def batch(self, after: AccountId, most: int) -> Sequence[SealedPair]:
        with self.database.transaction() as connection:
            return [_pair(row) for row in _run(connection, "batch", {"after": after, "most": most})]

    def reseal(self, pairs: Sequence[tuple[SealedPair, SealedPair]]) -> int:
        changes = [
            {
                "account_id": old.account_id,
                "old_refresh": old.refresh_token,
                "old_access": old.access_token,
                "new_refresh": new.refresh_token,
                "new_access": new.access_token,
            }
            for old, new in pairs
        ]
        with self.database.transaction() as connection:
            return len(_run(connection, "reseal", {"changes": json.dumps(changes)}).all())

    def discard(self, pair: SealedPair, reason: str) -> bool:
        values = asdict(pair) | {"reason": reason}
        with self.database.transaction() as connection:
            _run(connection, "lock_account", values)
            if _run(connection, "discard", values).first() is None:
                return False
            _run(connection, "ask_owner", values)
            return True

    def earlier_runs(self) -> int:
        with self.database.transaction() as connection:
            return int(_run(connection, "earlier_runs", {}).scalar_one())


@dataclass(frozen=True, slots=True)
class PostgresSealedKeys:
    """The `SealedValues` port: the private halves of signing keys."""

    database: Database

    def all(self) -> Sequence[SealedValue]:
        with self.database.transaction() as connection:
            return [_value(row) for row in _run(connection, "signing_keys", {})]

    def reseal(self, old: SealedValue, new: SealedValue) -> bool:
        return self._changed("reseal_signing_key", old, {"new": new.text})

    def discard(self, value: SealedValue) -> bool:
        return self._changed("discard_signing_key", value, {})

    def _changed(self, name: str, value: SealedValue, values: Mapping[str, object]) -> bool:
        owner = Owner.of_field(value.field)
        with self.database.transaction() as connection:
            found = _run(connection, name, owner._asdict() | {"old": value.text} | dict(values))
            return found.first() is not None


def _value(row: sa.Row[Any]) -> SealedValue:
    owner = Owner(row.environment, row.client_id)
    return SealedValue(place=owner.place, field=owner.field, text=row.private_key)


def _run(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.CursorResult[Any]:
    return connection.execute(load("sealed")[name], dict(values))


def _pair(row: sa.Row[Any]) -> SealedPair:
    return SealedPair(
        account_id=AccountId(row.account_id),
        account=row.name,
        refresh_token=row.refresh_token,
        access_token=row.access_token,
    )
