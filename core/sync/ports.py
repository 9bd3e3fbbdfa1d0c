"""What the sync needs from outside. One method of a store is one transaction."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from core.ids import AccountId, RunId
from core.outcome import Accounts
from core.report import Holder, Reason, UnitReport
from core.secret import Secret
from core.sync.calls import Quota
from core.sync.model import Account, Page, PageQuery, Stream, Unit, UnitKey, Window


class PageSource(Protocol):
    def operation(self, stream: Stream) -> str:
        """What eBay calls the call that lists this stream."""
        ...

    def prepare(self, account: Account, stream: Stream, *, timeout: float) -> None:
        """Have what the calls of this stream are signed with, where eBay wants this seller's so.

        Raises SignatureRequiredError, DecryptError, ConfigurationError.
        """
        ...

    def fetch(
        self, account: Account, stream: Stream, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        """One request, answered or given up within `timeout` seconds in all; no retries.

        Raises UpstreamUnavailableError (5xx, timeouts, truncated or unreadable bodies),
        RateLimitedError (429), AccessTokenRefusedError (401), MissingScopeError,
        SignatureRequiredError, BadAnswerError.
        """
        ...

    def details(
        self,
        account: Account,
        stream: Stream,
        keys: Sequence[str],
        token: Secret,
        *,
        timeout: float,
    ) -> Mapping[str, bytes]:
        """What the list leaves out of these rows, as JSON texts; one request, as in `fetch`.

        `keys` are at most `stream.details_per_call`. A row that eBay has no details of is left out.
        """
        ...

    def unfold(
        self, account: Account, stream: Stream, key: str, token: Secret, *, timeout: float
    ) -> Page:
        """All rows that this entry of a folded list names; one request, as in `fetch`."""
        ...


class AccessTokens(Protocol):
    def get(
        self, account_id: AccountId, environment: str, *, rejected: Secret | None, timeout: float
    ) -> Secret:
        """An access token that is good for a while; one refresh at a time across processes.

        `rejected` is a token that eBay just refused: a newer one is returned. Raises
        ReauthorizationRequiredError, ApplicationRefusedError, DecryptError, NoTokenError,
        UpstreamUnavailableError.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a unit stands after a page: the window to go on with, None when it is complete.

    `cursor_at` is set by the page that completes a window, None elsewhere. It never lowers a
    cursor, but `replace_cursor` takes the place of one that could not be true. `snapshot` is when
    the snapshot began that the page belongs to: its keys are noted as seen.
    """

    window: Window | None
    cursor_at: datetime | None = None
    replace_cursor: bool = False
    snapshot: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a page changed. `switched_off`: somebody paused this while the page was read.

    `ended`: rows that two complete snapshots did not show, marked by the page that completes one.
    """

    inserted: int
    updated: int
    quarantined: int
    switched_off: Reason | None
    ended: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of a run's log, kept in the database."""

    at: datetime
    level: str
    event: str
    account_id: AccountId | None = None
    stream: str | None = None
    facts: dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEnd:
    """What a unit leaves behind.

    `due_at`: when to read it next. `gave_up`: the attempt failed and its count stays; otherwise
    `succeeded` sets the count to 0 and neither gives the attempt back.
    """

    report: UnitReport
    due_at: datetime
    succeeded: bool
    gave_up: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A unit somebody asked for by name, as it stands; `refused` says why it may not be taken.

    `holder`: whose lease on it has not run out.
    """

    unit: Unit
    refused: Reason | None
    holder: Holder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRange:
    """Oldest and newest instant of the rows still to be read again; `given_up`: too old for it."""

    oldest: datetime | None
    newest: datetime | None
    given_up: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRow:
    """A row to be read again, and the instant that its list is filtered by."""

    key: str
    at: datetime


class SyncStore(Protocol):
    @property
    def streams(self) -> Mapping[str, Stream]:
        """Those that this release knows, by their names."""
        ...

    def take_due(
        self, run_id: RunId, now: datetime, limit: int, leave: AbstractSet[UnitKey] = frozenset()
    ) -> Sequence[Unit]:
        """Lease up to `limit` due units but those to `leave`, oldest first; fences rise by one."""
        ...

    def candidates(self, accounts: Sequence[str], streams: Sequence[str]) -> Sequence[Candidate]:
        """Units of these accounts and streams; an empty list means all of them.

        Raises UsageError for an account or stream that does not exist, and for a stream that one
        of the accounts does not have yet.
        """
        ...

    def take(self, run_id: RunId, now: datetime, candidate: Candidate) -> Unit | None:
        """Lease this unit, due or not; None when somebody else holds it."""
        ...

    def renew(self, run_id: RunId) -> None:
        """Prolong every unit that this run holds, but those whose row is being written."""
        ...

    def blocked_until(self, environment: str, api: str) -> datetime | None: ...

    def block(
        self, environment: str, api: str, until: datetime, quota: Quota, now: datetime
    ) -> None:
        """No call to this API before `until`."""
        ...

    def sign_from_now_on(self, account_id: AccountId) -> None:
        """eBay wants this seller's calls signed: known to every run that takes a unit of his."""
        ...

    def open_range(self, unit: Unit, since: datetime) -> OpenRange:
        """Where the unit's rows lie that are not final yet, none older than `since`."""
        ...

    def open_rows(self, unit: Unit, window: Window) -> Sequence[OpenRow]:
        """The oldest of the window's rows that are not final yet, oldest first.

        `window.limit` of them, and those that share the newest one's instant.
        """
        ...

    def lacking_details(self, unit: Unit, page: Page) -> AbstractSet[str]:
        """The keys of those rows whose details are not stored, or older than the row."""
        ...

    def save_page(
        self,
        run_id: RunId,
        worker: str,
        unit: Unit,
        page: Page,
        *,
        read_at: datetime,
        progress: Progress | None,
    ) -> Saved:
        """Rows and progress together, fenced; None leaves window and cursor alone.

        `read_at` is when the page was asked for: a row that was stored from a later answer stays.
        Where the progress completes a snapshot, what has ended is marked. Raises LeaseLostError,
        QuarantineLimitError, StoreUnavailableError.
        """
        ...

    def preview_page(self, unit: Unit, page: Page, *, read_at: datetime) -> Saved:
        """What `save_page` would change; rolled back, no fence, no lease."""
        ...

    def finish(self, run_id: RunId, unit: Unit, end: UnitEnd, events: Sequence[Event]) -> None:
        """Release the unit and write its report and events, fenced. Raises LeaseLostError.

        May be called again after StoreUnavailableError, also where the first call was committed
        unseen.
        """
        ...

    def record(self, run_id: RunId, reports: Sequence[UnitReport]) -> None:
        """Reports of units that were never taken."""
        ...

    def summary(self) -> Accounts: ...
