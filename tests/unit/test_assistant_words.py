"""Lines, sums and instants of a reply."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.chat.assistant_asks import Word, asked, instant_of, period
from core.chat.assistant_words import LIMIT, count, cut, harmless, moment, money, some, within
from core.errors import UsageError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("12.5", "12.50 EUR"),
        ("0", "0.00 EUR"),
        ("-3.1", "-3.10 EUR"),
        ("1234567.891", "1,234,567.891 EUR"),
        ("1000.000", "1,000.00 EUR"),
        ("1E+40", "1.000000E+40 EUR"),
    ],
)
def test_money_is_told_in_cents_with_its_currency(value: str, told: str) -> None:
    assert money(Decimal(value), "EUR") == told


def test_money_without_a_currency_says_so() -> None:
    assert money(Decimal(1), None) == "1.00 ?"


@given(st.text(max_size=300))
def test_whatever_was_written_becomes_one_short_line(text: str) -> None:
    line = harmless(text)

    assert len(line) <= 60
    assert line.isprintable()
    assert "://" not in line


@given(st.lists(st.text(max_size=600), max_size=40), st.text(max_size=6000))
def test_a_reply_is_never_longer_than_one_message(rows: list[str], head: str) -> None:
    told = within([head], rows, "`more`", more=3)

    assert len(told.encode("utf-16-le", "surrogatepass")) // 2 <= LIMIT


def test_a_message_is_measured_as_telegram_does() -> None:
    assert len(cut("😀" * LIMIT)) <= LIMIT // 2
    assert cut("short") == "short"


def test_rows_that_do_not_fit_are_counted() -> None:
    assert within(["head"], ["a", "b"], "`all`") == "head\na\nb"
    assert within(["head"], ["a" * 4000, "b" * 4000], "`all`", more=1).endswith(
        "\n… and 2 more; see `all`"
    )


def test_counts_and_lists_are_spoken() -> None:
    assert [count(0, "job"), count(1, "job"), count(1200, "job")] == [
        "0 jobs",
        "1 job",
        "1,200 jobs",
    ]
    assert some(["a", "b"]) == "a, b"
    assert some(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert moment(None) == "never"


def test_a_command_is_read_with_its_words() -> None:
    found = asked('/Pause@Bot  "my shop" “two words” orders,returns')

    assert found is not None
    assert found.command == "pause"
    assert [word.text for word in found.words] == ["my shop", "two words", "orders,returns"]
    assert [word.quoted for word in found.words] == [True, True, False]


@pytest.mark.parametrize("text", ["hello", "/", "", "//orders", "/unknown", "/ orders"])
def test_everything_else_is_no_command(text: str) -> None:
    assert asked(text) is None


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-10-01", datetime(2026, 10, 1, tzinfo=UTC)),
        ("01.10.2026", datetime(2026, 10, 1, tzinfo=UTC)),
        ("2026-10-01T08:00Z", datetime(2026, 10, 1, 8, tzinfo=UTC)),
        ("2026-10-01T08:00+02:00", datetime(2026, 10, 1, 6, tzinfo=UTC)),
        ("2026-10-01T08:00", datetime(2026, 10, 1, 8, tzinfo=UTC)),
        ("7d", NOW - timedelta(days=7)),
        ("12H", NOW - timedelta(hours=12)),
        ("yesterday", datetime(2026, 11, 21, tzinfo=UTC)),
        ("shop", None),
        ("2026-10-01..2026-10-02", None),
    ],
)
def test_an_instant_is_a_date_a_time_or_so_long_ago(text: str, at: datetime | None) -> None:
    assert instant_of(Word(text), NOW) == at


def test_what_stands_in_quotes_is_a_name() -> None:
    assert instant_of(Word("7d", quoted=True), NOW) is None


@pytest.mark.parametrize(
    "text", ["2026-99-01T08:00Z", "2026-10-01T99:00", "9999-12-31T23:59-05:00"]
)
def test_a_wrong_instant_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no instant"):
        instant_of(Word(text), NOW)


@given(st.text(max_size=40))
def test_no_word_breaks_the_reading_of_a_period(text: str) -> None:
    try:
        found = period(text, NOW)
    except UsageError:
        return
    assert found is None or found.since < found.until


@given(st.text(alphabet="0123456789.:-TZ+", max_size=25))
def test_no_number_breaks_the_reading_of_an_instant(text: str) -> None:
    try:
        at = instant_of(Word(text), NOW)
    except UsageError:
        return
    assert at is None or at.tzinfo is not None
