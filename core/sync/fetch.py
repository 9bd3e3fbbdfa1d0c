"""One page from eBay: token, tries and time in one place."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from core.context import RunContext
from core.errors import (
    AccessTokenRefusedError,
    AppError,
    TokenRefusedError,
    UpstreamUnavailableError,
)
from core.retry import RetryPolicy
from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream
from core.sync.ports import AccessTokens, Event, PageSource
from core.sync.walk import complete

REQUEST_S = 20.0
PAGE_S = 25.0
"""All tries for one page, token refresh and waits included, take at most this long."""
WORTH_TRYING_S = 0.5
TRIES = RetryPolicy(base=0.5, cap=8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """`read_at`: when the page was asked for, by the database's clock."""

    page: Page
    read_at: datetime


@dataclass(slots=True)
class Calls:
    """The eBay calls of one unit, as they are made; written to the database at its end."""

    events: list[Event] = field(default_factory=list)
    made: int = 0


class OutOfTimeError(AppError):
    """The run's deadline came before a usable answer; nothing is wrong with the unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPages:
    """The pages of one unit. Called from one thread at a time."""

    source: PageSource
    tokens: AccessTokens
    sleep: Callable[[float], None]
    account: Account
    stream: Stream
    context: RunContext
    calls: Calls = field(default_factory=Calls)

    def fetch(self, query: PageQuery) -> Fetched:
        """Fetch until an answer is usable: full jitter between tries, 25 s for all of them.

        Raises what the last try raised: an eBay that is away must not look like a run without time.
        OutOfTimeError where the deadline cut the only try short, or somebody asked to stop. A
        refused token is refreshed once; refused again is TokenRefusedError.
        """
        ends = self._ticks() + min(PAGE_S, self.context.deadline.remaining())
        token: Secret | None = None
        rejected: Secret | None = None
        attempt = 1
        while True:
            try:
                token = self._token(rejected, ends)
                return self._ask(query, token, ends)
            except AccessTokenRefusedError as error:
                if rejected is not None:
                    raise TokenRefusedError(str(error), error.facts) from error
                rejected = token
            except UpstreamUnavailableError as error:
                self._wait_or_give_up(error, attempt, ends)
                attempt += 1

    def _ticks(self) -> float:
        return self.context.clock.monotonic()

    def _token(self, rejected: Secret | None, ends: float) -> Secret:
        return self.tokens.get(
            self.account.id,
            self.account.environment,
            rejected=rejected,
            timeout=max(ends - self._ticks(), 0.0),
        )

    def _ask(self, query: PageQuery, token: Secret, ends: float) -> Fetched:
        read_at, began = self.context.clock.now(), self._ticks()
        timeout = max(min(REQUEST_S, ends - began), 0.0)
        self.calls.made += 1
        error: AppError | None = None
        try:
            page = self.source.fetch(self.account, self.stream, query, token, timeout=timeout)
            return Fetched(page=complete(self.stream, query, page), read_at=read_at)
        except AppError as raised:
            error = raised
            raise
        finally:
            self.calls.events.append(self._event(query, read_at, self._ticks() - began, error))

    def _wait_or_give_up(self, error: UpstreamUnavailableError, attempt: int, ends: float) -> None:
        delay = TRIES.jittered(attempt, self.context.rng)
        stopping = self.context.stop_requested()
        if not stopping and self._ticks() + delay + WORTH_TRYING_S < ends:
            self.sleep(delay)
            return
        cut_short = attempt == 1 and not self.context.deadline.allows(0.001)
        if stopping or cut_short:
            raise OutOfTimeError("the run's time was used up") from error
        raise error

    def _event(self, query: PageQuery, at: datetime, took: float, error: AppError | None) -> Event:
        facts: dict[str, object] = {
            "offset": query.offset,
            "limit": query.limit,
            "took_ms": round(took * 1000),
        }
        if error is not None:
            facts["error"] = str(error)
        return Event(
            at=at,
            level="info" if error is None else "warning",
            event="ebay.called",
            account_id=self.account.id,
            stream=self.stream.name,
            facts=facts,
        )
