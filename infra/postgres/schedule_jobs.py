"""From schedules to jobs: what stands in the way of one, and what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from core.jobs.admission import Kinds, admit
from core.jobs.model import NewJob, Priority
from core.schedules.model import Definition, Due, Reason, Schedule, ScheduleId
from infra.postgres.queries import load


@dataclass(frozen=True, slots=True)
class KnownKinds:
    """The `Targets` port."""

    kinds: Kinds

    def check(self, definition: Definition) -> None:
        admit([job_of(definition, None, None)], self.kinds)

    def queue_of(self, definition: Definition) -> str | None:
        return queue_of(definition, self.kinds)


def facts(connection: sa.Connection, schedules: Sequence[Schedule], kinds: Kinds) -> list[Due]:
    disabled = {row.queue for row in _run(connection, "disabled")}
    watched = [str(each.last_job_id) for each in schedules if _watches(each)]
    busy = {row.id for row in _run(connection, "unfinished", ids=watched)} if watched else set()
    return [
        Due(
            schedule=each,
            queue_enabled=queue_of(each.definition, kinds) not in disabled,
            busy=each.last_job_id in busy,
            refused=refusal(each.definition, kinds),
        )
        for each in schedules
    ]


def job_of(wanted: Definition, id_: ScheduleId | None, key: str | None) -> NewJob:
    return NewJob(
        kind=wanted.kind,
        payload=wanted.payload,
        queue=wanted.queue,
        ordering_key=wanted.ordering_key,
        priority=Priority(wanted.priority),
        idempotency_key=key,
        dedupe_key=None if wanted.overlap else f"sched:{id_}",
    )


def queue_of(definition: Definition, kinds: Kinds) -> str | None:
    kind = kinds.get(definition.kind)
    return definition.queue or (None if kind is None else kind.queue)


def refusal(definition: Definition, kinds: Kinds) -> Reason | None:
    """What its kind says to its job: such a one would hold up all the others."""
    if definition.kind not in kinds:
        return Reason.UNKNOWN_KIND
    try:
        admit([job_of(definition, None, None)], kinds)
    except Exception:  # noqa: BLE001  (a mistake of one kind must not stop the clock of the others)
        return Reason.BAD_PAYLOAD
    return None


def _watches(schedule: Schedule) -> bool:
    return schedule.last_job_id is not None and not schedule.definition.overlap


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("schedule_firing")[name], values)
