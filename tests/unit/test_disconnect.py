"""Letting a seller go: what is revoked, forgotten, kept, erased, and told."""

from dataclasses import dataclass, field, replace

import pytest

from core.connect.disconnect import BATCH, DisconnectAccount
from core.connect.model import KnownSeller
from core.errors import (
    ConfigurationError,
    DecryptError,
    StoreUnavailableError,
    UpstreamUnavailableError,
    UsageError,
)
from core.ids import AccountId
from core.secret import Secret
from tests.support.memory_connections import Ebay, MemoryConnections

SHOP = KnownSeller(
    id=AccountId(7),
    name="shop",
    environment="production",
    status="active",
    ebay_user_id="anna-id",
    username="anna",
    marketplace_ids=("EBAY_DE",),
)


@dataclass
class Opener:
    broken: Exception | None = None

    def open(self, sealed: str, *, account_id: AccountId, field: str) -> Secret:
        if self.broken is not None:
            raise self.broken
        return Secret(f"{field} of {account_id}")


@dataclass
class Desk:
    ebay: Ebay = field(default_factory=Ebay)
    opener: Opener = field(default_factory=Opener)

    def __post_init__(self) -> None:
        self.store = MemoryConnections(sellers={"shop": SHOP}, tokens={SHOP.id: "sealed"})
        self.account = DisconnectAccount(store=self.store, revoker=self.ebay, opener=self.opener)

    @property
    def status(self) -> str:
        return self.store.sellers["shop"].status


def test_the_consent_is_revoked_and_the_tokens_are_forgotten() -> None:
    desk = Desk()

    done = desk.account.run("shop", erase_data=False)

    assert (done.revoked, done.trouble, done.was_disconnected) == (True, None, False)
    assert desk.ebay.revoked == ["refresh_token of 7"]
    assert (desk.status, desk.store.tokens) == ("disconnected", {})


@pytest.mark.parametrize(
    "failure", [UpstreamUnavailableError("away"), ConfigurationError("no keys")]
)
def test_a_revocation_that_fails_is_told_and_does_not_keep_the_tokens(failure: Exception) -> None:
    desk = Desk(ebay=Ebay(revocations=[failure]))

    done = desk.account.run("shop", erase_data=False)

    assert (done.revoked, done.trouble) == (False, str(failure))
    assert (desk.status, desk.store.tokens) == ("disconnected", {})


def test_a_token_that_does_not_open_is_forgotten_all_the_same() -> None:
    desk = Desk(opener=Opener(DecryptError("sealed with another key")))

    done = desk.account.run("shop", erase_data=False)

    assert done.revoked is False
    assert "could not be told" in (done.trouble or "")
    assert desk.store.tokens == {}


def test_a_database_that_is_away_is_no_trouble_with_ebay() -> None:
    desk = Desk(opener=Opener(StoreUnavailableError("away")))

    with pytest.raises(StoreUnavailableError):
        desk.account.run("shop", erase_data=False)


def test_twice_is_as_good_as_once() -> None:
    desk = Desk()
    desk.account.run("shop", erase_data=False)
    events = list(desk.store.events)

    done = desk.account.run("shop", erase_data=False)

    assert (done.was_disconnected, done.revoked) == (True, None)
    assert desk.store.events == events


def test_an_account_without_a_token_is_disconnected_too() -> None:
    desk = Desk()
    desk.store.tokens.clear()

    done = desk.account.run("shop", erase_data=False)

    assert (done.revoked, done.was_disconnected, desk.status) == (None, False, "disconnected")


def test_what_was_an_unknown_sellers_is_nobodys_again() -> None:
    desk = Desk()
    known = desk.account.run("shop", erase_data=False)
    desk.store.sellers["shop"] = replace(SHOP, ebay_user_id=None, username=None)

    unknown = desk.account.run("shop", erase_data=False)

    assert (known.for_good, unknown.for_good) == (False, True)


def test_data_stays_unless_its_erasure_is_asked_for() -> None:
    desk = Desk()
    desk.store.held = {SHOP.id: {"ebay.orders": 3}}

    desk.account.run("shop", erase_data=False)

    assert desk.store.held == {SHOP.id: {"ebay.orders": 3}}


def test_erased_is_all_of_it_the_states_first_and_counted() -> None:
    desk = Desk()
    desk.store.held = {SHOP.id: {"ebay.orders": 2 * BATCH + 1, "ebay.sync_states": 20}}

    seller, rows = desk.account.look("shop")
    done = desk.account.run("shop", erase_data=True)

    assert seller == SHOP
    assert rows == [("ebay.sync_states", 20), ("ebay.orders", 2 * BATCH + 1)]
    assert done.erased == {"ebay.sync_states": 20, "ebay.orders": 2 * BATCH + 1}
    assert desk.account.look("shop")[1] == []
    assert done.left == []


def test_an_erasure_that_was_cut_off_goes_on() -> None:
    desk = Desk()
    desk.account.run("shop", erase_data=False)
    desk.store.held = {SHOP.id: {"ebay.orders": 1}}

    done = desk.account.run("shop", erase_data=True)

    assert done.erased == {"ebay.orders": 1}


def test_an_account_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(UsageError, match="no account 'shap'"):
        Desk().account.run("shap", erase_data=True)
