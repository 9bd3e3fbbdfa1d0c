"""How many calls the day allows, and who goes first when they are short.

eBay counts per application, API and day, for all accounts together. Calls are counted where all
runs see them, before they are made, and reserved in chunks: a row that every call of every unit
writes would be a queue (24 threads: 55 calls a second, measured).
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.context import RunContext
from core.errors import OutOfCallsError, StoreUnavailableError
from core.sync.calls import CallStore, Claim, Grant, Quota
from core.sync.model import Account, Pass, Stream
from core.sync.store_tries import SAVING

FIRST_CHUNK, CHUNK = 10, 20
"""Most units make few calls, and what a killed one has reserved is lost until the reset."""
DAY = timedelta(days=1)
LONGEST_DAY = timedelta(hours=25)
"""One on which clocks are set back."""
MOST_CALLS = 10**9
RESET_HOUR = 7
"""UTC. What eBay's getRateLimits names everywhere, until it is asked."""
USUAL_LIMIT = 5_000
USUAL_LIMITS: Mapping[str, int] = {
    "sell.fulfillment": 100_000,
    "sell.fulfillment.payment_dispute": 250_000,
    "sell.finances": 15_000,
    "sell.inventory": 2_000_000,
}
CASES = ("returns", "cancellations", "inquiries", "cases", "disputes")
SHARES: Mapping[str, float] = {
    "orders": 1.0,
    "transactions": 0.98,
    "messages": 0.96,
    **dict.fromkeys(CASES, 0.94),
}
OTHERS_SHARE = 0.9
"""Of a day's calls; the last of them are kept for the streams that matter most."""
OPEN_SHARE = 0.1
CAREFUL_SHARE = 0.8
SHORTEST_PAST = timedelta(hours=6)
"""A first sync in the morning says little about the rest of the day."""
MOST_STRETCH = 4.0


def next_reset(now: datetime) -> datetime:
    at = now.astimezone(UTC).replace(hour=RESET_HOUR, minute=0, second=0, microsecond=0)
    return at if at > now else at + DAY


def share_of(stream: Stream) -> float:
    return SHARES.get(stream.name, OTHERS_SHARE)


def usual_limit_of(stream: Stream) -> int:
    return USUAL_LIMITS.get(stream.api, USUAL_LIMIT)


def believed(quota: Quota, now: datetime) -> Quota:
    """What of eBay's word is kept: a limit that allows something, a reset within the day."""
    limit, remaining, reset_at = quota.limit, quota.remaining, quota.reset_at
    return Quota(
        limit=limit if limit is not None and 0 < limit <= MOST_CALLS else None,
        remaining=None if remaining is None else min(max(remaining, 0), MOST_CALLS),
        reset_at=reset_at if reset_at is not None and now < reset_at <= now + LONGEST_DAY else None,
    )


def claim_of(
    account: Account, stream: Stream, pass_: Pass, now: datetime, calls: int = CHUNK
) -> Claim:
    return Claim(
        environment=account.environment,
        api=stream.api,
        calls=calls,
        share=share_of(stream),
        open_share=OPEN_SHARE if pass_ is Pass.OPEN else None,
        usual_limit=usual_limit_of(stream),
        next_reset=next_reset(now),
    )


def stretch_of(grant: Grant, now: datetime) -> float:
    """By how much intervals grow, so that the day's calls last to its end."""
    past = max(DAY - (grant.reset_at - now), SHORTEST_PAST)
    forecast = grant.used * (DAY / past)
    return min(max(forecast / (CAREFUL_SHARE * grant.limit), 1.0), MOST_STRETCH)


@dataclass(slots=True, kw_only=True)
class Allowance:
    """The calls of one unit. Called from one thread at a time."""

    store: CallStore
    account: Account
    stream: Stream
    pass_: Pass
    context: RunContext
    left: int = 0
    grant: Grant | None = None
    chunk: int = FIRST_CHUNK

    def spend(self, calls: int) -> None:
        """Before so many calls are made. Raises OutOfCallsError, StoreUnavailableError."""
        while self.left < calls:
            self._reserve()
        self.left -= calls

    def count(self, calls: int) -> None:
        """So many were made already, whatever the day has left."""
        with suppress(OutOfCallsError, StoreUnavailableError):
            self.spend(calls)

    def close(self) -> None:
        """What was not spent is for others.

        Where the database is away it is lost until the reset: given back twice, for nobody saw the
        first COMMIT, it would be calls beyond the day's limit. So it is when the time to save is
        over.
        """
        if not self.left or self.grant is None:
            return
        if not self.context.deadline.remaining_to(SAVING):
            return
        left, self.left = self.left, 0
        with suppress(StoreUnavailableError):
            self.store.give_back(self._claim(), left, self.grant.reset_at)

    def stretch(self, now: datetime) -> float:
        return 1.0 if self.grant is None else stretch_of(self.grant, now)

    def _reserve(self) -> None:
        now = self.context.clock.now()
        grant = self.store.reserve(self._claim(), now)
        if not grant.calls:
            raise OutOfCallsError(_told(grant), retry_at=grant.blocked_until or grant.reset_at)
        # Of a new day: what is left of the old one is worth nothing.
        of_today = self.grant is None or self.grant.reset_at == grant.reset_at
        self.left = (self.left if of_today else 0) + grant.calls
        self.grant = grant
        self.chunk = min(2 * self.chunk, CHUNK)

    def _claim(self) -> Claim:
        now = self.context.clock.now()
        return claim_of(self.account, self.stream, self.pass_, now, self.chunk)


def _told(grant: Grant) -> str:
    return f"{grant.used} of the day's {grant.limit} calls are used up or kept for other streams"
