"""What counting calls and minding an eBay that is away need from outside."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What eBay's getRateLimits says of one API; None where it says nothing."""

    remaining: int | None
    reset_at: datetime | None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Calls wanted of one API's day.

    `share` of the day is open to this stream, and `open_share` of it to all passes over open rows,
    None where this is none. `usual_limit` and `next_reset` hold until eBay has said its own.
    """

    environment: str
    api: str
    calls: int
    share: float
    open_share: float | None
    usual_limit: int
    next_reset: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """`calls` reserved, 0 where there are none; `used` of the day's `limit`, these included.

    `learned_at`: when eBay last said limit and reset.
    """

    calls: int
    used: int
    limit: int
    reset_at: datetime
    blocked_until: datetime | None = None
    learned_at: datetime | None = None


class Scope(NamedTuple):
    """What a breaker stands before: account 0 is all of them, `api` empty are all APIs too."""

    environment: str
    api: str
    account_id: int


@dataclass(frozen=True, slots=True)
class Breaker:
    """`failures` in a row. `probe_at`: when one unit may try, None while it is closed."""

    scope: Scope
    failures: int
    probe_at: datetime | None


class CallStore(Protocol):
    """Calls counted and breakers, for all runs. One method is one short transaction.

    Raises StoreUnavailableError.
    """

    def reserve(self, claim: Claim, now: datetime) -> Grant:
        """Some of the calls wanted, 0 when the day has none left; counted as used at once.

        At most a fifth of what is left, or units side by side would keep the last from each other.
        """
        ...

    def give_back(self, claim: Claim, calls: int, reset_at: datetime) -> None:
        """Reserved and not made, unless that day is over."""
        ...

    def may_ask(self, environment: str, now: datetime) -> bool:
        """Whether this run may ask eBay for limits: one run in five minutes."""
        ...

    def learn(self, environment: str, quotas: Mapping[str, Quota], now: datetime) -> None:
        """What eBay said of these APIs; its count stands where it is higher than ours."""
        ...

    def breakers(self) -> Sequence[Breaker]:
        """Those with failures."""
        ...

    def count_failure(
        self, scopes: Sequence[Scope], opens_after: int, now: datetime
    ) -> Sequence[Breaker]: ...

    def probe(self, breaker: Breaker, until: datetime) -> bool:
        """Whether we are the one that tries; nobody else does before `until`."""
        ...

    def close(self, scopes: Sequence[Scope]) -> None: ...


class Quotas(Protocol):
    def ask(self, environment: str, api: str, *, timeout: float) -> Quota:
        """What remains of the day's calls; answers are kept for five minutes.

        A failed question is an unknown quota, not an error.
        """
        ...
