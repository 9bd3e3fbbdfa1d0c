"""What each drain makes of schedules that are due, in PostgreSQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.errors import UsageError
from core.jobs.admission import Kinds
from core.jobs.model import Enqueued
from core.schedules.due import plan
from core.schedules.model import Batch, Ended, Plan, Reason, Schedule
from infra.postgres.job_rows import enqueue
from infra.postgres.queries import load
from infra.postgres.schedule_jobs import facts, job_of
from infra.postgres.schedule_rows import as_schedule
from infra.postgres.transaction import Database

MOST_JOBS = 500
"""Of one transaction; schedules beyond them have the next one."""
Planned = tuple[Schedule, Plan]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one: `job_id` is its last job's, `jobs` how many were made."""

    schedule: Schedule
    plan: Plan
    job_id: UUID | None = None
    jobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFiring:
    """The `FiringStore` port."""

    database: Database
    kinds: Kinds

    def fire(self, now: datetime, limit: int) -> Batch:
        try:
            return self.database.run(lambda connection: self._fire(connection, now, limit))
        except UsageError:
            # One that its queue does not take must not hold up the others.
            return self.database.run(
                lambda connection: self._fire(connection, now, limit, alone=True)
            )

    def _fire(
        self, connection: sa.Connection, now: datetime, limit: int, *, alone: bool = False
    ) -> Batch:
        rows = _run(connection, "due", now=now, limit=limit).all()
        if not rows:
            return Batch()
        dues = facts(connection, [as_schedule(row) for row in rows], self.kinds)
        planned = _few([(due.schedule, plan(due, now)) for due in dues])
        made = self._alone if alone else self._enqueued
        done = made(connection, planned)
        _run(connection, "advance", done=json.dumps([_row(each) for each in done]))
        return Batch(
            schedules=len(done),
            jobs=sum(each.jobs for each in done),
            skipped=[
                (each.schedule.definition.name, each.plan.skipped)
                for each in done
                if each.plan.skipped is not None
            ],
            more=len(rows) == limit or len(done) < len(rows),
        )

    def _alone(self, connection: sa.Connection, planned: Sequence[Planned]) -> list[Done]:
        done = []
        for each in planned:
            try:
                with connection.begin_nested():
                    done += self._enqueued(connection, [each])
            except UsageError:
                done.append(Done(schedule=each[0], plan=_passed_over(each[1], Reason.REFUSED)))
        return done

    def _enqueued(self, connection: sa.Connection, planned: Sequence[Planned]) -> list[Done]:
        """In one statement for all of them."""
        jobs = [
            job_of(schedule.definition, schedule.id, f"sched:{schedule.id}:{second(instant)}")
            for schedule, each in planned
            for instant in each.instants
        ]
        made = iter(enqueue(connection, jobs, self.kinds) if jobs else ())
        return [
            _done(schedule, each, list(islice(made, len(each.instants))))
            for schedule, each in planned
        ]


def second(at: datetime) -> str:
    """As it stands in a job's idempotency key."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _done(schedule: Schedule, plan_: Plan, made: Sequence[Enqueued]) -> Done:
    jobs = sum(each.created for each in made)
    if made and not jobs and not schedule.definition.overlap:
        # One that was begun by hand and tried again, say: the key that they share knows of it.
        return Done(schedule=schedule, plan=_passed_over(plan_, Reason.OVERLAP))
    return Done(schedule=schedule, plan=plan_, job_id=made[-1].id if made else None, jobs=jobs)


def _passed_over(plan_: Plan, reason: Reason) -> Plan:
    return replace(plan_, instants=(), skipped=reason)


def _few(planned: Sequence[Planned]) -> Sequence[Planned]:
    """The first of them, up to so many jobs; at least one."""
    jobs = list(accumulate(len(each.instants) for _, each in planned))
    return planned[: max(sum(each <= MOST_JOBS for each in jobs), 1)]


def _row(done: Done) -> dict[str, object]:
    return {
        "id": str(done.schedule.id),
        "next_fire_at": done.plan.next_fire_at.isoformat(),
        "last_fire_at": done.plan.last_fire_at.isoformat(),
        "outcome": Ended.FIRED if done.plan.skipped is None else Ended.SKIPPED,
        "reason": done.plan.skipped,
        "job_id": None if done.job_id is None else str(done.job_id),
    }


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("schedule_firing")[name], values)
