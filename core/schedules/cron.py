"""Cron expressions: what is one, and its instants in a zone.

An expression that names hours names times of the day: each of them once on every day that it names.
One that the clocks leave out, when they go forward, comes as soon as they have; one that they show
twice, when they go back, comes the first time. An expression for every hour goes by the hours that
pass: a day may have 23 or 25 of them.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from core.errors import UsageError
from core.schedules.model import LONGEST_CRON

FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day of the month": "1-31, L the last, LW the last weekday",
    "month": "1-12 or JAN-DEC",
    "day of the week": "0-7 or SUN-SAT, 5#2 the second Friday, 5L the last",
}
EXAMPLES = "`0 9 * * MON-FRI` is 9:00 on weekdays, `*/15 * * * *` every quarter of an hour"
NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
NEVER = "cron: '{}' never comes: no month that it names has such a day"
EVERY_HOUR = frozenset(range(24))
ANY_DAY = datetime(2026, 1, 1)  # noqa: DTZ001  (a wall clock's, which is of no zone)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
STEP = timedelta(hours=13)
"""No clock is put by as much, nor twice within it; so far it is looked at whether one is."""


class BadCronError(UsageError):
    """Names the field, or says why the expression cannot be meant."""


def normal(expression: str) -> str:
    """Its five fields with one space between them; `@daily` and its like written out.

    Raises BadCronError.
    """
    if not expression.isprintable() or len(expression) > LONGEST_CRON:
        raise BadCronError(f"cron: at most {LONGEST_CRON} printable characters; {EXAMPLES}")
    fields = NICKNAMES.get(expression.strip().lower(), expression).upper().split()
    if len(fields) == len(FIELDS) + 1:
        raise BadCronError(
            f"cron: {expression!r} has six fields; seconds are not possible, a schedule fires once"
            " a minute at most: leave the first field away"
        )
    if len(fields) != len(FIELDS):
        raise BadCronError(
            f"cron: {expression!r} is not five fields but {len(fields)}; there must be"
            f" {', '.join(FIELDS)}; {EXAMPLES}; or one of {', '.join(NICKNAMES)}"
        )
    return " ".join(fields)


class Cron:
    """One expression, read. Raises BadCronError, also for one that never comes."""

    def __init__(self, expression: str) -> None:
        self.expression = normal(expression)
        try:
            self._every_hour = self._sim(ANY_DAY).hours >= EVERY_HOUR
        except CronSimError:
            raise _blame(self.expression) from None
        self._first(self._sim(ANY_DAY))

    def explain(self) -> str:
        return self._sim(ANY_DAY).explain()

    def after(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """Its first instant after this one, in UTC. Raises BadCronError: there is none."""
        second = instant.replace(microsecond=0)
        if self._every_hour:
            return self._passing_from(second + SECOND, zone)
        coming = (_instant(each, zone) for each in self._sim(_wall(second, zone)))
        return self._first(each for each in coming if each > instant)

    def until(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """Its last instant up to this one, and with it. Raises BadCronError: there is none."""
        second = instant.replace(microsecond=0)
        if self._every_hour:
            return self._passing_to(second, zone)
        local = second.astimezone(zone)
        # While the clocks show times again, later ones have been there already.
        again = _offset(local.replace(fold=0)) - _offset(local)
        gone = (_instant(each, zone) for each in self._back(_wall(second, zone) + again))
        return self._first(each for each in gone if each <= instant)

    def _passing_from(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """The first at this instant or after it, of an expression for every hour."""
        offset = _offset(instant.astimezone(zone))
        found = _at(self._first(self._sim(_wall(instant, zone) - SECOND)), offset)
        edge = min(found, instant + STEP)
        if _offset(edge.astimezone(zone)) != offset:
            return self._passing_from(_change(instant, edge, zone), zone)
        return found if found == edge else self._passing_from(max(found - STEP, edge), zone)

    def _passing_to(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """The last at this instant or before it, of an expression for every hour."""
        offset = _offset(instant.astimezone(zone))
        found = _at(self._first(self._back(_wall(instant, zone))), offset)
        edge = max(found, instant - STEP)
        if _offset(edge.astimezone(zone)) != offset:
            return self._passing_to(_change(edge, instant, zone) - SECOND, zone)
        return found if found == edge else self._passing_to(min(found + STEP, edge), zone)

    def _back(self, wall: datetime) -> Iterator[datetime]:
        return CronSim(self.expression, wall + SECOND, reverse=True)

    def _sim(self, wall: datetime) -> CronSim:
        return CronSim(self.expression, wall)

    def _first(self, instants: Iterator[datetime]) -> datetime:
        found = next(instants, None)
        if found is None:
            raise BadCronError(NEVER.format(self.expression))
        return found


def _blame(expression: str) -> BadCronError:
    """Which field it is; where each alone is possible, no day is all of them."""
    for place, (name, field) in enumerate(zip(FIELDS, expression.split(), strict=True)):
        alone = ["*"] * len(FIELDS)
        alone[place] = field
        try:
            CronSim(" ".join(alone), ANY_DAY)
        except CronSimError:
            return BadCronError(
                f"cron: {field!r} is no {name}: {FIELDS[name]}, or *; lists 1,3, ranges 1-5 and"
                f" steps */5 as well; {EXAMPLES}"
            )
    return BadCronError(NEVER.format(expression))


def _wall(instant: datetime, zone: ZoneInfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _at(wall: datetime, offset: timedelta) -> datetime:
    return (wall - offset).replace(tzinfo=UTC)


def _offset(local: datetime) -> timedelta:
    offset = local.utcoffset()
    assert offset is not None
    return offset


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first time that clocks show this; where they leave it out, when they have."""
    while True:
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
        if _wall(instant, zone) == wall:
            return instant
        wall += MINUTE


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """The second in which the clocks were put between these two."""
    offset = _offset(before.astimezone(zone))
    while after - before > SECOND:
        middle = before + (after - before) // SECOND // 2 * SECOND
        if _offset(middle.astimezone(zone)) == offset:
            before = middle
        else:
            after = middle
    return after
