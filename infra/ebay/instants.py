"""Instants as eBay writes them: `2026-01-31T07:00:00.000Z`."""

from datetime import UTC, datetime


def parse_instant(value: object) -> datetime | None:
    """An aware instant in UTC, None for everything that is not one."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None


def format_instant(at: datetime) -> str:
    """UTC with milliseconds; what is smaller is cut off, never rounded up."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
