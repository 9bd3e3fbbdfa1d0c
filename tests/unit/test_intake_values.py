"""Amounts and dates as files write them: read right, or not at all."""

from collections import Counter
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.intake.model import Because, DateOrder, Dates
from core.intake.values import MOST, UnreadableError, amount, day, decided, shows

MONTH, DAY = DateOrder.MONTH_FIRST, DateOrder.DAY_FIRST


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1234.50", "1234.50"),
        ("$1,234.50", "1234.50"),
        (" $ 1,234 ", "1234.00"),
        ("1 234.5", "1234.50"),
        ("1\u00a0234.50", "1234.50"),
        (".5", "0.50"),
        ("100.", "100.00"),
        ("12.3400", "12.34"),
        ("0", "0.00"),
        ("(0.00)", "0.00"),
        ("-0", "0.00"),
        ("999,999,999,999.99", "999999999999.99"),
    ],
)
def test_an_amount_is_read_without_its_signs(text: str, value: str) -> None:
    assert str(amount(text)) == value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(12.00)", "amount_negative"),
        ("-1", "amount_negative"),
        ("$-1", "amount_negative"),
        ("5-", "amount_negative"),
        ("NaN", "amount_unreadable"),
        ("Infinity", "amount_unreadable"),
        ("1e5", "amount_unreadable"),
        ("1,50", "amount_unreadable"),
        ("1.234,50", "amount_unreadable"),
        ("1,2345", "amount_unreadable"),
        ("", "amount_unreadable"),
        ("()", "amount_unreadable"),
        (".", "amount_unreadable"),
        ("$", "amount_unreadable"),
        ("12 USD", "amount_unreadable"),
        ("\u0661\u0662", "amount_unreadable"),
        ("1" * 41, "amount_unreadable"),
        ("1.234", "amount_has_parts_of_cents"),
        ("1000000000000", "amount_too_large"),
        ("=1+1", "amount_unreadable"),
    ],
)
def test_an_amount_that_may_mean_something_else_is_refused(text: str, code: str) -> None:
    with pytest.raises(UnreadableError, match=code):
        amount(text)


@given(st.text(max_size=60))
def test_df6_no_text_becomes_nan_or_infinite_or_below_zero(text: str) -> None:
    try:
        value = amount(text)
    except UnreadableError:
        return

    assert value.is_finite()
    assert 0 <= value < MOST


@given(st.decimals(min_value=0, max_value=999_999_999_999, places=2))
def test_an_amount_that_was_written_is_read_back(value: Decimal) -> None:
    assert amount(f"${value:,}") == value


@pytest.mark.parametrize(
    ("text", "order", "value"),
    [
        ("01/31/2024", MONTH, date(2024, 1, 31)),
        ("1/5/24", MONTH, date(2024, 1, 5)),
        ("1/5/24", DAY, date(2024, 5, 1)),
        ("31/01/2024", DAY, date(2024, 1, 31)),
        ("02-28-1999", MONTH, date(1999, 2, 28)),
        ("2.1.2024", DAY, date(2024, 1, 2)),
        ("2024-01-31", DAY, date(2024, 1, 31)),
        ("2024/1/5", MONTH, date(2024, 1, 5)),
        ("2024-01-31T10:00:00Z", MONTH, date(2024, 1, 31)),
        ("1/5/2024 0:00", MONTH, date(2024, 1, 5)),
        ("1/5/2024 12:00:00 AM", MONTH, date(2024, 1, 5)),
        ("1/1/68", MONTH, date(2068, 1, 1)),
        ("1/1/69", MONTH, date(1969, 1, 1)),
    ],
)
def test_a_date_is_read_by_its_columns_order(text: str, order: DateOrder, value: date) -> None:
    assert day(text, order) == value


@pytest.mark.parametrize(
    "text",
    [
        "31/01/2024", "02/30/2024", "2024-13-01", "00/00/0000", "1/5-2024", "Jan 5, 2024", "soon",
        "1/5/024", "0001-01-01", "9999-01-01", "1/5/2024 or so", "1" * 50,
    ],
)  # fmt: skip
def test_what_is_no_date_of_that_order_is_none(text: str) -> None:
    assert day(text, MONTH) is None


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("13/01/2024", DAY), ("01-13-2024", MONTH), ("12/12/24", None), ("13/13/2024", None),
        ("2024-13-01", None), ("1/5/24", None), ("x", None), ("1" * 50, None),
    ],
)  # fmt: skip
def test_a_number_above_12_shows_an_order(text: str, order: DateOrder | None) -> None:
    assert shows(text) is order


@pytest.mark.parametrize(
    ("shown", "dates"),
    [
        ({DAY: 1}, Dates(DAY, Because.SEEN)),
        ({MONTH: 9}, Dates(MONTH, Because.SEEN)),
        ({}, Dates(MONTH, Because.AMBIGUOUS)),
        ({DAY: 99, MONTH: 1}, Dates(MONTH, Because.CONTRADICTORY)),
    ],
)
def test_the_order_is_decided_for_a_whole_column(shown: dict[DateOrder, int], dates: Dates) -> None:
    assert decided(Counter(shown)) == dates
