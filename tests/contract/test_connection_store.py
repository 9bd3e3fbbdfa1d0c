"""What every store of connections promises: a state is good once, and rows come all at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

import pytest
import sqlalchemy as sa

from core.connect.model import (
    STATE_LASTS,
    Attempt,
    ConnectRefusedError,
    KnownSeller,
    NewAttempt,
    Refusal,
    Step,
    Via,
)
from core.connect.ports import ConnectStore, DisconnectStore
from core.errors import LeaseLostError
from core.grants import NewTokens
from core.ids import AccountId
from core.sellers import Seller
from infra.ebay.streams.registry import STREAMS
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.connections import PostgresConnections
from infra.postgres.tokens import PostgresTokens
from infra.postgres.transaction import Database
from tests.support.memory_connections import STRAYS, MemoryConnections
from tests.support.memory_tokens import new_tokens

ANNA = Seller(ebay_user_id="anna-id", username="anna", marketplace_id="EBAY_DE")
BERT = Seller(ebay_user_id="bert-id", username="bert", marketplace_id=None)
SHOP = NewAttempt(
    state_digest="digest of the state",
    browser_digest=None,
    via=Via.WEB,
    name="shop",
    environment="production",
    marketplace_ids=("EBAY_AT",),
    scopes=("one", "two"),
)


class Store(ConnectStore, DisconnectStore, Protocol):
    pass


class Ground(Protocol):
    """A store, and what can only be done or seen from outside of the port."""

    @property
    def store(self) -> Store: ...

    def pass_time(self, lasts: timedelta) -> None: ...

    def pause(self, name: str) -> None: ...

    def events(self) -> list[tuple[str, str | None]]: ...

    def refresh_token(self, account_id: AccountId) -> str | None: ...


@dataclass
class InMemory:
    store: MemoryConnections

    def pass_time(self, lasts: timedelta) -> None:
        self.store.now += lasts

    def pause(self, name: str) -> None:
        self.store.sellers[name] = replace(self.store.sellers[name], status="paused")

    def events(self) -> list[tuple[str, str | None]]:
        return [(step.value, reason) for _, step, reason in self.store.events]

    def refresh_token(self, account_id: AccountId) -> str | None:
        return self.store.tokens.get(account_id)


@dataclass
class InPostgres:
    store: PostgresConnections
    database: Database

    def pass_time(self, lasts: timedelta) -> None:
        self._run(
            "UPDATE ebay.connect_states SET expires_at = expires_at - make_interval(secs => :s)",
            s=lasts.total_seconds(),
        )

    def pause(self, name: str) -> None:
        self._run("UPDATE ebay.accounts SET status = 'paused' WHERE name = :name", name=name)

    def events(self) -> list[tuple[str, str | None]]:
        rows = self._run("SELECT step, reason FROM ebay.connect_events ORDER BY id")
        return [(step, reason) for step, reason in rows]

    def refresh_token(self, account_id: AccountId) -> str | None:
        found = self._run("SELECT refresh_token FROM ebay.tokens WHERE account_id = :id",
                          id=account_id)  # fmt: skip
        return found[0][0] if found else None

    def _run(self, text: str, **values: Any) -> list[Any]:
        with self.database.transaction() as connection:
            result = connection.execute(sa.text(text), values)
            return list(result) if result.returns_rows else []


@pytest.fixture(params=["memory", "postgres"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    if request.param == "memory":
        yield InMemory(MemoryConnections())
        return
    database: Database = request.getfixturevalue("database")
    yield InPostgres(PostgresConnections(database, PostgresAccounts(database, STREAMS)), database)


def seal(account_id: AccountId) -> NewTokens:
    return new_tokens(f"refresh for {account_id}", timedelta(days=547))


def take(
    ground: Ground, digest: str = SHOP.state_digest, *, browser: str | None = None,
    name: str | None = None,
) -> Attempt | Refusal:  # fmt: skip
    return ground.store.take(digest, via=Via.WEB, browser_digest=browser, name=name)


def taken(ground: Ground, attempt: NewAttempt = SHOP) -> Attempt:
    ground.store.begin(attempt, STATE_LASTS)
    found = take(ground, attempt.state_digest)
    assert isinstance(found, Attempt)
    return found


def save(
    ground: Ground, attempt: Attempt, seller: Seller = ANNA, account_id: AccountId | None = None
) -> str:
    return ground.store.save(
        attempt,
        seller,
        account_id,
        seal,
        marketplace_ids=attempt.marketplace_ids,
        scopes=attempt.scopes,
        scopes_told=False,
    )


def connected(ground: Ground) -> KnownSeller:
    save(ground, taken(ground))
    shop = ground.store.find("shop")
    assert shop is not None
    return shop


def test_a_state_brings_back_what_was_begun_and_is_good_once(ground: Ground) -> None:
    attempt = taken(ground)

    again = take(ground)

    assert (attempt.via, attempt.name, attempt.environment) == (Via.WEB, "shop", "production")
    assert (attempt.marketplace_ids, attempt.scopes) == (("EBAY_AT",), ("one", "two"))
    assert again is Refusal.STATE_REPLAYED
    assert ground.events() == [
        ("begun", None), ("callback_received", None), ("refused", "state_replayed"),
    ]  # fmt: skip


def test_a_state_ends(ground: Ground) -> None:
    ground.store.begin(SHOP, STATE_LASTS)
    ground.pass_time(STATE_LASTS)

    assert take(ground) is Refusal.STATE_EXPIRED


def test_a_state_that_is_none_is_unknown(ground: Ground) -> None:
    assert take(ground, "another digest") is Refusal.STATE_UNKNOWN
    assert ground.events() == [("refused", "state_unknown")]


def test_a_foreign_answer_leaves_the_state_to_whom_it_belongs(ground: Ground) -> None:
    ground.store.begin(replace(SHOP, browser_digest="his"), STATE_LASTS)

    refusals = [
        take(ground),
        take(ground, browser="hers"),
        take(ground, browser="his", name="other"),
    ]

    assert refusals == [Refusal.STATE_FOREIGN] * 3
    assert isinstance(take(ground, browser="his", name="shop"), Attempt)


def test_of_answers_that_belong_to_nobody_few_are_kept(ground: Ground) -> None:
    for _ in range(STRAYS + 5):
        ground.store.note_stray(Via.WEB, Refusal.STATE_MISSING)

    assert len(ground.events()) == STRAYS


def test_a_new_seller_is_there_with_tokens_and_streams(ground: Ground) -> None:
    status = save(ground, taken(ground))

    shop = ground.store.find("shop")
    assert shop is not None
    assert (status, shop.status, shop.username) == ("active", "active", "anna")
    assert shop.marketplace_ids == ("EBAY_AT",)
    assert ground.store.owner("production", "anna-id") == shop
    assert ground.store.owner("sandbox", "anna-id") is None
    assert ground.refresh_token(shop.id) == f"v1.refresh for {shop.id}"
    assert ground.events()[-1] == ("connected", None)


def test_a_state_knows_whether_it_has_connected_somebody(ground: Ground) -> None:
    attempt = taken(ground)
    before = ground.store.is_connected(SHOP.state_digest)

    save(ground, attempt)

    assert not before
    assert ground.store.is_connected(SHOP.state_digest)
    assert not ground.store.is_connected("another digest")


def test_a_consent_renews_an_account(ground: Ground) -> None:
    shop = connected(ground)
    ground.store.disconnect(shop, revoked=True, detail=None)

    status = save(ground, taken(ground, replace(SHOP, state_digest="2")), account_id=shop.id)

    assert status == "active"
    assert ground.refresh_token(shop.id) == f"v1.refresh for {shop.id}"
    assert ground.store.find("shop") == shop


def test_a_pause_stays(ground: Ground) -> None:
    shop = connected(ground)
    ground.pause("shop")

    again = taken(ground, replace(SHOP, state_digest="2"))

    assert save(ground, again, account_id=shop.id) == "paused"


def by_name(ground: Ground) -> None:
    save(ground, taken(ground, replace(SHOP, state_digest="2")), seller=BERT)


def by_seller(ground: Ground) -> None:
    save(ground, taken(ground, replace(SHOP, state_digest="2", name="second")))


def by_another_seller(ground: Ground) -> None:
    shop = ground.store.find("shop")
    assert shop is not None
    again = taken(ground, replace(SHOP, state_digest="2"))
    save(ground, again, seller=BERT, account_id=shop.id)


@pytest.mark.parametrize("second", [by_name, by_seller, by_another_seller])
def test_who_comes_second_changes_nothing(ground: Ground, second: Callable[[Ground], None]) -> None:
    shop = connected(ground)

    with pytest.raises(ConnectRefusedError) as caught:
        second(ground)

    assert caught.value.reason is Refusal.SELLER_TAKEN
    assert ground.store.find("shop") == shop
    assert ground.store.find("second") is None
    assert ground.refresh_token(shop.id) == f"v1.refresh for {shop.id}"
    assert ground.events()[-1] == ("callback_received", None)


def test_steps_and_reasons_are_noted(ground: Ground) -> None:
    attempt = taken(ground)

    ground.store.note(attempt, Step.CODE_EXCHANGED)
    ground.store.note(attempt, Step.REFUSED, reason=Refusal.UPSTREAM, detail="x" * 10_000)

    assert ground.events()[-2:] == [("code_exchanged", None), ("refused", "upstream")]


@pytest.mark.parametrize(
    ("revoked", "steps"),
    [
        (True, ["revoked", "disconnected"]),
        (False, ["revoke_failed", "disconnected"]),
        (None, ["disconnected"]),
    ],
)
def test_a_disconnected_account_has_no_token(
    ground: Ground, revoked: bool | None, steps: list[str]
) -> None:
    shop = connected(ground)
    sealed = ground.store.token(shop.id)

    ground.store.disconnect(shop, revoked=revoked, detail="why")

    assert sealed == f"v1.refresh for {shop.id}"
    assert ground.store.token(shop.id) is None
    assert ground.store.find("shop") == replace(shop, status="disconnected")
    assert [step for step, _ in ground.events()][-len(steps) :] == steps


def test_nothing_is_erased_of_an_account_that_is_connected(ground: Ground) -> None:
    shop = connected(ground)
    held = ground.store.rows(shop.id)

    erased = [ground.store.erase(shop.id, table, 10) for table, _ in held]

    assert not any(erased)
    assert ground.store.rows(shop.id) == held


def test_of_two_that_bring_the_same_answer_one_gets_it(database: Database) -> None:
    store = PostgresConnections(database, PostgresAccounts(database, STREAMS))
    store.begin(SHOP, STATE_LASTS)

    def bring(_: int) -> Attempt | Refusal:
        return store.take(SHOP.state_digest, via=Via.WEB, browser_digest=None, name=None)

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(bring, range(8)))

    assert sum(isinstance(each, Attempt) for each in answers) == 1
    assert sum(each is Refusal.STATE_REPLAYED for each in answers) == 7


def test_states_that_ended_long_ago_are_forgotten(database: Database) -> None:
    store = PostgresConnections(database, PostgresAccounts(database, STREAMS))
    ground = InPostgres(store, database)
    store.begin(SHOP, STATE_LASTS)
    ground.pass_time(timedelta(days=1, minutes=11))

    store.begin(replace(SHOP, state_digest="2"), STATE_LASTS)

    assert take(ground) is Refusal.STATE_UNKNOWN


def test_every_row_of_an_account_is_counted_and_erased_and_no_one_elses(
    database: Database,
) -> None:
    store = PostgresConnections(database, PostgresAccounts(database, STREAMS))
    ground = InPostgres(store, database)
    shop = connected(ground)
    save(ground, taken(ground, replace(SHOP, state_digest="2", name="second")), seller=BERT)
    second = store.find("second")
    assert second is not None
    before = store.rows(second.id)
    store.disconnect(shop, revoked=True, detail=None)

    held = store.rows(shop.id)
    erased = [store.erase(shop.id, table, 10_000) for table, _ in held]
    elsewhere = store.erase(shop.id, "ebay.accounts", 10)

    assert held[0] == ("ebay.sync_states", erased[0])
    assert erased[0] > len(STREAMS)
    assert elsewhere == 0
    assert store.rows(shop.id) == []
    assert store.rows(second.id) == before


def test_who_refreshed_for_an_earlier_consent_writes_nothing_over_a_later_one(
    database: Database,
) -> None:
    store = PostgresConnections(database, PostgresAccounts(database, STREAMS))
    ground, tokens = InPostgres(store, database), PostgresTokens(database)
    shop = connected(ground)
    earlier = tokens.start(shop.id, 0, timedelta(seconds=30), "run")
    store.disconnect(shop, revoked=True, detail=None)
    save(ground, taken(ground, replace(SHOP, state_digest="2")), account_id=shop.id)
    later = tokens.start(shop.id, 0, timedelta(seconds=30), "run")

    assert earlier is not None
    assert later is not None
    with pytest.raises(LeaseLostError):
        tokens.fail(shop.id, earlier, code="invalid_grant", message="no", revoked=True)

    assert store.find("shop") == shop
