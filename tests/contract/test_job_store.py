"""Every store of jobs keeps the same promises: in memory, and in PostgreSQL."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.errors import UsageError
from core.ids import RunId
from core.jobs.control import DeadFilter, JobConflictError, JobControl, NoSuchJobError
from core.jobs.kinds import BadPayloadError, Effect, JobKind
from core.jobs.model import (
    MAX_DEPTH,
    MAX_PAYLOAD,
    Cancelled,
    Completed,
    Failed,
    Job,
    JobId,
    NewJob,
    Priority,
    Retry,
    Snooze,
    Status,
    Transaction,
    Verdict,
    Waiting,
)
from core.jobs.ports import (
    Claim,
    Dead,
    Ended,
    JobStore,
    Lane,
    NotClaimed,
    Queues,
    Settled,
    Streak,
)
from core.runs.model import PROBE_EVERY, TRIP_AFTER
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.job_queues import PostgresQueues
from infra.postgres.job_rows import enqueue
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from tests.support.memory_jobs import MemoryJobs
from tests.support.moments import Moments

LEASE = timedelta(seconds=60)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
Q = "default"


def refuse(payload: Mapping[str, object]) -> None:
    if payload.get("bad"):
        raise BadPayloadError("bad: must not be there")


def never(job: Job, context: object) -> Verdict:
    raise AssertionError("a store performs nothing")


def kind(name: str, *, queue: str = Q, **more: Any) -> JobKind:
    return JobKind(name=name, queue=queue, effect=Effect.NONE, check=refuse, perform=never, **more)


KINDS = {
    each.name: each
    for each in (
        kind("echo", max_attempts=3),
        kind("other"),
        kind("once", max_attempts=1),
        kind("chat", key=lambda payload: str(payload["chat"])),
        kind("far", queue="far"),
    )
}


class Ground(Protocol):
    """A store, what people do to it, and what happens behind its back."""

    @property
    def store(self) -> JobStore: ...
    @property
    def queues(self) -> Queues: ...
    @property
    def control(self) -> JobControl: ...
    def now(self) -> datetime: ...
    def go_by(self, time: timedelta) -> None: ...
    def stage(self, *jobs: NewJob) -> Sequence[JobId]:
        """As a handler does inside its own transaction."""

    def row(self, job_id: JobId) -> dict[str, Any]: ...
    def events(self, job_id: JobId) -> list[str]: ...
    def effects(self) -> int: ...


SEEN = (
    "status", "attempts", "fence", "phase", "outcome", "error_code", "error_detail", "result",
    "signal", "run_at", "finished_at", "started_at", "queue", "max_attempts",
)  # fmt: skip


class InMemory:
    def __init__(self) -> None:
        self.moments = Moments()
        self.memory = MemoryJobs(now=self.moments.now, kinds=KINDS)
        self.store: JobStore = self.memory
        self.queues: Queues = self.memory
        self.control: JobControl = self.memory

    def now(self) -> datetime:
        return self.moments.now()

    def go_by(self, time: timedelta) -> None:
        self.moments.go_by(time)

    def stage(self, *jobs: NewJob) -> Sequence[JobId]:
        return [each.id for each in self.memory.stage(jobs)]

    def row(self, job_id: JobId) -> dict[str, Any]:
        row = self.memory.rows[job_id]
        return {name: getattr(row, name) for name in SEEN}

    def events(self, job_id: JobId) -> list[str]:
        return [event.event for event in self.memory.told.get(job_id, ())]

    def effects(self) -> int:
        return len(self.memory.effects)


AGED = {
    "ops.jobs": (
        "run_at", "locked_at", "leased_until", "wait_until", "created_at", "started_at",
        "finished_at",
    ),
    "ops.job_keys": ("visible_at",),
    "ops.queues": ("tripped_at", "probe_at"),
}  # fmt: skip


@dataclass
class InPostgres:
    database: Database

    @property
    def store(self) -> PostgresJobs:
        return PostgresJobs(self.database, KINDS)

    @property
    def queues(self) -> PostgresQueues:
        return PostgresQueues(self.database, frozenset(each.queue for each in KINDS.values()))

    @property
    def control(self) -> PostgresJobControl:
        return PostgresJobControl(self.database, KINDS)

    def now(self) -> datetime:
        [(now,)] = self._sql("SELECT clock_timestamp()")
        assert isinstance(now, datetime)
        return now

    def go_by(self, time: timedelta) -> None:
        """The database's clock does not wait for a test, so all that was written grows older."""
        for table, instants in AGED.items():
            older = ", ".join(f"{each} = {each} - CAST(:time AS interval)" for each in instants)
            self._sql(f"UPDATE {table} SET {older} RETURNING 1", time=time)

    def stage(self, *jobs: NewJob) -> Sequence[JobId]:
        with self.database.transaction() as connection:
            return [each.id for each in enqueue(connection, jobs, KINDS)]

    def row(self, job_id: JobId) -> dict[str, Any]:
        [row] = self._sql(f"SELECT {', '.join(SEEN)} FROM ops.jobs WHERE id = :id", id=job_id)
        return dict(zip(SEEN, row, strict=True)) | {"status": Status(row[0])}

    def events(self, job_id: JobId) -> list[str]:
        rows = self._sql(
            "SELECT event FROM ops.job_events WHERE job_id = :id ORDER BY id", id=job_id
        )
        return [event for (event,) in rows]

    def effects(self) -> int:
        return len(self._sql("SELECT 1 FROM ops.queues WHERE queue = 'effect'"))

    def _sql(self, statement: str, **values: object) -> Sequence[Sequence[Any]]:
        with self.database.transaction() as connection:
            return connection.execute(sa.text(statement), values).all()


@pytest.fixture(params=["memory", "postgres"])
def ground(request: pytest.FixtureRequest) -> Ground:
    if request.param == "memory":
        return InMemory()
    request.node.add_marker("postgres")
    return InPostgres(request.getfixturevalue("database"))


RUN = RunId(uuid4())


def echo(number: object = 0, **more: Any) -> NewJob:
    return NewJob(kind="echo", payload={"n": number}, **more)


def add(ground: Ground, *jobs: NewJob) -> list[JobId]:
    made = ground.store.enqueue(jobs)
    assert all(each.created for each in made)
    return [each.id for each in made]


def lane(batch: int = 10, **more: Any) -> Lane:
    return Lane(queue=more.pop("queue", Q), batch=batch, lease=LEASE, **more)


def claim(ground: Ground, batch: int = 10, **more: Any) -> list[Job]:
    return list(ground.store.claim(RUN, lane(batch, **more)).jobs)


