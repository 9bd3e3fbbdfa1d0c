"""Accounts moved over from the old connector, in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from core.grants import NewTokens, SealFor
from core.ids import AccountId
from core.moving.model import Arrival, HereAccount, StreamState
from core.report import instant
from core.sync.model import Stream
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.queries import load
from infra.postgres.transaction import Database


class _TakenError(Exception):
    """It is here already: roll back."""


@dataclass(frozen=True, slots=True)
class PostgresMoving:
    """The `Destination` port; `streams` are those that every account has."""

    database: Database
    streams: Sequence[Stream]

    def now(self) -> datetime:
        with self.database.transaction() as connection:
            now: datetime = _run(connection, "now", {}).scalar_one()
            return now

    def accounts(self) -> Sequence[HereAccount]:
        with self.database.transaction() as connection:
            return [_known(row) for row in _run(connection, "accounts", {"account_id": None})]

    def add(self, arrival: Arrival, seal: SealFor) -> bool:
        with suppress(_TakenError):
            self.database.run(lambda connection: self._add(connection, arrival, seal))
            return True
        return False

    def _add(self, connection: sa.Connection, arrival: Arrival, seal: SealFor) -> None:
        row = _run(connection, "insert", _columns(arrival)).first()
        if row is None:
            raise _TakenError
        account_id = AccountId(row.id)
        states = _states(arrival.states)
        remembered = {"account_id": account_id, "old_id": arrival.old_id, "states": states}
        if _run(connection, "remember", remembered).first() is None:
            raise _TakenError
        self._store_rest(connection, account_id, seal(account_id), states)

    def _store_rest(
        self, connection: sa.Connection, account_id: AccountId, tokens: NewTokens, states: str
    ) -> None:
        accounts = PostgresAccounts(self.database, self.streams)
        accounts.renew_in(connection, account_id, tokens)
        accounts.insert_missing_states_in(connection, account_id)
        _run(connection, "write_states", {"account_id": account_id, "states": states})

    def renew(self, account: HereAccount, states: Sequence[StreamState]) -> bool:
        values = {"account_id": account.id, "states": _states(states)}

        def write(connection: sa.Connection) -> bool:
            _run(connection, "lock", values)
            if not _is_as_seen(connection, account):
                return False
            _run(connection, "remember_again", values)
            _run(connection, "write_states", values)
            return True

        return self.database.run(write)


def _is_as_seen(connection: sa.Connection, account: HereAccount) -> bool:
    row = _run(connection, "accounts", {"account_id": account.id}).first()
    return row is not None and _known(row) == account


def _run(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.CursorResult[Any]:
    return connection.execute(load("moving")[name], dict(values))


def _columns(arrival: Arrival) -> dict[str, object]:
    return {
        "name": arrival.name,
        "environment": arrival.environment,
        "ebay_user_id": arrival.ebay_user_id,
        "username": arrival.username,
        "marketplace_ids": list(arrival.marketplace_ids),
    }


def _states(states: Sequence[StreamState]) -> str:
    return json.dumps(
        [
            {
                "stream": state.stream,
                "cursor_at": instant(state.cursor_at),
                "enabled": state.enabled,
            }
            for state in states
        ]
    )


def _known(row: sa.Row[Any]) -> HereAccount:
    return HereAccount(
        id=AccountId(row.id),
        name=row.name,
        environment=row.environment,
        ebay_user_id=row.ebay_user_id,
        username=row.username,
        old_id=row.old_account_id,
        untouched=row.untouched,
        states=tuple(_written(each) for each in row.states or ()),
    )


def _written(state: Mapping[str, Any]) -> StreamState:
    at = state["cursor_at"]
    return StreamState(
        stream=state["stream"],
        cursor_at=None if at is None else datetime.fromisoformat(at),
        enabled=state["enabled"],
    )
