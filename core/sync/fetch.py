"""One page from eBay: token, tries and time in one place."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from core.context import RunContext
from core.errors import (
    AccessTokenRefusedError,
    AppError,
    ConfigurationError,
    PermanentError,
    RateLimitedError,
    SignatureRequiredError,
    TokenRefusedError,
    UpstreamUnavailableError,
)
from core.secret import Secret
from core.sync.budget import Allowance
from core.sync.model import Account, Page, PageQuery, Stream
from core.sync.ports import AccessTokens, Event, PageSource
from core.sync.walk import Step, complete
from core.tries import WORTH_TRYING_S, Tries

T = TypeVar("T")

REQUEST_S = 20.0
PAGE_S = 25.0
"""All tries for one page, token refresh and waits included, take at most this long."""
TELLING = (AccessTokenRefusedError, PermanentError, RateLimitedError, UpstreamUnavailableError)
SAID = ("status", "error_id", "correlation_id", "body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """`read_at`: when the page was asked for, by the database's clock.

    `cut_short`: rows are left out, because of the `failure` or, where that is None, for lack of
    time to ask for their details. `step`: what to do with the page, where its walk does not decide
    that.
    """

    page: Page
    read_at: datetime
    offset: int
    cut_short: bool = False
    failure: AppError | None = None
    step: Step | None = None


@dataclass(slots=True)
class Calls:
    """The eBay calls of one unit, as they are made; written to the database at its end.

    `signed_now`: eBay has refused one that was not signed.
    """

    events: list[Event] = field(default_factory=list)
    made: int = 0
    signed_now: bool = False


def _said(error: AppError) -> dict[str, object]:
    """What eBay answered, where it answered at all."""
    told = {}
    if isinstance(error, TELLING):
        told = {name: getattr(error.facts, name) for name in SAID}
    return {name: value for name, value in told.items() if value not in {None, ""}}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPages:
    """The pages of one unit. Called from one thread at a time.

    `sign_from_now_on` is called when eBay demands signatures of an account that had none.
    """

    source: PageSource
    tokens: AccessTokens
    sleep: Callable[[float], None]
    account: Account
    stream: Stream
    context: RunContext
    allowance: Allowance
    sign_from_now_on: Callable[[], None]
    calls: Calls = field(default_factory=Calls)

    def fetch(self, query: PageQuery) -> Fetched:
        """Fetch until an answer is usable: full jitter between tries, 25 s for all of them.

        Raises what the last try raised: an eBay that is away must not look like a run without time.
        OutOfTimeError where the deadline cut the only try short, or somebody asked to stop. A
        refused token is refreshed once; refused again is TokenRefusedError.
        """

        def ask(token: Secret, timeout: float) -> Fetched:
            read_at = self.context.clock.now()
            page = self.source.fetch(self._seller, self.stream, query, token, timeout=timeout)
            self._count(page.calls - self.stream.calls_per_page)
            complete_page = complete(self.stream, query, page)
            return Fetched(page=complete_page, read_at=read_at, offset=query.offset)

        facts = {"offset": query.offset, "limit": query.limit}
        return self._tried(ask, facts, self.stream.calls_per_page)

    def may_go_on(self) -> bool:
        return not self.context.stop_requested() and self.context.deadline.allows(WORTH_TRYING_S)

    def details(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """As `fetch`: one call, with tries and time of its own."""

        def ask(token: Secret, timeout: float) -> Mapping[str, bytes]:
            return self.source.details(self._seller, self.stream, keys, token, timeout=timeout)

        return self._tried(ask, {"details": len(keys)}, 1)

    def unfold(self, key: str) -> Page:
        """As `fetch`: one call, with tries and time of its own."""

        def ask(token: Secret, timeout: float) -> Page:
            return self.source.unfold(self._seller, self.stream, key, token, timeout=timeout)

        return self._tried(ask, {"unfolded": key}, 1)

    def _count(self, more: int) -> None:
        """What a page took beyond the usual: a mailbox has as many folders as it has."""
        if more > 0:
            self.calls.made += more
            self.allowance.count(more)

    def _tried(
        self, ask: Callable[[Secret, float], T], facts: Mapping[str, object], requests: int
    ) -> T:
        ends = self._ticks() + min(PAGE_S, self.context.deadline.remaining())
        token: Secret | None = None
        rejected: Secret | None = None
        tries = Tries(context=self.context, sleep=self.sleep, ends=ends)
        while True:
            try:
                token = self._token(rejected, ends)
                self._prepare(ends)
                self.allowance.spend(requests)
                return self._called(ask, token, ends, facts, requests)
            except AccessTokenRefusedError as error:
                if rejected is not None:
                    raise TokenRefusedError(str(error), error.facts) from error
                rejected = token
            except SignatureRequiredError as error:
                self._learn(error)
            except UpstreamUnavailableError as error:
                tries.after(error)

    def _ticks(self) -> float:
        return self.context.clock.monotonic()

    @property
    def _seller(self) -> Account:
        return replace(self.account, signs=True) if self.calls.signed_now else self.account

    def _learn(self, error: SignatureRequiredError) -> None:
        """Raises it again where the call was signed, or there is nothing to sign it with."""
        if self._seller.signs:
            raise error
        self.context.log.warning(
            "account.signature_demanded", account_id=self.account.id, error=str(error)
        )
        self.sign_from_now_on()
        self.calls.signed_now = True

    def _prepare(self, ends: float) -> None:
        left = max(ends - self._ticks(), 0.0)
        self.source.prepare(self._seller, self.stream, timeout=left)

    def _token(self, rejected: Secret | None, ends: float) -> Secret:
        return self.tokens.get(
            self.account.id,
            self.account.environment,
            rejected=rejected,
            timeout=max(ends - self._ticks(), 0.0),
        )

    def _called(
        self,
        ask: Callable[[Secret, float], T],
        token: Secret,
        ends: float,
        facts: Mapping[str, object],
        requests: int,
    ) -> T:
        """A setting that is missing is found before anything is sent: no call was made."""
        at, began = self.context.clock.now(), self._ticks()
        timeout = max(min(REQUEST_S, ends - began), 0.0)
        error: AppError | None = None
        try:
            return ask(token, timeout)
        except AppError as raised:
            error = raised
            raise
        finally:
            if not isinstance(error, ConfigurationError):
                self.calls.made += requests
                self.calls.events.append(self._event(facts, at, self._ticks() - began, error))

    def _event(
        self, facts: Mapping[str, object], at: datetime, took: float, error: AppError | None
    ) -> Event:
        operation = self.source.operation(self.stream)
        told = {"operation": operation, **facts, "took_ms": round(took * 1000)}
        if error is not None:
            told["error"] = str(error)
            told |= _said(error)
        return Event(
            at=at,
            level="info" if error is None else "warning",
            event="ebay.called",
            account_id=self.account.id,
            stream=self.stream.name,
            facts=told,
        )
