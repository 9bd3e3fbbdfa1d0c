"""Where a unit begins to read."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import UnsupportedError
from core.sync.model import LAG, OVERLAP, Environment, Pass, Stream, Unit, Walk, Window
from core.sync.ports import OpenRange
from core.sync.walk import extra_window, next_window, resumed

OPEN_LIMIT = timedelta(days=180)
CLOCK_STEP = OVERLAP - LAG
"""A database's clock may step back a little; a cursor further ahead of it was never read to.

No more than the next window starts before the cursor: between the two would be a gap.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """`window` None: there is nothing to read. `given_up`: open rows too old to be read again."""

    window: Window | None
    given_up: int = 0


def begin(
    unit: Unit,
    since: datetime | None,
    now: datetime,
    open_range: Callable[[Unit, datetime], OpenRange],
) -> Beginning:
    """1. What was asked for. 2. A window left unfinished. 3. Open rows. 4. From the cursor on.

    5. From the beginning, where the cursor cannot be true: never from "now", which would leave a
    gap that nobody sees. Raises UnsupportedError where eBay does not have the list.
    """
    if unit.account.environment is Environment.SANDBOX and not unit.stream.in_sandbox:
        raise UnsupportedError(f"eBay's sandbox does not have the list of {unit.stream.name}")
    if since is not None:
        return Beginning(window=extra_window(unit.stream, since, extra_end(unit, now)))
    if unit.window is not None:
        return Beginning(window=resumed(unit.window, unit.stream))
    if unit.pass_ is Pass.OPEN:
        found = open_range(unit, now - OPEN_LIMIT)
        return Beginning(window=open_window(unit.stream, found, now), given_up=found.given_up)
    cursor_at = None if impossible_cursor(unit, now) else unit.cursor_at
    return Beginning(window=next_window(unit.stream, cursor_at, now))


def has_past(unit: Unit) -> bool:
    """Whether a stretch of it can be read again: a snapshot is always of now."""
    return unit.pass_ is Pass.NEW and unit.stream.walk is not Walk.SNAPSHOT


def impossible_cursor(unit: Unit, now: datetime) -> bool:
    return unit.cursor_at is not None and unit.cursor_at > now + CLOCK_STEP


def extra_end(unit: Unit, now: datetime) -> datetime:
    return min(unit.cursor_at or now, now - LAG)


def open_window(stream: Stream, found: OpenRange, now: datetime) -> Window | None:
    """From the oldest to the newest row that is not final yet, as far as the API's windows reach.

    eBay refuses instants that lie in its future (error 30850), and some rows are dated ahead.
    """
    if found.oldest is None or found.newest is None or found.oldest >= now - LAG:
        return None
    to = min(found.newest, now - LAG, found.oldest + stream.max_window)
    return Window(from_=found.oldest, to=to, goal=to, limit=stream.page_size)
