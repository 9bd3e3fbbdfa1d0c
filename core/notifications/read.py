"""From the bytes of a notification to what it asks for.

eBay adds fields and topics as it likes: what is not known is passed over. Nothing in here is taken
for data; an order's notification only says that there is something to read.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from core.notifications.model import (
    AskOwner,
    Effect,
    Erase,
    Ignore,
    MakeDue,
    Notification,
    NotOursError,
    folded,
)

LONGEST_ID = 200
SHORTEST_WORD = 2
MOST_ATTEMPTS = 1_000_000
DELETION = "MARKETPLACE_ACCOUNT_DELETION"
REVOCATION = "AUTHORIZATION_REVOCATION"
STREAMS: Mapping[str, tuple[str, ...]] = {
    "ORDER_CONFIRMATION": ("orders",),
    "ORDER_CANCELLATION_ACTIVITY": ("cancellations", "orders"),
    "ORDER_RETURN_ACTIVITY": ("returns",),
    "ORDER_INQUIRY_ACTIVITY": ("inquiries", "cases"),
    "NEW_MESSAGE": ("messages",),
    "ITEM_MARKED_SHIPPED": ("orders", "buyer"),
}
"""What a notification of this topic makes due, readings of open rows too.

eBay has no topics for money, listings or offers.
"""
_PERSON = ("username", "userId", "eiasToken")
_IDS = ("userId", "publicUserId")
_NAMES = ("username", "recipientUserName", "senderUserName")


def read_notification(body: bytes) -> Notification:
    """Raises NotOursError, which repeats nothing of the body."""
    envelope = _object(_json(body))
    metadata, notification = (
        _object(envelope.get("metadata")),
        _object(envelope.get("notification")),
    )
    topic, data = _text(metadata.get("topic")), _object(notification.get("data"))
    notification_id = _text(notification.get("notificationId"))
    if topic is None or notification_id is None:
        raise NotOursError("the notification has no topic or no id")
    parties = list(_parties(data))
    return Notification(
        id=notification_id,
        topic=topic,
        attempt=_count(notification.get("publishAttemptCount")),
        event_at=_instant(data.get("revocationDate")) or _instant(notification.get("eventDate")),
        ids=_found(parties, _IDS),
        names=_found(parties, _NAMES),
        effect=_effect(topic, data),
    )


def _effect(topic: str, data: Mapping[str, Any]) -> Effect:
    if topic == DELETION:
        return Erase(words=_words(data))
    if topic == REVOCATION:
        return AskOwner()
    return MakeDue(STREAMS[topic]) if topic in STREAMS else Ignore()


def _words(data: Mapping[str, Any]) -> tuple[str, ...]:
    words = (folded(word) for word in _found([data], _PERSON) if len(word) >= SHORTEST_WORD)
    found = tuple(dict.fromkeys(words))
    if not found:
        raise NotOursError("the notification of a deleted account names nobody")
    return found


def _parties(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Where topics tell of users: at the top, in `user`, in the `seller` of their subject."""
    yield data
    yield _object(data.get("user"))
    for member in data.values():
        yield _object(_object(member).get("seller"))


def _found(parties: list[Mapping[str, Any]], members: tuple[str, ...]) -> tuple[str, ...]:
    found = (_text(party.get(member)) for party in parties for member in members)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise NotOursError("the notification is no JSON") from None


def _object(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _text(given: object) -> str | None:
    """Such as PostgreSQL can store: a NUL or half a surrogate pair is not printable."""
    if not isinstance(given, str) or not given.isprintable():
        return None
    text = given.strip()
    return text if 0 < len(text) <= LONGEST_ID else None


def _count(given: object) -> int:
    return min(max(given, 1), MOST_ATTEMPTS) if type(given) is int else 1


def _instant(given: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else None
        return None if at is None else _aware(at).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _aware(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
