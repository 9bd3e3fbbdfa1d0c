"""What each drain makes of schedules that are due, in PostgreSQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate, islice
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.errors import StoreUnavailableError, UsageError
from core.jobs.admission import Kinds
from core.jobs.model import Enqueued
from core.jobs.trying import frames
from core.schedules.due import plan, put_off
from core.schedules.model import Batch, Due, Ended, Plan, Reason, Schedule
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
    """What became of one: `job_id` is its last job's, `jobs` how many were made.

    `broken`: the traceback of a mistake of ours that stopped it.
    """

    schedule: Schedule
    plan: Plan
    job_id: UUID | None = None
    jobs: int = 0
    broken: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFiring:
    """The `FiringStore` port."""

    database: Database
    kinds: Kinds

    def fire(self, now: datetime, limit: int) -> Batch:
        try:
            return self.database.run(lambda connection: self._fire(connection, now, limit))
        except StoreUnavailableError:
            raise
        except Exception:  # noqa: BLE001  (told where each of them is tried by itself)
            # One that its queue does not take, or that a kind breaks, must not hold up the others.
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
        found = [_planned(due, now) for due in dues]
        done = [each for each in found if isinstance(each, Done)]
        planned = _few([each for each in found if not isinstance(each, Done)])
        if alone:
            done += [self._alone(connection, each, now) for each in planned]
        else:
            done += self._enqueued(connection, planned)
        _run(connection, "advance", done=json.dumps([_row(each) for each in done]))
        return _batch(done, more=len(rows) == limit or len(done) < len(rows))

    def _alone(self, connection: sa.Connection, planned: Planned, now: datetime) -> Done:
        schedule, wanted = planned
        try:
            with connection.begin_nested():
                return self._enqueued(connection, [planned])[0]
        except UsageError:
            return Done(schedule=schedule, plan=_passed_over(wanted, Reason.REFUSED))
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  (a schedule is a task: the others go on)
            return _broken(schedule, error, now)

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


def _planned(due: Due, now: datetime) -> Planned | Done:
    try:
        return due.schedule, plan(due, now)
    except Exception as error:  # noqa: BLE001  (a schedule is a task: the others go on)
        return _broken(due.schedule, error, now)


def _broken(schedule: Schedule, error: Exception, now: datetime) -> Done:
    return Done(
        schedule=schedule, plan=put_off(schedule, Reason.INTERNAL, now), broken=frames(error)
    )


def _batch(done: Sequence[Done], *, more: bool) -> Batch:
    named = [(each.schedule.definition.name, each) for each in done]
    return Batch(
        schedules=len(done),
        jobs=sum(each.jobs for each in done),
        skipped=[(name, each.plan.skipped) for name, each in named if each.plan.skipped],
        broken=[(name, each.broken) for name, each in named if each.broken],
        more=more,
    )


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
