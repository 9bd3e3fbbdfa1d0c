"""Streams as people see them: one account, one list of eBay's, and where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.ids import AccountId


class Word(StrEnum):
    """How a stream is, in one word. People script against these."""

    ON_TIME = "on_time"
    LATE = "late"
    RUNNING = "running"
    FAILING = "failing"
    PAUSED = "paused"
    OFF = "off"
    NEVER = "never"
    ACTION_REQUIRED = "action_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRule:
    """What the sync knows of one of its lists.

    `keeps`: how far back eBay shows its rows, None where the list is always of now. `share` of the
    day's calls of `api` is open to it; `usual_limit` holds until eBay has said its own.
    """

    name: str
    api: str
    keeps: timedelta | None
    share: float
    usual_limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How the sync reads: from `overlap` before the cursor to `lag` ago, first from `backfill` ago.

    `step`: by how much a cursor may stand ahead of the clock and still be believed.
    """

    overlap: timedelta
    lag: timedelta
    backfill: timedelta
    step: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class PassState:
    """One pass over a stream, as it stands.

    `reading_from`: where the window being read begins, `read_to`: how far it was read, as an
    instant, and `share_read`, as a part of it; None where no window is open, or nobody can tell.
    `dead`: its last run ended without a word.
    """

    enabled: bool
    interval: timedelta
    due_at: datetime | None
    cursor_at: datetime | None
    running: bool
    failures: int
    dead: bool = False
    reading_from: datetime | None = None
    read_to: datetime | None = None
    share_read: float | None = None
    last_attempt_at: datetime | None = None
    last_success_at: datetime | None = None
    last_reason: str | None = None
    last_error: str | None = None
    switched_at: datetime | None = None
    switched_via: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewind:
    """A cursor that was set back, and where it stood before."""

    id: int
    at: datetime
    via: str
    reason: str | None
    old_cursor_at: datetime | None
    new_cursor_at: datetime
    undone_at: datetime | None = None
    old_window_from: datetime | None = None

    def stood_at(self, terms: Terms) -> datetime:
        """From where on nothing was known to be stored.

        Of a stream never read, and of a cursor that could not be true, where its first reading
        began, or would have begun.
        """
        old = self.old_cursor_at
        if old is not None and old <= self.at + terms.step:
            return old
        return self.old_window_from or self.at - terms.backfill


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """One account's stream. `rewinds`: the latest first."""

    account_id: AccountId
    account: str
    environment: str
    account_status: str
    stream: str
    new: PassState
    open: PassState | None = None
    rewinds: Sequence[Rewind] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSwitch:
    """Whether the worker that reads streams may run at all. `tripped`: it stopped itself."""

    enabled: bool
    tripped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """`at`: the database's clock when it looked."""

    at: datetime
    worker: WorkerSwitch
    states: Sequence[StreamState]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What an estimate is made of.

    `stored`: rows of that stretch that are here, None where counting took too long. `read` rows
    were read in windows that are `span` long together. `used` of the API's day, which ends at
    `reset_at`; `limit` None: eBay has not said it.
    """

    stored: int | None
    read: int
    span: timedelta
    used: int
    limit: int | None
    reset_at: datetime | None
    blocked_until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`windows` to read, in so many `pages` and `calls`."""

    windows: int
    pages: int
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RewindPlan:
    """What a rewind would do and about what it would cost.

    `rows` are expected in the stretch; `stored` None: nobody could count in time. `a_day`: what
    the last readings brought a day, None where there were none. `calls_left` today for this
    stream, until `reset_at`.
    """

    account: str
    stream: str
    from_: datetime | None
    to: datetime
    rows: int
    stored: int | None
    a_day: float | None
    cost: Cost
    api: str
    calls_left: int
    limit: int
    reset_at: datetime | None

    @property
    def affordable(self) -> bool:
        return self.cost.calls <= self.calls_left


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewound:
    """`changed` False: it was so already. `held`: a run was at it, and writes nothing more."""

    state: StreamState
    changed: bool
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """Streams as they stand now, and how many of them were switched."""

    states: Sequence[StreamState]
    changed: int
