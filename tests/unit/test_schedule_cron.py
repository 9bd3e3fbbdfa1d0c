"""Cron expressions: which are one, and their instants where clocks are put forward and back."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import UsageError
from core.schedules.cron import Cron, normal
from tests.support.clocks import ALL, Fields, instants, put, written

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEW_YORK, BERLIN, LORD_HOWE = map(
    ZoneInfo, ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe")
)
# Clocks that are put at midnight, by half an hour, by two, back in winter, in Ramadan, never.
ZONES = (
    "America/New_York", "America/Santiago", "America/Havana", "America/Nuuk", "America/St_Johns",
    "Europe/Berlin", "Europe/Dublin", "Atlantic/Azores", "Africa/Casablanca", "Africa/Cairo",
    "Asia/Beirut", "Asia/Kathmandu", "Asia/Gaza", "Australia/Lord_Howe", "Antarctica/Troll",
    "Pacific/Chatham", "Pacific/Auckland", "Pacific/Easter", "UTC",
)  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def following(expression: str, zone: ZoneInfo, begin: str, count: int) -> list[str]:
    cron, instant, found = Cron(expression), at(begin), []
    for _ in range(count):
        instant = cron.after(instant, zone)
        found.append(instant.astimezone(zone).isoformat())
    return found


@cache
def changes(zone: str) -> tuple[datetime, ...]:
    known = put(ZoneInfo(zone), 2027) + put(ZoneInfo(zone), 2026)
    return tuple(known) or (datetime(2026, 3, 29, 1, tzinfo=UTC),)


def sets(whole: set[int]) -> st.SearchStrategy[set[int]]:
    some = st.sets(st.sampled_from(sorted(whole)), min_size=1, max_size=4)
    return st.one_of(st.just(whole), some)


FIELDS = st.tuples(*map(sets, ALL))


@given(
    fields=FIELDS,
    zone=st.sampled_from(ZONES),
    place=st.integers(0, 3),
    off=st.integers(-30 * 60, 6 * 60),
    seconds=st.floats(0, 59.9),
)
@example(ALL, "America/New_York", 0, -60, 0.0)
@example(({30}, {2}, *ALL[2:]), "America/New_York", 0, -60, 0.0)
@example(({30}, {1}, *ALL[2:]), "America/New_York", 1, 45, 0.0)
@example(({0}, {0}, *ALL[2:]), "America/Santiago", 1, -300, 0.0)
def test_instants_after_and_until_are_those_that_clocks_show(
    fields: Fields, zone: str, place: int, off: int, seconds: float
) -> None:
    both = fields[2] != ALL[2] and fields[4] != ALL[4]
    # One that names days of both kinds comes on either; here one kind is enough.
    fields = (*fields[:4], ALL[4]) if both else fields
    known, where = changes(zone), ZoneInfo(zone)
    begin = known[place % len(known)] + off * MINUTE
    end = begin + 2 * DAY
    expected = instants(fields, where, begin, end)
    try:
        cron = Cron(written(fields))
    except UsageError:
        assert expected == []
        return

    found, instant = [], begin
    while (instant := cron.after(instant, where)) <= end:
        found.append(instant)
    back: list[datetime] = []
    gone = cron.until(end, where)
    while gone > begin:
        back.append(gone)
        gone = cron.until(gone - timedelta(seconds=seconds + 0.001), where)

    assert found == expected
    assert back[::-1] == expected


@given(zone=st.sampled_from(ZONES), fields=FIELDS, minutes=st.integers(0, 2 * 525_600))
def test_no_instant_lies_between_the_last_one_and_the_next(
    zone: str, fields: Fields, minutes: int
) -> None:
    """Also of one that comes once in years."""
    try:
        cron = Cron(written(fields))
    except UsageError:
        return
    where, now = ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC) + minutes * MINUTE

    coming, gone = cron.after(now, where), cron.until(now, where)

    assert coming > now
    assert gone <= now
    assert cron.after(gone, where) == coming
    assert cron.until(coming, where) == coming
    assert cron.until(coming - MINUTE, where) == gone


def test_a_time_that_the_clocks_leave_out_comes_as_soon_as_they_have() -> None:
    days = following("30 2 * * *", NEW_YORK, "2026-03-07T03:00:00-05:00", 2)

    assert days == ["2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"]


def test_several_times_that_the_clocks_leave_out_come_once_together() -> None:
    days = following("*/15 2,3 * * *", NEW_YORK, "2026-03-08T01:00:00-05:00", 2)

    assert days == ["2026-03-08T03:00:00-04:00", "2026-03-08T03:15:00-04:00"]


def test_a_time_that_the_clocks_show_twice_comes_once() -> None:
    days = following("30 1 * * *", NEW_YORK, "2026-10-31T12:00:00-04:00", 2)

    assert days == ["2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"]


def test_every_hour_is_an_hour_that_passes() -> None:
    spring = following("0 * * * *", BERLIN, "2026-03-29T00:30:00+01:00", 3)
    autumn = following("0 * * * *", BERLIN, "2026-10-25T01:30:00+02:00", 3)

    assert [each[11:16] for each in spring] == ["01:00", "03:00", "04:00"]
    assert [each[11:] for each in autumn] == [
        "02:00:00+02:00",
        "02:00:00+01:00",
        "03:00:00+01:00",
    ]


def test_a_clock_put_by_half_an_hour_is_understood() -> None:
    autumn = following("15,45 * * * *", LORD_HOWE, "2026-04-05T01:20:00+11:00", 4)

    assert [each[11:] for each in autumn] == [
        "01:45:00+11:00",
        "01:45:00+10:30",
        "02:15:00+10:30",
        "02:45:00+10:30",
    ]


@pytest.mark.parametrize(
    ("written_", "meant"),
    [
        ("@daily", "0 0 * * *"),
        (" @Hourly ", "0 * * * *"),
        ("0  9 * * mon-fri", "0 9 * * MON-FRI"),
        ("0 9 l * *", "0 9 L * *"),
    ],
)
def test_an_expression_is_kept_in_one_form(written_: str, meant: str) -> None:
    assert normal(written_) == meant
    assert Cron(written_).expression == meant


def test_an_expression_is_told_in_words() -> None:
    assert Cron("30 9 * * MON-FRI").explain() == "At 09:30 on Monday through Friday"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("61 * * * *", "'61' is no minute: 0-59"),
        ("* 24 * * *", "'24' is no hour: 0-23"),
        ("* * 32 * *", "'32' is no day of the month"),
        ("* * * FEV *", "'FEV' is no month: 1-12 or JAN-DEC"),
        ("* * * * 8", "'8' is no day of the week"),
        ("*/0 * * * *", "'*/0' is no minute"),
        ("5-1 * * * *", "'5-1' is no minute"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 2,4,6 *", "never comes"),
        ("0 0 */31 2 MON#5", "never comes"),
        ("* * * * * *", "seconds are not possible"),
        ("* * * *", "is not five fields but 4; there must be minute, hour"),
        ("", "is not five fields but 0"),
        ("@reboot", "one of @hourly, @daily"),
        ("every day", "five fields but 2"),
        ("0 9 * * *\n", "printable"),
        ("0 9 * * \0", "printable"),
        ("1" * 200, "at most 100"),
    ],
)
def test_what_is_no_expression_is_refused_with_what_is_wrong(expression: str, told: str) -> None:
    with pytest.raises(UsageError, match="cron: ") as refused:
        Cron(expression)

    assert told in str(refused.value)


@given(st.text(alphabet="0123456789*/-,#LW ?MONJAF\N{SUPERSCRIPT TWO}\N{ARABIC-INDIC DIGIT FIVE}x"))
def test_whatever_is_written_is_an_expression_or_refused(text: str) -> None:
    try:
        cron = Cron(text)
    except UsageError:
        return

    assert cron.after(datetime(2026, 11, 22, tzinfo=UTC), BERLIN).second == 0


def test_a_day_that_comes_every_28_years_is_found_on_both_sides() -> None:
    fifth_monday_of_february, zone = Cron("0 0 */7 2 MON#5"), ZoneInfo("UTC")

    assert fifth_monday_of_february.after(at("2026-01-01T00:00:00+00:00"), zone).year == 2044
    assert fifth_monday_of_february.until(at("2026-01-01T00:00:00+00:00"), zone).year == 2016
