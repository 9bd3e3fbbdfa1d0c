"""Amounts and dates as files write them."""

import re
from collections import Counter
from datetime import date
from decimal import Decimal
from functools import lru_cache

from core.intake.model import Because, DateOrder, Dates

LONGEST_AMOUNT, LONGEST_DATE = 40, 40
MOST = Decimal(10) ** 12
CENTS = -2
CENTURY, PIVOT = 100, 69
FIRST_YEAR, LAST_YEAR = 1800, 2200
MONTHS = 12
REMEMBERED = 10_000

_GROUPED = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")
_PLAIN = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_TIME = r"(?:[T ]\s*[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?\s*(?:[AaPp][Mm])?Z?)?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})[-/.]([0-9]{{1,2}})[-/.]([0-9]{{1,2}}){_TIME}")
_YEAR_LAST = re.compile(rf"([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2([0-9]{{4}}|[0-9]{{2}}){_TIME}")


class UnreadableError(ValueError):
    """Its text is the code of what is wrong."""


def amount(text: str) -> Decimal:
    """`$1,234.50`, `1234.5`, `(12.00)` and `-12` for what is below zero, which is refused.

    A comma stands before three digits: `1,50` is a half-read 1.50. Raises UnreadableError.
    """
    bare = "".join(text.split()).replace("$", "")
    if len(bare) > LONGEST_AMOUNT:
        raise UnreadableError("amount_unreadable")
    digits, negative = _sign(bare)
    if "," in digits:
        digits = digits.replace(",", "") if _GROUPED.fullmatch(digits) else ""
    if not _PLAIN.fullmatch(digits):
        raise UnreadableError("amount_unreadable")
    return _bounded(Decimal(digits), negative=negative)


def _sign(bare: str) -> tuple[str, bool]:
    if bare.startswith("(") and bare.endswith(")"):
        return bare[1:-1], True
    if bare.startswith("-"):
        return bare[1:], True
    return (bare[:-1], True) if bare.endswith("-") else (bare, False)


def _bounded(value: Decimal, *, negative: bool) -> Decimal:
    if negative and value:
        raise UnreadableError("amount_negative")
    if value >= MOST:
        raise UnreadableError("amount_too_large")
    cents = round(value, -CENTS)
    if cents != value:
        raise UnreadableError("amount_has_parts_of_cents")
    return cents


def day(text: str, order: DateOrder) -> date | None:
    """None for what is no date in any of the forms: a year first, or last and read by `order`."""
    # What is remembered must be short.
    return _day(text, order) if len(text) <= LONGEST_DATE else None


@lru_cache(REMEMBERED)
def _day(text: str, order: DateOrder) -> date | None:
    found = _YEAR_FIRST.fullmatch(text)
    if found is not None:
        year, month, number = map(int, found.groups())
        return _date(year, month, number)
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return None
    first, _, second, last = found.groups()
    year = _full_year(last)
    if order is DateOrder.DAY_FIRST:
        first, second = second, first
    return _date(year, int(first), int(second))


def _full_year(text: str) -> int:
    """Of two digits as POSIX reads them: 69 is 1969."""
    year = int(text)
    if len(text) > len("99"):
        return year
    return year + (1900 if year >= PIVOT else 1900 + CENTURY)


def _date(year: int, month: int, number: int) -> date | None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        return date(year, month, number)
    except ValueError:
        return None


def shows(text: str) -> DateOrder | None:
    """The order that a value proves, by a number above 12."""
    return _shows(text) if len(text) <= LONGEST_DATE else None


@lru_cache(REMEMBERED)
def _shows(text: str) -> DateOrder | None:
    found = _YEAR_LAST.fullmatch(text)
    if found is None:
        return None
    first, second = int(found[1]), int(found[3])
    if first > MONTHS >= second:
        return DateOrder.DAY_FIRST
    return DateOrder.MONTH_FIRST if second > MONTHS >= first else None


def decided(shown: Counter[DateOrder]) -> Dates:
    """Of a whole column: never value by value, or half of them would be read the other way."""
    if len(shown) == 1:
        return Dates(next(iter(shown)), Because.SEEN)
    return Dates(DateOrder.MONTH_FIRST, Because.CONTRADICTORY if shown else Because.AMBIGUOUS)
