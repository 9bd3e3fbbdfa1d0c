"""IANA zones by their names."""

from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from core.errors import UsageError


class BadZoneError(UsageError):
    """Names the zone, and those that it may have been meant to be."""


def zone_called(name: str) -> ZoneInfo:
    """Raises BadZoneError."""
    try:
        return ZoneInfo(name)
    # A name may lead out of the folder, be a folder, or be no text of a file system.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadZoneError(f"zone: this machine knows no zone {name!r}") from None


def check_zone(name: str) -> None:
    """As everybody writes it: what one file system takes, another may not. Raises BadZoneError."""
    known = available_timezones()
    if name not in known:
        raise BadZoneError(
            f"zone: there is no zone {name!r}; did you mean {_meant(name, known)}?"
            " Zones are named like Europe/Berlin or UTC"
        )


def _meant(name: str, known: set[str]) -> str:
    """The city alone is what people type, and in small letters."""
    said = name.strip().replace(" ", "_").lower()
    cities = {
        word: zone for zone in sorted(known) for word in (zone.lower(), zone.lower().split("/")[-1])
    }
    close = get_close_matches(said, cities, n=3, cutoff=0.7)
    return " or ".join(dict.fromkeys(cities[each] for each in close)) or "UTC"
