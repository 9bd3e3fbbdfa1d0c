"""Bringing one account over: what eBay says decides, and two at once have one effect."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.errors import (
    ConfigurationError,
    MissingScopeError,
    ReauthorizationRequiredError,
    UpstreamUnavailableError,
    UsageError,
)
from core.grants import NewTokens, SealFor
from core.ids import AccountId
from core.moving.model import (
    Arrival,
    Fate,
    FoundToken,
    HereAccount,
    OldAccount,
    Planned,
    PlannedStream,
    StreamState,
    TokenState,
)
from core.moving.move import MoveAccount, Moved
from core.secret import Secret
from core.sellers import Seller
from core.tokens.model import Grant
from tests.support.memory_tokens import Endpoint, PlainCipher, granted

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ANNA = Seller(ebay_user_id="anna-id", username="anna_shop", marketplace_id="EBAY_DE")
STATES = (StreamState(stream="orders", cursor_at=NOW, enabled=True),)


@dataclass
class Rooms:
    """An in-memory Destination; `rival` is called as an account is about to be stored."""

    known: list[HereAccount] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    pairs: list[NewTokens] = field(default_factory=list)
    renewed: list[Sequence[StreamState]] = field(default_factory=list)
    rival: HereAccount | None = None
    full: bool = False
    touched: bool = False

    def now(self) -> datetime:
        return NOW

    def accounts(self) -> Sequence[HereAccount]:
        return list(self.known)

    def add(self, arrival: Arrival, seal: SealFor) -> bool:
        if self.rival is not None:
            self.known.append(self.rival)
        if self.rival is not None or self.full:
            return False
        self.arrivals.append(arrival)
        self.pairs.append(seal(AccountId(5)))
        return True

    def renew(self, account: HereAccount, states: Sequence[StreamState]) -> bool:
        if not self.touched:
            self.renewed.append(states)
        return not self.touched


@dataclass
class Owners:
    answer: Seller | Exception | None = ANNA

    def who(self, environment: str, token: Secret, *, timeout: float) -> Seller | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Desk:
    rooms: Rooms = field(default_factory=Rooms)
    endpoint: Endpoint = field(default_factory=Endpoint)
    owners: Owners = field(default_factory=Owners)
    wrong_keys: ConfigurationError | None = None

    def move(self, planned: Planned) -> Moved:
        return MoveAccount(
            destination=self.rooms,
            refresher=self.endpoint,
            sellers=self.owners,
            sealer=PlainCipher(),
            test_keys=self.test_keys,
        ).move(planned)

    def test_keys(self) -> None:
        if self.wrong_keys is not None:
            raise self.wrong_keys


def planned(**values: Any) -> Planned:
    old = OldAccount(
        **{
            "id": "a1",
            "owner": "u1",
            "seller": "anna",
            "username": "anna",
            "label": "shop",
            "purpose": None,
            "marketplace_id": "EBAY_US",
            "active": True,
            "environment": "production",
            "connected_in": (),
            "tokens": (),
            "states": (),
            **values.pop("old", {}),
        }
    )
    streams = tuple(PlannedStream(state=state, from_=(), why="") for state in STATES)
    return Planned(
        **{
            "old": old,
            "fate": Fate.NEW,
            "name": "shop",
            "seller": "anna",
            "environment": "production",
            "decided_by": "",
            "token": FoundToken(state=TokenState.OPENS, token=Secret("v^1.1#old")),
            "streams": streams,
            "notes": (),
            **values,
        }
    )


def known(**values: Any) -> HereAccount:
    return HereAccount(
        **{
            "id": AccountId(9),
            "name": "here",
            "environment": "production",
            "ebay_user_id": "anna-id",
            "username": "anna_shop",
            **values,
        }
    )


def test_it_arrives_as_ebay_knows_it_with_its_tokens_sealed() -> None:
    desk = Desk(endpoint=Endpoint(answers=[granted("fresh")]))

    moved = desk.move(planned())

    assert (moved.planned.fate, moved.seller, moved.refused) == (Fate.NEW, "anna_shop", False)
    assert desk.rooms.arrivals == [
        Arrival(
            old_id="a1",
            name="shop",
            environment="production",
            ebay_user_id="anna-id",
            username="anna_shop",
            marketplace_ids=("EBAY_DE",),
            states=STATES,
        )
    ]
    [pair] = desk.rooms.pairs
    assert "v^1.1#old" in pair.refresh_token
    assert pair.refresh_token != "v^1.1#old"
    assert pair.refresh_expires_in is None


def test_the_end_of_the_consent_comes_from_ebay_or_else_from_the_old_connector() -> None:
    token = FoundToken(
        state=TokenState.OPENS,
        token=Secret("v^1.1#old"),
        consent_ends_at=NOW + timedelta(days=9),
    )
    told = Grant(
        access_token=Secret("a"),
        expires_in=timedelta(hours=2),
        refresh_token=Secret("newer"),
        refresh_token_expires_in=timedelta(days=3),
    )
    silent, telling = Desk(), Desk(endpoint=Endpoint(answers=[told]))

    silent.move(planned(token=token))
    telling.move(planned(token=token))

    assert silent.rooms.pairs[0].refresh_expires_in == timedelta(days=9)
    assert telling.rooms.pairs[0].refresh_expires_in == timedelta(days=3)
    assert "newer" in telling.rooms.pairs[0].refresh_token


@pytest.mark.parametrize(
    ("there", "here"), [("EBAY_US", ("EBAY_US",)), ("us", ()), (None, ()), ("EBAY_\u0661", ())]
)
def test_where_ebay_does_not_tell_what_the_old_connector_knew_is_kept(
    there: str | None, here: tuple[str, ...]
) -> None:
    desk = Desk(owners=Owners(None))

    moved = desk.move(planned(old={"marketplace_id": there}))

    [arrival] = desk.rooms.arrivals
    assert (arrival.ebay_user_id, arrival.username) == (None, "anna")
    assert arrival.marketplace_ids == here
    assert moved.seller == "anna"


def test_r70_a_seller_whom_nobody_knows_is_not_stored() -> None:
    desk = Desk(owners=Owners(None))

    moved = desk.move(planned(old={"seller": "unknown", "username": "unknown"}))

    assert moved.planned.fate is Fate.LEFT
    assert desk.rooms.arrivals == []


@pytest.mark.parametrize(
    "error", [ReauthorizationRequiredError("invalid_grant"), MissingScopeError("scope")]
)
def test_what_ebay_refuses_is_left_out_and_told(error: Exception) -> None:
    desk = Desk(endpoint=Endpoint(answers=[error]))

    moved = desk.move(planned())

    assert (moved.planned.fate, moved.refused) == (Fate.LEFT, True)
    assert str(error) in (moved.planned.reason or "")
    assert desk.rooms.arrivals == []


def test_an_ebay_out_of_reach_and_wrong_keys_stop_everything() -> None:
    away = Desk(endpoint=Endpoint(answers=[UpstreamUnavailableError("away")]))
    wrong = Desk(wrong_keys=ConfigurationError("keys"))

    with pytest.raises(UpstreamUnavailableError):
        away.move(planned())
    with pytest.raises(ConfigurationError):
        wrong.move(planned())
    assert away.rooms.arrivals == wrong.rooms.arrivals == []


def test_a_seller_that_only_ebay_recognises_is_left_alone() -> None:
    desk = Desk(rooms=Rooms(known=[known(name="other", ebay_user_id="bert-id"), known()]))

    moved = desk.move(planned())

    assert moved.planned.fate is Fate.LEFT
    assert "'here'" in (moved.planned.reason or "")


@pytest.mark.parametrize(
    ("rival", "fate"),
    [(known(old_id="a1"), Fate.SAME), (known(old_id=None), Fate.LEFT)],
)
def test_two_at_once_have_one_effect(rival: HereAccount, fate: Fate) -> None:
    desk = Desk(rooms=Rooms(rival=rival))

    moved = desk.move(planned())

    assert moved.planned.fate is fate
    assert desk.rooms.arrivals == []


def test_a_name_that_was_taken_in_the_last_moment_is_told() -> None:
    desk = Desk(rooms=Rooms(full=True))

    with pytest.raises(UsageError, match="'shop'"):
        desk.move(planned())


def test_an_untouched_one_gets_the_newest_cursors_unless_somebody_was_faster() -> None:
    free, taken = Desk(), Desk(rooms=Rooms(touched=True))
    again = planned(fate=Fate.RENEWED, here=known(old_id="a1"))

    assert free.move(again).planned.fate is Fate.RENEWED
    assert free.rooms.renewed == [STATES]
    assert taken.move(again).planned.fate is Fate.LEFT


@pytest.mark.parametrize("fate", [Fate.SAME, Fate.LEFT])
def test_what_does_not_come_is_not_asked_about(fate: Fate) -> None:
    desk = Desk(wrong_keys=ConfigurationError("keys"))

    assert desk.move(replace(planned(), fate=fate)).planned.fate is fate
