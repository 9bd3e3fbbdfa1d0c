"""What a notification says, whose key signed it, and what is asked of the store."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import UpstreamUnavailableError
from core.notifications import keys as public_keys
from core.notifications.challenge import challenge_response
from core.notifications.keys import PublicKeys
from core.notifications.model import (
    AskOwner,
    Claim,
    Effect,
    Erase,
    Ignore,
    MakeDue,
    Notification,
    NotOursError,
    Outcome,
    Taken,
    folded,
)
from core.notifications.read import read_notification
from core.notifications.take import TakeNotifications
from core.secret import Secret
from tests.support.log import ListLog

KEY_ID = "9936261a-7d7b-4621-a0f1-96ccb428af49"
PUBLIC = {"publicUserId": "seller-id", "username": "seller"}
CANCELLED = MakeDue(("cancellations", "orders"))
SELLER = {"userId": "seller-id", "username": "seller"}


def envelope(topic: object = "ORDER_CONFIRMATION", data: object = None, **more: Any) -> bytes:
    notification = {"notificationId": "n-1", "eventDate": "2026-02-28T21:02:25.657Z", "data": data}
    message = {
        "metadata": {"topic": topic, "schemaVersion": None, "deprecated": False},
        "notification": {**notification, "publishAttemptCount": 2, **more},
    }
    return json.dumps(message).encode()


def test_r72_a_challenge_is_answered_with_the_hash_of_code_word_and_endpoint() -> None:
    word = Secret("71745723-d031-455c-bfa5-f90d11b4f20a")

    answered = challenge_response(word.reveal(), word, "http://www.testendpoint.com/webhook")

    assert answered == "048de9ffd0e35021fefc0388d5c52e0f475324f582f3778ca81a53354ccbbc97"


@pytest.mark.parametrize(
    ("topic", "data", "effect"),
    [
        ("ORDER_CONFIRMATION", {"user": SELLER}, MakeDue(("orders",))),
        ("ORDER_RETURN_ACTIVITY", {"orderReturn": {"seller": SELLER}}, MakeDue(("returns",))),
        ("ORDER_INQUIRY_ACTIVITY", {"a": {"seller": SELLER}}, MakeDue(("inquiries", "cases"))),
        ("ORDER_CANCELLATION_ACTIVITY", {"a": {"seller": SELLER}}, CANCELLED),
        ("AUTHORIZATION_REVOCATION", SELLER, AskOwner()),
        ("MARKETPLACE_ACCOUNT_DELETION", SELLER, Erase(words=("seller", "seller-id"))),
        ("ITEM_MARKED_SHIPPED", PUBLIC, MakeDue(("orders", "buyer"))),
        ("PRIORITY_LISTING_REVISION", SELLER, Ignore()),
    ],
)  # fmt: skip
def test_a_topic_says_what_is_to_be_done_and_who_it_is_about(
    topic: str, data: object, effect: Effect
) -> None:
    read = read_notification(envelope(topic, data))

    assert (read.topic, read.id, read.attempt) == (topic, "n-1", 2)
    assert read.event_at == datetime(2026, 2, 28, 21, 2, 25, 657000, UTC)
    assert read.effect == effect
    assert read.ids == ("seller-id",)
    assert read.names == ("seller",)


def test_a_message_names_both_sides_and_its_empty_media_do_no_harm() -> None:
    media = [{"mediaName": "", "mediaType": "", "mediaUrl": ""}]
    data = {"recipientUserName": "seller", "senderUserName": "buyer", "messageMedia": media}

    read = read_notification(envelope("NEW_MESSAGE", data | {"subject": ""}))

    assert read.effect == MakeDue(("messages",))
    assert (read.ids, read.names) == ((), ("seller", "buyer"))


def test_a_person_is_named_by_what_eBay_tells_and_by_nothing_else() -> None:  # noqa: N802 -- eBay's name
    data = {"username": "Käufer_A", "userId": "", "eiasToken": "nY+sHZ2PrB==", "seller": SELLER}

    read = read_notification(envelope("MARKETPLACE_ACCOUNT_DELETION", data))

    assert read.effect == Erase(words=("käufer_a", "ny+shz2prb=="))
    assert "Käufer" not in repr(read)
    assert folded("ÄbC") == "Äbc"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"metadata": 7, "notification": 8}',
        envelope(None),
        envelope(7),
        envelope("X", notificationId=""),
        envelope("X", notificationId="n" * 201),
        envelope("X", notificationId="a\u0000b"),
        envelope("X", notificationId="a\ud800b"),
        envelope("MARKETPLACE_ACCOUNT_DELETION", {"username": "", "userId": None}),
        envelope("MARKETPLACE_ACCOUNT_DELETION", None),
        envelope("MARKETPLACE_ACCOUNT_DELETION", {"username": "x"}),
    ],
)
def test_what_cannot_be_acted_on_is_refused(body: bytes) -> None:
    with pytest.raises(NotOursError):
        read_notification(body)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        (None, None),
        (7, None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("2026-02-28T21:02:25", datetime(2026, 2, 28, 21, 2, 25, tzinfo=UTC)),
        ("2026-02-28T21:02:25+01:00", datetime(2026, 2, 28, 20, 2, 25, tzinfo=UTC)),
    ],
)
def test_an_instant_that_cannot_be_read_is_none(told: object, at: datetime | None) -> None:
    assert read_notification(envelope(eventDate=told)).event_at == at


@pytest.mark.parametrize(
    ("told", "count"), [(None, 1), ("3", 1), (True, 1), (-4, 1), (10**30, 10**6)]
)
def test_the_count_of_tries_stays_a_count(told: object, count: int) -> None:
    assert read_notification(envelope(publishAttemptCount=told)).attempt == count


@dataclass
class Ebay:
    """Keys by id; None is one that eBay does not know."""

    keys: dict[str, str | None] = field(default_factory=lambda: {KEY_ID: "the key"})
    asked: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def fetch(self, key_id: str, *, timeout: float) -> str | None:
        self.asked.append(key_id)
        self.before()
        return self.keys.get(key_id)


@dataclass
class Ticks:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_key_is_asked_for_once_an_hour() -> None:
    ebay, ticks = Ebay(), Ticks()
    keys = PublicKeys(source=ebay, ticks=ticks)

    assert [keys.get(KEY_ID, timeout=2) for _ in range(3)] == ["the key"] * 3
    assert len(ebay.asked) == 1
    ticks.now += public_keys.KEEP_S
    assert keys.get(KEY_ID, timeout=2) == "the key"
    assert len(ebay.asked) == 2


def test_a_key_that_ebay_does_not_know_is_asked_for_again_after_five_minutes() -> None:
    ebay, ticks = Ebay({}), Ticks()
    keys = PublicKeys(source=ebay, ticks=ticks)

    assert [keys.get(KEY_ID, timeout=2) for _ in range(3)] == [None] * 3
    assert len(ebay.asked) == 1
    ticks.now += public_keys.KEEP_UNKNOWN_S
    ebay.keys[KEY_ID] = "the key"
    assert keys.get(KEY_ID, timeout=2) == "the key"


def test_a_failed_question_is_asked_again_at_once() -> None:
    def away() -> None:
        raise UpstreamUnavailableError("away")

    ebay = Ebay(before=away)
    keys = PublicKeys(source=ebay, ticks=Ticks())
    with pytest.raises(UpstreamUnavailableError):
        keys.get(KEY_ID, timeout=2)

    ebay.before = lambda: None

    assert keys.get(KEY_ID, timeout=2) == "the key"


def test_ids_that_somebody_makes_up_do_not_use_up_the_calls_of_the_day() -> None:
    ebay, ticks = Ebay(), Ticks()
    keys = PublicKeys(source=ebay, ticks=ticks)
    for number in range(public_keys.UNKNOWN_AT_MOST):
        assert keys.get(f"made-up-{number}", timeout=2) is None

    with pytest.raises(UpstreamUnavailableError, match="too many unknown keys"):
        keys.get("one more", timeout=2)
    ticks.now += public_keys.UNKNOWN_WITHIN_S
    assert keys.get(KEY_ID, timeout=2) == "the key"
    assert keys.get("one more", timeout=2) is None


def test_whoever_comes_while_a_key_is_fetched_waits_for_it_or_gives_up() -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def held() -> None:
        arrived.set()
        assert go_on.wait(30)

    ebay = Ebay(before=held)
    keys = PublicKeys(source=ebay, ticks=Ticks())
    got: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: got.append(keys.get(KEY_ID, timeout=30))) for _ in range(5)
    ]
    threads[0].start()
    assert arrived.wait(30)
    for thread in threads[1:]:
        thread.start()
    with pytest.raises(UpstreamUnavailableError, match="in time"):
        keys.get(KEY_ID, timeout=0.01)

    go_on.set()
    for thread in threads:
        thread.join(30)

    assert got == ["the key"] * 5
    assert len(ebay.asked) == 1


def test_whoever_has_the_key_waits_for_nobody_elses() -> None:
    arrived, go_on = threading.Event(), threading.Event()
    ebay = Ebay()
    keys = PublicKeys(source=ebay, ticks=Ticks())
    assert keys.get(KEY_ID, timeout=2) == "the key"

    def held() -> None:
        arrived.set()
        assert go_on.wait(30)

    ebay.before = held
    other = threading.Thread(target=lambda: keys.get("made-up", timeout=30))
    other.start()
    assert arrived.wait(30)

    assert keys.get(KEY_ID, timeout=0) == "the key"

    go_on.set()
    other.join(30)


@dataclass
class Signed:
    """Signatures that are good for one body."""

    good: bytes

    def read(self, header: str) -> Claim:
        return Claim(key_id=header, signature=b"", digest="SHA1")

    def check(self, claim: Claim, key: str, body: bytes) -> None:
        if (key, body) != ("the key", self.good):
            raise NotOursError("does not fit")


@dataclass
class Store:
    taken: list[Notification] = field(default_factory=list)

    def take(self, notification: Notification) -> Taken:
        known = notification in [replace(each, attempt=notification.attempt) for each in self.taken]
        self.taken.append(notification)
        effects = {"units": ["1/orders/new"]}
        return (
            Taken(is_new=False)
            if known
            else Taken(is_new=True, outcome=Outcome.DUE, effects=effects)
        )


def taking(log: ListLog, store: Store, good: bytes) -> TakeNotifications:
    keys = PublicKeys(source=Ebay(), ticks=Ticks())
    return TakeNotifications(keys=keys, signatures=Signed(good), store=store, log=log, key_s=2)


def test_what_is_signed_is_taken_and_told() -> None:
    log, store, body = ListLog(), Store(), envelope("ORDER_CONFIRMATION", {"user": SELLER})
    service = taking(log, store, body)

    first, second = service.take(body, KEY_ID), service.take(body, KEY_ID)

    assert (first.is_new, second.is_new) == (True, False)
    assert log.events() == ["notification.taken", "notification.repeated"]
    assert log.told[0][2]["units"] == ["1/orders/new"]
    assert "seller" not in repr(log.told)


@pytest.mark.parametrize(("key_id", "other"), [("another", b""), (KEY_ID, b" ")])
def test_what_is_not_signed_by_ebay_reaches_no_store(key_id: str, other: bytes) -> None:
    store, body = Store(), envelope("ORDER_CONFIRMATION", {"user": SELLER})

    with pytest.raises(NotOursError):
        taking(ListLog(), store, body).take(body + other, key_id)

    assert store.taken == []
