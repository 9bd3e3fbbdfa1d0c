"""What the token worker and the change of keys need, in memory."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from core.errors import DecryptError, StoreUnavailableError
from core.ids import AccountId, RunId
from core.report import Reason, UnitReport
from core.secret import Secret
from core.tokens.model import Keeping, SealedPair, SealedValue


@dataclass(slots=True)
class MemoryRoster:
    """The `TokenRoster` port; `off` is what stands in an account's way.

    `rival`: another run warned a moment before. `away`: the calls of a method that miss the
    database, counted from 1.
    """

    keepings: dict[str, Keeping] = field(default_factory=dict)
    off: dict[AccountId, Reason] = field(default_factory=dict)
    reports: list[UnitReport] = field(default_factory=list)
    away: set[tuple[str, int]] = field(default_factory=set)
    called: Counter[str] = field(default_factory=Counter)
    rival: bool = False

    def look(self) -> Sequence[Keeping]:
        self._reach("look")
        return list(self.keepings.values())

    def standing(self, run_id: RunId, worker: str, account_id: AccountId) -> Reason | None:
        self._reach("standing")
        return self.off.get(account_id)

    def warned(self, run_id: RunId, keeping: Keeping, days: int) -> bool:
        now = self.keepings[keeping.account]
        if self.rival or (now.warned_days is not None and now.warned_days <= days):
            return False
        self.keepings[keeping.account] = replace(now, warned_days=days)
        return True

    def record(self, run_id: RunId, reports: Sequence[UnitReport]) -> None:
        self._reach("record")
        self.reports += reports

    def _reach(self, method: str) -> None:
        self.called[method] += 1
        if (method, self.called[method]) in self.away:
            raise StoreUnavailableError("gone")


@dataclass(slots=True)
class Renewals:
    """The `Refreshing` port. `errors`: what the next calls for an account raise."""

    errors: dict[AccountId, list[Exception]] = field(default_factory=dict)
    calls: list[tuple[AccountId, str, int]] = field(default_factory=list)
    during: Callable[[], None] = lambda: None
    by_another: bool = False

    def renew(
        self, account_id: AccountId, environment: str, version: int, *, timeout: float
    ) -> None:
        self.calls.append((account_id, environment, version))
        self.during()
        if self.errors.get(account_id):
            raise self.errors[account_id].pop(0)

    def asked(self, account_id: AccountId) -> int:
        return 0 if self.by_another else sum(each == account_id for each, _, _ in self.calls)


@dataclass(slots=True)
class MemoryCanary:
    """The `Canary` port; `rival`: another one made this first, and stored a token with it."""

    sealed: str | None = None
    rival: str | None = None
    tokens: list[tuple[AccountId, str]] = field(default_factory=list)

    def read(self) -> str | None:
        return self.sealed

    def make(self, sealed: str) -> str:
        self.sealed = self.rival or sealed
        if self.rival is not None:
            self.tokens = [(AccountId(1), "the rival's")]
        return self.sealed

    def replace(self, sealed: str) -> None:
        self.sealed = sealed

    def replace_unused(self, sealed: str) -> bool:
        if not self.tokens:
            self.sealed = sealed
        return not self.tokens

    def samples(self, most: int) -> Sequence[tuple[AccountId, str]]:
        return self.tokens[:most]


@dataclass(slots=True)
class MemorySealed:
    """The `SealedTokens` port; `held` rows are left out as often as their number says."""

    pairs: dict[AccountId, SealedPair] = field(default_factory=dict)
    held: dict[AccountId, int] = field(default_factory=dict)
    runs: int = 0

    def batch(self, after: AccountId, most: int) -> Sequence[SealedPair]:
        return [self.pairs[each] for each in sorted(self.pairs) if each > after][:most]

    def reseal(self, pairs: Sequence[tuple[SealedPair, SealedPair]]) -> int:
        done = 0
        for old, new in pairs:
            left = self.held.get(old.account_id, 0)
            self.held[old.account_id] = left - 1
            if left <= 0 and self.pairs[old.account_id] == old:
                self.pairs[old.account_id] = new
                done += 1
        return done

    def discard(self, pair: SealedPair, reason: str) -> bool:
        return self.pairs.pop(pair.account_id, None) is not None

    def earlier_runs(self) -> int:
        return self.runs


@dataclass(slots=True)
class MemoryValues:
    """The `SealedValues` port. `rival`: stored by another a moment before the first is changed."""

    held: list[SealedValue] = field(default_factory=list)
    rival: SealedValue | None = None

    def all(self) -> Sequence[SealedValue]:
        return list(self.held)

    def reseal(self, old: SealedValue, new: SealedValue) -> bool:
        return self._change(old, [new])

    def discard(self, value: SealedValue) -> bool:
        return self._change(value, [])

    def _change(self, old: SealedValue, new: Sequence[SealedValue]) -> bool:
        if self.rival is not None:
            self.held[0], self.rival = self.rival, None
        if old not in self.held:
            return False
        place = self.held.index(old)
        self.held[place : place + 1] = new
        return True


@dataclass(slots=True)
class WordCipher:
    """Seals as `key:account:field:secret`; the first of `keys` is the newest."""

    keys: tuple[str, ...]

    @property
    def newest(self) -> str:
        return self.keys[0]

    def key_of(self, sealed: str) -> str:
        key, colon, _ = sealed.partition(":")
        if not colon:
            raise DecryptError("nobody sealed this")
        return key

    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str:
        return f"{self.newest}:{account_id}:{field}:{secret.reveal()}"

    def open(self, sealed: str, *, account_id: AccountId, field: str) -> Secret:
        key, _, rest = sealed.partition(":")
        place = f"{account_id}:{field}:"
        if key not in self.keys or not rest.startswith(place):
            raise DecryptError("it does not open")
        return Secret(rest.removeprefix(place))
