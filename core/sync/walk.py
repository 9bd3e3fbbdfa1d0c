"""Which page comes next, and when a window has been read completely.

A MOVING list loses rows under offset paging: an order modified while we page leaves the closed
window and shifts the rest towards the front. Rows only leave, so pages are taken from the last
down: what shifts, shifts into pages still to be read (facts/reliability.md §2.3; measured). The
page that would hold index `total` must come back short, which proves the end.

A FIXED list only grows, at its front (newest first): pages are taken from the first up, and what
shifts is read twice.

A HALVED list is FIXED too, but nobody knows whether its `offset` counts rows or pages, so none but
the first page is ever asked for: a window with more rows is halved, then the rest above it is read.

A SNAPSHOT is the whole list, page by page in strides. What shifts while it is read may be missed,
so a row that is missing has ended only when the next snapshot misses it too.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.errors import AppError, BadAnswerError, TooManyRowsError, UpstreamUnavailableError
from core.sync.model import BACKFILL, LAG, OVERLAP, Page, PageQuery, Stream, Walk, Window

PASSES = 3
EXTRA_STRETCH = timedelta(days=7)
NARROWEST = timedelta(seconds=2)
REREAD_EVERY = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What to do with the page just read.

    `store`: whether its rows are kept. `window`: how to go on, None when the window is complete, or
    cannot be completed: that is the `failure`, raised when the page is stored.
    """

    store: bool
    window: Window | None
    failure: AppError | None = None


def next_window(stream: Stream, cursor_at: datetime | None, now: datetime) -> Window | None:
    """The stretch to read next, None when the cursor has caught up.

    `now` is the database's. Backfill starts 90 days ago; an existing cursor is followed from half
    an hour before it to two minutes ago (eBay's advice: KB 1788), or from further back where it is
    time to read the stream's latest rows again.
    """
    if stream.walk is Walk.SNAPSHOT:
        return Window(from_=now, to=now, goal=now, limit=stream.page_size)
    until = now - LAG
    if cursor_at is not None and cursor_at >= until:
        return None
    start = now - BACKFILL if cursor_at is None else cursor_at - _overlap(stream, cursor_at, until)
    to = min(until, start + stream.max_window)
    return Window(from_=start, to=to, goal=to, limit=stream.page_size)


def _overlap(stream: Stream, cursor_at: datetime, until: datetime) -> timedelta:
    """The longer one in the first window that reaches past an hour divisible by six, UTC.

    Not while the cursor is behind: the window would leave off before it has caught up.
    """
    due = _six_hours(cursor_at) != _six_hours(until)
    if due and until - cursor_at <= stream.max_window - stream.rereads:
        return max(stream.rereads, OVERLAP)
    return OVERLAP


