"""Schedules as JSON: the same on the command line and over HTTP."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from core.report import instant
from core.schedules.cron import BadCronError, Cron
from core.schedules.model import SENTENCES, Reason, Schedule
from core.schedules.zones import zone_called


def schedule_json(schedule: Schedule, queue: str | None, *, whole: bool) -> dict[str, object]:
    """`whole`: with its payload, which a list tells nobody."""
    wanted = schedule.definition
    payload = {"payload": dict(wanted.payload)} if whole else {}
    return {
        "id": str(schedule.id),
        "name": wanted.name,
        "kind": wanted.kind,
        "queue": queue,
        **payload,
        "ordering_key": wanted.ordering_key,
        "priority": wanted.priority,
        "cron": wanted.cron,
        "zone": wanted.zone,
        "when": explained(wanted.cron),
        "enabled": wanted.enabled,
        "misfire": wanted.misfire,
        "catch_up": wanted.catch_up,
        "grace_s": round(wanted.grace.total_seconds()),
        "overlap": wanted.overlap,
        "next_fire_at": instant(schedule.next_fire_at),
        "last_fire_at": instant(schedule.last_fire_at),
        "last_outcome": schedule.last_outcome,
        "last_reason": schedule.last_reason,
        "last_sentence": sentence(schedule),
        "last_job_id": None if schedule.last_job_id is None else str(schedule.last_job_id),
        "created_at": instant(schedule.created_at),
        "updated_at": instant(schedule.updated_at),
    }


def sentence(schedule: Schedule) -> str | None:
    """Why its last instant was passed over, and what helps."""
    known = {str(reason) for reason in Reason}
    if schedule.last_reason not in known:
        return None
    return SENTENCES[Reason(schedule.last_reason)]


def explained(cron: str) -> str | None:
    """None for what only another release understands."""
    try:
        return Cron(cron).explain()
    except BadCronError:
        return None


def coming_json(instants: Sequence[datetime], zone: str) -> list[dict[str, object]]:
    place = zone_called(zone)
    return [{"at": instant(each), "local": local(each, place)} for each in instants]


def local(at: datetime, place: ZoneInfo) -> str:
    return at.astimezone(place).isoformat(timespec="minutes")
