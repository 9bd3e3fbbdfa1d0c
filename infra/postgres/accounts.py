"""Accounts in PostgreSQL."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from core.accounts.domicile import must_sign
from core.accounts.model import KnownAccount, NewAccount, Status
from core.errors import UsageError
from core.grants import NewTokens, SealFor
from core.ids import AccountId
from core.sellers import Seller
from core.sync.model import Pass, Stream
from infra.postgres.queries import load
from infra.postgres.transaction import Database

OPEN_PASS_INTERVAL = timedelta(hours=1)
CHANGED = "the account changed meanwhile; see `accounts list`"


@dataclass(frozen=True, slots=True)
class PostgresAccounts:
    """The `AccountStore` port; `streams` are those that every account has."""

    database: Database
    streams: Sequence[Stream]

    def find(self, name: str) -> KnownAccount | None:
        with self.database.transaction() as connection:
            row = _run(connection, "list", {"name": name}).first()
            return None if row is None else _known(row)

    def list(self) -> Sequence[KnownAccount]:
        with self.database.transaction() as connection:
            return [_known(row) for row in _run(connection, "list", {"name": None})]

    def add(self, account: NewAccount, seal: SealFor) -> AccountId:
        seller = account.seller
        with self.database.transaction() as connection:
            account_id = self.insert_in(
                connection,
                name=account.name,
                environment=account.environment,
                marketplace_ids=account.marketplace_ids,
                ebay_user_id=None if seller is None else seller.ebay_user_id,
                username=None if seller is None else seller.username,
            )
            if account_id is None:
                # Somebody else was faster by a moment.
                raise UsageError(
                    f"there is an account {account.name!r} already, or this eBay user has one in"
                    f" {account.environment}; see `accounts list`"
                )
            if seller is not None:
                self.domicile_in(connection, account_id, seller)
            _run(connection, "store_token", _token(account_id, seal(account_id)))
            self.insert_missing_states_in(connection, account_id)
            return account_id

    def insert_in(
        self,
        connection: sa.Connection,
        *,
        name: str,
        environment: str,
        marketplace_ids: Sequence[str],
        ebay_user_id: str | None,
        username: str | None,
    ) -> AccountId | None:
        """The account alone; None where its name or its eBay user is there already."""
        values = {
            "name": name,
            "environment": environment,
            "marketplace_ids": [*marketplace_ids],
            "ebay_user_id": ebay_user_id,
            "username": username,
        }
        row = _run(connection, "insert", values).first()
        return None if row is None else AccountId(row.id)

    def domicile_in(self, connection: sa.Connection, account_id: AccountId, seller: Seller) -> None:
        """Where the seller lives, and what follows for his calls; what is not told stays."""
        if seller.country is None and seller.marketplace_id is None:
            return
        values = {
            "account_id": account_id,
            "registration_marketplace_id": seller.marketplace_id,
            "country": seller.country,
            "must_sign": must_sign(seller),
        }
        _run(connection, "domicile", values)

    def renew_in(self, connection: sa.Connection, account_id: AccountId, sealed: NewTokens) -> None:
        """A new pair; active again, every stream due at once, but for one that is paused."""
        _run(connection, "store_token", _token(account_id, sealed))
        # A pause is its owner's own wish, which a new token does not end.
        self._switch(connection, account_id, set(Status) - {Status.PAUSED}, active=True)

    def replace_token(self, account_id: AccountId, seller: Seller, seal: SealFor) -> None:
        sealed = seal(account_id)

        def replace(connection: sa.Connection) -> None:
            if not self.identify_in(connection, account_id, seller):
                raise UsageError(CHANGED)
            self.renew_in(connection, account_id, sealed)

        # Setting the eBay id locks the account's key, which a page wants that holds its state.
        self.database.run(replace)

    def identify(self, account_id: AccountId, seller: Seller) -> None:
        # As in `replace_token`.
        self.database.run(lambda connection: self.identify_in(connection, account_id, seller))

    def identify_in(self, connection: sa.Connection, account_id: AccountId, seller: Seller) -> bool:
        """What eBay tells of the account's own seller; False: it is another's, and stays."""
        values = {
            "account_id": account_id,
            "ebay_user_id": seller.ebay_user_id,
            "username": seller.username,
        }
        if _run(connection, "identify", values).first() is None:
            return False
        self.domicile_in(connection, account_id, seller)
        return True

    def switch(self, account_id: AccountId, *, active: bool) -> None:
        with self.database.transaction() as connection:
            either = (Status.ACTIVE, Status.PAUSED)
            if not self._switch(connection, account_id, either, active=active):
                raise UsageError(CHANGED)

    def add_missing_states(self) -> int:
        """Streams of a later release for the accounts that are there, due at once. How many."""
        with self.database.transaction() as connection:
            return self.insert_missing_states_in(connection, None)

    def insert_missing_states_in(
        self, connection: sa.Connection, account_id: AccountId | None
    ) -> int:
        values = {"account_id": account_id, "states": json.dumps(_states(self.streams))}
        return len(_run(connection, "insert_missing_states", values).all())

    def _switch(
        self,
        connection: sa.Connection,
        account_id: AccountId,
        from_: Iterable[Status],
        *,
        active: bool,
    ) -> bool:
        """False: its status is none of these, and stays."""
        status = Status.ACTIVE if active else Status.PAUSED
        values = {
            "account_id": account_id,
            "status": status.value,
            "from": [each.value for each in from_],
        }
        if _run(connection, "switch", values).first() is None:
            return False
        if active:
            self.insert_missing_states_in(connection, account_id)
        _run(connection, "switch_states", {"account_id": account_id, "active": active})
        return True


def _run(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.CursorResult[Any]:
    return connection.execute(load("accounts")[name], dict(values))


def _states(streams: Sequence[Stream]) -> Sequence[dict[str, object]]:
    states: list[dict[str, object]] = []
    for stream in streams:
        states.append(_state(stream, Pass.NEW, stream.interval))
        if stream.open_pass:
            states.append(_state(stream, Pass.OPEN, OPEN_PASS_INTERVAL))
    return states


def _state(stream: Stream, pass_: Pass, interval: timedelta) -> dict[str, object]:
    seconds = int(interval.total_seconds())
    return {"stream": stream.name, "pass": pass_.value, "interval_s": seconds}


def _token(account_id: AccountId, tokens: NewTokens) -> dict[str, object]:
    return {
        "account_id": account_id,
        "refresh_token": tokens.refresh_token,
        "refresh_expires_in_s": _seconds(tokens.refresh_expires_in),
        "access_token": tokens.access_token,
        "access_expires_in_s": _seconds(tokens.access_expires_in),
    }


def _seconds(lasts: timedelta | None) -> float | None:
    return None if lasts is None else lasts.total_seconds()


def _known(row: sa.Row[Any]) -> KnownAccount:
    return KnownAccount(
        id=AccountId(row.id),
        name=row.name,
        environment=row.environment,
        status=Status(row.status),
        status_reason=row.status_reason,
        ebay_user_id=row.ebay_user_id,
        username=row.username,
        marketplace_ids=tuple(row.marketplace_ids),
        access_expires_at=row.access_expires_at,
        refresh_expires_at=row.refresh_expires_at,
        last_success_at=row.last_success_at,
        failing=row.failing,
        country=row.country,
        registration_marketplace_id=row.registration_marketplace_id,
        signed_because=row.signed_because,
        scopes=None if row.scopes is None else tuple(row.scopes),
        seller_gone=row.seller_gone,
    )
