"""Claiming: which jobs, under which locks, on an open transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.ids import RunId
from core.jobs.model import TERMINAL, Job, JobId, Priority, Status
from core.jobs.ports import Claim, Lane, NotClaimed
from core.jobs.settling import EXHAUSTED, LAST_LEASE
from infra.postgres.job_rows import Line, lock, refresh, run
from infra.postgres.literals import Value, run_literally
from infra.postgres.readable import read_rows

NOTHING = (Claim(), False)
PRIORITIES = {int(priority): priority for priority in Priority}


@dataclass(frozen=True, slots=True)
class Claiming:
    """One claim: where keys are due too, all is looked at first, so that no more is locked than is
    taken.
    """

    connection: sa.Connection
    run_id: RunId
    lane: Lane

    def claim(self) -> Claim:
        """Keys before jobs, as everywhere."""
        if not self.lane.without:
            row = self._free(self.lane.batch, mixed=False)
            if not row.keyed:
                return self._told(self._claim_of(row), row.seen)
        return self._mixed()

    def _mixed(self) -> Claim:
        look = self._look()
        alone_too = look.keyed_first or not look.keyless
        keyed, alone = self._keyed(look.keyed, alone_too=alone_too) if look.keyed else NOTHING
        free = Claim()
        if look.keyless and not alone:
            free = self._claim_of(self._free(look.keyless, mixed=True))
        together = Claim(
            jobs=free.jobs + keyed.jobs,
            dead=free.dead + keyed.dead,
            cancelled=free.cancelled + keyed.cancelled,
        )
        return self._told(together, look.seen)

    def _told(self, claim: Claim, seen: int) -> Claim:
        taken = len(claim.jobs) + claim.dead + claim.cancelled
        # Seen and not got: others are at it, and whoever asks again at once gets nothing either.
        more = taken > 0 and (taken < seen or seen >= self.lane.batch)
        return replace(claim, more=more)

    def _free(self, most: int, *, mixed: bool) -> sa.Row[Any]:
        values = self._lane_values() | {
            "run_id": self.run_id,
            "lease_s": self.lane.lease.total_seconds(),
            "exhausted": EXHAUSTED,
            "last_lease": LAST_LEASE,
        }
        return run_literally(
            self.connection, "jobs", "claim", most=most, mixed=mixed, **values
        ).one()

    def _claim_of(self, row: sa.Row[Any]) -> Claim:
        return claim_of(row, self.lane.queue, returned=bool(row.returned))

    def _look(self) -> sa.Row[Any]:
        values = self._lane_values() | {"most": self.lane.batch}
        without = list(self.lane.without)
        if without:
            return run(self.connection, "look", without=without, **values).one()
        return run_literally(self.connection, "jobs", "look", without=without, **values).one()

    def _keyed(self, most: int, *, alone_too: bool) -> tuple[Claim, bool]:
        """And whether what was claimed goes alone: key rows do not tell it of every job."""
        due = {name: self._lane_values()[name] for name in ("queue", "kinds")}
        without = list(self.lane.without)
        locked = run(self.connection, "lock_due_keys", most=most, without=without, **due)
        keys = list(locked.scalars())
        if not keys:
            return NOTHING
        of_lane = {"queue": self.lane.queue, "alone": list(self.lane.alone)}
        heads = [head for head in run(self.connection, "heads", keys=keys, **of_lane) if head.due]
        taken = _together(heads, alone_too=alone_too)
        claim = Claim()
        if taken:
            claim = take(self.connection, self.run_id, self.lane.queue, taken, self.lane.lease)
        refresh(self.connection, [(self.lane.queue, key) for key in keys])
        return claim, any(head.alone for head in taken)

    def _lane_values(self) -> dict[str, Value]:
        return {
            "queue": self.lane.queue,
            "kinds": list(self.lane.kinds) or None,
            "alone": list(self.lane.alone),
        }


def _together(heads: Sequence[sa.Row[Any]], *, alone_too: bool) -> Sequence[sa.Row[Any]]:
    """What goes alone ends the batch before it, or is all of it: with `alone_too` False, never."""
    for place, head in enumerate(heads):
        if head.alone:
            return heads[: max(place, int(alone_too))]
    return heads


def take(
    connection: sa.Connection,
    run_id: RunId,
    queue: str,
    rows: Sequence[sa.Row[Any]],
    lease: timedelta,
) -> Claim:
    """Rows that are locked, by themselves or by their keys."""
    row = run(
        connection,
        "take",
        ids=[each.id for each in rows],
        run_id=run_id,
        lease_s=lease.total_seconds(),
        exhausted=EXHAUSTED,
        last_lease=LAST_LEASE,
    ).one()
    return claim_of(row, queue, returned=len(rows) == 1 and bool(rows[0].returned))


def claim_of(row: sa.Row[Any], queue: str, *, returned: bool) -> Claim:
    found = read_rows(row.jobs) if row.jobs else []
    # One that returned was claimed alone; the rest of such a batch has ended.
    came_back = returned and len(found) == 1
    of_all = (queue, row.leased_until)
    jobs = tuple(_job(fields, *of_all, returned=came_back) for fields in found)
    return Claim(jobs=jobs, dead=row.dead, cancelled=row.cancelled)


def _job(fields: Sequence[Any], queue: str, leased_until: datetime, *, returned: bool) -> Job:
    (
        id_, fence, kind, payload, ordering_key, priority, phase, attempts, max_attempts,
        idempotency_key, created_at, started_at, signal, origin,
    ) = fields  # fmt: skip
    return Job(
        id=JobId(UUID(id_)),
        fence=fence,
        queue=queue,
        kind=kind,
        payload=payload,
        ordering_key=ordering_key,
        priority=PRIORITIES[priority],
        phase=phase,
        attempt=attempts,
        max_attempts=max_attempts,
        idempotency_key=idempotency_key,
        created_at=datetime.fromisoformat(created_at),
        tried_since=datetime.fromisoformat(started_at),
        leased_until=leased_until,
        returned=returned,
        signal=signal,
        origin=None if origin is None else JobId(UUID(origin)),
    )


@dataclass(frozen=True, slots=True)
class ClaimingOne:
    """A job by its id, for whoever waits for it: the order of its key is kept all the same."""

    connection: sa.Connection
    run_id: RunId
    job_id: JobId
    lease: timedelta

    def claim(self) -> Job | NotClaimed:
        seen = self._look()
        if seen is None:
            return NotClaimed.NOT_FOUND
        refused = _refused(seen)
        if refused is not None:
            return refused
        if seen.ordering_key is None:
            return self._keyless(seen)
        return self._keyed(seen)

    def _look(self) -> sa.Row[Any] | None:
        return run(self.connection, "one", id=self.job_id).first()

    def _keyless(self, seen: sa.Row[Any]) -> Job | NotClaimed:
        if run(self.connection, "lock_one", id=self.job_id).first() is None:
            return NotClaimed.RUNNING
        return self._take(seen)

    def _keyed(self, seen: sa.Row[Any]) -> Job | NotClaimed:
        line = (seen.queue, seen.ordering_key)
        values = {"queue": seen.queue, "ordering_key": seen.ordering_key}
        if run(self.connection, "lock_line_if_free", **values).first() is None:
            return NotClaimed.KEY_BUSY
        found = self._take(seen)
        refresh(self.connection, [line])
        return found

    def _take(self, seen: sa.Row[Any]) -> Job | NotClaimed:
        # Under the lock it is looked at again: what was seen before may be over.
        again = self._look()
        if again is None:
            return NotClaimed.NOT_FOUND
        refused = _refused(again)
        if refused is not None:
            return refused
        row = run(
            self.connection,
            "take",
            ids=[self.job_id],
            run_id=self.run_id,
            lease_s=self.lease.total_seconds(),
            exhausted=EXHAUSTED,
            last_lease=LAST_LEASE,
        ).one()
        claim = claim_of(row, seen.queue, returned=again.status == Status.PROCESSING)
        return claim.jobs[0] if claim.jobs else NotClaimed.ENDED


def _refused(seen: sa.Row[Any]) -> NotClaimed | None:
    status = Status(seen.status)
    if status in TERMINAL:
        return NotClaimed.ENDED
    checks: Mapping[NotClaimed, bool] = {
        NotClaimed.DRAFT: status is Status.DRAFT,
        NotClaimed.PAUSED: not seen.open or seen.paused,
        NotClaimed.KEY_BUSY: seen.behind or seen.seq is None,
    }
    for reason, holds in checks.items():
        if holds:
            return reason
    return None if seen.due else _not_due(status)


def _not_due(status: Status) -> NotClaimed:
    match status:
        case Status.PROCESSING:
            return NotClaimed.RUNNING
        case Status.WAITING:
            return NotClaimed.WAITING
        case _:
            return NotClaimed.NOT_DUE


def lock_lines_of(connection: sa.Connection, jobs: Sequence[Job]) -> list[Line]:
    lines = sorted(lines_of(jobs))
    lock(connection, lines)
    return lines


def lines_of(jobs: Sequence[Job]) -> set[Line]:
    return {(job.queue, job.ordering_key) for job in jobs if job.ordering_key is not None}