def _six_hours(at: datetime) -> int:
    return int(at.timestamp() // REREAD_EVERY.total_seconds())


def extra_window(stream: Stream, since: datetime, until: datetime) -> Window | None:
    """A stretch to read once more, None when nothing is left of it. Its `goal` moves no cursor.

    Its place is kept nowhere, so it is short: what is cut off is asked for again from its start.
    """
    if since >= until:
        return None
    to = min(until, since + min(stream.max_window, EXTRA_STRETCH))
    return Window(from_=since, to=to, goal=to, limit=stream.page_size)


def query_for(window: Window) -> PageQuery:
    return PageQuery(
        from_=window.from_, to=window.to, limit=window.limit, offset=window.offset or 0
    )


def resumed(window: Window | None, stream: Stream) -> Window | None:
    """A stored window as this release reads it: another page size starts the pass anew."""
    if window is None or window.limit == stream.page_size:
        return window
    return replace(window, limit=stream.page_size, offset=None, total=None)


def advance(stream: Stream, window: Window, page: Page, seen: AbstractSet[str]) -> Step:
    """Decide after each page. `seen` are the keys of this list's earlier pages.

    Raises BadAnswerError when the list contradicts itself, UpstreamUnavailableError when it does
    not come to rest.
    """
    match stream.walk:
        case Walk.MOVING:
            return _down(window, page)
        case Walk.FIXED:
            return _up(stream, window, page, seen)
        case Walk.HALVED:
            return _halved(window, page)
        case _:
            return _through(stream, window, page, seen)


def complete(stream: Stream, query: PageQuery, page: Page) -> Page:
    """The page itself, if it holds the rows that its own `total` promises.

    MOVING: pages are taken in strides of `limit`, so a page that is short in the middle would leave
    a gap; HALVED: there is no other page. FIXED: pages are counted by their rows, so an empty one
    would hide what follows, and one with more rows than are left is another page than the one asked
    for. SNAPSHOT: eBay counts rows that it does not show, but no page in the middle is empty.
    """
    if page.total is None:
        return page
    rows, promised = len(page.rows), max(min(query.limit, page.total - query.offset), 0)
    if not _whole(stream.walk, query, rows, promised):
        message = f"the page at offset {query.offset} holds {rows} rows where {promised} are due"
        raise UpstreamUnavailableError(message)
    return page


def _whole(walk: Walk, query: PageQuery, rows: int, promised: int) -> bool:
    match walk:
        case Walk.MOVING | Walk.HALVED:
            return rows >= promised
        case Walk.FIXED:
            return (rows > 0) == (promised > 0) and (query.offset == 0 or rows <= promised)
        case _:
            return rows > 0 or promised < query.limit


def _down(window: Window, page: Page) -> Step:
    total = _total(page)
    if window.offset is None:
        if total < window.limit and len(page.rows) < window.limit:
            return Step(store=True, window=_above(window))
        return Step(store=False, window=_from_the_end(window, total))
    if window.offset + window.limit > (window.total or 0) and len(page.rows) >= window.limit:
        return Step(store=False, window=_end_not_reached(window, total))
    if window.offset > 0:
        return Step(store=True, window=replace(window, offset=window.offset - window.limit))
    if total > (window.total or 0):
        return Step(store=True, window=_grown(window, total))
    return Step(store=True, window=_above(window))


def _above(window: Window) -> Window | None:
    """What a lowered `to` left out; None when the window is complete.

    Not the next window's business: that one starts half an hour back, so a list that keeps growing
    would be halved to before the cursor and read again for ever.
    """
    if window.to >= window.goal:
        return None
    return Window(from_=window.to, to=window.goal, goal=window.goal, limit=window.limit)


def _total(page: Page) -> int:
    if page.total is None:
        raise BadAnswerError("the list does not say how long it is (`total` is missing)")
    return page.total


def _from_the_end(window: Window, total: int) -> Window:
    return replace(window, total=total, offset=total // window.limit * window.limit)


def _end_not_reached(window: Window, total: int) -> Window:
    if total <= (window.total or 0):
        raise BadAnswerError(f"a full page lies past the end: total is {total}")
    return _grown(window, total)


def _grown(window: Window, total: int) -> Window:
    """The list was not at rest: once more, and after three passes with half the window.

    `to` may only be lowered; `goal` stays, and says how far there is to read above it.
    """
    if window.pass_number < PASSES:
        return replace(_from_the_end(window, total), pass_number=window.pass_number + 1)
    return _half(window, "the list keeps growing")


def _half(window: Window, why: str) -> Window:
    width = window.to - window.from_
    if width < NARROWEST:
        raise UpstreamUnavailableError(f"{why} in a window of {width.total_seconds():.0f} s")
    to = window.from_ + width / 2
    return replace(window, to=to, offset=None, total=None, pass_number=1)


def _up(stream: Stream, window: Window, page: Page, seen: AbstractSet[str]) -> Step:
    offset = window.offset or 0
    if not page.rows and offset < (window.total or 0):
        return Step(store=False, window=_once_more(window))
    following = _following(offset, page)
    more = _more_follows(window, page, following)
    # A list that ends in rows seen before has grown at its front. A full page of them has not: the
    # server ignores `offset`, and its count of rows would soon reach `total`.
    repeats = bool(page.rows) and set(page.keys) <= seen
    if (more and following <= offset) or (repeats and (more or len(page.rows) >= window.limit)):
        raise BadAnswerError(f"the list repeats itself at offset {offset}")
    if not more:
        return Step(store=True, window=None)
    if stream.offset_ceiling is not None and following >= stream.offset_ceiling:
        return Step(store=True, window=_lowered(window, page))
    return Step(store=True, window=replace(window, offset=following, total=page.total))


def _following(offset: int, page: Page) -> int:
    """Never further than the rows at hand: a `next` that leaps would leave rows out."""
    counted = offset + len(page.rows)
    return counted if page.next_offset is None else min(counted, page.next_offset)


def _once_more(window: Window) -> Window:
    """The list ended where it promised more; a FIXED list only grows. From its front again."""
    if window.pass_number < PASSES:
        return replace(window, offset=0, total=None, pass_number=window.pass_number + 1)
    raise UpstreamUnavailableError(
        f"the list of {window.total} rows ends at offset {window.offset}"
    )


def _more_follows(window: Window, page: Page, following: int) -> bool:
    """An empty page ends the list; so does a last page, when nothing says that more follows.

    A short page with a `next` link is not the end.
    """
    if not page.rows:
        return False
    if page.next_offset is not None:
        return True
    if page.total is not None:
        return following < page.total
    return len(page.rows) >= window.limit


def _lowered(window: Window, page: Page) -> Window:
    """Keep offsets small: everything newer than this page's oldest row has been read.

    The bound stays inclusive, so rows that share the oldest instant are read again.
    """
    if list(page.instants) != sorted(page.instants, reverse=True):
        raise BadAnswerError("the list is not sorted newest first")
    oldest = page.instants[-1]
    if oldest >= window.to or oldest < window.from_:
        raise BadAnswerError(f"too many rows share the instant {oldest.isoformat()}")
    return replace(window, to=oldest, offset=0, total=None, pass_number=1)


def _halved(window: Window, page: Page) -> Step:
    """Without a `total` a full page may not be the only one."""
    fits = len(page.rows) < window.limit if page.total is None else page.total <= window.limit
    if fits:
        return Step(store=True, window=_above(window))
    return Step(store=True, window=_half(window, "there is more than one page"))


def _through(stream: Stream, window: Window, page: Page, seen: AbstractSet[str]) -> Step:
    """In strides of `limit`: a short page is not the end, and eBay gives pages, not rows."""
    offset = window.offset or 0
    following, rows = offset + window.limit, len(page.rows)
    if offset > 0 and page.total == 0:
        return _gone(window)
    more = rows >= window.limit if page.total is None else following < page.total
    if not more:
        return Step(store=True, window=None)
    ceiling = stream.offset_ceiling
    if ceiling is not None and following >= ceiling:
        told = "more" if page.total is None else str(page.total)
        failure = TooManyRowsError(f"the list has {told} rows, and eBay shows {ceiling} of them")
        return Step(store=True, window=None, failure=failure)
    if rows and set(page.keys) <= seen:
        raise _repeated(stream, offset)
    return Step(store=True, window=replace(window, offset=following, total=page.total))


def _repeated(stream: Stream, offset: int) -> AppError:
    """Folded pages are small: a few new entries at the front shift them by a page, for a moment."""
    error = UpstreamUnavailableError if stream.folded else BadAnswerError
    return error(f"the list repeats itself at offset {offset}")


def _gone(window: Window) -> Step:
    """Where a page was due there is no list at all: emptied, or an answer that says nothing.

    Its first page tells which. Not at once, or a list that is gone at its second page each time
    would be read for ever.
    """
    failure = UpstreamUnavailableError(f"the list is gone at offset {window.offset}")
    return Step(store=True, window=replace(window, offset=0, total=None), failure=failure)
