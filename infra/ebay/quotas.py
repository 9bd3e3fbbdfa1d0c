"""How many calls of an API the day still allows, as eBay says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from core.errors import AppError
from core.sync.calls import Quota
from core.sync.model import Environment
from infra.ebay.rate_limits import RateLimit, RateLimits

KEEP_S = 300.0
RESOURCES = {
    "sell.fulfillment": ("sell.fulfillment",),
    "sell.finances": ("sell.finances", "payoutapi.sell.finances"),
}
"""The names under which getRateLimits lists an API's resource; eBay's spelling varies."""
_TRADING = "trading."
"""Each call of the Trading API has a budget of its own, by its name."""


@dataclass(slots=True, kw_only=True)
class EbayQuotas:
    """The `Quotas` port. Answers are kept for five minutes, failures as well."""

    limits: RateLimits
    ticks: Callable[[], float]
    _kept: dict[str, tuple[float, tuple[RateLimit, ...]]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def ask(self, environment: str, api: str, *, timeout: float) -> Quota:
        with self._lock:
            limits = self._limits(environment, timeout)
        wanted = RESOURCES.get(api, (api.removeprefix(_TRADING),))
        rows = [limit for limit in limits if limit.resource in wanted]
        if not rows:
            return Quota(remaining=None, reset_at=None)
        tightest = min(rows, key=lambda limit: limit.remaining)
        return Quota(remaining=tightest.remaining, reset_at=tightest.reset_at, limit=tightest.limit)

    def _limits(self, environment: str, timeout: float) -> tuple[RateLimit, ...]:
        asked_at, limits = self._kept.get(environment, (0.0, ()))
        if environment in self._kept and self.ticks() - asked_at < KEEP_S:
            return limits
        try:
            limits = self.limits.read(Environment(environment), timeout=timeout)
        except AppError:
            limits = ()
        self._kept[environment] = (self.ticks(), limits)
        return limits