def one(ground: Ground, **more: Any) -> Job:
    [job] = claim(ground, 1, **more)
    return job


def numbers(jobs: Sequence[Job]) -> list[object]:
    return [job.payload["n"] for job in jobs]


def settle(ground: Ground, job: Job, verdict: Verdict | Dead, **more: Any) -> Ended:
    [ended] = ground.store.settle(RUN, [Settled(job=job, verdict=verdict, **more)])
    return ended


def fail(ground: Ground, job: Job, after: timedelta = timedelta(0)) -> Ended:
    retry_at = ground.now() + after
    return settle(ground, job, Retry(code="boom", detail="it broke"), retry_at=retry_at)


def status(ground: Ground, job_id: JobId) -> Status:
    found = ground.row(job_id)["status"]
    assert isinstance(found, Status)
    return found


# Enqueuing


def test_a_job_is_as_its_kind_says_where_it_says_nothing_itself(ground: Ground) -> None:
    plain, own = add(ground, echo(), echo(queue="far", max_attempts=7, priority=Priority.HIGH))

    assert (ground.row(plain)["queue"], ground.row(plain)["max_attempts"]) == (Q, 3)
    assert (ground.row(own)["queue"], ground.row(own)["max_attempts"]) == ("far", 7)
    assert status(ground, plain) is Status.PENDING


def test_a_claimed_job_tells_all_that_was_asked_for(ground: Ground) -> None:
    payload = {"n": 1, "text": "ä \\u0000 \U0001f600 € \x7f", "deep": [{"a": None}], "f": 1.5}
    asked = NewJob(
        kind="echo",
        payload=payload,
        ordering_key="chat 7",
        priority=Priority.URGENT,
        idempotency_key="once",
    )
    [made] = add(ground, asked)

    job = one(ground)

    assert job.id == made
    assert job.payload == payload
    assert (job.kind, job.queue, job.ordering_key) == ("echo", Q, "chat 7")
    assert (job.priority, job.idempotency_key) == (Priority.URGENT, "once")
    assert (job.attempt, job.max_attempts, job.returned) == (1, 3, False)
    assert job.signal is None
    assert timedelta(0) <= job.leased_until - job.created_at - LEASE < HOUR


def test_e11_an_unknown_kind_is_refused(ground: Ground) -> None:
    with pytest.raises(UsageError, match="no kind of job 'ecko'"):
        ground.store.enqueue([echo(), NewJob(kind="ecko")])

    assert claim(ground) == []


def test_e12_a_payload_that_its_kind_refuses_is_not_stored(ground: Ground) -> None:
    with pytest.raises(BadPayloadError):
        ground.store.enqueue([echo(), NewJob(kind="echo", payload={"bad": True})])

    assert claim(ground) == []


@pytest.mark.parametrize(
    "payload",
    [{"n": float("nan")}, {"n": "\0"}, {"n": "\ud83d"}, {"n": object()}, {"n": float("inf")}],
    ids=["not a number", "NUL", "half a surrogate pair", "no JSON", "infinity"],
)
def test_a_payload_that_cannot_be_stored_is_refused(
    ground: Ground, payload: Mapping[str, object]
) -> None:
    with pytest.raises(BadPayloadError):
        ground.store.enqueue([NewJob(kind="echo", payload=payload)])


