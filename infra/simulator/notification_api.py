"""Notification API: destinations and subscriptions."""

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from infra.simulator.accounts import SCOPE, Account
from infra.simulator.answers import NO_CONTENT, Answer, Request, error, json_answer
from infra.simulator.notifier import ChallengeFailedError, Notifier
from infra.simulator.world import World

DOMAIN = "API_NOTIFICATION"
_SCOPES = {
    "ORDER_CONFIRMATION": ("sell.fulfillment", "sell.fulfillment.readonly"),
    "ORDER_RETURN_ACTIVITY": ("sell.return", "sell.return.read"),
    "ORDER_INQUIRY_ACTIVITY": ("sell.inquiry", "sell.inquiry.read"),
    "ORDER_CANCELLATION_ACTIVITY": ("sell.cancellation", "sell.cancellation.read"),
    "NEW_MESSAGE": ("commerce.message",),
    "ITEM_MARKED_SHIPPED": ("commerce.shipping",),
}
_refuse = partial(error, domain=DOMAIN)


@dataclass(slots=True)
class Registered:
    """What one application has set up: destinations by id, subscriptions by account and id."""

    alert_email: str = ""
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    subscriptions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)


def registered(world: World) -> Registered:
    found = world.registered
    if not isinstance(found, Registered):
        world.registered = found = Registered()
    return found


def set_config(world: World, request: Request) -> Answer:
    registered(world).alert_email = _given(request).get("alertEmail", "")
    if not registered(world).alert_email:
        return _refuse(400, 195025, message="Invalid or missing email.")
    return NO_CONTENT


def get_destinations(world: World, request: Request) -> Answer:
    return _listed(request, "destinations", list(registered(world).destinations.values()))


def create_destination(world: World, request: Request) -> Answer:
    """The world is locked meanwhile: the endpoint must answer the challenge by itself."""
    given, there = _given(request), registered(world)
    config = given.get("deliveryConfig", {})
    endpoint, word = config.get("endpoint", ""), config.get("verificationToken", "")
    if not there.alert_email:
        return _refuse(409, 195003, message="Please provide configurations required.")
    if not re.fullmatch(r"[A-Za-z0-9_-]{32,80}", word):
        return _refuse(400, 195019, message="Invalid or missing verification token.")
    if any(each["deliveryConfig"]["endpoint"] == endpoint for each in there.destinations.values()):
        return _refuse(409, 195021, message="Destination exists for this endpoint")
    notifier = Notifier(world)
    try:
        notifier.register(endpoint, word)
    except ChallengeFailedError:
        return _refuse(409, 195020, message="Challenge verification failed")
    made = notifier.new_id()[:36]
    there.destinations[made] = {
        "destinationId": made,
        "name": given.get("name", ""),
        "status": given.get("status", "ENABLED"),
        "deliveryConfig": {"endpoint": endpoint},
    }
    return _created(request, made)


def get_subscriptions(world: World, request: Request) -> Answer:
    own = request.seller.name
    found = registered(world).subscriptions.items()
    return _listed(request, "subscriptions", [row for (name, _), row in found if name == own])


def create_subscription(world: World, request: Request) -> Answer:
    given, there, own = _given(request), registered(world), request.seller.name
    topic, destination = given.get("topicId", ""), given.get("destinationId", "")
    if destination not in there.destinations:
        return _refuse(400, 195007, message="Invalid or missing destination id.")
    if topic not in _SCOPES:
        return _refuse(400, 195027, message="Invalid or missing topic id.")
    if not request.scopes & {f"{SCOPE}/{scope}" for scope in _SCOPES[topic]}:
        return _refuse(403, 195011, message="Not authorized for this topic.")
    rows = there.subscriptions.items()
    if any(name == own and row["topicId"] == topic for (name, _), row in rows):
        return _refuse(409, 195012, message="Subscription already exists")
    made = Notifier(world).new_id()[:36]
    made = f"{len(there.subscriptions):04x}{made[4:]}"
    there.subscriptions[own, made] = {
        "subscriptionId": made,
        "topicId": topic,
        "status": given.get("status", ""),
        "payload": given.get("payload", {}),
        "destinationId": destination,
    }
    return _created(request, made)


def try_subscription(world: World, request: Request) -> Answer:
    """Sent when this call is answered: its receiver asks for the key."""
    there, own = registered(world), request.seller
    asked = request.path.rstrip("/").split("/")[-2]
    row = there.subscriptions.get((own.name, asked))
    if row is None:
        return _refuse(404, 195013, message="The subscription id does not exist.")
    endpoint = there.destinations[row["destinationId"]]["deliveryConfig"]["endpoint"]
    send = _sending(world, endpoint, row["topicId"], own)
    threading.Thread(target=send, daemon=True).start()
    return Answer(202, b"")


def _sending(world: World, endpoint: str, topic: str, account: Account) -> Callable[[], object]:
    notifier = Notifier(world, endpoint)
    data = notifier.about(account, topic)
    return lambda: notifier.send(topic, data, schema_version=None)


def _given(request: Request) -> dict[str, Any]:
    try:
        given = json.loads(request.body)
    except ValueError:
        return {}
    return given if isinstance(given, dict) else {}


def _listed(request: Request, member: str, rows: list[dict[str, Any]]) -> Answer:
    """As many as are asked for, from the place that the token names."""
    limit = int(request.get("limit") or 20)
    if not 10 <= limit <= 100:
        return _refuse(400, 195000, message="Invalid limit.")
    start = int(request.get("continuation_token") or 0)
    body: dict[str, Any] = {"total": len(rows), "href": request.path, "limit": limit}
    body[member] = rows[start : start + limit]
    if start + limit < len(rows):
        body["next"] = f"{request.path}?limit={limit}&continuation_token={start + limit}"
    return json_answer(200, body)


def _created(request: Request, made: str) -> Answer:
    location = f"{request.base_url}{request.path.rstrip('/')}/{made}"
    return Answer(201, b"", headers=(("Location", location),))


CALLS: tuple[tuple[str, str, str, bool, Callable[[World, Request], Answer]], ...] = (
    ("updateConfig", "PUT", "/config", False, set_config),
    ("getDestinations", "GET", "/destination", False, get_destinations),
    ("createDestination", "POST", "/destination", False, create_destination),
    ("getSubscriptions", "GET", "/subscription", True, get_subscriptions),
    ("createSubscription", "POST", "/subscription", True, create_subscription),
    ("testSubscription", "POST", "/subscription/[^/]+/test", True, try_subscription),
)
"""Name, method, path, whether it needs a user's token, and who answers it."""
