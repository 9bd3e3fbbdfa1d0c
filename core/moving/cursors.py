"""From a cursor there to a cursor here."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from core.moving.model import OldState, PlannedStream, StreamState
from core.moving.naming import shown

AHEAD = timedelta(minutes=28)
"""Another machine's clock may be fast; the reading here begins 30 minutes before a cursor."""
OLDEST = timedelta(days=730)
"""eBay shows no order that is older, and the old connector is younger."""
BACK = "read from 90 days back"

_SOUND = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_BROKEN = re.compile(r".*[+-]\d\d:\d\dZ", re.ASCII)

FAMILIES: Mapping[str, tuple[str, ...]] = {
    "orders": ("orders",),
    # Both read the same list of eBay's, each into a table of its own.
    "transactions": ("transactions", "finances"),
    "payouts": ("finances",),
    "messages": ("messages",),
    "cases": ("cases",),
    "inquiries": ("inquiries",),
    "returns": ("returns",),
    "active_inventory": ("active_inventory",),
    "buyer": ("buyer",),
    # The old one never asked for Best Offers.
    "inventory_offers": ("offers",),
    "disputes": ("disputes",),
}
"""By the stream here, the families there that it continues."""
WITHOUT_WORKER = frozenset({"disputes"})
"""The UI made rows for it, but nothing ever read it."""


class StreamHere(Protocol):
    """`is_snapshot`: the whole list is read each time, so that no cursor is continued."""

    @property
    def name(self) -> str: ...

    @property
    def is_snapshot(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`wrong` None: it can be trusted, or there is none."""

    at: datetime | None
    wrong: str | None = None


def read_cursor(text: str | None, now: datetime) -> Reading:
    """What is written strictly and can be true; everything else is wrong, and never "now"."""
    if text is None:
        return Reading(at=None)
    if _BROKEN.fullmatch(text):
        return _wrong(
            text, "is written in a form that the old connector itself took for now: it left gaps"
        )
    at = _instant(text) if _SOUND.fullmatch(text) else None
    if at is None:
        return _wrong(text, "cannot be read")
    if at > now + AHEAD:
        return _wrong(text, "lies in the future")
    if at < now - OLDEST:
        return _wrong(text, "lies more than two years back")
    return Reading(at=_to_milliseconds(min(at, now)))


def _to_milliseconds(at: datetime) -> datetime:
    """As it is remembered, so that it compares; earlier, never later."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _wrong(text: str, what: str) -> Reading:
    return Reading(at=None, wrong=f"the cursor {shown(text)!r} {what}")


def plan_streams(
    states: Sequence[OldState], here: Sequence[StreamHere], now: datetime, *, with_history: bool
) -> tuple[PlannedStream, ...]:
    return tuple(_planned(stream, states, now, with_history=with_history) for stream in here)


def unknown_families(states: Sequence[OldState]) -> tuple[str, ...]:
    known = {family for families in FAMILIES.values() for family in families}
    return tuple(dict.fromkeys(state.family for state in states if state.family not in known))


def _planned(
    stream: StreamHere, states: Sequence[OldState], now: datetime, *, with_history: bool
) -> PlannedStream:
    families = FAMILIES.get(stream.name, ())
    found = [state for state in states if state.family in families]
    reading, why = _continued(stream, found, now, with_history=with_history)
    enabled = _enabled(found)
    told = [why, _twice(found), "" if enabled else "switched off there"]
    return PlannedStream(
        state=StreamState(stream=stream.name, cursor_at=reading, enabled=enabled),
        from_=tuple(dict.fromkeys(state.family for state in found)),
        why="; ".join(part for part in told if part),
    )


def _continued(
    stream: StreamHere, found: Sequence[OldState], now: datetime, *, with_history: bool
) -> tuple[datetime | None, str]:
    if stream.is_snapshot:
        return None, "the whole list is read each time"
    if not found:
        return None, f"the old connector has not read it: {BACK}"
    if stream.name in WITHOUT_WORKER:
        return None, f"the old connector had no worker for it: {BACK}"
    if with_history:
        return None, f"--with-history: {BACK}"
    return _earliest(found, now)


def _earliest(found: Sequence[OldState], now: datetime) -> tuple[datetime | None, str]:
    """Where several rows tell of one stream, what all of them have read; one wrong spoils all."""
    readings = [read_cursor(state.cursor, now) for state in found]
    for reading in readings:
        if reading.wrong is not None:
            return None, f"{reading.wrong}: {BACK}"
    known = [reading.at for reading in readings if reading.at is not None]
    if not known:
        return None, f"never read to its end there: {BACK}"
    return min(known), "" if len(set(known)) == 1 else "the earliest of its cursors there"


def _enabled(found: Sequence[OldState]) -> bool:
    """Off where each family is off; of several rows of one, the switch that somebody has moved."""
    switches: dict[str, bool] = {}
    for state in found:
        switches[state.family] = switches.get(state.family, True) and state.enabled
    return any(switches.values()) if switches else True


def _twice(found: Sequence[OldState]) -> str:
    families = [state.family for state in found]
    twice = sorted({family for family in families if families.count(family) > 1})
    return f"{' and '.join(twice)}: several rows there" if twice else ""
