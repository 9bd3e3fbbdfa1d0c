"""Short ways to eBay's side for tests of it."""

import time
from datetime import UTC, datetime, timedelta

from core.clock import CarriedClock
from core.ids import AccountId
from core.secret import Secret
from core.sync.model import Account, Environment, PageQuery
from infra.ebay.answer import Answer
from infra.ebay.oauth import ApplicationKeys

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
CANARY = "v^1.1#i^1#p^3#canary0123456789"
TOKEN = Secret(CANARY)
PLACE = "GET https://api.ebay.com/sell/fulfillment/v1/order"
KEYS = {
    environment: ApplicationKeys(
        client_id=f"cronshot-{environment}", client_secret=Secret("canary-client-secret")
    )
    for environment in Environment
}


def clock() -> CarriedClock:
    return CarriedClock(NOW, time.monotonic(), time.monotonic)


def account(environment: Environment = Environment.PRODUCTION, *marketplace_ids: str) -> Account:
    return Account(
        id=AccountId(7),
        name="shop",
        environment=environment,
        marketplace_ids=marketplace_ids,
    )


def query(*, limit: int = 200, offset: int = 0, days: int = 10, to: datetime = NOW) -> PageQuery:
    return PageQuery(from_=to - timedelta(days=days), to=to, limit=limit, offset=offset)


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Underscores in the names of headers stand for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(place=PLACE, status=status, headers=named, body=body)
