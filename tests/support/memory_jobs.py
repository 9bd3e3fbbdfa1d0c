"""An in-memory JobStore, with its queues and what people ask of it: kept honest by the contract."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import RLock
from typing import Any
from uuid import uuid4

from core.ids import RunId
from core.jobs.admission import Admitted, Kinds, admit, check_depth
from core.jobs.control import (
    DISCARDED,
    DeadFilter,
    JobConflictError,
    JobEvent,
    NoSuchJobError,
    NoSuchQueueError,
)
from core.jobs.model import (
    TERMINAL,
    Enqueued,
    Job,
    JobId,
    NewJob,
    Priority,
    Status,
    Transaction,
)
from core.jobs.ports import (
    Claim,
    Ended,
    Lane,
    NotClaimed,
    QueueState,
    Settled,
    Streak,
)
from core.jobs.settling import EXHAUSTED, LAST_LEASE, Change, changes
from core.runs.model import PROBE_EVERY, TRIP_AFTER

COUNTED = 1000


@dataclass(slots=True, kw_only=True)
class Row:
    """One row of `ops.jobs`."""

    id: JobId
    seq: int | None
    job: NewJob
    queue: str
    key: str | None
    status: Status
    run_at: datetime
    max_attempts: int
    payload: dict[str, object]
    created_at: datetime
    attempts: int = 0
    fence: int = 0
    locked_by: RunId | None = None
    leased_until: datetime | None = None
    wait_name: str | None = None
    wait_until: datetime | None = None
    signal: dict[str, object] | None = None
    cancel_asked: bool = False
    phase: str | None = None
    result: object = None
    outcome: str | None = None
    error_code: str | None = None
    error_detail: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def due_at(self) -> datetime | None:
        match self.status:
            case Status.PENDING:
                return self.run_at
            case Status.PROCESSING:
                return self.leased_until
            case Status.WAITING:
                return self.wait_until
            case _:
                return None

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    @property
    def returns(self) -> bool:
        return self.status is Status.PROCESSING

    @property
    def used_up(self) -> bool:
        return self.cancel_asked or self.attempts >= self.max_attempts


@dataclass(slots=True, kw_only=True)
class Given:
    """A signal."""

    name: str
    data: dict[str, object]
    key: str | None
    consumed: bool = False


@dataclass(slots=True, kw_only=True)
class Switch:
    enabled: bool = True
    faults: int = 0
    tripped: bool = False
    probe_at: datetime | None = None


@dataclass(slots=True)
class MemoryTransaction:
    """Remembers what was executed, if it commits."""

    executed: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def execute(self, name: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        self.executed.append((name, values))
        return []


@dataclass(slots=True, kw_only=True)
class MemoryJobs:
    """`JobStore`, `Queues` and `JobControl`. `effects`: what transactions executed."""

    now: Callable[[], datetime]
    kinds: Kinds
    rows: dict[JobId, Row] = field(default_factory=dict)
    staged: list[JobId] = field(default_factory=list)
    signals: dict[JobId, list[Given]] = field(default_factory=dict)
    told: dict[JobId, list[JobEvent]] = field(default_factory=dict)
    paused_keys: set[tuple[str, str]] = field(default_factory=set)
    switches: dict[str, Switch] = field(default_factory=dict)
    effects: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)
    places: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    # What asks for work

    def enqueue(self, jobs: Sequence[NewJob]) -> Sequence[Enqueued]:
        admitted = admit(jobs, self.kinds)
        with self.lock:
            for line, more in Counter(each.line for each in admitted if each.line).items():
                self._place(line)
                check_depth(line, len(self._line(line)), more)
            return [self._insert(each, staged=False) for each in admitted]

    def stage(self, jobs: Sequence[NewJob]) -> Sequence[Enqueued]:
        """As inside another transaction."""
        admitted = admit(jobs, self.kinds)
        with self.lock:
            for line, more in Counter(each.line for each in admitted if each.line).items():
                check_depth(line, len(self._line(line)) + len(self._staged(line)), more)
            return [self._insert(each, staged=True) for each in admitted]

    def move_staged(self, limit: int) -> int:
        with self.lock:
            moved, self.staged = self.staged[:limit], self.staged[limit:]
            for job_id in moved:
                self.rows[job_id].seq = next(self.places)
            return len(moved)

    def _place(self, line: tuple[str, str]) -> None:
        for job_id in self._staged(line):
            self.staged.remove(job_id)
            self.rows[job_id].seq = next(self.places)

    def _staged(self, line: tuple[str, str]) -> list[JobId]:
        return [i for i in self.staged if (self.rows[i].queue, self.rows[i].key) == line]

    def _insert(self, admitted: Admitted, *, staged: bool) -> Enqueued:
        existing = self._same(admitted)
        if existing is not None:
            return Enqueued(id=existing, created=False)
        now, job = self.now(), admitted.job
        row = Row(
            id=JobId(uuid4()),
            seq=None if admitted.line and staged else next(self.places),
            job=job,
            queue=admitted.queue,
            key=admitted.ordering_key,
            status=admitted.status,
            run_at=job.run_at or now,
            max_attempts=admitted.max_attempts,
            payload=json.loads(admitted.payload),
            created_at=now,
        )
        if job.draft and row.key:
            row.seq = None
        elif staged and admitted.line:
            self.staged.append(row.id)
        self.rows[row.id] = row
        return Enqueued(id=row.id, created=True)

    def _same(self, admitted: Admitted) -> JobId | None:
        job = admitted.job
        for row in self.rows.values():
            if job.idempotency_key and row.job.idempotency_key == job.idempotency_key:
                return row.id
            if job.origin is not None and row.job.origin == job.origin:
                return row.id
            same = job.dedupe_key and row.job.dedupe_key == job.dedupe_key
            if same and row.queue == admitted.queue and not row.ended:
                return row.id
        return None

    # What does the work

    def claim(self, run_id: RunId, lane: Lane) -> Claim:
        with self.lock:
            found = self._claimable(lane)
            taken = self._together(found, lane)[: lane.batch]
            jobs = [self._take(row, run_id, lane.lease) for row in taken]
            return Claim(
                jobs=tuple(job for job in jobs if job is not None),
                dead=sum(row.status is Status.DEAD for row in taken),
                cancelled=sum(row.status is Status.CANCELLED for row in taken),
                more=len(found) > len(taken),
            )

    def _claimable(self, lane: Lane) -> list[Row]:
        found = [row for row in self.rows.values() if self._due(row) and self._wanted(row, lane)]
        found = [row for row in found if row.key is None or self._is_open_head(row)]
        return sorted(found, key=lambda row: (-row.job.priority, row.due_at, row.seq))

    def _wanted(self, row: Row, lane: Lane) -> bool:
        if row.queue != lane.queue or row.key in lane.without:
            return False
        return not lane.kinds or row.job.kind in lane.kinds

    def _due(self, row: Row) -> bool:
        return row.due_at is not None and row.due_at <= self.now()

    def _is_open_head(self, row: Row) -> bool:
        assert row.key is not None
        line = self._line((row.queue, row.key))
        return line[:1] == [row] and (row.queue, row.key) not in self.paused_keys

    def _line(self, line: tuple[str, str]) -> list[Row]:
        rows = [
            row
            for row in self.rows.values()
            if (row.queue, row.key) == line and row.seq is not None and row.due_at is not None
        ]
        return sorted(rows, key=lambda row: row.seq or 0)

    def _together(self, found: list[Row], lane: Lane) -> list[Row]:
        for place, row in enumerate(found):
            if not row.used_up and self._goes_alone(row, lane):
                return found[: max(place, 1)]
        return found

    def _goes_alone(self, row: Row, lane: Lane) -> bool:
        return row.returns or row.job.kind in lane.alone or row.max_attempts == 1

    def _take(self, row: Row, run_id: RunId, lease: timedelta) -> Job | None:
        returned = row.returns
        if returned:
            self._tell(row, "lease_expired")
        if row.cancel_asked:
            self._end(row, Status.CANCELLED)
            return None
        if row.attempts >= row.max_attempts:
            row.error_code, row.error_detail = EXHAUSTED, LAST_LEASE
            self._end(row, Status.DEAD)
            return None
        if row.status is Status.WAITING:
            row.signal = {"name": row.wait_name, "timed_out": True}
        row.wait_name = row.wait_until = None
        row.status, row.locked_by = Status.PROCESSING, run_id
        row.leased_until = self.now() + lease
        row.attempts += 1
        row.fence += 1
        row.started_at = row.started_at or self.now()
        return self._job(row, returned=returned)

    def _job(self, row: Row, *, returned: bool) -> Job:
        assert row.leased_until is not None
        assert row.started_at is not None
        return Job(
            id=row.id,
            fence=row.fence,
            queue=row.queue,
            kind=row.job.kind,
            payload=deepcopy(row.payload),
            ordering_key=row.key,
            priority=Priority(row.job.priority),
            phase=row.phase,
            attempt=row.attempts,
            max_attempts=row.max_attempts,
            idempotency_key=row.job.idempotency_key,
            created_at=row.created_at,
            tried_since=row.started_at,
            leased_until=row.leased_until,
            returned=returned,
            signal=deepcopy(row.signal),
            origin=row.job.origin,
        )

    def claim_one(self, run_id: RunId, job_id: JobId, lease: timedelta) -> Job | NotClaimed:
        with self.lock:
            row = self.rows.get(job_id)
            refused = NotClaimed.NOT_FOUND if row is None else self._refused(row)
            if row is None or refused is not None:
                return refused or NotClaimed.NOT_FOUND
            return self._take(row, run_id, lease) or NotClaimed.ENDED

    def _refused(self, row: Row) -> NotClaimed | None:
        switch = self.switches.get(row.queue, Switch())
        checks = (
            (row.ended, NotClaimed.ENDED),
            (row.status is Status.DRAFT, NotClaimed.DRAFT),
            (not switch.enabled or switch.tripped, NotClaimed.PAUSED),
            ((row.queue, row.key) in self.paused_keys, NotClaimed.PAUSED),
            (row.key and self._line((row.queue, row.key))[:1] != [row], NotClaimed.KEY_BUSY),
            (self._due(row), None),
            (row.returns, NotClaimed.RUNNING),
            (row.status is Status.WAITING, NotClaimed.WAITING),
        )
        return next((reason for holds, reason in checks if holds), NotClaimed.NOT_DUE)

    def settle(self, run_id: RunId, settled: Sequence[Settled]) -> Sequence[Ended]:
        with self.lock:
            return [self._settle(change) for change in changes(settled, self.kinds)]

    def settle_with(
        self, run_id: RunId, settled: Settled, effect: Callable[[Transaction], None]
    ) -> Ended:
        with self.lock:
            [change] = changes([settled], self.kinds)
            row = self._held(change.job)
            sound = change.ended is not Ended.DEAD
            if row is not None and not row.cancel_asked and sound:
                transaction = MemoryTransaction()
                effect(transaction)
                self.effects += transaction.executed
            return self._settle(change)

    def _held(self, job: Job) -> Row | None:
        row = self.rows.get(job.id)
        held = row is not None and row.status is Status.PROCESSING and row.fence == job.fence
        return row if held else None

    def _settle(self, change: Change) -> Ended:
        row = self._held(change.job)
        if row is None:
            return Ended.LOST
        if row.cancel_asked:
            self._end(row, Status.CANCELLED)
            self._tell(row, "cancelled")
            return Ended.CANCELLED
        if change.told:
            self._tell(row, change.told, change.error_code, change.detail)
        self._apply(row, change)
        for then in change.then:
            self._insert(then, staged=True)
        return change.ended

    def _apply(self, row: Row, change: Change) -> None:
        row.attempts -= change.give_back
        row.run_at = change.run_at or row.run_at
        row.wait_name, row.wait_until = change.wait_name, change.wait_until
        row.phase = change.phase or row.phase
        row.result = None if change.result is None else json.loads(change.result)
        row.outcome = change.outcome
        row.locked_by = row.leased_until = None
        if change.error_code or change.status is Status.COMPLETED:
            row.error_code, row.error_detail = change.error_code, change.error_detail
        if change.status in TERMINAL:
            self._end(row, change.status)
            return
        row.status = change.status
        if change.status is Status.WAITING:
            row.signal = None
            self._wake(row)

    def _end(self, row: Row, status: Status) -> None:
        row.status, row.finished_at = status, self.now()
        row.locked_by = row.leased_until = row.wait_name = row.wait_until = None

    def renew(self, jobs: Sequence[Job], lease: timedelta) -> Mapping[JobId, bool]:
        with self.lock:
            held = [row for row in map(self._held, jobs) if row is not None]
            for row in held:
                row.leased_until = self.now() + lease
            return {row.id: row.cancel_asked for row in held}

    def release(self, jobs: Sequence[Job]) -> None:
        with self.lock:
            for row in filter(None, map(self._held, jobs)):
                if row.cancel_asked:
                    self._end(row, Status.CANCELLED)
                    continue
                row.status, row.locked_by, row.leased_until = Status.PENDING, None, None
                row.attempts -= 1

    def waiting_for(self, queues: AbstractSet[str]) -> Mapping[str, int]:
        with self.lock:
            reasons = [self._reason(row) for row in self.rows.values() if row.queue in queues]
            counted = Counter(reason for reason in reasons if reason)
            return {reason: min(count, COUNTED) for reason, count in counted.items()}

    def _reason(self, row: Row) -> str | None:
        if row.due_at is None or row.seq is None:
            return None
        if row.key and self._line((row.queue, row.key))[:1] != [row]:
            return "key_busy"
        if (row.queue, row.key) in self.paused_keys:
            return "paused"
        if self._due(row):
            return None
        return {Status.PENDING: "not_due", Status.WAITING: "waiting"}.get(row.status, "running")

    # Queues

    def look(self) -> Sequence[QueueState]:
        with self.lock:
            names = {row.queue for row in self.rows.values() if row.due_at} | set(self.switches)
            return [self._state(name) for name in sorted(names)]

    def _state(self, queue: str) -> QueueState:
        switch = self.switches.get(queue, Switch())
        everything = Lane(queue=queue, batch=1, lease=timedelta(0))
        staged = [row for row in map(self.rows.__getitem__, self.staged) if row.queue == queue]
        due = [*staged[:1], *self._claimable(everything)][:COUNTED]
        return QueueState(
            queue=queue,
            enabled=switch.enabled,
            faults=switch.faults,
            tripped=switch.tripped,
            probe=switch.probe_at is not None and switch.probe_at <= self.now(),
            due=len(due) if switch.tripped or not switch.enabled else min(len(due), 1),
        )

    def begin_probe(self, queue: str) -> bool:
        with self.lock:
            switch = self.switches.get(queue)
            if switch is None or switch.probe_at is None or switch.probe_at > self.now():
                return False
            switch.probe_at = self.now() + PROBE_EVERY
            return True

    def judge(self, queue: str, streak: Streak) -> bool:
        with self.lock:
            switch = self.switches.setdefault(queue, Switch())
            before = switch.faults + streak.before if streak.before else 0
            longest = max(before, streak.longest)
            switch.faults = streak.after if streak.sound else switch.faults + streak.before
            just = longest >= TRIP_AFTER and not switch.tripped
            if longest >= TRIP_AFTER:
                switch.faults = max(switch.faults, TRIP_AFTER)
                switch.tripped, switch.probe_at = True, switch.probe_at or self.now() + PROBE_EVERY
            elif streak.sound:
                switch.tripped, switch.probe_at = False, None
            return just

    def switch(self, queue: str, *, enabled: bool) -> bool:
        with self.lock:
            known = queue in self.switches or any(r.queue == queue for r in self.rows.values())
            known = known or any(kind.queue == queue for kind in self.kinds.values())
            if not known:
                return False
            switch = self.switches.setdefault(queue, Switch())
            switch.enabled = enabled
            if enabled:
                switch.faults, switch.tripped, switch.probe_at = 0, False, None
            return True

    # What people ask

    def cancel(self, job_id: JobId) -> Status:
        with self.lock:
            row = self._row(job_id)
            if row.ended and row.status is not Status.CANCELLED:
                raise JobConflictError(f"the job has ended as {row.status}", row.status)
            if row.returns:
                if not row.cancel_asked:
                    self._tell(row, "cancel_asked")
                row.cancel_asked = True
            elif not row.ended:
                self._end(row, Status.CANCELLED)
                self._tell(row, "cancelled")
            return row.status

    def run_now(self, job_id: JobId) -> Status:
        with self.lock:
            row = self._row(job_id)
            if row.ended:
                raise JobConflictError(f"the job has ended as {row.status}", row.status)
            if row.status is Status.DRAFT:
                if row.key:
                    line = (row.queue, row.key)
                    check_depth(line, len(self._line(line)), 1)
                row.status, row.seq = Status.PENDING, next(self.places)
                row.run_at = self.now()
                self._tell(row, "released")
            elif row.status is Status.PENDING:
                row.run_at = min(row.run_at, self.now())
            return row.status

    def retry(self, job_id: JobId) -> Enqueued:
        with self.lock:
            row = self._row(job_id)
            if not row.ended or row.status is Status.COMPLETED:
                raise JobConflictError(f"the job is {row.status}", row.status)
            return self.enqueue([again(row)])[0]

    def retry_dead(self, wanted: DeadFilter, most: int) -> int:
        with self.lock:
            dead = [row for row in self.rows.values() if self._is_dead(row, wanted)]
            for row in dead[:most]:
                self.enqueue([again(row)])
            return len(dead[:most])

    def _is_dead(self, row: Row, wanted: DeadFilter) -> bool:
        retried = any(other.job.origin == row.id for other in self.rows.values())
        return (
            row.status is Status.DEAD
            and row.outcome != DISCARDED
            and not retried
            and wanted.queue in {None, row.queue}
            and wanted.kind in {None, row.job.kind}
            and wanted.error_code in {None, row.error_code}
            and (wanted.since is None or (row.finished_at or self.now()) >= wanted.since)
            and (wanted.until is None or (row.finished_at or self.now()) <= wanted.until)
        )

    def discard(self, job_id: JobId, reason: str) -> None:
        with self.lock:
            row = self._row(job_id)
            if row.status is not Status.DEAD:
                raise JobConflictError(f"job {job_id} is {row.status}, not dead", row.status)
            if row.outcome != DISCARDED:
                row.outcome = DISCARDED
                self._tell(row, DISCARDED, detail=reason)

    def signal(
        self, job_id: JobId, name: str, data: Mapping[str, object], *, key: str | None = None
    ) -> bool:
        with self.lock:
            row = self._row(job_id)
            if row.ended:
                raise JobConflictError(f"the job has ended as {row.status}", row.status)
            given = self.signals.setdefault(job_id, [])
            if key is not None and any((each.name, each.key) == (name, key) for each in given):
                return False
            given.append(Given(name=name, data=dict(data), key=key))
            self._tell(row, "signalled", detail=name)
            self._wake(row)
            return True

    def _wake(self, row: Row) -> None:
        if row.status is not Status.WAITING:
            return
        for given in self.signals.get(row.id, ()):
            if given.name == row.wait_name and not given.consumed:
                given.consumed = True
                row.signal = {"name": given.name, "data": given.data}
                row.status, row.run_at = Status.PENDING, self.now()
                row.wait_name = row.wait_until = None
                return

    def pause_key(self, queue: str, ordering_key: str, *, paused: bool) -> None:
        with self.lock:
            line = (queue, ordering_key)
            if not any((row.queue, row.key) == line for row in self.rows.values()):
                raise NoSuchQueueError(f"there is no key {ordering_key!r} in {queue}")
            (self.paused_keys.add if paused else self.paused_keys.discard)(line)

    def _row(self, job_id: JobId) -> Row:
        if job_id not in self.rows:
            raise NoSuchJobError(f"there is no job {job_id}")
        return self.rows[job_id]

    def _tell(
        self, row: Row, event: str, code: str | None = None, detail: str | None = None
    ) -> None:
        line = JobEvent(at=self.now(), event=event, code=code, detail=detail)
        self.told.setdefault(row.id, []).append(line)


def again(row: Row) -> NewJob:
    return NewJob(
        kind=row.job.kind,
        payload=row.payload,
        queue=row.queue,
        ordering_key=row.key,
        priority=row.job.priority,
        max_attempts=row.max_attempts,
        dedupe_key=row.job.dedupe_key,
        origin=row.id,
    )
