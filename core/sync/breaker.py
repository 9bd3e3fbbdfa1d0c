"""An eBay that fails again and again is asked by one unit at a time.

Three scopes, each with a count of its own: one account's calls to one API, those of all accounts to
it, and every call of the application in one environment. Units are counted, not calls: one that
found eBay away, after all its tries, is one failure; one that was answered sets its scopes to zero;
one that had nothing to ask proves nothing, and leaves the try to the next.

The application's breaker stands before the APIs that fail, not before those that have not: one
API's outage must not keep the others waiting, and where all of eBay is away each finds it out once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.report import Reason, UnitReport
from core.retry import RetryPolicy
from core.sync.calls import Breaker, CallStore, Scope
from core.sync.model import Unit, UnitKey

OPENS_AFTER = 5
PROBES = RetryPolicy(base=60.0, cap=15 * 60.0)


def scopes_of(unit: Unit) -> tuple[Scope, Scope, Scope]:
    """The application's first: rows are locked in this order."""
    environment, api = unit.account.environment, unit.stream.api
    return (
        Scope(environment, "", 0),
        Scope(environment, api, 0),
        Scope(environment, api, unit.account.id),
    )


def next_probe(failures: int, now: datetime) -> datetime:
    return now + timedelta(seconds=PROBES.delay(max(failures - OPENS_AFTER + 1, 1)))


@dataclass(slots=True)
class Breakers:
    """The breakers as one run knows them. Called from the coordinating thread."""

    store: CallStore
    _known: dict[Scope, Breaker] | None = field(default=None)
    _probes: dict[UnitKey, list[Breaker]] = field(default_factory=dict)

    def blocked_until(self, unit: Unit, now: datetime) -> datetime | None:
        """None: go on, as the one probe where a breaker is open. Raises StoreUnavailableError."""
        for breaker in self._open(unit):
            if breaker.probe_at is not None and breaker.probe_at > now:
                return breaker.probe_at
        for breaker in self._open(unit):
            until = next_probe(breaker.failures + 1, now)
            if not self.store.probe(breaker, until):
                # Somebody else is the probe.
                return until
            probing = Breaker(breaker.scope, breaker.failures, until)
            self._put([probing])
            self._probes.setdefault(_key(unit), []).append(probing)
        return None

    def ended(self, unit: Unit, report: UnitReport, now: datetime) -> None:
        """Raises StoreUnavailableError."""
        scopes = scopes_of(unit)
        probes = self._probes.pop(_key(unit), [])
        if report.reason is Reason.UPSTREAM:
            self._put(self.store.count_failure(scopes, OPENS_AFTER, now))
        elif report.pages and any(scope in self._all() for scope in scopes):
            self.store.close(scopes)
            for scope in scopes:
                self._all().pop(scope, None)
        elif not report.calls:
            self._give_back(probes, now)

    def _give_back(self, probes: Sequence[Breaker], now: datetime) -> None:
        ours = [each for each in probes if self.store.probe(each, now)]
        self._put([Breaker(each.scope, each.failures, now) for each in ours])

    def _open(self, unit: Unit) -> Sequence[Breaker]:
        everything, api, account = scopes_of(unit)
        before = (everything, api, account) if api in self._all() else (account,)
        known = (self._all().get(scope) for scope in before)
        return [each for each in known if each is not None and each.failures >= OPENS_AFTER]

    def _put(self, breakers: Sequence[Breaker]) -> None:
        self._all().update({breaker.scope: breaker for breaker in breakers})

    def _all(self) -> dict[Scope, Breaker]:
        if self._known is None:
            self._known = {breaker.scope: breaker for breaker in self.store.breakers()}
        return self._known


def _key(unit: Unit) -> UnitKey:
    return UnitKey(unit.account.id, unit.stream.name, unit.pass_)
