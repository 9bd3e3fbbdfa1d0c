"""What every store of tokens promises: one refresher at a time, and nothing written late."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest
import sqlalchemy as sa

from core.accounts.model import NewAccount
from core.errors import LeaseLostError
from core.ids import AccountId
from core.tokens.model import SealedGrant
from core.tokens.ports import TokenStore
from infra.ebay.streams.registry import STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.tokens import PostgresTokens
from infra.postgres.transaction import Database
from tests.support.memory_tokens import BEGINNING, TWO_HOURS, MemoryTokens, Row, new_tokens

LEASE = timedelta(seconds=30)
NOBODY = AccountId(4711)


class Ground(Protocol):
    """A store with accounts in it, and what can only be seen from outside of the port."""

    @property
    def store(self) -> TokenStore: ...

    def account(self) -> AccountId: ...

    def let_leases_end(self) -> None: ...

    def pause(self, account: AccountId) -> None: ...

    def status(self, account: AccountId) -> tuple[str, str | None]: ...

    def due(self, account: AccountId) -> list[datetime | None]: ...

    def log(self, account: AccountId) -> list[tuple[bool, str | None, str | None, str]]: ...


@dataclass
class InMemory:
    store: MemoryTokens

    def account(self) -> AccountId:
        account = AccountId(len(self.store.rows) + 1)
        self.store.rows[account] = Row(
            refresh_token="v1.refresh",
            access_token="v1.access",
            access_expires_at=BEGINNING + TWO_HOURS,
        )
        return account

    def let_leases_end(self) -> None:
        self.store.now += LEASE

    def pause(self, account: AccountId) -> None:
        self.store.rows[account].status = "paused"

    def status(self, account: AccountId) -> tuple[str, str | None]:
        row = self.store.rows[account]
        return row.status, row.reason

    def due(self, account: AccountId) -> list[datetime | None]:
        return self.store.rows[account].due

    def log(self, account: AccountId) -> list[tuple[bool, str | None, str | None, str]]:
        return [
            (each.success, each.error_code, each.error_message, each.triggered_by)
            for each in self.store.log
            if each.account_id == account
        ]


@dataclass
class InPostgres:
    store: PostgresTokens
    database: Database
    made: int = 0

    def account(self) -> AccountId:
        self.made += 1
        new = NewAccount(
            name=f"shop {self.made}", environment="simulator", marketplace_ids=(), seller=None
        )
        return PostgresAccounts(self.database, STREAMS).add(new, lambda _: new_tokens())

    def let_leases_end(self) -> None:
        self._run(
            "UPDATE ebay.tokens SET leased_until = clock_timestamp() WHERE leased_until IS NOT NULL"
        )

    def pause(self, account: AccountId) -> None:
        self._run("UPDATE ebay.accounts SET status = 'paused' WHERE id = :account", account)

    def status(self, account: AccountId) -> tuple[str, str | None]:
        row = self._rows("SELECT status, status_reason FROM ebay.accounts WHERE id = :a", account)
        return row[0][0], row[0][1]

    def due(self, account: AccountId) -> list[datetime | None]:
        rows = self._rows("SELECT due_at FROM ebay.sync_states WHERE account_id = :a", account)
        return [row[0] for row in rows]

    def log(self, account: AccountId) -> list[tuple[bool, str | None, str | None, str]]:
        rows = self._rows(
            "SELECT success, error_code, error_message, triggered_by"
            " FROM ebay.token_refreshes WHERE account_id = :a ORDER BY id",
            account,
        )
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def _rows(self, sql: str, account: AccountId) -> list[Any]:
        with self.database.transaction() as connection:
            return list(connection.execute(sa.text(sql), {"a": account}))

    def _run(self, sql: str, account: AccountId | None = None) -> None:
        values = {} if account is None else {"account": account}
        with self.database.transaction() as connection:
            connection.execute(sa.text(sql), values)


@pytest.fixture(params=["memory", "postgres"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    if request.param == "memory":
        yield InMemory(MemoryTokens())
        return
    database: Database = request.getfixturevalue("database")
    yield InPostgres(PostgresTokens(database), database)


def grant(access: str, *, refresh: str | None = None) -> SealedGrant:
    return SealedGrant(
        access_token=access,
        expires_in=timedelta(hours=2),
        refresh_token=refresh,
        refresh_token_expires_in=None if refresh is None else timedelta(days=500),
    )


def test_an_account_without_token_reads_as_none_and_cannot_be_refreshed(ground: Ground) -> None:
    assert ground.store.read(NOBODY) is None
    assert ground.store.start(NOBODY, 0, LEASE, "run") is None


def test_a_saved_pair_is_read_with_the_next_version_and_its_time(ground: Ground) -> None:
    account = ground.account()
    before = ground.store.read(account)
    assert before is not None
    assert (before.refresh_token, before.access_token, before.version) == (
        "v1.refresh",
        "v1.access",
        0,
    )

    refresh = ground.store.start(account, 0, LEASE, "run")
    assert refresh is not None
    ground.store.save(account, refresh, grant("v1.access"))

    after = ground.store.read(account)
    assert after is not None
    assert (after.access_token, after.refresh_token, after.version) == (
        "v1.access",
        "v1.refresh",
        1,
    )
    assert after.access_expires_at is not None
    life = after.access_expires_at - after.read_at
    assert timedelta(hours=1, minutes=59) < life <= timedelta(hours=2)
    assert not after.needs_reconnect
    assert ground.log(account) == [(True, None, None, "run")]


def test_a_rotated_refresh_token_replaces_the_old_one(ground: Ground) -> None:
    account = ground.account()
    refresh = ground.store.start(account, 0, LEASE, "run")
    assert refresh is not None

    ground.store.save(account, refresh, grant("v1.access", refresh="v1.rotated"))

    stored = ground.store.read(account)
    assert stored is not None
    assert stored.refresh_token == "v1.rotated"


def test_one_refresher_at_a_time(ground: Ground) -> None:
    account, other = ground.account(), ground.account()
    first = ground.store.start(account, 0, LEASE, "run")

    second = ground.store.start(account, 0, LEASE, "manual")

    assert first is not None
    assert second is None
    assert ground.store.start(other, 0, LEASE, "run") is not None


def test_a_pair_that_is_newer_than_what_was_seen_is_not_refreshed(ground: Ground) -> None:
    account = ground.account()
    refresh = ground.store.start(account, 0, LEASE, "run")
    assert refresh is not None
    ground.store.save(account, refresh, grant("v1.access"))

    assert ground.store.start(account, 0, LEASE, "run") is None
    assert ground.store.start(account, 1, LEASE, "run") is not None


def test_a_dead_refresher_is_followed_when_its_lease_ends(ground: Ground) -> None:
    account = ground.account()
    dead = ground.store.start(account, 0, LEASE, "run")
    assert ground.store.start(account, 0, LEASE, "run") is None

    ground.let_leases_end()
    next_ = ground.store.start(account, 0, LEASE, "run")

    assert dead is not None
    assert next_ is not None
    assert next_.fence > dead.fence


def test_a_refresh_ends_once(ground: Ground) -> None:
    """Who is unsure whether the end was committed writes it again."""
    account = ground.account()
    refresh = ground.store.start(account, 0, LEASE, "run")
    assert refresh is not None
    ground.store.save(account, refresh, grant("v1.new"))

    with pytest.raises(LeaseLostError):
        ground.store.save(account, refresh, grant("v1.new"))
    with pytest.raises(LeaseLostError):
        ground.store.fail(account, refresh, code="invalid_grant", message="no", revoked=True)

    stored = ground.store.read(account)
    assert stored is not None
    assert (stored.access_token, stored.version) == ("v1.new", 1)
    assert len(ground.log(account)) == 1


def test_a_stale_refresher_writes_nothing(ground: Ground) -> None:
    account = ground.account()
    stale = ground.store.start(account, 0, LEASE, "run")
    ground.let_leases_end()
    current = ground.store.start(account, 0, LEASE, "run")
    assert stale is not None
    assert current is not None

    with pytest.raises(LeaseLostError):
        ground.store.save(account, stale, grant("v1.stale"))
    with pytest.raises(LeaseLostError):
        ground.store.fail(account, stale, code="invalid_grant", message="no", revoked=True)

    stored = ground.store.read(account)
    assert stored is not None
    assert (stored.access_token, stored.version, stored.needs_reconnect) == ("v1.access", 0, False)
    assert ground.status(account) == ("active", None)
    assert None not in ground.due(account)
    assert ground.log(account) == []
    ground.store.save(account, current, grant("v1.current"))


def test_a_failure_gives_the_right_back_and_leaves_the_account_alone(ground: Ground) -> None:
    account = ground.account()
    refresh = ground.store.start(account, 0, LEASE, "run")
    assert refresh is not None

    ground.store.fail(account, refresh, code="upstream", message="503", revoked=False)

    assert ground.status(account) == ("active", None)
    assert None not in ground.due(account)
    assert ground.log(account) == [(False, "upstream", "503", "run")]
    assert ground.store.start(account, 0, LEASE, "run") is not None


def test_a_revocation_stops_the_account_and_all_its_units_once(ground: Ground) -> None:
    account, other = ground.account(), ground.account()
    refresh = ground.store.start(account, 0, LEASE, "run")
    assert refresh is not None

    ground.store.fail(account, refresh, code="invalid_grant", message="withdrawn", revoked=True)

    assert ground.status(account) == ("needs_reconnect", "withdrawn")
    assert set(ground.due(account)) == {None}
    assert ground.log(account) == [(False, "invalid_grant", "withdrawn", "run")]
    stored = ground.store.read(account)
    assert stored is not None
    assert stored.needs_reconnect
    assert ground.status(other) == ("active", None)
    assert None not in ground.due(other)


def test_a_revocation_of_a_paused_account_leaves_it_paused(ground: Ground) -> None:
    """Its owner paused it; when he resumes it, the next refresh says what is wrong."""
    account = ground.account()
    ground.pause(account)
    refresh = ground.store.start(account, 0, LEASE, "manual")
    assert refresh is not None

    ground.store.fail(account, refresh, code="invalid_grant", message="withdrawn", revoked=True)

    assert ground.status(account)[0] == "paused"
    assert ground.log(account) == [(False, "invalid_grant", "withdrawn", "manual")]