def test_a_payload_over_256_kb_is_refused(ground: Ground) -> None:
    add(ground, echo("x" * (MAX_PAYLOAD - 100)))

    with pytest.raises(UsageError, match="256 KB"):
        ground.store.enqueue([echo("ä" * (MAX_PAYLOAD // 2))])


def test_an_idempotency_key_stands_for_one_job_for_ever(ground: Ground) -> None:
    [first] = add(ground, echo(1, idempotency_key="k"))
    settle(ground, one(ground), Completed())

    again, another = ground.store.enqueue([echo(2, idempotency_key="k"), echo(3)])

    assert (again.id, again.created) == (first, False)
    assert another.created
    assert numbers(claim(ground)) == [3]


def test_s6_a_dedupe_key_stands_for_one_job_until_it_ends(ground: Ground) -> None:
    [first] = add(ground, echo(1, dedupe_key="d"))

    [second] = ground.store.enqueue([echo(2, dedupe_key="d")])
    [elsewhere] = ground.store.enqueue([echo(9, dedupe_key="d", queue="far")])
    settle(ground, one(ground), Completed())
    [third] = ground.store.enqueue([echo(3, dedupe_key="d")])

    assert (second.id, second.created) == (first, False)
    assert elsewhere.created
    assert third.created


def test_the_same_key_twice_in_one_call_is_one_job(ground: Ground) -> None:
    first, second, third = ground.store.enqueue(
        [echo(1, dedupe_key="d"), echo(2), echo(3, dedupe_key="d")]
    )

    assert (third.id, third.created) == (first.id, False)
    assert second.created
    assert numbers(claim(ground)) == [1, 2]


def test_a_key_takes_a_thousand_unfinished_jobs(ground: Ground) -> None:
    add(ground, *[echo(n, ordering_key="k") for n in range(MAX_DEPTH)])

    with pytest.raises(UsageError, match="1000 unfinished"):
        ground.store.enqueue([echo(1, ordering_key="k")])

    add(ground, echo("elsewhere", ordering_key="other"))
    settle(ground, one(ground), Completed())
    add(ground, echo("again", ordering_key="k"))


def test_what_is_staged_counts_and_is_refused_as_well(ground: Ground) -> None:
    """Asked for inside another transaction, by a schedule say."""
    add(ground, *[echo(n, ordering_key="k") for n in range(MAX_DEPTH - 2)])
    ground.stage(echo(ordering_key="k"), echo(ordering_key="k"))

    with pytest.raises(UsageError, match="1000 unfinished"):
        ground.stage(echo(ordering_key="k"))
    with pytest.raises(UsageError, match="1000 unfinished"):
        ground.store.enqueue([echo(ordering_key="k")])

    assert len(ground.stage(echo(ordering_key="other"), echo())) == 2


def test_a_kind_may_name_the_ordering_key(ground: Ground) -> None:
    add(ground, NewJob(kind="chat", payload={"chat": 7}), NewJob(kind="chat", payload={"chat": 7}))

    assert [job.ordering_key for job in claim(ground)] == ["7"]


def test_nothing_is_enqueued_by_nothing(ground: Ground) -> None:
    assert list(ground.store.enqueue([])) == []


# Claiming


def test_df11_higher_priorities_go_first_and_the_future_waits(ground: Ground) -> None:
    later = ground.now() + HOUR
    add(
        ground,
        echo("normal"),
        echo("low", priority=Priority.LOW),
        echo("urgent", priority=Priority.URGENT),
        echo("future", priority=Priority.URGENT, run_at=later),
        echo("high", priority=Priority.HIGH),
    )

    claimed = claim(ground)
    for job in claimed:
        settle(ground, job, Completed())
    ground.go_by(2 * HOUR)

    assert numbers(claimed) == ["urgent", "high", "normal", "low"]
    assert numbers(claim(ground)) == ["future"]


def test_without_keys_jobs_go_in_the_order_of_their_instants(ground: Ground) -> None:
    now = ground.now()
    add(
        ground,
        echo(2, run_at=now - SECOND),
        echo(1, run_at=now - HOUR),
        echo(3, run_at=now - SECOND),
    )

    assert numbers(claim(ground)) == [1, 2, 3]


def test_a_claim_takes_no_more_than_its_batch_and_says_that_there_is_more(ground: Ground) -> None:
    add(ground, *map(echo, range(5)), *[echo(n, ordering_key=str(n)) for n in range(5, 8)])

    first = ground.store.claim(RUN, lane(4))
    second = ground.store.claim(RUN, lane(4))

    assert (len(first.jobs), first.more) == (4, True)
    assert len(second.jobs) == 4
    assert len({job.id for job in (*first.jobs, *second.jobs)}) == 8
    assert ground.store.claim(RUN, lane(4)) == Claim()


def test_another_queue_is_none_of_a_claims_business(ground: Ground) -> None:
    add(ground, NewJob(kind="far"), NewJob(kind="far", ordering_key="k"))

    assert claim(ground) == []
    assert len(claim(ground, queue="far")) == 2


def test_only_some_kinds_may_be_claimed(ground: Ground) -> None:
    add(ground, echo(), NewJob(kind="other"), NewJob(kind="other", ordering_key="k"))

    assert [job.kind for job in claim(ground, kinds=("other",))] == ["other", "other"]
    assert [job.kind for job in claim(ground)] == ["echo"]


def test_t1_jobs_of_one_key_run_in_order_one_at_a_time(ground: Ground) -> None:
    add(ground, *[echo(n, ordering_key="k") for n in range(3)], echo("other", ordering_key="other"))

    first = claim(ground)
    meanwhile = claim(ground)
    for job in first:
        settle(ground, job, Completed())
    second = claim(ground)

    assert numbers(first) == [0, "other"]
    assert meanwhile == []
    assert numbers(second) == [1]


def test_the_order_of_a_key_is_not_that_of_priorities(ground: Ground) -> None:
    add(
        ground,
        echo(1, ordering_key="k", priority=Priority.LOW),
        echo(2, ordering_key="k", priority=Priority.URGENT),
        echo(3, ordering_key="other"),
    )

    first = claim(ground)
    settle(ground, first[1], Completed())
    second = claim(ground)

    assert numbers(first) == [3, 1]
    assert numbers(second) == [2]


def test_a_head_that_is_not_due_blocks_its_key_and_no_other(ground: Ground) -> None:
    add(
        ground,
        echo(1, ordering_key="k", run_at=ground.now() + HOUR),
        echo(2, ordering_key="k"),
        echo(3, ordering_key="other"),
        echo(4),
    )

    now = claim(ground)
    for job in now:
        settle(ground, job, Completed())
    ground.go_by(2 * HOUR)

    assert sorted(map(str, numbers(now))) == ["3", "4"]
    assert numbers(claim(ground)) == [1]


def test_t4_a_dead_or_failed_head_lets_the_next_one_go(ground: Ground) -> None:
    add(ground, *[echo(n, ordering_key="k") for n in range(3)])

    settle(ground, one(ground), Failed(code="no", detail="never"))
    settle(ground, one(ground), Dead(code="bad", detail="never"))

    assert numbers(claim(ground)) == [2]


def test_t11_keys_that_had_their_share_are_left(ground: Ground) -> None:
    add(ground, echo(1, ordering_key="k"), echo(2, ordering_key="other"), echo(3))

    assert sorted(map(str, numbers(claim(ground, without=("k",))))) == ["2", "3"]
    assert numbers(claim(ground)) == [1]


def test_a_kind_that_goes_alone_ends_the_batch_before_it(ground: Ground) -> None:
    add(ground, echo(1), echo(2), NewJob(kind="other", payload={"n": 3}), echo(4))

    batches = [numbers(claim(ground, alone=("other",))) for _ in range(4)]

    assert batches == [[1, 2], [3], [4], []]


def test_a_keyed_job_of_a_kind_that_goes_alone_is_claimed_alone(ground: Ground) -> None:
    for n in range(3):
        add(ground, NewJob(kind="other", payload={"n": n}, ordering_key=str(n)))

    batches = [numbers(claim(ground, alone=("other",))) for _ in range(4)]

    assert batches == [[0], [1], [2], []]


def test_a_job_with_one_attempt_is_claimed_alone(ground: Ground) -> None:
    add(ground, NewJob(kind="once", payload={"n": 1}), NewJob(kind="once", payload={"n": 2}))
    add(ground, NewJob(kind="once", payload={"n": 3}, ordering_key="k"), echo(4, ordering_key="l"))

    batches = [numbers(claim(ground)) for _ in range(5)]

    assert batches == [[1], [2], [3], [4], []]


@pytest.mark.parametrize("first", ["once", "echo"])
def test_a_job_with_one_attempt_is_alone_beside_those_without_a_key(
    ground: Ground, first: str
) -> None:
    """Killed in a batch it would be dead without having begun."""
    jobs = [NewJob(kind="once", payload={"n": 1}, ordering_key="k"), echo(2)]
    add(ground, *(jobs if first == "once" else reversed(jobs)))
    add(ground, echo(3, ordering_key="l"), echo(4))

    batches = [numbers(claim(ground)) for _ in range(4)]

    assert [1] in batches
    assert sorted(str(n) for batch in batches for n in batch) == ["1", "2", "3", "4"]


def test_e3_a_job_returns_when_its_lease_has_expired_alone_and_counted(ground: Ground) -> None:
    add(ground, echo(1), echo(2), echo(3, ordering_key="k"))
    first = claim(ground)
    assert [job.attempt for job in first] == [1, 1, 1]

    ground.go_by(LEASE - SECOND)
    before = claim(ground)
    ground.go_by(2 * SECOND)
    after = [claim(ground) for _ in range(4)]

    assert before == []
    assert sorted(str(job.payload["n"]) for [job] in after[:3]) == ["1", "2", "3"]
    assert all(job.attempt == 2 and job.returned for [job] in after[:3])
    assert after[3] == []
    for job in first:
        assert ground.events(job.id) == ["lease_expired"]


def test_a_fresh_job_is_not_batched_with_one_that_returned(ground: Ground) -> None:
    add(ground, echo(1))
    claim(ground)
    ground.go_by(2 * LEASE)
    add(ground, echo(2))

    assert [numbers(claim(ground)) for _ in range(3)] == [[1], [2], []]


def test_a_job_knows_since_when_it_is_tried(ground: Ground) -> None:
    add(ground, echo())
    ground.go_by(HOUR)
    first = one(ground)
    fail(ground, first)
    ground.go_by(HOUR)

    second = one(ground)

    assert first.tried_since - first.created_at >= HOUR
    assert second.tried_since == first.tried_since - (first.created_at - second.created_at)


def test_e5_what_ends_its_worker_ends_as_dead_after_its_attempts(ground: Ground) -> None:
    keyless, keyed = add(ground, echo(1), echo(2, ordering_key="k"))
    for _ in range(3):
        while claim(ground):
            pass
        ground.go_by(2 * LEASE)

    last = [ground.store.claim(RUN, lane()) for _ in range(2)]

    assert [each.jobs for each in last] == [(), ()]
    assert sum(each.dead for each in last) == 2
    for job_id in (keyless, keyed):
        row = ground.row(job_id)
        assert (row["status"], row["attempts"]) == (Status.DEAD, 3)
        assert row["error_code"] == "attempts_exhausted"
    add(ground, echo("next", ordering_key="k"))
    assert numbers(claim(ground)) == ["next"]


def test_a_dead_head_frees_its_key_at_once(ground: Ground) -> None:
    add(ground, echo(1, ordering_key="k", max_attempts=2), echo(2, ordering_key="k"))
    for _ in range(2):
        assert numbers(claim(ground)) == [1]
        ground.go_by(2 * LEASE)

    assert ground.store.claim(RUN, lane()).dead == 1
    assert numbers(claim(ground)) == [2]


# Settling


def test_a_completed_job_keeps_result_and_outcome(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    ended = settle(ground, one(ground), Completed(result={"a": [1, "ä"]}, outcome="duplicate"))

    row = ground.row(job_id)
    assert ended is Ended.COMPLETED
    assert (row["status"], row["outcome"]) == (Status.COMPLETED, "duplicate")
    assert row["result"] == {"a": [1, "ä"]}
    assert row["finished_at"] is not None
    assert row["started_at"] is not None


def test_e10_a_failure_is_told_by_code_and_detail(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    ended = settle(ground, one(ground), Failed(code="no_such_order", detail="12-345"))

    row = ground.row(job_id)
    assert (ended, row["status"]) == (Ended.FAILED, Status.FAILED)
    assert (row["error_code"], row["error_detail"]) == ("no_such_order", "12-345")


def test_e6_a_retry_is_claimable_at_its_instant_and_not_before(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    ended = fail(ground, one(ground), timedelta(seconds=60))
    ground.go_by(timedelta(seconds=55))
    before = claim(ground)
    ground.go_by(timedelta(seconds=5))

    assert (ended, before) == (Ended.RETRIED, [])
    assert one(ground).attempt == 2
    assert ground.row(job_id)["error_code"] == "boom"
    assert ground.events(job_id) == ["retried"]


def test_e5_the_last_failure_is_the_death(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    ended = [fail(ground, one(ground)) for _ in range(3)]

    assert ended == [Ended.RETRIED, Ended.RETRIED, Ended.DEAD]
    row = ground.row(job_id)
    assert (row["status"], row["attempts"], row["error_code"]) == (Status.DEAD, 3, "boom")
    assert claim(ground) == []


def test_an_error_is_forgotten_by_success(ground: Ground) -> None:
    [job_id] = add(ground, echo())
    fail(ground, one(ground))

    settle(ground, one(ground), Completed())

    assert (ground.row(job_id)["error_code"], ground.row(job_id)["error_detail"]) == (None, None)


def test_a_retrying_head_holds_its_key(ground: Ground) -> None:
    add(ground, echo(1, ordering_key="k"), echo(2, ordering_key="k"))

    fail(ground, one(ground), HOUR)
    before = claim(ground)
    ground.go_by(2 * HOUR)

    assert before == []
    assert numbers(claim(ground)) == [1]


def test_a_snooze_gives_the_attempt_back(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    ended = settle(
        ground, one(ground), Snooze(until=ground.now() + HOUR, reason="quota", phase="2")
    )
    before = claim(ground)
    ground.go_by(2 * HOUR)

    assert (ended, before) == (Ended.SNOOZED, [])
    job = one(ground)
    assert (job.attempt, job.phase) == (1, "2")
    assert ground.events(job_id) == ["snoozed"]


def test_the_engine_may_end_a_job_whatever_attempts_are_left(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    assert settle(ground, one(ground), Dead(code="unknown_kind", detail="?")) is Ended.DEAD
    assert ground.row(job_id)["error_code"] == "unknown_kind"


def test_a_job_may_end_itself_as_cancelled(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    assert settle(ground, one(ground), Cancelled(outcome="rolled_back")) is Ended.CANCELLED
    row = ground.row(job_id)
    assert (row["status"], row["outcome"]) == (Status.CANCELLED, "rolled_back")


@pytest.mark.parametrize("key", [None, "k"])
def test_e4_an_expired_holder_changes_nothing(ground: Ground, key: str | None) -> None:
    [job_id] = add(ground, echo(ordering_key=key))
    stale = one(ground)
    ground.go_by(2 * LEASE)
    live = one(ground)

    lost = settle(ground, stale, Completed(result={"by": "stale"}))
    held = ground.store.renew([stale], LEASE)
    ground.store.release([stale])
    won = settle(ground, live, Completed(result={"by": "live"}))
    again = settle(ground, live, Completed(result={"by": "nobody"}))

    assert (lost, won, again) == (Ended.LOST, Ended.COMPLETED, Ended.LOST)
    assert held == {}
    assert ground.row(job_id)["result"] == {"by": "live"}


def test_a_lost_job_does_not_take_its_batch_with_it(ground: Ground) -> None:
    add(ground, echo(1), echo(2))
    first, second = claim(ground)
    settle(ground, first, Completed())

    ended = ground.store.settle(
        RUN, [Settled(job=job, verdict=Completed()) for job in (first, second)]
    )

    assert list(ended) == [Ended.LOST, Ended.COMPLETED]


def test_follow_up_jobs_are_made_with_the_settling(ground: Ground) -> None:
    add(ground, echo(1))

    settle(ground, one(ground), Completed(then=[echo(2), echo(3, ordering_key="k")]))
    moved = ground.store.move_staged(10)

    assert moved == 1
    assert sorted(map(str, numbers(claim(ground)))) == ["2", "3"]


def test_what_was_done_is_not_undone_because_its_follow_up_finds_a_deep_line(
    ground: Ground,
) -> None:
    add(ground, *[echo(n, ordering_key="k") for n in range(MAX_DEPTH)])
    [job_id] = add(ground, NewJob(kind="far"))
    job = one(ground, queue="far")

    ended = settle(ground, job, Completed(then=[echo("told", ordering_key="k")]))

    assert (ended, status(ground, job_id)) == (Ended.COMPLETED, Status.COMPLETED)


def test_who_lost_his_job_makes_no_follow_up_jobs(ground: Ground) -> None:
    add(ground, echo(1, max_attempts=1))
    stale = one(ground)
    ground.go_by(2 * LEASE)
    claim(ground)

    settle(ground, stale, Completed(then=[echo(2)]))

    assert claim(ground) == []


def test_follow_ups_that_no_queue_takes_end_the_job_as_dead(ground: Ground) -> None:
    first, second = add(ground, echo(1), echo(2))
    jobs = claim(ground)

    ended = ground.store.settle(
        RUN,
        [
            Settled(job=jobs[0], verdict=Completed(then=[NewJob(kind="nobody knows")])),
            Settled(job=jobs[1], verdict=Completed()),
        ],
    )

    assert list(ended) == [Ended.DEAD, Ended.COMPLETED]
    assert ground.row(first)["error_code"] == "bad_follow_up"
    assert status(ground, second) is Status.COMPLETED


def write(transaction: Transaction) -> None:
    transaction.execute("jobs_queues.switch", queue="effect", enabled=False)


def test_o6_an_effect_is_written_with_its_settling(ground: Ground) -> None:
    [job_id] = add(ground, echo(ordering_key="k"))

    ended = ground.store.settle_with(RUN, Settled(job=one(ground), verdict=Completed()), write)

    assert (ended, ground.effects()) == (Ended.COMPLETED, 1)
    assert status(ground, job_id) is Status.COMPLETED


@pytest.mark.parametrize(
    ("verdict", "becomes"),
    [
        (Waiting(name="answer", until=datetime(2100, 1, 1, tzinfo=UTC)), Status.WAITING),
        (Failed(code="no", detail="no"), Status.FAILED),
        (Cancelled(outcome="rolled_back"), Status.CANCELLED),
    ],
)
def test_o6_what_goes_with_a_verdict_is_written_with_it(
    ground: Ground, verdict: Waiting | Failed | Cancelled, becomes: Status
) -> None:
    [job_id] = add(ground, echo())
    told = replace(verdict, then=[echo(queue="told")])

    ground.store.settle_with(RUN, Settled(job=one(ground), verdict=told), write)

    assert (status(ground, job_id), ground.effects()) == (becomes, 1)
    assert [job.queue for job in claim(ground, queue="told")] == ["told"]


def test_o6_a_job_that_is_dead_for_its_follow_up_has_no_effect(ground: Ground) -> None:
    add(ground, echo())
    verdict = Completed(then=[NewJob(kind="nobody")])

    ended = ground.store.settle_with(RUN, Settled(job=one(ground), verdict=verdict), write)

    assert (ended, ground.effects()) == (Ended.DEAD, 0)


def test_o6_an_effect_that_fails_settles_nothing(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    def broken(transaction: Transaction) -> None:
        write(transaction)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ground.store.settle_with(RUN, Settled(job=one(ground), verdict=Completed()), broken)

    assert ground.effects() == 0
    assert status(ground, job_id) is Status.PROCESSING


def test_o4_who_lost_his_job_has_no_effect(ground: Ground) -> None:
    add(ground, echo())
    stale = one(ground)
    ground.go_by(2 * LEASE)
    claim(ground)

    assert (
        ground.store.settle_with(RUN, Settled(job=stale, verdict=Completed()), write) is Ended.LOST
    )
    assert ground.effects() == 0


@pytest.mark.parametrize("key", [None, "k"])
def test_df13_a_job_longer_than_its_lease_is_not_taken_over_while_it_renews_it(
    ground: Ground, key: str | None
) -> None:
    add(ground, echo(ordering_key=key))
    job = one(ground)
    ground.go_by(LEASE - SECOND)

    held = ground.store.renew([job], LEASE)
    ground.go_by(LEASE - SECOND)
    meanwhile = claim(ground)
    ended = settle(ground, job, Completed())

    assert held == {job.id: False}
    assert (meanwhile, ended) == ([], Ended.COMPLETED)


def test_df13_a_lease_that_expired_can_be_renewed_until_somebody_takes_it(ground: Ground) -> None:
    add(ground, echo())
    job = one(ground)
    ground.go_by(2 * LEASE)

    assert ground.store.renew([job], LEASE) == {job.id: False}
    assert claim(ground) == []


@pytest.mark.parametrize("key", [None, "k"])
def test_a_job_that_was_not_begun_goes_back_uncounted(ground: Ground, key: str | None) -> None:
    add(ground, echo(1, ordering_key=key))
    job = one(ground)

    ground.store.release([job])
    again = one(ground)

    assert (again.id, again.attempt, again.returned) == (job.id, 1, False)
    assert again.fence > job.fence


# Cancelling


@pytest.mark.parametrize("more", [{}, {"draft": True}, {"ordering_key": "k"}], ids=str)
def test_a_job_that_has_not_begun_is_cancelled_at_once(
    ground: Ground, more: dict[str, Any]
) -> None:
    [job_id] = add(ground, echo(1, **more))

    assert ground.control.cancel(job_id) is Status.CANCELLED
    assert ground.control.cancel(job_id) is Status.CANCELLED
    assert claim(ground) == []
    assert ground.events(job_id) == ["cancelled"]


def test_s1_cancel_while_running_discards_the_result(ground: Ground) -> None:
    [job_id] = add(ground, echo(1, ordering_key="k"))
    add(ground, echo(2, ordering_key="k"))
    job = one(ground)

    asked = ground.control.cancel(job_id)
    told = ground.store.renew([job], LEASE)
    ended = settle(ground, job, Completed(result={"a": 1}, then=[echo("never")]))

    assert asked is Status.PROCESSING
    assert told == {job_id: True}
    assert ended is Ended.CANCELLED
    row = ground.row(job_id)
    assert (row["status"], row["result"]) == (Status.CANCELLED, None)
    assert ground.events(job_id) == ["cancel_asked", "cancelled"]
    assert numbers(claim(ground)) == [2]


@pytest.mark.parametrize(
    "verdict",
    [Failed(code="a", detail="b"), Retry(code="a", detail="b"), Dead(code="a", detail="b")],
    ids=lambda verdict: type(verdict).__name__,
)
def test_s1_a_cancel_wins_over_every_verdict(ground: Ground, verdict: Verdict | Dead) -> None:
    [job_id] = add(ground, echo())
    job = one(ground)
    ground.control.cancel(job_id)

    assert settle(ground, job, verdict, retry_at=ground.now()) is Ended.CANCELLED
    assert status(ground, job_id) is Status.CANCELLED


def test_s1_a_cancelled_job_has_no_effect(ground: Ground) -> None:
    [job_id] = add(ground, echo())
    job = one(ground)
    ground.control.cancel(job_id)

    ended = ground.store.settle_with(RUN, Settled(job=job, verdict=Completed()), write)

    assert (ended, ground.effects()) == (Ended.CANCELLED, 0)


@pytest.mark.parametrize("key", [None, "k"])
def test_a_cancel_outlives_the_holder_of_its_job(ground: Ground, key: str | None) -> None:
    [job_id] = add(ground, echo(ordering_key=key))
    one(ground)
    ground.control.cancel(job_id)
    ground.go_by(2 * LEASE)

    found = ground.store.claim(RUN, lane())

    assert (found.jobs, found.cancelled) == ((), 1)
    assert status(ground, job_id) is Status.CANCELLED


def test_a_released_job_whose_end_was_asked_for_ends(ground: Ground) -> None:
    [job_id] = add(ground, echo())
    job = one(ground)
    ground.control.cancel(job_id)

    ground.store.release([job])

    assert status(ground, job_id) is Status.CANCELLED


def test_e9_what_has_ended_stays_so(ground: Ground) -> None:
    [job_id] = add(ground, echo())
    settle(ground, one(ground), Completed())

    for change in (
        lambda: ground.control.cancel(job_id),
        lambda: ground.control.run_now(job_id),
        lambda: ground.control.retry(job_id),
        lambda: ground.control.signal(job_id, "go", {}),
    ):
        with pytest.raises(JobConflictError, match="completed"):
            change()

    assert status(ground, job_id) is Status.COMPLETED


def test_a_job_that_is_not_there_is_named(ground: Ground) -> None:
    unknown = JobId(uuid4())

    for change in (
        lambda: ground.control.cancel(unknown),
        lambda: ground.control.run_now(unknown),
        lambda: ground.control.retry(unknown),
        lambda: ground.control.signal(unknown, "go", {}),
    ):
        with pytest.raises(NoSuchJobError, match=str(unknown)):
            change()


# Drafts, delays


@pytest.mark.parametrize("key", [None, "k"])
def test_s2_a_draft_is_never_claimed_until_somebody_says_so(
    ground: Ground, key: str | None
) -> None:
    [draft] = add(ground, echo("draft", draft=True, ordering_key=key))
    add(ground, echo("next", ordering_key=key))
    before = claim(ground)

    asked = ground.control.run_now(draft)
    for job in before:
        settle(ground, job, Completed())

    assert numbers(before) == ["next"]
    assert asked is Status.PENDING
    assert numbers(claim(ground)) == ["draft"]


def test_a_delayed_job_can_be_run_now(ground: Ground) -> None:
    later = ground.now() + HOUR
    plain, keyed = add(ground, echo(1, run_at=later), echo(2, run_at=later, ordering_key="k"))

    assert ground.control.run_now(plain) is Status.PENDING
    assert ground.control.run_now(keyed) is Status.PENDING

    assert sorted(map(str, numbers(claim(ground)))) == ["1", "2"]
    assert ground.control.run_now(plain) is Status.PROCESSING


# Trying the dead again


def dead(ground: Ground, *jobs: NewJob) -> list[JobId]:
    made = add(ground, *jobs)
    while claimed := claim(ground):
        for job in claimed:
            settle(ground, job, Dead(code="bad", detail="broken"))
    return made


def test_e9_a_retry_of_the_dead_is_a_new_job_that_names_it(ground: Ground) -> None:
    [job_id] = dead(ground, echo(7, ordering_key="k", priority=Priority.HIGH, dedupe_key="d"))

    made = ground.control.retry(job_id)
    again = ground.control.retry(job_id)

    assert (made.created, again.created, again.id) == (True, False, made.id)
    job = one(ground)
    assert (job.id, job.origin, job.payload) == (made.id, job_id, {"n": 7})
    assert (job.ordering_key, job.priority, job.attempt) == ("k", Priority.HIGH, 1)
    assert status(ground, job_id) is Status.DEAD


def test_what_dies_after_the_dead_were_counted_is_not_tried_again_with_them(ground: Ground) -> None:
    [job_id] = dead(ground, echo(1))
    died_at = ground.row(job_id)["finished_at"]

    too_early = ground.control.retry_dead(DeadFilter(until=died_at - HOUR), 10)
    in_time = ground.control.retry_dead(DeadFilter(until=died_at), 10)

    assert (too_early, in_time) == (0, 1)


def test_a_discarded_job_stays_dead_and_is_not_tried_again_with_the_others(ground: Ground) -> None:
    [job_id] = dead(ground, echo(1))

    for _ in range(2):
        ground.control.discard(job_id, "the shop is closed")

    assert status(ground, job_id) is Status.DEAD
    assert ground.row(job_id)["outcome"] == "discarded"
    assert ground.events(job_id).count("discarded") == 1
    assert ground.control.retry_dead(DeadFilter(), 10) == 0


def test_only_a_dead_job_can_be_discarded(ground: Ground) -> None:
    [alive] = add(ground, echo(1))

    with pytest.raises(JobConflictError):
        ground.control.discard(alive, "")


def test_all_of_a_cause_are_tried_again_once(ground: Ground) -> None:
    dead(ground, *map(echo, range(3)), NewJob(kind="other"))

    first = ground.control.retry_dead(DeadFilter(kind="echo"), 2)
    second = ground.control.retry_dead(DeadFilter(kind="echo"), 2)
    third = ground.control.retry_dead(DeadFilter(kind="echo"), 2)
    wrong = ground.control.retry_dead(DeadFilter(error_code="unknown"), 2)
    rest = ground.control.retry_dead(DeadFilter(), 10)

    assert [first, second, third, wrong, rest] == [2, 1, 0, 0, 1]
    assert len(claim(ground)) == 4


# Waiting and signals


def waiting(ground: Ground, key: str | None = None, time: timedelta = HOUR) -> JobId:
    [job_id] = add(ground, echo("waits", ordering_key=key))
    verdict = Waiting(name="go", until=ground.now() + time, phase="plan_approval")
    assert settle(ground, one(ground), verdict) is Ended.WAITING
    return job_id


def test_a_waiting_job_holds_its_key_and_no_lease(ground: Ground) -> None:
    job_id = waiting(ground, "k")
    add(ground, echo(2, ordering_key="k"), echo(3, ordering_key="other"))

    claimed = claim(ground)
    ground.go_by(timedelta(minutes=30))

    assert numbers(claimed) == [3]
    assert claim(ground, without=("other",)) == []
    row = ground.row(job_id)
    assert (row["status"], row["attempts"], row["phase"]) == (Status.WAITING, 0, "plan_approval")


@pytest.mark.parametrize("key", [None, "k"])
def test_w1_a_signal_by_its_name_wakes_the_job(ground: Ground, key: str | None) -> None:
    job_id = waiting(ground, key)

    other = ground.control.signal(job_id, "stop", {})
    before = claim(ground)
    sent = ground.control.signal(job_id, "go", {"by": "me"})
    job = one(ground)

    assert (other, sent, before) == (True, True, [])
    assert (job.id, job.attempt, job.phase) == (job_id, 1, "plan_approval")
    assert job.signal == {"name": "go", "data": {"by": "me"}}


def test_w1_a_second_delivery_with_the_same_key_changes_nothing(ground: Ground) -> None:
    job_id = waiting(ground)

    first = ground.control.signal(job_id, "go", {"n": 1}, key="d")
    second = ground.control.signal(job_id, "go", {"n": 2}, key="d")
    woken = one(ground)
    settle(ground, woken, Waiting(name="go", until=ground.now() + HOUR))

    assert (first, second) == (True, False)
    assert claim(ground) == []


def test_w2_a_signal_before_the_wait_is_not_lost(ground: Ground) -> None:
    [job_id] = add(ground, echo())
    early = ground.control.signal(job_id, "go", {"n": 1})
    job = one(ground)
    during = ground.control.signal(job_id, "go", {"n": 2})

    settle(ground, job, Waiting(name="go", until=ground.now() + HOUR))
    first = one(ground)
    settle(ground, first, Waiting(name="go", until=ground.now() + HOUR))
    second = one(ground)

    assert early
    assert during
    assert first.signal == {"name": "go", "data": {"n": 1}}
    assert second.signal == {"name": "go", "data": {"n": 2}}


def test_a_signal_is_kept_over_a_retry(ground: Ground) -> None:
    job_id = waiting(ground)
    ground.control.signal(job_id, "go", {"n": 1})

    fail(ground, one(ground))

    assert one(ground).signal == {"name": "go", "data": {"n": 1}}


def test_w3_a_wait_ends_at_its_time_and_says_so(ground: Ground) -> None:
    plain, keyed = waiting(ground), waiting(ground, "k")

    before = claim(ground)
    ground.go_by(2 * HOUR)
    after = claim(ground)

    assert before == []
    assert {job.id for job in after} == {plain, keyed}
    for job in after:
        assert job.signal == {"name": "go", "timed_out": True}
        assert job.attempt == 1


def test_a_waiting_job_can_be_cancelled(ground: Ground) -> None:
    job_id = waiting(ground, "k")
    add(ground, echo(2, ordering_key="k"))

    assert ground.control.cancel(job_id) is Status.CANCELLED
    assert numbers(claim(ground)) == [2]


# Staging


def test_a_staged_job_joins_its_line_with_the_next_drain(ground: Ground) -> None:
    keyed, plain = ground.stage(echo(1, ordering_key="k"), echo(2))

    before = claim(ground)
    moved = ground.store.move_staged(10)
    after = claim(ground)

    assert [job.id for job in before] == [plain]
    assert moved == 1
    assert [job.id for job in after] == [keyed]
    assert ground.store.move_staged(10) == 0


def test_what_was_staged_goes_before_what_is_enqueued_after(ground: Ground) -> None:
    ground.stage(echo(1, ordering_key="k"), echo(2, ordering_key="k"))

    add(ground, echo(3, ordering_key="k"))

    order = []
    while claimed := claim(ground):
        order += numbers(claimed)
        settle(ground, claimed[0], Completed())
    assert order == [1, 2, 3]


def test_a_staged_job_can_be_cancelled(ground: Ground) -> None:
    [job_id] = ground.stage(echo(1, ordering_key="k"))

    assert ground.control.cancel(job_id) is Status.CANCELLED
    ground.store.move_staged(10)
    assert claim(ground) == []


def test_keys_hold_for_staged_jobs_too(ground: Ground) -> None:
    [first] = ground.stage(echo(1, ordering_key="k", idempotency_key="i"))

    [second] = ground.store.enqueue([echo(2, ordering_key="k", idempotency_key="i")])

    assert (second.id, second.created) == (first, False)


# One by its id


def test_a_job_is_claimed_by_its_id(ground: Ground) -> None:
    first, second = add(ground, echo(1), echo(2))

    job = ground.store.claim_one(RUN, second, LEASE)

    assert isinstance(job, Job)
    assert (job.id, job.attempt) == (second, 1)
    assert settle(ground, job, Completed()) is Ended.COMPLETED
    assert [each.id for each in claim(ground)] == [first]


def test_the_order_of_a_key_is_kept_when_one_is_asked_for(ground: Ground) -> None:
    first, second = add(ground, echo(1, ordering_key="k"), echo(2, ordering_key="k"))

    busy = ground.store.claim_one(RUN, second, LEASE)
    head = ground.store.claim_one(RUN, first, LEASE)
    running = ground.store.claim_one(RUN, first, LEASE)
    assert isinstance(head, Job)
    settle(ground, head, Completed())
    then = ground.store.claim_one(RUN, second, LEASE)

    assert (busy, running) == (NotClaimed.KEY_BUSY, NotClaimed.RUNNING)
    assert isinstance(then, Job)
    assert claim(ground) == []


def test_why_one_job_is_not_claimed_is_said(ground: Ground) -> None:
    later, draft, done = add(
        ground, echo(run_at=ground.now() + HOUR), echo(draft=True), echo("done")
    )
    settle(ground, one(ground), Completed())
    waits = waiting(ground)
    [staged] = ground.stage(echo(ordering_key="k"))
    [held] = add(ground, echo(ordering_key="held"))
    ground.control.pause_key(Q, "held", paused=True)

    def refusal(job_id: JobId) -> Job | NotClaimed:
        return ground.store.claim_one(RUN, job_id, LEASE)

    assert refusal(later) is NotClaimed.NOT_DUE
    assert refusal(draft) is NotClaimed.DRAFT
    assert refusal(done) is NotClaimed.ENDED
    assert refusal(waits) is NotClaimed.WAITING
    assert refusal(staged) is NotClaimed.KEY_BUSY
    assert refusal(held) is NotClaimed.PAUSED
    assert refusal(JobId(uuid4())) is NotClaimed.NOT_FOUND


def test_one_that_returned_is_claimed_by_its_id(ground: Ground) -> None:
    [job_id] = add(ground, echo(ordering_key="k"))
    one(ground)
    ground.go_by(2 * LEASE)

    job = ground.store.claim_one(RUN, job_id, LEASE)

    assert isinstance(job, Job)
    assert (job.returned, job.attempt) == (True, 2)


# Switches


def test_a_paused_key_is_left_alone(ground: Ground) -> None:
    add(ground, echo(1, ordering_key="k"), echo(2, ordering_key="k"))
    running = one(ground)

    ground.control.pause_key(Q, "k", paused=True)
    settle(ground, running, Completed())
    paused = claim(ground)
    ground.control.pause_key(Q, "k", paused=False)

    assert paused == []
    assert numbers(claim(ground)) == [2]


def test_a_paused_queue_runs_nothing_inline(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    known = ground.queues.switch(Q, enabled=False)
    refused = ground.store.claim_one(RUN, job_id, LEASE)
    [state] = [each for each in ground.queues.look() if each.queue == Q]
    ground.queues.switch(Q, enabled=True)

    assert known
    assert refused is NotClaimed.PAUSED
    assert (state.enabled, state.due) == (False, 1)
    assert isinstance(ground.store.claim_one(RUN, job_id, LEASE), Job)
    assert ground.queues.switch("nowhere", enabled=False) is False


def test_queues_tell_whether_something_is_due(ground: Ground) -> None:
    add(ground, echo(run_at=ground.now() + HOUR), NewJob(kind="far", ordering_key="k"))

    before = {state.queue: state.due for state in ground.queues.look()}
    claim(ground, queue="far")
    after = {state.queue: state.due for state in ground.queues.look()}

    assert before == {Q: 0, "far": 1}
    assert after == {Q: 0, "far": 0}


def test_what_is_staged_is_due(ground: Ground) -> None:
    ground.stage(NewJob(kind="far", ordering_key="k"))

    assert [(state.queue, state.due) for state in ground.queues.look()] == [("far", 1)]


def test_what_a_closed_queue_holds_is_counted(ground: Ground) -> None:
    add(ground, *map(echo, range(5)), echo(6, ordering_key="k"))
    [before] = ground.queues.look()
    ground.queues.switch(Q, enabled=False)

    [after] = ground.queues.look()

    assert (before.due, after.due) == (1, 6)


def all_faults(number: int) -> Streak:
    return Streak(before=number, after=number, longest=number, sound=False)


def test_df8_ten_faults_in_a_row_trip_a_queue(ground: Ground) -> None:
    [job_id] = add(ground, echo())

    nine = ground.queues.judge(Q, all_faults(TRIP_AFTER - 1))
    sound = ground.queues.judge(Q, Streak(before=0, after=4, longest=4, sound=True))
    five = ground.queues.judge(Q, all_faults(5))
    tenth = ground.queues.judge(Q, all_faults(1))
    [state] = ground.queues.look()

    assert (nine, sound, five, tenth) == (False, False, False, True)
    assert (state.tripped, state.probe, state.faults) == (True, False, TRIP_AFTER)
    assert ground.store.claim_one(RUN, job_id, LEASE) is NotClaimed.PAUSED


def test_a_row_of_faults_inside_one_batch_trips(ground: Ground) -> None:
    add(ground, echo())

    assert ground.queues.judge(Q, Streak(before=1, after=0, longest=TRIP_AFTER, sound=True))


def test_a_tripped_queue_is_probed_once_an_hour_and_untripped_by_success(ground: Ground) -> None:
    add(ground, echo())
    ground.queues.judge(Q, all_faults(TRIP_AFTER))
    early = ground.queues.begin_probe(Q)
    ground.go_by(PROBE_EVERY)
    [due] = ground.queues.look()

    first = ground.queues.begin_probe(Q)
    second = ground.queues.begin_probe(Q)
    again = ground.queues.judge(Q, all_faults(1))
    [still] = ground.queues.look()
    ground.queues.judge(Q, Streak(before=0, after=0, longest=0, sound=True))
    [sound] = ground.queues.look()

    assert (early, due.probe, first, second) == (False, True, True, False)
    assert again is False
    assert (still.tripped, sound.tripped, sound.faults) == (True, False, 0)


def test_resuming_a_queue_forgives(ground: Ground) -> None:
    add(ground, echo())
    ground.queues.judge(Q, all_faults(TRIP_AFTER))

    assert ground.queues.switch(Q, enabled=True)

    [state] = ground.queues.look()
    assert (state.tripped, state.faults, state.enabled) == (False, 0, True)


def test_e14_what_is_not_claimable_is_counted_by_its_reason(ground: Ground) -> None:
    later = ground.now() + HOUR
    add(
        ground,
        echo(run_at=later),
        echo(run_at=later, ordering_key="future"),
        echo(1, ordering_key="k"),
        echo(2, ordering_key="k"),
        echo(3, ordering_key="k"),
        echo(4, ordering_key="held"),
        NewJob(kind="far", run_at=later),
    )
    ground.control.pause_key(Q, "held", paused=True)
    claim(ground)
    waiting(ground)

    counted = dict(ground.store.waiting_for({Q}))

    assert counted == {"not_due": 2, "key_busy": 2, "paused": 1, "running": 1, "waiting": 1}


def test_payloads_are_json_as_it_was_given(ground: Ground) -> None:
    payload = {"n": 2**60, "list": [], "text": '"\\', "nested": {"ü": {"": False}}}
    add(ground, NewJob(kind="echo", payload=payload))

    assert json.dumps(one(ground).payload, sort_keys=True) == json.dumps(payload, sort_keys=True)
