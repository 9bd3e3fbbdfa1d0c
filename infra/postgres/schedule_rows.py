"""The rows of `ops.schedules`, for whoever has a transaction."""

import json
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.schedules.due import next_of
from core.schedules.model import Definition, Ended, Misfire, Saved, Schedule, ScheduleId
from core.schedules.ports import Make
from infra.postgres.queries import load


def save(connection: sa.Connection, name: str, make: Make) -> Saved:
    """In the caller's transaction: what has a schedule of its own is stored together with it.

    `make` may be called again where somebody else made one of this name meanwhile. Raises what
    `make` raises, and UsageError for what never comes.
    """
    current = locked(connection, name)
    wanted = make(current)
    if current is not None and current.definition == wanted:
        return Saved(schedule=current, changed=False)
    at = now(connection)
    values = _values(wanted, next_of(current, wanted, at), at)
    if current is not None:
        row = _run(connection, "write", id=current.id, **values).one()
        return Saved(schedule=as_schedule(row), changed=True)
    added = _run(connection, "add", name=name, **values).first()
    if added is None:
        return save(connection, name, make)
    return Saved(schedule=as_schedule(added), changed=True)


def remove(connection: sa.Connection, name: str) -> bool:
    """In the caller's transaction. False: there is none of this name."""
    return _run(connection, "remove", name=name).first() is not None


def locked(connection: sa.Connection, name: str) -> Schedule | None:
    row = _run(connection, "lock", name=name).first()
    return None if row is None else as_schedule(row)


def now(connection: sa.Connection) -> datetime:
    at: datetime = _run(connection, "clock").one().at
    return at


def as_schedule(row: sa.Row[Any]) -> Schedule:
    return Schedule(
        id=ScheduleId(row.id),
        definition=_definition(row),
        next_fire_at=row.next_fire_at,
        last_fire_at=row.last_fire_at,
        last_outcome=None if row.last_outcome is None else Ended(row.last_outcome),
        last_reason=row.last_reason,
        last_job_id=row.last_job_id,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _definition(row: sa.Row[Any]) -> Definition:
    return Definition(
        name=row.name,
        kind=row.kind,
        cron=row.cron,
        zone=row.zone,
        queue=row.queue,
        payload=row.payload,
        ordering_key=row.ordering_key,
        priority=row.priority,
        enabled=row.enabled,
        misfire=Misfire(row.misfire),
        catch_up=row.catch_up,
        grace=timedelta(seconds=row.grace_s),
        overlap=row.overlap,
    )


def _values(wanted: Definition, next_fire_at: datetime | None, at: datetime) -> dict[str, object]:
    return {
        "kind": wanted.kind,
        "cron": wanted.cron,
        "zone": wanted.zone,
        "queue": wanted.queue,
        "payload": json.dumps(wanted.payload),
        "ordering_key": wanted.ordering_key,
        "priority": wanted.priority,
        "enabled": wanted.enabled,
        "misfire": wanted.misfire.value,
        "catch_up": wanted.catch_up,
        "grace_s": round(wanted.grace.total_seconds()),
        "overlap": wanted.overlap,
        "next_fire_at": next_fire_at,
        "at": at,
    }


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("schedules")[name], values)
