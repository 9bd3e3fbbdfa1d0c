"""Which states an account has, whichever release it was added by, and what they say of it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from core.accounts.model import NewAccount
from core.ids import AccountId
from core.sellers import Seller
from infra.ebay.streams.registry import STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.transaction import Database
from tests.integration.test_account_locks import beside, wait_until_blocked
from tests.support.memory_tokens import new_tokens

OLD = [stream for stream in STREAMS if stream.name == "orders"]
LATER = [stream for stream in STREAMS if stream.name in {"orders", "payouts"}]
CURSOR = datetime(2026, 3, 1, tzinfo=UTC)


def seller(name: str) -> Seller:
    return Seller(ebay_user_id=name, username=name, marketplace_id=None)


def add(database: Database, name: str) -> AccountId:
    new = NewAccount(name=name, environment="simulator", marketplace_ids=(), seller=seller(name))
    return PostgresAccounts(database, OLD).add(new, lambda _: new_tokens())


def rows(database: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with database.transaction() as connection:
        found = connection.execute(sa.text(statement), values)
        return [tuple(row) for row in found] if found.returns_rows else []


def states(database: Database) -> list[tuple[Any, ...]]:
    return rows(
        database,
        "SELECT name, stream, pass, interval_s, due_at <= clock_timestamp(), cursor_at"
        " FROM ebay.sync_states JOIN ebay.accounts ON id = account_id ORDER BY 1, 2, 3",
    )


def test_r23_streams_of_a_later_release_reach_the_accounts_that_are_there(
    database: Database,
) -> None:
    for name in ("a", "b"):
        add(database, name)
    rows(database, "UPDATE ebay.sync_states SET cursor_at = :at, interval_s = 7", at=CURSOR)
    later = PostgresAccounts(database, LATER)

    added, again = later.add_missing_states(), later.add_missing_states()

    assert (added, again) == (4, 0)
    assert states(database) == [
        (name, *state)
        for name in ("a", "b")
        for state in [
            ("orders", "new", 7, True, CURSOR),
            ("payouts", "new", 1800, True, None),
            ("payouts", "open", 3600, False, None),
        ]
    ]


def test_what_is_added_to_an_account_that_is_not_active_is_not_due(database: Database) -> None:
    account = add(database, "shop")
    PostgresAccounts(database, OLD).switch(account, active=False)

    PostgresAccounts(database, LATER).add_missing_states()

    assert rows(database, "SELECT due_at FROM ebay.sync_states") == [(None,)] * 3


@pytest.mark.direct_only(reason="three sessions at once, and the pool has two")
def test_what_is_added_while_an_account_is_paused_is_not_due(database: Database) -> None:
    add(database, "shop")

    with beside() as thread:
        with database.transaction() as pausing:
            pausing.execute(sa.text("UPDATE ebay.accounts SET status = 'paused'"))
            adding = thread.submit(PostgresAccounts(database, LATER).add_missing_states)
            wait_until_blocked(database, adding)
        assert adding.result(30) == 2

    assert rows(database, "SELECT due_at FROM ebay.sync_states WHERE stream <> 'orders'") == [
        (None,),
        (None,),
    ]


def test_an_account_that_is_resumed_or_gets_a_new_token_has_every_stream(
    database: Database,
) -> None:
    resumed, renewed, other = (add(database, name) for name in ("a", "b", "c"))
    later = PostgresAccounts(database, LATER)
    later.switch(resumed, active=False)

    later.switch(resumed, active=True)
    later.replace_token(renewed, seller("b"), lambda _: new_tokens())

    counted = "SELECT account_id, count(*) FROM ebay.sync_states GROUP BY 1 ORDER BY 1"
    assert rows(database, counted) == [(resumed, 3), (renewed, 3), (other, 1)]
    assert rows(database, "SELECT count(*) FROM ebay.sync_states WHERE due_at IS NULL") == [(0,)]


def test_the_last_success_of_an_account_is_that_of_reading_what_is_new(database: Database) -> None:
    """The second pass ends well with nothing to read while eBay refuses every new page."""
    add(database, "shop")
    accounts = PostgresAccounts(database, LATER)
    accounts.add_missing_states()
    rows(
        database,
        "UPDATE ebay.sync_states SET last_success_at ="
        " CASE pass WHEN 'open' THEN CAST(:late AS timestamptz)"
        " WHEN 'new' THEN CAST(:early AS timestamptz) END",
        early=CURSOR,
        late=CURSOR + timedelta(hours=1),
    )

    [known] = accounts.list()

    assert known.last_success_at == CURSOR


def test_r13_states_that_many_give_at_once_are_there_once(database: Database) -> None:
    for name in ("a", "b", "c"):
        add(database, name)
    rows(database, "DELETE FROM ebay.sync_states")
    start = Barrier(4)

    def give(_: int) -> int:
        start.wait()
        return PostgresAccounts(database, LATER).add_missing_states()

    with ThreadPoolExecutor(4) as threads:
        given = list(threads.map(give, range(4)))

    assert sum(given) == 9
    assert rows(database, "SELECT count(*) FROM ebay.sync_states") == [(9,)]
