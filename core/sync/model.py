"""What is synchronised: accounts, streams, units, windows and pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from core.ids import AccountId, Fence

OVERLAP = timedelta(minutes=30)
LAG = timedelta(minutes=2)
BACKFILL = timedelta(days=90)


class Environment(StrEnum):
    PRODUCTION = "production"
    SANDBOX = "sandbox"
    SIMULATOR = "simulator"


class Walk(StrEnum):
    """How a list is paged, decided by the instant that its window filters by.

    MOVING: the instant changes with the row (last modified), so rows leave a closed window while
    it is read; pages are taken from the last down. FIXED: it never changes (creation), so the set
    only grows, newest first; pages are taken from the first up. HALVED: it never changes, but what
    `offset` counts is unknown, so a window is halved until one page holds all of it. SNAPSHOT: the
    whole list as it is now, filtered by nothing, page after page.
    """

    MOVING = "moving"
    FIXED = "fixed"
    HALVED = "halved"
    SNAPSHOT = "snapshot"


class Pass(StrEnum):
    """NEW follows the cursor; OPEN reads rows again that change without moving in the window."""

    NEW = "new"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One eBay list and how it is read.

    `api` names the call budget that it draws on. `list_field` is the member of a page's text that
    holds its rows. `page_size` is the API's maximum. `max_window` is the longest range that the API
    takes. `offset_ceiling`: eBay wants offsets below it, None where it names no ceiling; a SNAPSHOT
    with more rows is never complete. `details_per_call`: of how many rows one more call brings what
    the list leaves out; 0: it leaves out nothing. `folded`: an entry of the list is no row but the
    name of several, or of none, which one more call brings. `ends_unseen`: rows that two complete
    snapshots in a row did not show have ended. `open_by_key`: open rows are read again by the calls
    for details, for the list stops showing some of them. `in_sandbox`: whether eBay's sandbox has
    the list. `calls_per_page`: of how many requests a page is usually made. `keeps`: how far back
    eBay shows rows; a SNAPSHOT has no past. `rereads`: how far back rows are read again every six
    hours, for they change without moving and none of them is ever final; less than a `max_window`.
    """

    name: str
    api: str
    list_field: str
    interval: timedelta
    walk: Walk
    page_size: int
    max_window: timedelta = BACKFILL
    offset_ceiling: int | None = None
    open_pass: bool = False
    details_per_call: int = 0
    folded: bool = False
    ends_unseen: bool = False
    open_by_key: bool = False
    in_sandbox: bool = True
    calls_per_page: int = 1
    keeps: timedelta = BACKFILL
    rereads: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`signs`: calls that eBay wants signed of some sellers are signed of this one."""

    id: AccountId
    name: str
    environment: Environment
    marketplace_ids: tuple[str, ...] = ()
    signs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A closed interval being read, and the place in it.

    `goal` is how far there is to read, and what the cursor becomes then; it differs from `to` when
    `to` was lowered. `offset` is the next page to read; None: nothing is known yet. `total` is the
    list's length when this pass began. Of a SNAPSHOT all three instants are the one of its start.
    """

    from_: datetime
    to: datetime
    goal: datetime
    limit: int
    offset: int | None = None
    total: int | None = None
    pass_number: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One account, one stream, one pass, taken: it may be written to while `fence` holds."""

    account: Account
    stream: Stream
    pass_: Pass
    fence: Fence
    interval: timedelta
    cursor_at: datetime | None
    window: Window | None
    failures: int

    @property
    def by_key(self) -> bool:
        """Its rows are read again by their keys, not from the list."""
        return self.pass_ is Pass.OPEN and self.stream.open_by_key


class UnitKey(NamedTuple):
    account_id: AccountId
    stream: str
    pass_: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PageQuery:
    """Rows whose instant lies in [from_, to], both ends included; `offset` counts entries."""

    from_: datetime
    to: datetime
    limit: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One answer of a list.

    `text` is the body as it came (invalid UTF-8 replaced), `rows` its entries, each as JSON text.
    `keys`, one per row, are read where the walk or the details need them, `instants` for FIXED
    walks only. In a folded list "" is the key of an entry that names nothing. `next_offset` is the
    offset of eBay's `next` link, None where there is none. `total` is None where eBay left it out.
    `calls`: how many requests brought it, where that is told by nothing but the answers.
    """

    text: str
    rows: Sequence[bytes]
    total: int | None
    next_offset: int | None
    keys: tuple[str, ...] = ()
    instants: tuple[datetime, ...] = ()
    calls: int = 0
