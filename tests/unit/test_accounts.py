"""What is refused before a token is sent anywhere, and what after eBay has said whose it is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from core.accounts.manage import ManageAccounts
from core.accounts.model import KnownAccount, NewAccount, Status
from core.errors import (
    AccessTokenRefusedError,
    ConfigurationError,
    ReauthorizationRequiredError,
    TokenRefusedError,
    UsageError,
)
from core.grants import NewTokens, SealFor
from core.ids import AccountId
from core.secret import Secret
from core.sellers import Seller
from core.tokens.model import Grant
from tests.support.memory_sellers import ANNA, BERT, Owners
from tests.support.memory_tokens import Endpoint, PlainCipher, granted


@dataclass
class MemoryAccounts:
    known: dict[str, KnownAccount] = field(default_factory=dict)
    pairs: dict[AccountId, NewTokens] = field(default_factory=dict)

    def find(self, name: str) -> KnownAccount | None:
        return self.known.get(name)

    def list(self) -> "list[KnownAccount]":
        return list(self.known.values())

    def add(self, account: NewAccount, seal: SealFor) -> AccountId:
        account_id = AccountId(len(self.known) + 1)
        who = account.seller
        self.known[account.name] = KnownAccount(
            id=account_id,
            name=account.name,
            environment=account.environment,
            status=Status.ACTIVE,
            status_reason=None,
            ebay_user_id=None if who is None else who.ebay_user_id,
            username=None if who is None else who.username,
            marketplace_ids=account.marketplace_ids,
            access_expires_at=None,
            refresh_expires_at=None,
            last_success_at=None,
            failing=0,
        )
        self.pairs[account_id] = seal(account_id)
        return account_id

    def replace_token(self, account_id: AccountId, identity: Seller, seal: SealFor) -> None:
        self.identify(account_id, identity)
        self.pairs[account_id] = seal(account_id)
        if all(each.status is not Status.PAUSED for each in self.known.values()):
            self.switch(account_id, active=True)

    def identify(self, account_id: AccountId, identity: Seller) -> None:
        for name, account in self.known.items():
            if account.id == account_id:
                self.known[name] = replace(
                    account,
                    ebay_user_id=identity.ebay_user_id,
                    username=identity.username or account.username,
                )

    def switch(self, account_id: AccountId, *, active: bool) -> None:
        status = Status.ACTIVE if active else Status.PAUSED
        for name, account in self.known.items():
            if account.id == account_id:
                self.known[name] = replace(account, status=status)


@dataclass
class Tokens:
    rejected: list[Secret | None] = field(default_factory=list)

    def get(
        self, account_id: AccountId, environment: str, *, rejected: Secret | None, timeout: float
    ) -> Secret:
        self.rejected.append(rejected)
        return Secret(f"access-{len(self.rejected)}")


@dataclass
class Desk:
    store: MemoryAccounts = field(default_factory=MemoryAccounts)
    endpoint: Endpoint = field(default_factory=Endpoint)
    owners: Owners = field(default_factory=Owners)
    tokens: Tokens = field(default_factory=Tokens)
    wrong_keys: ConfigurationError | None = None

    def __post_init__(self) -> None:
        self.manage = ManageAccounts(
            store=self.store,
            refresher=self.endpoint,
            sellers=self.owners,
            sealer=PlainCipher(),
            tokens=self.tokens,
            test_keys=self.test_keys,
        )

    def test_keys(self) -> None:
        if self.wrong_keys is not None:
            raise self.wrong_keys

    def add(
        self,
        name: str = "shop",
        environment: str = "production",
        *marketplace_ids: str,
        replace: bool = False,
    ) -> KnownAccount:
        return self.manage.add(
            name,
            environment,
            Secret("imported"),
            marketplace_ids=marketplace_ids,
            replace=replace,
        )

    def has(self, status: Status) -> None:
        self.store.known["shop"] = replace(self.store.known["shop"], status=status)


def test_an_account_gets_the_marketplace_where_its_seller_is_registered() -> None:
    desk = Desk()

    assert desk.add().marketplace_ids == ("EBAY_DE",)
    desk.owners.answers = [BERT]
    assert desk.add("other").marketplace_ids == ()
    desk.owners.answers = [None]
    assert desk.add("third", "production", "EBAY_AT").marketplace_ids == ("EBAY_AT",)


def test_the_imported_token_and_the_first_access_token_are_sealed() -> None:
    desk = Desk()

    pair = desk.store.pairs[desk.add().id]

    assert (pair.refresh_token, pair.access_token) == ("sealed(imported)", "sealed(access-1)")
    assert pair.access_expires_in == timedelta(hours=2)
    assert pair.refresh_expires_in is None


def test_a_refresh_token_that_comes_with_the_first_answer_replaces_the_imported_one() -> None:
    desk = Desk()
    rotated = granted("access", refresh="rotated")
    desk.endpoint.answers = [
        Grant(
            access_token=rotated.access_token,
            expires_in=rotated.expires_in,
            refresh_token=rotated.refresh_token,
            refresh_token_expires_in=timedelta(days=500),
        )
    ]

    pair = desk.store.pairs[desk.add().id]

    assert pair.refresh_token == "sealed(rotated)"
    assert pair.refresh_expires_in == timedelta(days=500)


def test_a_way_out_can_be_typed_as_it_is_told() -> None:
    desk = Desk()
    desk.add("b b")
    way_out = "accounts reconnect 'b b' --refresh-token-file FILE"

    with pytest.raises(UsageError, match=way_out):
        desk.add("another")
    desk.store.known["b b"] = replace(desk.store.known["b b"], status=Status.NEEDS_RECONNECT)
    with pytest.raises(UsageError, match=way_out):
        desk.manage.resume("b b")


@pytest.mark.parametrize("name", ["", " x", "x ", "a\tb", "x" * 101])
def test_a_name_that_cannot_be_used_is_refused_before_the_token_is_sent(name: str) -> None:
    desk = Desk()

    with pytest.raises(UsageError, match="cannot be used"):
        desk.add(name)

    assert desk.endpoint.asked == []


def test_what_is_wrong_with_a_replacement_is_found_before_the_token_is_sent() -> None:
    desk = Desk()
    desk.add()
    desk.endpoint.asked.clear()

    with pytest.raises(UsageError, match="already"):
        desk.add()
    with pytest.raises(UsageError, match="no account 'shpo'"):
        desk.add("shpo", replace=True)
    with pytest.raises(UsageError, match="belongs to production"):
        desk.add("shop", "sandbox", replace=True)
    with pytest.raises(UsageError, match="--marketplace"):
        desk.add("shop", "production", "EBAY_DE", replace=True)
    with pytest.raises(UsageError, match="EBAY_DE"):
        desk.add("new", "production", "de")

    assert desk.endpoint.asked == []


def test_a_token_that_ebay_refuses_is_explained() -> None:
    desk = Desk()
    desk.endpoint.answers = [ReauthorizationRequiredError("invalid_grant")]

    with pytest.raises(ReauthorizationRequiredError, match=r"invalid_grant; .*\(production\)"):
        desk.add()

    assert desk.store.known == {}


def test_one_seller_is_one_account_in_each_environment() -> None:
    desk = Desk()
    desk.add()

    with pytest.raises(UsageError, match="this seller is the account 'shop' already"):
        desk.add("again")

    assert desk.add("sandbox shop", "sandbox").name == "sandbox shop"


def test_only_the_sellers_own_token_replaces_his_old_one() -> None:
    desk = Desk()
    desk.add()
    desk.owners.answers = [BERT]

    with pytest.raises(UsageError, match=r"another seller's .eBay tells no name., not anna's"):
        desk.add(replace=True)

    assert desk.add(replace=True).name == "shop"


def test_a_token_that_does_not_say_whose_it_is_replaces_none() -> None:
    desk = Desk()
    desk.add()
    before = dict(desk.store.pairs)
    desk.owners.answers = [None]

    with pytest.raises(UsageError, match=r"does not say whose .* accounts connect --name shop"):
        desk.add(replace=True)

    assert desk.store.pairs == before


def test_nobody_gets_into_the_account_of_a_seller_who_is_gone() -> None:
    desk = Desk()
    desk.add()
    gone = replace(
        desk.store.known["shop"],
        status=Status.DISCONNECTED,
        ebay_user_id=None,
        username=None,
        seller_gone=True,
    )
    desk.store.known["shop"] = gone
    desk.endpoint.asked.clear()

    tries: list[Callable[[], object]] = [
        desk.add,
        lambda: desk.add(replace=True),
        lambda: desk.manage.reconnect("shop", Secret("new")),
        lambda: desk.manage.resume("shop"),
    ]
    for attempt in tries:
        with pytest.raises(UsageError, match=r"'shop' is gone.*accounts connect --name ANOTHER"):
            attempt()

    assert desk.endpoint.asked == []
    assert desk.store.known["shop"] == gone


def test_an_account_whose_seller_nobody_knows_takes_no_other_token() -> None:
    desk = Desk()
    desk.owners.answers = [None]
    desk.add()
    desk.endpoint.asked.clear()

    with pytest.raises(UsageError, match=r"nobody knows whose rows .* accounts disconnect shop"):
        desk.add(replace=True)

    assert desk.endpoint.asked == []
    assert desk.manage.pause("shop").status is Status.PAUSED
    assert desk.manage.resume("shop").status is Status.ACTIVE


@pytest.mark.parametrize("name", ["Anna", "ANNA-ID"])
def test_an_account_that_came_with_a_name_alone_is_its_sellers(name: str) -> None:
    desk = Desk()
    desk.add()
    desk.store.known["shop"] = replace(desk.store.known["shop"], ebay_user_id=None, username=name)
    desk.owners.answers = [BERT]

    with pytest.raises(UsageError, match=f"another seller's .* not {name}'s"):
        desk.add(replace=True)

    assert desk.add(replace=True).ebay_user_id == "anna-id"


def test_an_account_is_tested_with_one_call() -> None:
    desk = Desk()
    desk.add()

    assert desk.manage.test("shop") == ANNA
    assert desk.tokens.rejected == [None]


def test_a_token_that_is_refused_is_renewed_once_for_a_test() -> None:
    desk = Desk()
    desk.add()
    desk.owners.answers = [AccessTokenRefusedError("401"), ANNA]

    assert desk.manage.test("shop") == ANNA
    assert desk.tokens.rejected == [None, Secret("access-1")]


def test_a_token_that_is_refused_again_is_told() -> None:
    desk = Desk()
    desk.add()
    desk.owners.answers = [AccessTokenRefusedError("401"), AccessTokenRefusedError("401")]

    with pytest.raises(TokenRefusedError):
        desk.manage.test("shop")


def test_a_pause_and_a_resume_can_be_repeated() -> None:
    desk = Desk()
    desk.add()

    statuses = [
        desk.manage.pause("shop").status,
        desk.manage.pause("shop").status,
        desk.manage.resume("shop").status,
        desk.manage.resume("shop").status,
    ]

    assert statuses == [Status.PAUSED, Status.PAUSED, Status.ACTIVE, Status.ACTIVE]


@pytest.mark.parametrize("status", [Status.NEEDS_RECONNECT, Status.DISCONNECTED])
def test_an_account_without_consent_is_neither_paused_nor_resumed(status: Status) -> None:
    desk = Desk()
    desk.add()
    desk.has(status)

    with pytest.raises(UsageError, match=status):
        desk.manage.pause("shop")
    with pytest.raises(UsageError, match="accounts reconnect shop"):
        desk.manage.resume("shop")


def test_a_name_that_nobody_has_is_told() -> None:
    with pytest.raises(UsageError, match="accounts list"):
        Desk().manage.get("nobody")


def test_an_account_is_reconnected_by_a_new_token_of_the_same_seller() -> None:
    desk = Desk()
    desk.add()
    desk.has(Status.NEEDS_RECONNECT)

    known = desk.manage.reconnect("shop", Secret("new"), consent_lasts=timedelta(days=500))

    assert known.status is Status.ACTIVE
    assert desk.endpoint.asked[-1][:2] == ("production", "new")
    pair = desk.store.pairs[known.id]
    assert pair.refresh_token == "sealed(new)"
    assert pair.refresh_expires_in == timedelta(days=500)


def test_only_an_account_that_is_there_is_reconnected_and_only_by_its_seller() -> None:
    desk = Desk()
    desk.add()
    before = dict(desk.store.pairs)

    with pytest.raises(UsageError, match="no account 'shpo'"):
        desk.manage.reconnect("shpo", Secret("new"))
    desk.owners.answers = [BERT]
    with pytest.raises(UsageError, match="another seller's"):
        desk.manage.reconnect("shop", Secret("new"))

    assert desk.store.pairs == before


def test_wrong_encryption_keys_are_found_before_a_token_is_sent() -> None:
    desk = Desk()
    desk.add()
    asked = len(desk.endpoint.asked)
    desk.wrong_keys = ConfigurationError("ENCRYPTION_KEYS")

    for attempt in (
        lambda: desk.add("other"),
        lambda: desk.manage.reconnect("shop", Secret("new")),
        lambda: desk.manage.test("shop"),
    ):
        with pytest.raises(ConfigurationError):
            attempt()

    assert (len(desk.endpoint.asked), desk.tokens.rejected) == (asked, [])


def test_what_ebay_says_of_a_seller_is_kept_when_the_account_is_tested() -> None:
    desk = Desk()
    desk.add()
    renamed = replace(ANNA, username="anna-2")
    desk.owners.answers = [renamed, None, replace(ANNA, ebay_user_id="somebody else")]

    told = [desk.manage.test("shop") for _ in range(3)]

    assert told[:2] == [renamed, None]
    assert desk.manage.get("shop").username == "anna-2"
