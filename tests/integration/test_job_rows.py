"""Rows of jobs: what can be stored, what a drain costs, what people read of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.errors import RejectedContentError
from core.jobs.control import (
    AmbiguousJobError,
    DeadFilter,
    JobFilter,
    NoSuchJobError,
    NoSuchQueueError,
)
from core.jobs.model import Completed, Job, JobId, NewJob, Status
from core.jobs.ports import Claim, Dead, Lane, Settled
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.job_view import PostgresJobView
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from tests.contract.test_job_store import KINDS, LEASE, RUN, Q, echo
from tests.integration.test_statement_budget import counting

HUNDRED, STATEMENTS_AT_MOST = 100, 10
HOUR = timedelta(hours=1)


class Desk:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = PostgresJobs(database, KINDS)
        self.view = PostgresJobView(database, KINDS)
        self.control = PostgresJobControl(database, KINDS)

    def sql(self, statement: str, **values: object) -> Sequence[Any]:
        with self.database.transaction() as connection:
            done = connection.execute(sa.text(statement), values)
            return done.all() if done.returns_rows else []

    def add(self, *jobs: NewJob) -> list[JobId]:
        return [each.id for each in self.store.enqueue(jobs)]

    def claim(self, batch: int = 10, queue: str = Q) -> Claim:
        return self.store.claim(RUN, Lane(queue=queue, batch=batch, lease=LEASE))

    def end(self, jobs: Sequence[Job], verdict: Completed | Dead | None = None) -> None:
        done = [Settled(job=job, verdict=verdict or Completed()) for job in jobs]
        self.store.settle(RUN, done)

    def die(self, *jobs: NewJob, code: str = "bad", queue: str = Q) -> list[JobId]:
        made = self.add(*jobs)
        while claimed := self.claim(queue=queue).jobs:
            self.end(claimed, Dead(code=code, detail=f"{code} indeed"))
        return made


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_e18_statuses_are_one_enum_that_the_database_knows(desk: Desk) -> None:
    [(check,)] = desk.sql(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'ops.jobs'::regclass AND conname = 'jobs_status_check'"
    )

    known = {word for word in check.split("'") if word.isalpha() and word.islower()} - {"text"}

    assert known == {status.value for status in Status}


ROW = (
    "INSERT INTO ops.jobs (queue, kind, status, run_at, max_attempts, payload, created_at,"
    " updated_at, {columns})"
    " VALUES ('q', 'k', '{status}', now(), 1, '{{}}', now(), now(), {values})"
)


@pytest.mark.parametrize(
    ("status", "columns", "values"),
    [
        ("processing", "attempts", "1"),
        ("processing", "leased_until", "now()"),
        ("waiting", "wait_name", "'go'"),
        ("waiting", "wait_until", "now()"),
        ("pending", "leased_until, locked_by, locked_at", "now(), gen_random_uuid(), now()"),
        ("pending", "finished_at", "now()"),
        ("completed", "attempts", "1"),
        ("dead", "finished_at", "now()"),
        ("queued", "attempts", "1"),
        ("pending", "priority", "7"),
        ("pending", "attempts", "-1"),
    ],
)
def test_e5_a_stranded_job_cannot_be_stored(
    desk: Desk, status: str, columns: str, values: str
) -> None:
    with pytest.raises(RejectedContentError):
        desk.sql(ROW.format(status=status, columns=columns, values=values))


def test_only_one_job_of_a_key_can_be_under_way(desk: Desk) -> None:
    desk.add(echo(1, ordering_key="k"), echo(2, ordering_key="k"))
    desk.claim()

    with pytest.raises(RejectedContentError):
        desk.sql(
            "UPDATE ops.jobs SET status = 'waiting', wait_name = 'go', wait_until = now()"
            " WHERE status = 'pending'"
        )


@pytest.mark.parametrize("keyed", [False, True], ids=["without keys", "each with its key"])
def test_a_hundred_cheap_jobs_cost_ten_statements_at_most(desk: Desk, keyed: bool) -> None:
    desk.add(*[echo(n, ordering_key=str(n) if keyed else None) for n in range(HUNDRED)])

    with counting() as statements:
        claimed = desk.claim(HUNDRED)
        desk.end(claimed.jobs)

    assert len(claimed.jobs) == HUNDRED
    assert len(statements) <= STATEMENTS_AT_MOST, statements
    if not keyed:
        assert len(statements) <= 3, statements


def test_an_empty_queue_costs_one_statement(desk: Desk) -> None:
    with counting() as statements:
        assert desk.claim() == Claim()

    assert len(statements) == 1


def test_a_thousand_jobs_are_enqueued_in_one_statement(desk: Desk) -> None:
    with counting() as statements:
        desk.add(*map(echo, range(1000)))

    assert len(statements) == 1


# The runbook's, as `design.md` §8 writes them.
PENDING = "SELECT * FROM ops.jobs WHERE status = 'pending' ORDER BY created_at DESC LIMIT 10;"
STUCK = (
    "SELECT * FROM ops.jobs WHERE status = 'processing'"
    " AND locked_at < now() - interval '10 minutes';"
)
BEATS = (
    "SELECT worker_id, worker_type, status, last_heartbeat_at FROM ops.worker_heartbeats"
    " WHERE last_heartbeat_at > now() - interval '5 minutes' ORDER BY last_heartbeat_at DESC;"
)


def test_the_runbooks_queries_tell_a_healthy_queue_from_a_stuck_one(desk: Desk) -> None:
    desk.add(*map(echo, range(12)))
    [long, *others] = desk.claim(3).jobs
    older = "UPDATE ops.jobs SET locked_at = now() - interval '11 minutes' WHERE id = :id"
    desk.sql(older, id=long.id)
    desk.sql(older, id=others[0].id)
    desk.store.renew([long], LEASE)

    pending, stuck = desk.sql(PENDING), desk.sql(STUCK)
    desk.sql(BEATS)

    assert [row.payload["n"] for row in pending] == list(range(11, 2, -1))
    # Renewed, it is at work and not stuck.
    assert [row.id for row in stuck] == [others[0].id]


def ids(page: Sequence[Any]) -> list[JobId]:
    return [job.id for job in page]


def test_s3_a_page_tells_the_true_total_and_goes_on_where_it_ended(desk: Desk) -> None:
    made = desk.add(*map(echo, range(7)), NewJob(kind="far"))
    wanted = JobFilter(queues=[Q], statuses=[Status.PENDING])

    first = desk.view.page(wanted, None, 3)
    desk.add(echo("newer"))
    second = desk.view.page(wanted, first.next, 3)
    third = desk.view.page(wanted, second.next, 3)

    assert ids([*first.jobs, *second.jobs, *third.jobs]) == made[6::-1]
    assert (first.total, second.total) == (7, 8)
    assert third.next is None


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (JobFilter(), 4),
        (JobFilter(kinds=["echo"]), 3),
        (JobFilter(ordering_key="chat 7"), 1),
        (JobFilter(statuses=[Status.DEAD]), 1),
        (JobFilter(error_code="bad"), 1),
        (JobFilter(search="NEEDLE"), 1),
        (JobFilter(search="%"), 0),
        (JobFilter(queues=["nowhere"]), 0),
    ],
    ids=str,
)
def test_jobs_are_filtered(desk: Desk, wanted: JobFilter, number: int) -> None:
    desk.die(echo("dead"))
    desk.add(echo("a needle"), echo(1, ordering_key="chat 7"), NewJob(kind="other"))

    page = desk.view.page(wanted, None, 10)

    assert (len(page.jobs), page.total) == (number, number)


def test_jobs_of_a_time_are_found(desk: Desk) -> None:
    desk.add(echo(1))
    [(now,)] = desk.sql("SELECT now()")

    assert desk.view.page(JobFilter(since=now - HOUR), None, 5).total == 1
    assert desk.view.page(JobFilter(since=now + HOUR), None, 5).total == 0


def test_s4_a_job_is_found_by_the_beginning_of_its_id(desk: Desk) -> None:
    [made] = desk.add(echo("found", ordering_key="k"))
    desk.end(desk.claim().jobs, Completed(result={"a": 1}, outcome="fine"))

    by_id, by_part = desk.view.find(str(made)), desk.view.find(f" {str(made)[:8].upper()}")

    assert by_id == by_part
    assert (by_id.id, by_id.payload, by_id.result) == (made, {"n": "found"}, {"a": 1})
    assert (by_id.status, by_id.outcome) == (Status.COMPLETED, "fine")


@pytest.mark.parametrize("given", ["", "zzz", "0" * 40, "00000000-", "%"])
def test_s4_an_id_that_is_none_is_said_so(desk: Desk, given: str) -> None:
    with pytest.raises(NoSuchJobError):
        desk.view.find(given)


def test_s4_several_ids_with_one_beginning_are_named(desk: Desk) -> None:
    made = [uuid4() for _ in range(2)]
    twins = [f"abcdef12{str(each)[8:]}" for each in made]
    for each in twins:
        desk.sql(
            "INSERT INTO ops.jobs (id, queue, kind, status, run_at, max_attempts, payload,"
            " created_at, updated_at)"
            " VALUES (:id, 'q', 'k', 'draft', now(), 1, '{}', now(), now())",
            id=each,
        )

    with pytest.raises(AmbiguousJobError) as refused:
        desk.view.find("abcdef12")

    assert sorted(map(str, refused.value.candidates)) == sorted(twins)
    assert str(desk.view.find(twins[0]).id) == twins[0]


def test_a_job_tells_what_happened_to_it(desk: Desk) -> None:
    [made] = desk.add(echo(1))
    desk.claim()
    desk.sql("UPDATE ops.jobs SET leased_until = now() - interval '1 s'")
    [job] = desk.claim().jobs
    desk.control.signal(job.id, "go", {})
    desk.end([job], Dead(code="bad", detail="broken"))

    events = desk.view.events(made)

    told = [event.event for event in events]
    assert told == ["created", "started", "lease_expired", "signalled", "dead"]
    assert events[2].run_id == str(RUN)
    assert (events[-1].code, events[-1].detail) == ("bad", "broken")


def test_queues_are_overlooked(desk: Desk) -> None:
    [(now,)] = desk.sql("SELECT clock_timestamp()")
    desk.die(echo("dead"))
    desk.add(
        echo(1, run_at=now - HOUR),
        echo(2, run_at=now + HOUR),
        echo(3, ordering_key="k"),
        echo(4, ordering_key="k"),
        echo(5, ordering_key="paused"),
        NewJob(kind="far", run_at=now - 2 * HOUR),
    )
    desk.control.pause_key(Q, "paused", paused=True)
    desk.claim(queue="far")

    far, default = sorted(desk.view.queues(), key=lambda each: each.queue != "far")

    assert (default.queue, default.enabled) == (Q, True)
    assert (default.due, default.later, default.processing, default.dead) == (2, 1, 0, 1)
    assert (default.keys, default.paused_keys) == (2, 1)
    assert default.oldest_due_at == now - HOUR
    assert (far.due, far.processing, far.oldest_due_at) == (0, 1, None)


def test_dead_jobs_are_grouped_by_their_cause(desk: Desk) -> None:
    desk.die(*map(echo, range(3)), code="timeout")
    [late] = desk.die(echo("late"), code="refused")
    desk.die(NewJob(kind="far"), code="timeout", queue="far")

    groups = desk.view.dead(DeadFilter())
    of_kind = desk.view.dead(DeadFilter(kind="far"))
    desk.control.retry(late)
    without = desk.view.dead(DeadFilter(error_code="refused"))

    told = [(each.queue, each.kind, each.error_code, each.jobs) for each in groups]
    assert told == [
        (Q, "echo", "timeout", 3), (Q, "echo", "refused", 1), ("far", "far", "timeout", 1),
    ]  # fmt: skip
    assert groups[1].newest == late
    assert groups[1].detail == "refused indeed"
    assert [each.queue for each in of_kind] == ["far"]
    assert list(without) == []


def test_a_key_that_was_never_used_cannot_be_paused(desk: Desk) -> None:
    with pytest.raises(NoSuchQueueError, match="'nobody'"):
        desk.control.pause_key(Q, "nobody", paused=True)


def aged(desk: Desk, time: str) -> datetime:
    [(now,)] = desk.sql("SELECT now()")
    desk.sql(
        "UPDATE ops.jobs SET created_at = created_at - CAST(:time AS interval),"
        " finished_at = finished_at - CAST(:time AS interval)",
        time=time,
    )
    assert isinstance(now, datetime)
    return now


def test_what_ended_long_ago_is_forgotten_in_batches(desk: Desk) -> None:
    desk.add(*map(echo, range(5)), echo(6, ordering_key="k"))
    desk.end(desk.claim().jobs)
    [open_] = desk.add(echo("open"))
    now = aged(desk, "31 days")
    [young] = desk.add(echo("young"))
    [ended] = [job for job in desk.claim().jobs if job.id == young]
    desk.end([ended])

    forgotten = []
    while number := desk.control.forget(now - timedelta(days=30), 2):
        forgotten.append(number)

    assert sum(forgotten) == 7
    assert max(forgotten) <= 4
    assert {row.id for row in desk.sql("SELECT id FROM ops.jobs")} == {open_, young}
    assert desk.sql("SELECT 1 FROM ops.job_keys") == []


def test_what_is_said_of_a_job_goes_with_it(desk: Desk) -> None:
    [made] = desk.add(echo(1))
    desk.control.signal(made, "go", {})
    desk.end(desk.claim().jobs)

    desk.control.forget(aged(desk, "1 day"), 10)

    assert desk.sql("SELECT 1 FROM ops.job_events") == []
    assert desk.sql("SELECT 1 FROM ops.job_signals") == []


def test_forgetting_reads_no_more_than_it_forgets(desk: Desk) -> None:
    desk.add(*map(echo, range(50)))
    desk.end(desk.claim(50).jobs)
    now = aged(desk, "1 day")
    desk.add(*map(echo, range(500)))

    with desk.database.transaction(by_index=True) as connection:
        plan = connection.execute(
            sa.text(
                "EXPLAIN (FORMAT TEXT) SELECT id FROM ops.jobs WHERE created_at < :at"
                " AND finished_at < :at ORDER BY created_at, id LIMIT 10"
            ),
            {"at": now},
        ).scalars()
        assert "jobs_newest" in " ".join(plan)
