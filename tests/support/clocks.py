"""Which instants an expression has, told minute by minute: slow, and nothing to misread."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
Fields = tuple[set[int], set[int], set[int], set[int], set[int]]
"""Minutes, hours, days of the month, months, days of the week (0: Sunday); all must fit."""

ALL: Fields = (
    set(range(60)),
    set(range(24)),
    set(range(1, 32)),
    set(range(1, 13)),
    set(range(7)),
)


def written(fields: Fields) -> str:
    """As a cron expression."""
    return " ".join(
        "*" if chosen == whole else ",".join(map(str, sorted(chosen)))
        for chosen, whole in zip(fields, ALL, strict=True)
    )


def instants(fields: Fields, zone: ZoneInfo, begin: datetime, end: datetime) -> list[datetime]:
    """After `begin` and up to `end`, both in UTC, at the beginning of a minute."""
    named = _passing if len(fields[1]) == 24 else _of_the_day
    found = {each for each in named(fields, zone, begin, end) if begin < each <= end}
    return sorted(found)


def _passing(fields: Fields, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    minutes, _, *day = fields
    while begin < end:
        begin += MINUTE
        local = begin.astimezone(zone)
        if local.minute in minutes and _fits(day, local.date()):
            yield begin


def _of_the_day(
    fields: Fields, zone: ZoneInfo, begin: datetime, end: datetime
) -> Iterator[datetime]:
    """Each time that the clocks should show, the first time they do, or as soon as they have."""
    minutes, hours, *day = fields
    shown = _shown(zone, begin - timedelta(days=2), end + timedelta(days=2))
    place, wall = 0, shown[0][0]
    while place < len(shown):
        if shown[place][0] < wall:
            place += 1
            continue
        if wall.minute in minutes and wall.hour in hours and _fits(day, wall.date()):
            yield shown[place][1]
        wall += MINUTE


def _shown(zone: ZoneInfo, begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Every minute, as the clocks show it, with its instant."""
    count = (end - begin) // MINUTE
    return [
        ((begin + number * MINUTE).astimezone(zone).replace(tzinfo=None), begin + number * MINUTE)
        for number in range(count)
    ]


def _fits(day: list[set[int]], at: date) -> bool:
    days, months, weekdays = day
    return at.day in days and at.month in months and at.isoweekday() % 7 in weekdays


def put(zone: ZoneInfo, year: int) -> list[datetime]:
    """The instants in a year at which the clocks are put forward or back."""
    hour, found = datetime(year, 1, 1, tzinfo=UTC), []
    while hour.year == year:
        later = hour + timedelta(hours=1)
        if hour.astimezone(zone).utcoffset() != later.astimezone(zone).utcoffset():
            found.append(hour)
        hour = later
    return found
