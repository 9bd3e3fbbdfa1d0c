"""Consents under way, and the end of connections, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.connect.model import (
    Attempt,
    ConnectRefusedError,
    KnownSeller,
    NewAttempt,
    Refusal,
    Step,
    Via,
)
from core.grants import SealFor
from core.ids import AccountId
from core.sellers import Seller
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.queries import load
from infra.postgres.transaction import Database

LONGEST_DETAIL = 500
COUNTING_MS = 60_000
TAKEN = "the account or its seller was connected otherwise in the same moment; see `accounts list`"


@dataclass(frozen=True, slots=True)
class PostgresConnections:
    """The ports `ConnectStore` and `DisconnectStore`."""

    database: Database
    accounts: PostgresAccounts

    def find(self, name: str) -> KnownSeller | None:
        return self._seller(name=name)

    def owner(self, environment: str, ebay_user_id: str) -> KnownSeller | None:
        return self._seller(environment=environment, ebay_user_id=ebay_user_id)

    def begin(self, attempt: NewAttempt, lasts: timedelta) -> datetime:
        values = {
            "state_digest": attempt.state_digest,
            "browser_digest": attempt.browser_digest,
            "via": attempt.via.value,
            "name": attempt.name,
            "environment": attempt.environment,
            "marketplace_ids": list(attempt.marketplace_ids),
            "scopes": list(attempt.scopes),
            "lasts_s": lasts.total_seconds(),
        }
        with self.database.transaction() as connection:
            _run(connection, "forget_old", {})
            row = _run(connection, "begin", values).one()
            _note(connection, _attempt(row.id, attempt), Step.BEGUN)
            expires_at: datetime = row.expires_at
            return expires_at

    def take(
        self, state_digest: str, *, via: Via, browser_digest: str | None, name: str | None
    ) -> Attempt | Refusal:
        values = {"state_digest": state_digest, "browser_digest": browser_digest, "name": name}
        with self.database.transaction() as connection:
            row = _run(connection, "take", values).first()
            if row is None:
                return self._not_taken(connection, state_digest, via)
            attempt = _attempt(row.id, row)
            _note(connection, attempt, Step.CALLBACK_RECEIVED, via=via)
            return attempt

    def is_connected(self, state_digest: str) -> bool:
        with self.database.transaction() as connection:
            values = {"state_digest": state_digest}
            return bool(_run(connection, "is_connected", values).scalar_one())

    def note(
        self,
        attempt: Attempt,
        step: Step,
        *,
        reason: Refusal | None = None,
        detail: str | None = None,
    ) -> None:
        with self.database.transaction() as connection:
            _note(connection, attempt, step, reason=reason, detail=detail)

    def note_stray(self, via: Via, reason: Refusal) -> None:
        with self.database.transaction() as connection:
            _run(connection, "note_stray", {"via": via.value, "reason": reason.value})

    def save(
        self,
        attempt: Attempt,
        seller: Seller,
        account_id: AccountId | None,
        seal: SealFor,
        *,
        marketplace_ids: Sequence[str],
        scopes: Sequence[str],
        scopes_told: bool,
    ) -> str:
        def work(connection: sa.Connection) -> str:
            stored = account_id or self._insert(connection, attempt, seller, marketplace_ids)
            if not self.accounts.identify_in(connection, stored, seller):
                raise ConnectRefusedError(Refusal.SELLER_TAKEN, TAKEN)
            self.accounts.renew_in(connection, stored, seal(stored))
            values = {"account_id": stored, "scopes": list(scopes), "scopes_told": scopes_told}
            status: str = _run(connection, "consented", values).scalar_one()
            _note(connection, attempt, Step.CONNECTED, account_id=stored)
            return status

        return self.database.run(work)

    def token(self, account_id: AccountId) -> str | None:
        with self.database.transaction() as connection:
            sealed: str | None = _run(connection, "token", {"account_id": account_id}).scalar()
            return sealed

    def disconnect(self, seller: KnownSeller, *, revoked: bool | None, detail: str | None) -> None:
        told = "disconnected by its owner"
        if revoked is False:
            told += "; eBay could not be told, see `ebay.connect_events`"
        values = {"account_id": seller.id, "reason": told}

        def work(connection: sa.Connection) -> None:
            for name in ("lock_account", "forget_token", "disconnect", "stop_states"):
                _run(connection, name, values)
            if revoked is not None:
                step = Step.REVOKED if revoked else Step.REVOKE_FAILED
                _note_of(connection, seller, step, detail)
            _note_of(connection, seller, Step.DISCONNECTED)

        self.database.run(work)

    def rows(self, account_id: AccountId) -> Sequence[tuple[str, int]]:
        values = {"account_id": account_id}
        with self.database.transaction(
            statement_timeout_ms=COUNTING_MS, transaction_timeout_ms=COUNTING_MS
        ) as connection:
            return [(row.which, row.held) for row in _run(connection, "held", values)]

    def erase(self, account_id: AccountId, table: str, most: int) -> int:
        values = {"account_id": account_id, "wanted": table, "most": most}
        with self.database.transaction() as connection:
            return int(_run(connection, "erase", values).scalar_one())

    def note_erased(self, seller: KnownSeller, detail: str) -> None:
        with self.database.transaction() as connection:
            _note_of(connection, seller, Step.ERASED, detail)

    def _seller(
        self,
        *,
        name: str | None = None,
        environment: str | None = None,
        ebay_user_id: str | None = None,
    ) -> KnownSeller | None:
        values = {"name": name, "environment": environment, "ebay_user_id": ebay_user_id}
        with self.database.transaction() as connection:
            row = _run(connection, "seller", values).first()
            return None if row is None else _known(row)

    def _not_taken(self, connection: sa.Connection, state_digest: str, via: Via) -> Refusal:
        row = _run(connection, "why_not_taken", {"state_digest": state_digest}).first()
        if row is None:
            values = {"via": via.value, "reason": Refusal.STATE_UNKNOWN.value}
            _run(connection, "note_stray", values)
            return Refusal.STATE_UNKNOWN
        refusal = Refusal.STATE_FOREIGN
        if row.used:
            refusal = Refusal.STATE_REPLAYED
        elif row.expired:
            refusal = Refusal.STATE_EXPIRED
        _note(connection, _attempt(row.id, row), Step.REFUSED, via=via, reason=refusal)
        return refusal

    def _insert(
        self,
        connection: sa.Connection,
        attempt: Attempt,
        seller: Seller,
        marketplace_ids: Sequence[str],
    ) -> AccountId:
        account_id = self.accounts.insert_in(
            connection,
            name=attempt.name,
            environment=attempt.environment,
            marketplace_ids=marketplace_ids,
            ebay_user_id=seller.ebay_user_id,
            username=seller.username,
        )
        if account_id is None:
            raise ConnectRefusedError(Refusal.SELLER_TAKEN, TAKEN)
        return account_id


def _run(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.CursorResult[Any]:
    return connection.execute(load("connections")[name], dict(values))


def _note(
    connection: sa.Connection,
    attempt: Attempt,
    step: Step,
    *,
    via: Via | None = None,
    account_id: AccountId | None = None,
    reason: Refusal | None = None,
    detail: str | None = None,
) -> None:
    values = {
        "attempt_id": attempt.id,
        "step": step.value,
        "via": (via or attempt.via).value,
        "account_name": attempt.name,
        "environment": attempt.environment,
        "account_id": account_id,
        "reason": None if reason is None else reason.value,
        "detail": None if detail is None else detail[:LONGEST_DETAIL],
    }
    _run(connection, "note", values)


def _note_of(
    connection: sa.Connection, seller: KnownSeller, step: Step, detail: str | None = None
) -> None:
    values = {
        "attempt_id": None,
        "step": step.value,
        "via": Via.CLI.value,
        "account_name": seller.name,
        "environment": seller.environment,
        "account_id": seller.id,
        "reason": None,
        "detail": None if detail is None else detail[:LONGEST_DETAIL],
    }
    _run(connection, "note", values)


def _attempt(id_: int, given: Any) -> Attempt:
    """From a row, or from the attempt that becomes one."""
    return Attempt(
        id=id_,
        via=Via(given.via),
        name=given.name,
        environment=given.environment,
        marketplace_ids=tuple(given.marketplace_ids),
        scopes=tuple(given.scopes),
    )


def _known(row: sa.Row[Any]) -> KnownSeller:
    return KnownSeller(
        id=AccountId(row.id),
        name=row.name,
        environment=row.environment,
        status=row.status,
        ebay_user_id=row.ebay_user_id,
        username=row.username,
        marketplace_ids=tuple(row.marketplace_ids),
        seller_gone=row.seller_gone,
    )
