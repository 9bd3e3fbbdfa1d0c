"""Jobs in PostgreSQL: the `JobStore` port."""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.ids import RunId
from core.jobs.admission import Kinds, admit
from core.jobs.control import COUNTED
from core.jobs.model import Enqueued, Job, JobId, NewJob, Status, Transaction
from core.jobs.ports import Claim, Ended, Lane, NotClaimed, Settled
from core.jobs.settling import Change, changes
from infra.postgres.job_claim import Claiming, ClaimingOne, lines_of, lock_lines_of
from infra.postgres.job_rows import (
    enqueue_in_line,
    free_lines,
    lock_free,
    place_staged,
    refresh,
    run,
    stage,
    staged_lines,
)
from infra.postgres.literals import Value, array_text, run_literally
from infra.postgres.queries import load
from infra.postgres.transaction import Database

NONE: frozenset[JobId] = frozenset()


@dataclass(frozen=True, slots=True)
class NamedStatements:
    """The `Transaction` port: `feature.statement` of our own SQL files."""

    connection: sa.Connection

    def execute(self, name: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        feature, _, statement = name.partition(".")
        done = self.connection.execute(load(feature)[statement], values)
        return [dict(row) for row in done.mappings()] if done.returns_rows else []


@dataclass(frozen=True, slots=True)
class PostgresJobs:
    database: Database
    kinds: Kinds

    def enqueue(self, jobs: Sequence[NewJob]) -> Sequence[Enqueued]:
        admitted = admit(jobs, self.kinds)
        if not admitted:
            return []
        return self.database.run(
            lambda connection: enqueue_in_line(connection, admitted), by_index=True
        )

    def move_staged(self, limit: int) -> int:
        def move(connection: sa.Connection) -> int:
            lines = lock_free(connection, staged_lines(connection, limit))
            placed = place_staged(connection, lines, each=max(1, limit // max(1, len(lines))))
            refresh(connection, lines)
            return placed

        return self.database.run(move, by_index=True)

    def claim(self, run_id: RunId, lane: Lane) -> Claim:
        return self.database.run(
            lambda connection: Claiming(connection, run_id, lane).claim(), by_index=True
        )

    def claim_one(self, run_id: RunId, job_id: JobId, lease: timedelta) -> Job | NotClaimed:
        return self.database.run(
            lambda connection: ClaimingOne(connection, run_id, job_id, lease).claim(),
            by_index=True,
        )

    def settle(self, run_id: RunId, settled: Sequence[Settled]) -> Sequence[Ended]:
        made = changes(settled, self.kinds)
        if not made:
            return []
        return self.database.run(
            lambda connection: settle_in(connection, run_id, made), by_index=True
        )

    def settle_with(
        self, run_id: RunId, settled: Settled, effect: Callable[[Transaction], None]
    ) -> Ended:
        made = changes([settled], self.kinds)
        job = settled.job
        with self.database.transaction(by_index=True) as connection:
            lock_lines_of(connection, [job])
            held = run(connection, "fence", id=job.id, fence=job.fence).first()
            if held is not None and not held.cancelled and made[0].ended is not Ended.DEAD:
                effect(NamedStatements(connection))
            return settle_in(connection, run_id, made)[0]

    def renew(self, jobs: Sequence[Job], lease: timedelta) -> Mapping[JobId, bool]:
        def prolong(connection: sa.Connection) -> Mapping[JobId, bool]:
            lines = free_lines(connection, lines_of(jobs))
            free = [job.id for job in jobs if not lines_of([job]) - set(lines)]
            values = {**_held(jobs), "free": free, "lease_s": lease.total_seconds()}
            rows = run(connection, "renew", **values).all()
            refresh(connection, lines)
            return {JobId(row.id): row.cancelled for row in rows}

        return self.database.run(prolong, by_index=True) if jobs else {}

    def release(self, jobs: Sequence[Job]) -> None:
        def give_back(connection: sa.Connection) -> None:
            lines = lock_lines_of(connection, jobs)
            run(connection, "release", **_held(jobs))
            refresh(connection, lines)

        if jobs:
            self.database.run(give_back, by_index=True)

    def waiting_for(self, queues: AbstractSet[str]) -> Mapping[str, int]:
        with self.database.transaction(by_index=True) as connection:
            rows = run(connection, "blocked", queues=sorted(queues), most=COUNTED)
            return {row.reason: row.jobs for row in rows if row.jobs}


def settle_in(connection: sa.Connection, run_id: RunId, made: Sequence[Change]) -> list[Ended]:
    lines = lock_lines_of(connection, [change.job for change in made])
    lost, cancelled = _written(connection, run_id, made)
    gone = lost | cancelled
    done = [change for change in made if change.job.id not in gone] if gone else made
    waiting = [change.job.id for change in done if change.status is Status.WAITING]
    if waiting:
        run(connection, "wake", ids=waiting)
    stage(connection, [then for change in done for then in change.then])
    refresh(connection, lines)
    return [_ended(change, lost, cancelled) if gone else change.ended for change in made]


def _written(
    connection: sa.Connection, run_id: RunId, made: Sequence[Change]
) -> tuple[AbstractSet[JobId], AbstractSet[JobId]]:
    """Which were lost, and which had their end asked for."""
    plain = [change for change in made if change.is_plain]
    rest = [change for change in made if not change.is_plain]
    lost, cancelled = _completed(connection, run_id, plain) if plain else (NONE, NONE)
    if rest:
        rows = f"[{','.join(map(_change, rest))}]"
        ids = [change.job.id for change in rest]
        values = {"run_id": run_id, "changes": rows, "number": len(ids)}
        found = run(connection, "settle", **values).one()
        lost, cancelled = lost | _missed(ids, found), cancelled | _ids(found.cancelled)
    return lost, cancelled


def _completed(
    connection: sa.Connection, run_id: RunId, plain: Sequence[Change]
) -> tuple[AbstractSet[JobId], AbstractSet[JobId]]:
    ids = [change.job.id for change in plain]
    values: dict[str, Value] = {
        "ids": array_text(ids),
        "fences": array_text([change.job.fence for change in plain]),
        "number": len(ids),
        "run_id": run_id,
    }
    if any(change.result for change in plain):
        # What they say may be personal, and PostgreSQL's log shows a statement that fails.
        results = f"[{','.join(change.result or 'null' for change in plain)}]"
        found = run(connection, "complete", results=results, **values).one()
    else:
        found = run_literally(connection, "jobs", "complete", results=None, **values).one()
    return _missed(ids, found), _ids(found.cancelled)


def _missed(ids: Sequence[JobId], found: sa.Row[Any]) -> frozenset[JobId]:
    """Which were settled is told only where not all were."""
    return NONE if found.settled == len(ids) else frozenset(ids) - _ids(found.held)


def _ended(change: Change, lost: AbstractSet[JobId], cancelled: AbstractSet[JobId]) -> Ended:
    if change.job.id in lost:
        return Ended.LOST
    return Ended.CANCELLED if change.job.id in cancelled else change.ended


def _ids(text: str | None) -> frozenset[JobId]:
    return frozenset(JobId(UUID(each)) for each in json.loads(text)) if text else frozenset()


def _change(change: Change) -> str:
    """The result is JSON text already."""
    fields = {
        "id": str(change.job.id),
        "fence": change.job.fence,
        "status": change.status,
        "run_at": None if change.run_at is None else change.run_at.isoformat(),
        "wait_name": change.wait_name,
        "wait_until": None if change.wait_until is None else change.wait_until.isoformat(),
        "phase": change.phase,
        "outcome": change.outcome,
        "error_code": change.error_code,
        "error_detail": change.error_detail,
        "back": 1 if change.give_back else None,
        "told": change.told,
        "detail": change.detail,
    }
    told = json.dumps({name: value for name, value in fields.items() if value is not None})
    return told if change.result is None else f'{told[:-1]},"result":{change.result}}}'


def _held(jobs: Sequence[Job]) -> dict[str, object]:
    held = [{"id": str(job.id), "fence": job.fence} for job in jobs]
    return {"ids": [job.id for job in jobs], "held": json.dumps(held)}
