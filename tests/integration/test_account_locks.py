"""Accounts that are revoked or paused while their units work: who waits for whom."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.accounts.model import NewAccount
from core.errors import UsageError
from core.ids import AccountId, RunId
from core.report import Outcome, UnitReport
from core.sellers import Seller
from core.sync.ports import UnitEnd
from infra.ebay.streams.registry import STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.sync import PostgresSync
from infra.postgres.tokens import PostgresTokens
from infra.postgres.transaction import Database
from tests.support.memory_tokens import new_tokens

pytestmark = pytest.mark.direct_only(reason="three sessions at once, and the pool has two")
LEASE = timedelta(seconds=60)
PAGE = """
INSERT INTO ebay.payouts (account_id, payout_id, payout_date, raw, content_hash,
                          first_seen_at, updated_at)
VALUES (:account, 'p', now(), '{}', 1, now(), now())
"""


@pytest.fixture
def account(database: Database) -> AccountId:
    new = NewAccount(name="shop", environment="simulator", marketplace_ids=(), seller=None)
    return PostgresAccounts(database, STREAMS).add(new, lambda _: new_tokens())


@contextmanager
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as thread:
        yield thread


def wait_until_blocked(database: Database, work: Future[Any]) -> None:
    """Until a session of this database waits for a lock of another one."""
    while not work.done():
        with database.transaction() as connection:
            blocked = connection.execute(
                sa.text(
                    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database()"
                    " AND wait_event_type = 'Lock'"
                )
            ).first()
        if blocked:
            return
    raise AssertionError("it ended without waiting")


def due(database: Database) -> set[datetime | None]:
    with database.transaction() as connection:
        return {
            row[0] for row in connection.execute(sa.text("SELECT due_at FROM ebay.sync_states"))
        }


def running(database: Database) -> RunId:
    run_id = RunId(uuid4())
    with database.transaction() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO ops.runs"
                " (id, worker, status, via, request_hash, started_at, expires_at)"
                " VALUES (:id, 'ebay-cycle', 'running', 'cli', '', now(), now() + interval '1 h')"
            ),
            {"id": run_id},
        )
    return run_id


def test_a_revocation_and_a_page_of_the_same_account_do_not_deadlock(
    database: Database, account: AccountId
) -> None:
    """The page holds its state and then needs the account's key; the revocation the other way."""
    tokens = PostgresTokens(database)
    refresh = tokens.start(account, 0, LEASE, "run")
    assert refresh is not None

    with beside() as thread:
        with database.transaction() as page:
            page.execute(sa.text("SELECT 1 FROM ebay.sync_states FOR UPDATE"))
            revoking = thread.submit(
                tokens.fail, account, refresh, code="invalid_grant", message="no", revoked=True
            )
            wait_until_blocked(database, revoking)
            page.execute(sa.text(PAGE), {"account": account})
        revoking.result(30)

    assert due(database) == {None}


def test_a_unit_that_ends_while_its_account_is_paused_is_not_due_again(
    database: Database, account: AccountId
) -> None:
    now = datetime.now(UTC)
    run_id = running(database)
    store = PostgresSync(
        database=database, streams={stream.name: stream for stream in STREAMS}, lease=LEASE
    )
    unit = store.take_due(run_id, now, 1)[0]
    report = UnitReport(
        account_id=account,
        account="shop",
        stream=unit.stream.name,
        outcome=Outcome.DONE,
        started_at=now,
        finished_at=now,
    )
    end = UnitEnd(report=report, due_at=now, succeeded=True, gave_up=False)

    with beside() as thread:
        with database.transaction() as pausing:
            pausing.execute(sa.text("UPDATE ebay.accounts SET status = 'paused'"))
            finishing = thread.submit(store.finish, run_id, unit, end, ())
            wait_until_blocked(database, finishing)
            pausing.execute(sa.text("UPDATE ebay.sync_states SET due_at = NULL"))
        finishing.result(30)

    assert due(database) == {None}


@pytest.mark.parametrize("status", ["paused", "needs_reconnect"])
def test_a_named_unit_whose_account_is_just_being_stopped_is_not_taken(
    database: Database, account: AccountId, status: str
) -> None:
    run_id = running(database)
    store = PostgresSync(
        database=database, streams={stream.name: stream for stream in STREAMS}, lease=LEASE
    )
    candidate = store.candidates([], ["orders"])[0]

    with beside() as thread:
        with database.transaction() as stopping:
            stopping.execute(
                sa.text("UPDATE ebay.accounts SET status = :status"), {"status": status}
            )
            stopping.execute(sa.text("UPDATE ebay.sync_states SET due_at = NULL"))
            taking = thread.submit(store.take, run_id, datetime.now(UTC), candidate)
            wait_until_blocked(database, taking)
        taken = taking.result(30)

    assert taken is None


def test_a_new_token_that_tells_whose_it_is_outlives_a_deadlock_with_a_page(
    database: Database, account: AccountId
) -> None:
    """The id is a key: who sets it waits for no page that has not asked for the account yet."""
    identity = Seller(ebay_user_id="4711", username="somebody", marketplace_id=None)
    accounts = PostgresAccounts(database, STREAMS)
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE ebay.accounts SET username = 'somebody'"))

    with beside() as thread:

        def page(connection: sa.Connection) -> None:
            connection.execute(sa.text("SELECT 1 FROM ebay.sync_states FOR UPDATE"))
            if not replacing:
                work = thread.submit(
                    accounts.replace_token, account, identity, lambda _: new_tokens()
                )
                replacing.append(work)
                wait_until_blocked(database, work)
            connection.execute(sa.text(PAGE), {"account": account})

        replacing: list[Future[None]] = []
        database.run(page)
        replacing[0].result(30)

    assert accounts.list()[0].ebay_user_id == "4711"
    with database.transaction() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM ebay.payouts")).scalar_one() == 1


def test_a_pause_does_not_undo_a_revocation_that_came_first(
    database: Database, account: AccountId
) -> None:
    tokens = PostgresTokens(database)
    refresh = tokens.start(account, 0, LEASE, "run")
    assert refresh is not None
    tokens.fail(account, refresh, code="invalid_grant", message="no", revoked=True)

    for active in (False, True):
        with pytest.raises(UsageError, match="changed meanwhile"):
            PostgresAccounts(database, STREAMS).switch(account, active=active)

    assert due(database) == {None}
