"""What it costs to read on from a cursor, where so many rows are expected.

As `walk` reads: an estimate, for rows do not come as evenly as this takes them to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from core.sync.model import Stream, Walk, Window
from core.sync.walk import next_window


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingCost:
    windows: int
    pages: int
    calls: int


def cost_of_reading(
    stream: Stream, cursor_at: datetime, now: datetime, *, rows: int, missing: int
) -> ReadingCost:
    """`missing` rows are not stored: what their list leaves out is asked for as well."""
    windows = list(_windows(stream, cursor_at, now))
    span = sum((window.to - window.from_ for window in windows), timedelta())
    pages = sum(pages_of(stream, rows * ((window.to - window.from_) / span)) for window in windows)
    details = _details(stream, missing, len(windows))
    return ReadingCost(
        windows=len(windows), pages=pages, calls=pages * stream.calls_per_page + details
    )


def _details(stream: Stream, missing: int, windows: int) -> int:
    """They are asked for page by page: no call is of two windows."""
    if not stream.details_per_call:
        return 0
    return max(ceil(missing / stream.details_per_call), min(missing, windows))


def _windows(stream: Stream, cursor_at: datetime, now: datetime) -> Iterator[Window]:
    window = next_window(stream, cursor_at, now)
    while window is not None:
        yield window
        window = next_window(stream, window.goal, now)


def pages_of(stream: Stream, rows: float) -> int:
    """Of one window with so many rows."""
    limit = stream.page_size
    match stream.walk:
        case Walk.MOVING:
            # The first page says how many there are, and is read again as the last one.
            return 1 if rows < limit else 2 + int(rows // limit)
        case Walk.HALVED:
            return _halved(rows, limit)
        case _:
            return max(ceil(rows / limit), 1)


def _halved(rows: float, limit: int) -> int:
    """A page that does not hold its window is thrown away, and half of the window is tried."""
    pages, left, tried = 0, rows, rows
    while True:
        pages += 1
        if tried > limit:
            tried /= 2
            continue
        left -= tried
        if left <= 0:
            return pages
        tried = left
