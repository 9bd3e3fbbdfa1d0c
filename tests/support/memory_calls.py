"""Calls counted, and breakers, in memory: the `CallStore` port for tests of core."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import floor
from threading import RLock

from core.errors import StoreUnavailableError
from core.sync.calls import Breaker, Claim, Grant, Quota, Scope

FIRST_PROBE = timedelta(minutes=1)


@dataclass
class Day:
    """One row of `ebay.api_budgets`."""

    used: int = 0
    used_open: int = 0
    limit: int | None = None
    reset_at: datetime | None = None
    blocked_until: datetime | None = None
    learned_at: datetime | None = None


@dataclass
class MemoryCalls:
    """`failing`: methods by name, and how often each raises StoreUnavailableError yet."""

    days: dict[tuple[str, str], Day] = field(default_factory=dict)
    asked_at: dict[str, datetime] = field(default_factory=dict)
    open_: dict[Scope, Breaker] = field(default_factory=dict)
    failing: dict[str, int] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)

    def reserve(self, claim: Claim, now: datetime) -> Grant:
        self._touch("reserve")
        with self.lock:
            day = self.days.setdefault((claim.environment, claim.api), Day())
            if day.reset_at is None or day.reset_at <= now:
                day.used, day.used_open, day.reset_at = 0, 0, claim.next_reset
            granted = self._granted(day, claim, now)
            day.used += granted
            day.used_open += 0 if claim.open_share is None else granted
            blocked = day.blocked_until
            return Grant(
                calls=granted,
                used=day.used,
                limit=day.limit or claim.usual_limit,
                reset_at=day.reset_at,
                blocked_until=blocked if blocked is not None and blocked > now else None,
                learned_at=day.learned_at,
            )

    def _granted(self, day: Day, claim: Claim, now: datetime) -> int:
        if day.blocked_until is not None and day.blocked_until > now:
            return 0
        limit = day.limit or claim.usual_limit
        left = floor(claim.share * limit) - day.used
        if claim.open_share is not None:
            left = min(left, floor(claim.open_share * limit) - day.used_open)
        return max(min(claim.calls, left, max(left // 5, 1)), 0)

    def give_back(self, claim: Claim, calls: int, reset_at: datetime) -> None:
        self._touch("give_back")
        with self.lock:
            day = self.days[claim.environment, claim.api]
            if day.reset_at == reset_at:
                day.used = max(day.used - calls, 0)
                day.used_open -= 0 if claim.open_share is None else calls

    def may_ask(self, environment: str, now: datetime) -> bool:
        asked = self.asked_at.get(environment)
        learned = [
            day.learned_at
            for (where, _), day in self.days.items()
            if where == environment and day.learned_at is not None
        ]
        soon = asked is not None and asked > now - timedelta(minutes=5)
        known = bool(learned) and max(learned) > now - timedelta(hours=24)
        if soon or known:
            return False
        self.asked_at[environment] = now
        return True

    def learn(self, environment: str, quotas: Mapping[str, Quota], now: datetime) -> None:
        for api, quota in quotas.items():
            if quota.limit is None:
                continue
            day = self.days.setdefault((environment, api), Day())
            over = day.reset_at is None or day.reset_at <= now
            theirs = max(quota.limit - (quota.remaining or 0), 0)
            day.used = max(0 if over else day.used, theirs)
            day.limit, day.learned_at = quota.limit, now
            day.reset_at = quota.reset_at or day.reset_at

    def breakers(self) -> Sequence[Breaker]:
        self._touch("breakers")
        return list(self.open_.values())

    def count_failure(
        self, scopes: Sequence[Scope], opens_after: int, now: datetime
    ) -> Sequence[Breaker]:
        for scope in scopes:
            old = self.open_.get(scope, Breaker(scope, 0, None))
            failures = old.failures + 1
            probe_at = (old.probe_at or now + FIRST_PROBE) if failures >= opens_after else None
            self.open_[scope] = Breaker(scope, failures, probe_at)
        return [self.open_[scope] for scope in scopes]

    def probe(self, breaker: Breaker, until: datetime) -> bool:
        stored = self.open_.get(breaker.scope)
        if stored is None or stored.probe_at is None or stored.probe_at != breaker.probe_at:
            return False
        self.open_[breaker.scope] = replace(stored, probe_at=until)
        return True

    def close(self, scopes: Sequence[Scope]) -> None:
        for scope in scopes:
            self.open_.pop(scope, None)

    def _touch(self, method: str) -> None:
        if self.failing.get(method, 0) > 0:
            self.failing[method] -= 1
            raise StoreUnavailableError(f"{method}: the database is away")
