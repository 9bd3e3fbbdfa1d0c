"""Destinations and subscriptions of the Notification API.

https://developer.ebay.com/api-docs/commerce/notification/resources/methods
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from core.clock import Clock
from core.errors import AppError, PermanentError
from core.notifications.ports import Destination, Subscription
from core.secret import Secret
from core.sync.model import Environment
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.errors import bad_answer, refusal, unreadable
from infra.ebay.hosts import EbayHosts
from infra.ebay.stream_api import SCOPE

ROOT = "/commerce/notification/v1"
CALL_S = 20.0
MOST_PAGES = 20
_SUCCESS = range(200, 300)
_PAYLOAD = {"format": "JSON", "schemaVersion": "1.0", "deliveryProtocol": "HTTPS"}
T = TypeVar("T")


class _Config(msgspec.Struct, rename="camel"):
    endpoint: str = ""


class _Destination(msgspec.Struct, rename="camel"):
    destination_id: str
    status: str = ""
    delivery_config: _Config | None = None


class _Destinations(msgspec.Struct, rename="camel"):
    destinations: list[_Destination] | None = None
    next: str | None = None


class _Subscription(msgspec.Struct, rename="camel"):
    subscription_id: str
    topic_id: str
    status: str = ""


class _Subscriptions(msgspec.Struct, rename="camel"):
    subscriptions: list[_Subscription] | None = None
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EbayNotificationApi:
    """The `SubscriptionApi` port."""

    http: EbayHttp
    hosts: EbayHosts
    environment: Environment
    clock: Clock

    def set_alert_email(self, token: Secret, email: str) -> None:
        self._call(token, "PUT", "/config", {"alertEmail": email})

    def destinations(self, token: Secret) -> Sequence[Destination]:
        return [
            Destination(
                id=each.destination_id,
                endpoint=each.delivery_config.endpoint if each.delivery_config else "",
                status=each.status,
            )
            for page in self._pages(token, "/destination", _Destinations)
            for each in page.destinations or ()
        ]

    def create_destination(
        self, token: Secret, name: str, endpoint: str, word: Secret
    ) -> Destination:
        delivery = {"endpoint": endpoint, "verificationToken": word.reveal()}
        given = {"name": name, "status": "ENABLED", "deliveryConfig": delivery}
        answer = self._call(token, "POST", "/destination", given, word.reveal())
        return Destination(id=_created(answer), endpoint=endpoint, status="ENABLED")

    def subscriptions(self, token: Secret) -> Sequence[Subscription]:
        return [
            Subscription(id=each.subscription_id, topic=each.topic_id, status=each.status)
            for page in self._pages(token, "/subscription", _Subscriptions)
            for each in page.subscriptions or ()
        ]

    def subscribe(self, token: Secret, topic: str, destination_id: str) -> str:
        given = {
            "topicId": topic,
            "status": "ENABLED",
            "destinationId": destination_id,
            "payload": _PAYLOAD,
        }
        return _created(self._call(token, "POST", "/subscription", given))

    def test(self, token: Secret, subscription_id: str) -> None:
        self._call(token, "POST", f"/subscription/{quote(subscription_id, safe='')}/test")

    def _pages(self, token: Secret, path: str, shape: type[T]) -> Iterator[T]:
        """eBay's `next` names the place to go on, not always its host."""
        query = "limit=100"
        for _ in range(MOST_PAGES):
            answer = self._call(token, "GET", path, query=query)
            page = _decoded(answer, shape, token.reveal())
            yield page
            place = _continuation(getattr(page, "next", None))
            if place is None:
                return
            query = f"limit=100&continuation_token={quote(place, safe='')}"

    def _call(
        self,
        token: Secret,
        method: str,
        path: str,
        given: Mapping[str, Any] | None = None,
        *secrets: str,
        query: str = "",
    ) -> Answer:
        answer = self.http.request(
            method,
            self.hosts.of(self.environment).api + ROOT + path,
            query=query,
            headers={
                "Authorization": f"Bearer {token.reveal()}",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            content=None if given is None else json.dumps(given).encode(),
            timeout=CALL_S,
        )
        if answer.status in _SUCCESS:
            return answer
        raise self._refused(answer, (token.reveal(), *secrets))

    def _refused(self, answer: Answer, secrets: tuple[str, ...]) -> AppError:
        return refusal(
            answer,
            scope=f"{SCOPE}/commerce.notification.subscription",
            now=self.clock.now(),
            secrets=secrets,
        )


def _created(answer: Answer) -> str:
    """A creation has no body: the id is the end of its `Location`."""
    created = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
    if not created:
        raise PermanentError(f"eBay's answer names nothing that was created ({answer.place})")
    return created


def _continuation(place: str | None) -> str | None:
    found = parse_qs(urlsplit(place or "").query).get("continuation_token")
    return found[0] if found else None


def _decoded(answer: Answer, shape: type[T], token: str) -> T:
    try:
        return msgspec.json.decode(answer.body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        raise bad_answer(answer, str(error), (token,)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(answer, "it is no whole JSON text", (token,)) from error
