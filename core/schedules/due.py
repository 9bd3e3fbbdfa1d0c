"""What a schedule that is due comes to."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from core.errors import UsageError
from core.schedules.cron import Cron
from core.schedules.model import Definition, Due, Misfire, Plan, Reason, Schedule
from core.schedules.zones import zone_called

AGAIN = timedelta(hours=1)
SECOND = timedelta(seconds=1)


def plan(due: Due, now: datetime) -> Plan:
    """Each instant fires, or is passed over with the reason; its schedule goes on either way.

    1. An expression or a zone that is not understood here is tried again in an hour.
    2. What the kind or the queue refuses is passed over.
    3. Of instants that were missed the policy decides, then whether the job before has ended.
    """
    schedule = due.schedule
    assert schedule.next_fire_at is not None
    try:
        cron, zone = Cron(schedule.definition.cron), zone_called(schedule.definition.zone)
        next_fire_at, instants = cron.after(now, zone), missed(schedule, cron, zone, now)
    except UsageError:
        return put_off(schedule, Reason.BAD_DEFINITION, now)
    skipped = _refusal(due, now - instants[-1])
    return Plan(
        instants=() if skipped else instants,
        skipped=skipped,
        last_fire_at=instants[-1],
        next_fire_at=next_fire_at,
    )


def put_off(schedule: Schedule, why: Reason, now: datetime) -> Plan:
    """Nothing can be said of it now: in an hour, perhaps by another release."""
    assert schedule.next_fire_at is not None
    return Plan(
        instants=(), skipped=why, last_fire_at=schedule.next_fire_at, next_fire_at=now + AGAIN
    )


def next_of(current: Schedule | None, wanted: Definition, now: datetime) -> datetime | None:
    """When it comes next. None: it is paused. Raises UsageError.

    From now on where it is new, resumed, or comes at other instants: what would have come before is
    not made up for. Else as it was, also where that is due already.
    """
    if not wanted.enabled:
        return None
    if current is not None and current.next_fire_at is not None:
        before = current.definition
        if (before.cron, before.zone) == (wanted.cron, wanted.zone):
            return current.next_fire_at
    return Cron(wanted.cron).after(now, zone_called(wanted.zone))


def coming(cron: str, zone: str, now: datetime) -> Iterator[datetime]:
    """Raises UsageError."""
    read, place = Cron(cron), zone_called(zone)
    while True:
        now = read.after(now, place)
        yield now


def missed(schedule: Schedule, cron: Cron, zone: ZoneInfo, now: datetime) -> Sequence[datetime]:
    """The latest that were due, as many as the policy makes up for, oldest first; at least one."""
    due_at = schedule.next_fire_at
    assert due_at is not None
    most = schedule.definition.catch_up or 1
    found: list[datetime] = []
    instant = cron.until(now, zone)
    while instant >= due_at and len(found) < most:
        found.append(instant)
        instant = cron.until(instant - SECOND, zone)
    # It was put off, or its expression is another one now: its instant stands.
    return tuple(reversed(found)) or (due_at,)


def _refusal(due: Due, late: timedelta) -> Reason | None:
    definition = due.schedule.definition
    if due.refused is not None:
        return due.refused
    if not due.queue_enabled:
        return Reason.QUEUE_DISABLED
    if definition.misfire is Misfire.SKIP and late > definition.grace:
        return Reason.MISSED
    if due.busy and not definition.overlap:
        return Reason.OVERLAP
    return None
