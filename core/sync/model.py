"""What is synchronised: accounts, streams, units, windows and pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

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
    only grows, newest first; pages are taken from the first up.
    """

    MOVING = "moving"
    FIXED = "fixed"


class Pass(StrEnum):
    """NEW follows the cursor; OPEN reads rows again that change without moving in the window."""

    NEW = "new"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One eBay list and how it is read.

    `api` names the call budget that it draws on. `page_size` is the API's maximum. `max_window` is
    the longest range that the API takes. `offset_ceiling`: eBay wants offsets below it, None where
    it names no ceiling.
    """

    name: str
    api: str
    interval: timedelta
    walk: Walk
    page_size: int
    max_window: timedelta
    offset_ceiling: int | None = None
    open_pass: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    id: AccountId
    name: str
    environment: Environment
    marketplace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A closed interval being read, and the place in it.

    `goal` is what the cursor becomes when the window is complete; it differs from `to` when `to`
    was lowered to keep offsets small; None: the cursor stays. `offset` is the next page to read;
    None: nothing is known yet. `total` is the list's length when this pass began.
    """

    from_: datetime
    to: datetime
    goal: datetime | None
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
    `keys` and `instants` are read for FIXED walks only, one per row. `next_offset` is the offset
    of eBay's `next` link, None where there is none. `total` is None where eBay left it out.
    """

    text: str
    rows: Sequence[bytes]
    total: int | None
    next_offset: int | None
    keys: tuple[str, ...] = ()
    instants: tuple[datetime, ...] = ()
