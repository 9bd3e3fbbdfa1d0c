"""How far a window has been read."""

from datetime import datetime

from core.sync.model import Stream, Walk, Window


def share_read(stream: Stream, window: Window) -> float | None:
    """Of the list as long as it was at the pass's beginning; None where nobody said how long."""
    if not window.total or window.offset is None:
        return None
    done = window.offset / window.total
    return min(max(1.0 - done if stream.walk is Walk.MOVING else done, 0.0), 1.0)


def read_up_to(stream: Stream, window: Window) -> datetime | None:
    """As an instant, as if rows came evenly; None where the list is of now alone.

    A FIXED list is read from its newest row down, and what lies above a lowered `to` has been read;
    above that of the others nothing has.
    """
    share = share_read(stream, window) or 0.0
    within = (window.to - window.from_) * share
    match stream.walk:
        case Walk.SNAPSHOT:
            return None
        case Walk.FIXED:
            return window.from_ + (window.goal - window.to) + within
        case _:
            return window.from_ + within
