"""eBay's filter grammar: `name:value` criteria, `[from..to]` ranges, `{A|B}` sets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from infra.simulator.clock import to_ms

_COMMA_OUTSIDE = re.compile(r",(?![^\[{]*[\]}])")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z")


class DateError(ValueError):
    """A range or a date that cannot be read."""


@dataclass(frozen=True, slots=True)
class Range:
    """Ends are included; None: open on that side."""

    start: int | None
    end: int | None


def criteria(text: str) -> Iterator[tuple[str, str]]:
    for part in _COMMA_OUTSIDE.split(text):
        name, _, value = part.strip().partition(":")
        yield name, value


def parse_range(value: str) -> Range:
    """Raises DateError."""
    if not (value.startswith("[") and value.endswith("]") and ".." in value):
        raise DateError(value)
    start, _, end = value[1:-1].partition("..")
    return Range(_parse_date(start), _parse_date(end))


def _parse_date(text: str) -> int | None:
    if not text:
        return None
    if not _DATE.fullmatch(text):
        raise DateError(text)
    try:
        return to_ms(datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC))
    except ValueError as cause:
        raise DateError(text) from cause


def parse_set(value: str) -> frozenset[str] | None:
    """`{A|B}` as a set; None where it is not written so."""
    if not (value.startswith("{") and value.endswith("}")):
        return None
    return frozenset(value[1:-1].split("|"))
