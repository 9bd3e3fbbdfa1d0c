"""Where a seller lives, as it is stored, and what it decides about his calls."""

import pytest
import sqlalchemy as sa

from core.accounts.model import KnownAccount, NewAccount
from core.connect.model import STATE_LASTS, Attempt, NewAttempt, Via
from core.grants import NewTokens
from core.ids import AccountId
from core.sellers import Seller
from infra.ebay.streams.registry import STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.connections import PostgresConnections
from infra.postgres.transaction import Database
from tests.support.memory_tokens import new_tokens


def seller(country: str | None = None, marketplace: str | None = None) -> Seller:
    return Seller(ebay_user_id="anna", username="anna", marketplace_id=marketplace, country=country)


def seal(_: AccountId) -> NewTokens:
    return new_tokens()


@pytest.fixture
def accounts(database: Database) -> PostgresAccounts:
    return PostgresAccounts(database, STREAMS)


def added(accounts: PostgresAccounts, identity: Seller | None) -> KnownAccount:
    new = NewAccount(
        name="shop", environment="simulator", marketplace_ids=("EBAY_DE",), seller=identity
    )
    accounts.add(new, seal)
    return known(accounts)


def known(accounts: PostgresAccounts) -> KnownAccount:
    found = accounts.find("shop")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("identity", "told"),
    [
        (seller("FR", "EBAY_US"), ("FR", "EBAY_US", "domicile")),
        (seller("CN", "EBAY_DE"), ("CN", "EBAY_DE", None)),
        (seller(None, "EBAY_DE"), (None, "EBAY_DE", "domicile")),
        (seller(None, "EBAY_US"), (None, "EBAY_US", None)),
        (seller(), (None, None, None)),
        (None, (None, None, None)),
    ],
)
def test_a_new_account_signs_by_what_ebay_tells(
    accounts: PostgresAccounts, identity: Seller | None, told: tuple[str | None, ...]
) -> None:
    """The marketplaces that somebody chose for his account say nothing about where he lives."""
    account = added(accounts, identity)

    stored = (account.country, account.registration_marketplace_id, account.signed_because)
    assert stored == told


def test_a_seller_who_moves_is_signed_for_or_no_longer(accounts: PostgresAccounts) -> None:
    account = added(accounts, seller("DE", "EBAY_DE"))

    accounts.identify(account.id, seller("US", "EBAY_DE"))
    assert known(accounts).signed_because is None
    accounts.replace_token(account.id, seller("GB", "EBAY_DE"), seal)
    assert known(accounts).signed_because == "domicile"


def test_what_ebay_does_not_tell_any_more_stays(accounts: PostgresAccounts) -> None:
    account = added(accounts, seller("DE", "EBAY_DE"))

    accounts.replace_token(account.id, seller(), seal)

    assert known(accounts).signed_because == "domicile"
    assert known(accounts).country == "DE"


def test_what_ebay_has_demanded_it_demands_wherever_the_seller_lives(
    accounts: PostgresAccounts, database: Database
) -> None:
    account = added(accounts, seller("US", "EBAY_US"))
    with database.transaction() as connection:
        connection.execute(sa.text("UPDATE ebay.accounts SET signed_because = 'demanded'"))

    accounts.identify(account.id, seller("US", "EBAY_US"))
    assert known(accounts).signed_because == "demanded"
    accounts.identify(account.id, seller("DE", "EBAY_US"))
    assert known(accounts).signed_because == "demanded"


@pytest.mark.parametrize(("country", "because"), [("IE", "domicile"), ("US", None)])
def test_a_seller_who_consents_is_known_by_where_he_lives(
    accounts: PostgresAccounts, database: Database, country: str, because: str | None
) -> None:
    store = PostgresConnections(database, accounts)
    begun = NewAttempt(
        state_digest="digest", browser_digest=None, via=Via.WEB, name="shop",
        environment="simulator", marketplace_ids=(), scopes=(),
    )  # fmt: skip
    store.begin(begun, STATE_LASTS)
    attempt = store.take("digest", via=Via.WEB, browser_digest=None, name=None)
    assert isinstance(attempt, Attempt)

    store.save(
        attempt, seller(country), None, seal, marketplace_ids=(), scopes=(), scopes_told=False
    )

    assert (known(accounts).country, known(accounts).signed_because) == (country, because)
