"""Calls per application, resource and day; a day begins at 07:00Z."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from infra.simulator.answers import NO_CONTENT, Answer, Request, json_answer
from infra.simulator.clock import SimulatorClock, iso
from infra.simulator.orders import DAY_MS, HOUR_MS

_RESET_MS = 7 * HOUR_MS
# (context, name, version) -> resources and their daily limits.
_APIS: Mapping[tuple[str, str, str], Mapping[str, int]] = {
    ("sell", "Fulfillment", "v1"): {
        "sell.fulfillment": 100_000,
        "sell.fulfillment.payment_dispute": 250_000,
    },
    ("sell", "Finances", "v1"): {"payoutapi.sell.finances": 15_000},
    ("commerce", "Identity", "v1"): {"commerce.identity": 100_000},
    ("commerce", "Notification", "v1"): {"commerce.notification": 10_000},
    ("developer", "Analytics", "v1_beta"): {"developer.analytics": 5_000},
    ("buy", "Browse", "v1"): {"buy.browse": 5_000, "buy.browse.item.bulk": 5_000},
    ("sell", "Account", "v1"): {"sell.account": 25_000},
    ("sell", "Inventory", "v1"): {"sell.inventory": 2_000_000},
    ("sell", "Negotiation", "v1"): {"sell.negotiation": 1_000_000},
    ("postorder", "PostOrder", "v2"): dict.fromkeys(
        (
            "post-order.casemanagement",
            "post-order.inquiry",
            "post-order.return",
            "post-order.cancellation",
        ),
        5_000,
    ),
    ("tradingapi", "TradingAPI", "v1"): dict.fromkeys(
        (
            "GetOrders",
            "GetItem",
            "GetMyMessages",
            "GetBestOffers",
            "GetMyeBaySelling",
            "GetMyeBayBuying",
            "GetSellerList",
        ),
        5_000,
    ),
}
MINTS = {
    "oauth.client_credentials": 1_000,
    "oauth.authorization_code": 10_000,
    "oauth.refresh_token": 50_000,
}
# eBay names no limit of it.
_NOT_TOLD = {"developer.key_management": 1_000}


class Quotas:
    """`overrides` replaces limits by resource name and may change at any time.

    The caller holds the world's lock.
    """

    def __init__(self, clock: SimulatorClock, overrides: Mapping[str, int]) -> None:
        self._clock = clock
        self._overrides = overrides
        self._limits = {name: limit for each in _APIS.values() for name, limit in each.items()}
        self._limits |= MINTS | _NOT_TOLD
        self._counts: Counter[str] = Counter()
        self._day = self._today()

    def limit(self, resource: str) -> int:
        return self._overrides.get(resource, self._limits[resource])

    def spend(self, resource: str) -> bool:
        """Count one call; False, and not counted, when the day's limit is used up."""
        self._turn_day()
        if self._counts[resource] >= self.limit(resource):
            return False
        self._counts[resource] += 1
        return True

    def set_count(self, resource: str, count: int) -> None:
        """Raises KeyError for a resource that there is not."""
        self._turn_day()
        self._counts[resource] = min(count, self.limit(resource))

    def counts(self) -> dict[str, int]:
        self._turn_day()
        return dict(self._counts)

    def answer_rate_limits(self, request: Request) -> Answer:
        """getRateLimits, narrowed by `api_context` and `api_name`."""
        self._turn_day()
        context, name = request.get("api_context"), request.get("api_name")
        limits = [
            self._api(api, resources)
            for api, resources in _APIS.items()
            if (context or api[0]).lower() == api[0].lower()
            and (name or api[1]).lower() == api[1].lower()
        ]
        return json_answer(200, {"rateLimits": limits}) if limits else NO_CONTENT

    def _api(self, api: tuple[str, str, str], resources: Mapping[str, int]) -> dict[str, Any]:
        return {
            "apiContext": api[0],
            "apiName": api[1],
            "apiVersion": api[2],
            "resources": [{"name": name, "rates": [self._rate(name)]} for name in resources],
        }

    def _rate(self, resource: str) -> dict[str, Any]:
        count, limit = self._counts[resource], self.limit(resource)
        return {
            "count": count,
            "limit": limit,
            "remaining": max(0, limit - count),
            "reset": iso((self._day + 1) * DAY_MS + _RESET_MS),
            "timeWindow": DAY_MS // 1000,
        }

    def _today(self) -> int:
        return (self._clock.now_ms() - _RESET_MS) // DAY_MS

    def _turn_day(self) -> None:
        today = self._today()
        if today != self._day:
            self._day = today
            self._counts.clear()
