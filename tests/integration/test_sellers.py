"""Each way in which an account gets a token: rows of two sellers never lie under one account."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.accounts.model import NewAccount
from core.connect.model import STATE_LASTS, Attempt, NewAttempt, Via
from core.errors import RejectedContentError, UsageError
from core.ids import AccountId
from core.moving.model import Arrival
from core.notifications.model import Erase, Notification, Outcome
from core.sellers import Seller
from infra.ebay.streams.registry import STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.connections import PostgresConnections
from infra.postgres.migrator import migrate, shipped
from infra.postgres.moving import PostgresMoving
from infra.postgres.notifications import DELETED, PostgresNotifications
from infra.postgres.transaction import Database
from tests.integration.test_account_states import rows
from tests.support.memory_tokens import new_tokens

ANNA = Seller(ebay_user_id="anna-id", username="anna", marketplace_id=None)
BERT = Seller(ebay_user_id="bert-id", username="bert", marketplace_id=None)
NEW = new_tokens("new")
HELD = "SELECT status, ebay_user_id, username FROM ebay.accounts"
TOKENS = "SELECT refresh_token FROM ebay.tokens"

Way = Callable[[Database, AccountId, Seller], Any]


def by_import(database: Database, account: AccountId, seller: Seller) -> None:
    """`accounts reconnect` and `accounts add --replace`, once what they looked at is outdated."""
    PostgresAccounts(database, STREAMS).replace_token(account, seller, lambda _: NEW)


def by_consent(database: Database, account: AccountId, seller: Seller) -> None:
    """`accounts connect` and the callback, with a `find` from before."""
    _connected(database, account, seller)


def by_a_first_consent(database: Database, _: AccountId, seller: Seller) -> None:
    """The same, begun before there was an account of that name."""
    _connected(database, None, seller)


def _connected(database: Database, account: AccountId | None, seller: Seller) -> None:
    store = PostgresConnections(database, PostgresAccounts(database, STREAMS))
    begun = NewAttempt(
        state_digest=seller.ebay_user_id, browser_digest=None, via=Via.WEB, name="shop",
        environment="simulator", marketplace_ids=(), scopes=(),
    )  # fmt: skip
    store.begin(begun, STATE_LASTS)
    attempt = store.take(seller.ebay_user_id, via=Via.WEB, browser_digest=None, name=None)
    assert isinstance(attempt, Attempt)
    store.save(
        attempt, seller, account, lambda _: NEW,
        marketplace_ids=(), scopes=(), scopes_told=False,
    )  # fmt: skip


def by_a_test(database: Database, account: AccountId, seller: Seller) -> None:
    """`accounts test` keeps what eBay says of a seller."""
    PostgresAccounts(database, STREAMS).identify(account, seller)


def by_moving_over(database: Database, _: AccountId, seller: Seller) -> None:
    arrival = Arrival(
        old_id="old", name="shop", environment="simulator", marketplace_ids=(), states=(),
        ebay_user_id=seller.ebay_user_id, username=seller.username,
    )  # fmt: skip
    PostgresMoving(database, STREAMS).add(arrival, lambda _: NEW)


def by_adding(database: Database, _: AccountId, seller: Seller) -> None:
    add(database, seller)


WAYS = [
    by_import, by_consent, by_a_first_consent, by_a_test, by_moving_over, by_adding,
]  # fmt: skip


def add(database: Database, seller: Seller | None) -> AccountId:
    new = NewAccount(name="shop", environment="simulator", marketplace_ids=(), seller=seller)
    return PostgresAccounts(database, STREAMS).add(new, lambda _: new_tokens())


def delete(database: Database, seller: Seller) -> None:
    """eBay tells that the seller's account was deleted."""
    told = Notification(
        id="n-1", topic="MARKETPLACE_ACCOUNT_DELETION", event_at=None, attempt=1,
        ids=(seller.ebay_user_id,), names=("anna",), effect=Erase(words=("anna", "anna-id")),
    )  # fmt: skip
    assert PostgresNotifications(database, "simulator").take(told).outcome is Outcome.ERASED


def known(database: Database) -> AccountId:
    return add(database, ANNA)


def unknown(database: Database) -> AccountId:
    return add(database, None)


def known_by_name(database: Database) -> AccountId:
    account = add(database, None)
    rows(database, "UPDATE ebay.accounts SET username = 'anna'")
    return account


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("there", [known, unknown, known_by_name])
def test_another_seller_gets_into_no_account(
    database: Database, there: Callable[[Database], AccountId], way: Way
) -> None:
    account = there(database)
    before = rows(database, HELD)

    with suppress(UsageError):
        way(database, account, BERT)

    assert rows(database, HELD) == before
    assert rows(database, TOKENS) == [("v1.refresh",)]


@pytest.mark.parametrize("seller", [ANNA, BERT])
@pytest.mark.parametrize("way", WAYS)
def test_nobody_gets_into_the_account_of_a_seller_who_is_gone(
    database: Database, way: Way, seller: Seller
) -> None:
    """Not the same one either: who he was is not kept, and does not come back."""
    account = add(database, ANNA)
    delete(database, ANNA)

    with suppress(UsageError):
        way(database, account, seller)

    assert rows(database, HELD) == [("disconnected", None, None)]
    assert rows(database, TOKENS) == []


@pytest.mark.parametrize("way", [by_import, by_consent])
@pytest.mark.parametrize("there", [known, known_by_name])
def test_the_seller_himself_gets_into_his_account(
    database: Database, there: Callable[[Database], AccountId], way: Way
) -> None:
    account = there(database)

    way(database, account, ANNA)

    assert rows(database, HELD) == [("active", "anna-id", "anna")]
    assert rows(database, TOKENS) == [("v1.new",)]


def test_an_account_of_a_seller_who_is_gone_is_never_active_again(database: Database) -> None:
    """Whatever statement tries it."""
    account = add(database, ANNA)
    delete(database, ANNA)

    with pytest.raises(RejectedContentError, match="accounts_of_nobody_else"):
        rows(database, "UPDATE ebay.accounts SET status = 'active' WHERE id = :id", id=account)


def test_who_was_gone_before_this_was_kept_is_gone(
    empty_database: Database, tmp_path: Path
) -> None:
    known = [each for each in shipped().iterdir() if each.name.endswith(".sql")]
    [ours] = [each.name for each in known if each.name.endswith("_sellers.sql")]
    for each in known:
        if each.name < ours:
            (tmp_path / each.name).write_text(each.read_text())
    migrate(empty_database, tmp_path)
    rows(
        empty_database,
        "INSERT INTO ebay.accounts (name, environment, status, status_reason) VALUES"
        " ('gone', 'sandbox', 'disconnected', :deleted),"
        " ('left', 'sandbox', 'disconnected', 'disconnected by its owner'),"
        " ('there', 'sandbox', 'active', NULL)",
        deleted=DELETED,
    )

    migrate(empty_database)

    gone = "SELECT name FROM ebay.accounts WHERE seller_gone_at IS NOT NULL"
    assert rows(empty_database, gone) == [("gone",)]
