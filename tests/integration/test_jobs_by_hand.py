"""What people do to jobs with plain SQL, as the runbook has them do, and what becomes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.jobs.control import JobFilter
from core.jobs.model import Completed, Job, NewJob, Snooze
from core.jobs.ports import Dead, Ended, Lane, Settled
from core.jobs.trying import try_job
from infra.postgres.job_rows import enqueue
from infra.postgres.job_view import PostgresJobView
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from tests.contract.test_job_store import KINDS, LEASE, RUN, Q, echo
from tests.integration.test_job_races import ASLEEP, STRANDED
from tests.support.outside import context

LATER = Snooze(until=datetime(2030, 1, 1, tzinfo=UTC), reason="throttled")
INSERT = (
    "INSERT INTO ops.jobs (queue, kind, status, ordering_key, run_at, max_attempts, payload,"
    " created_at, updated_at) VALUES ('{queue}', 'echo', 'pending', {key}, now(), 3,"
    " jsonb_build_object('n', {n}), now(), now())"
).replace("{queue}", Q)


class Desk:
    """A database with drains of ours and a person at `psql`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = PostgresJobs(database, KINDS)

    def sql(self, statement: str) -> list[Any]:
        with self.person() as person:
            done = person.execute(sa.text(statement))
            return list(done.all()) if done.returns_rows else []

    @contextmanager
    def person(self) -> Iterator[sa.Connection]:
        with self.database.transaction() as connection:
            connection.execute(sa.text("SET LOCAL cronshot.engine = ''"))
            yield connection

    def insert(self, n: int, key: str | None = "k") -> None:
        self.sql(INSERT.format(n=n, key="NULL" if key is None else f"'{key}'"))

    def claim(self, batch: int = 10) -> list[Job]:
        return list(self.store.claim(RUN, Lane(queue=Q, batch=batch, lease=LEASE)).jobs)

    def finish(self, job: Job) -> Ended:
        return self.store.settle(RUN, [Settled(job=job, verdict=Completed())])[0]

    def drained(self) -> list[object]:
        """As a drain does it: what it did, in that order."""
        done: list[object] = []
        self.store.move_staged(100)
        while jobs := self.claim():
            for job in jobs:
                assert self.finish(job) is Ended.COMPLETED
                done.append(job.payload["n"])
        assert self.sql(STRANDED) == [(0,)]
        assert self.sql(ASLEEP) == [(0,)]
        return done


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.mark.parametrize("key", [None, "k"])
def test_jobs_that_a_person_inserts_are_done_by_the_next_drain(desk: Desk, key: str | None) -> None:
    for n in (1, 2, 3):
        desk.insert(n, key)

    assert desk.drained() == [1, 2, 3]


def test_many_that_a_person_inserts_at_once_are_done_in_their_order(desk: Desk) -> None:
    desk.sql(
        INSERT.split(" VALUES")[0] + f" SELECT '{Q}', 'echo', 'pending', 'k', now(), 3,"
        " jsonb_build_object('n', n), now(), now() FROM generate_series(1, 30) AS n"
    )

    assert desk.drained() == list(range(1, 31))


def test_e2_one_that_a_person_inserts_beside_a_job_at_work_waits_for_it(desk: Desk) -> None:
    """Its number may be the earlier one: who inserts it may take his time to commit."""
    with desk.person() as person:
        person.execute(sa.text(INSERT.format(n=1, key="'k'")))
        desk.store.enqueue([echo(2, ordering_key="k")])
        [at_work] = desk.claim()
    desk.store.move_staged(100)

    assert desk.claim() == []
    assert desk.finish(at_work) is Ended.COMPLETED
    assert desk.drained() == [1]


@pytest.mark.parametrize("ended", ["dead', error_code = 'x", "failed", "cancelled"])
def test_one_that_a_person_sets_to_pending_again_joins_the_end_of_its_line(
    desk: Desk, ended: str
) -> None:
    desk.store.enqueue([echo(1, ordering_key="k"), echo(2, ordering_key="k")])
    [first] = desk.claim()
    desk.sql(
        f"UPDATE ops.jobs SET status = '{ended}', finished_at = now(), locked_by = NULL,"
        f" locked_at = NULL, leased_until = NULL WHERE id = '{first.id}'"
    )
    desk.store.move_staged(100)
    [second] = desk.claim()
    desk.sql(
        "UPDATE ops.jobs SET status = 'pending', finished_at = NULL, run_at = now(), attempts = 0"
        f" WHERE id = '{first.id}'"
    )
    desk.store.move_staged(100)

    assert desk.claim() == []
    assert desk.finish(second) is Ended.COMPLETED
    assert desk.drained() == [1]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ops.jobs SET run_at = now()",
        "UPDATE ops.jobs SET status = 'cancelled', finished_at = now()",
        "DELETE FROM ops.jobs",
        "UPDATE ops.jobs SET ordering_key = 'other'",
        "UPDATE ops.jobs SET ordering_key = NULL",
    ],
)
def test_who_takes_a_head_that_is_not_due_out_of_the_way_sets_its_line_free(
    desk: Desk, change: str
) -> None:
    later = desk.sql("SELECT now() + interval '1 hour'")[0][0]
    desk.store.enqueue([echo(1, ordering_key="k", run_at=later), echo(2, ordering_key="k")])
    before = desk.drained()

    desk.sql(f"{change} WHERE payload = '{{\"n\": 1}}'")

    assert before == []
    assert 2 in desk.drained()


def test_one_that_a_person_moves_to_another_line_stands_at_its_end(desk: Desk) -> None:
    desk.store.enqueue([echo(1, ordering_key="a"), echo(2, ordering_key="b")])
    [_, at_work] = sorted(desk.claim(), key=lambda job: job.ordering_key or "")
    desk.store.enqueue([echo(3, ordering_key="c")])

    desk.sql("UPDATE ops.jobs SET ordering_key = 'b' WHERE payload = '{\"n\": 3}'")
    desk.store.move_staged(100)

    assert desk.claim() == []
    assert desk.finish(at_work) is Ended.COMPLETED
    assert desk.drained() == [3]


def test_keys_that_a_person_deletes_are_made_again(desk: Desk) -> None:
    desk.store.enqueue([echo(n, ordering_key="k") for n in (1, 2)])

    desk.sql("DELETE FROM ops.job_keys")

    assert desk.drained() == [1, 2]


def test_a_person_who_takes_his_time_with_a_head_stops_no_other_line(desk: Desk) -> None:
    desk.store.enqueue([echo(1, ordering_key="k"), echo(2, ordering_key="other")])

    with desk.person() as person:
        person.execute(sa.text("UPDATE ops.jobs SET priority = 10 WHERE ordering_key = 'k'"))
        meanwhile = desk.claim()

    assert [job.payload["n"] for job in meanwhile] == [2]
    assert desk.drained() == [1]


def test_a_person_who_takes_his_time_with_what_is_staged_stops_no_other_line(desk: Desk) -> None:
    desk.insert(1)
    desk.insert(2, "other")

    with desk.person() as person:
        person.execute(sa.text("UPDATE ops.jobs SET priority = 10 WHERE ordering_key = 'k'"))
        moved = desk.store.move_staged(100)

    assert moved == 1
    assert sorted(map(str, desk.drained())) == ["1", "2"]


def test_attempts_that_a_person_sets_to_none_at_work_may_be_given_back_all_the_same(
    desk: Desk,
) -> None:
    desk.store.enqueue([echo(n, ordering_key=key) for n, key in enumerate([None, "k", None])])
    jobs = desk.claim()

    desk.sql("UPDATE ops.jobs SET attempts = 0")
    desk.store.release(jobs[:2])
    [ended] = desk.store.settle(RUN, [Settled(job=jobs[2], verdict=LATER)])

    assert ended is Ended.SNOOZED
    assert desk.sql("SELECT DISTINCT status, attempts FROM ops.jobs") == [("pending", 0)]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ("UPDATE ops.jobs SET priority = 10", 2),
        ("UPDATE ops.jobs SET run_at = now() WHERE ordering_key = 'a'", 1),
        ("DELETE FROM ops.jobs", 0),
    ],
)
def test_who_changes_a_whole_line_by_hand_marks_it_once(
    desk: Desk, change: str, lines: int
) -> None:
    """Drains put so many lines right at a time: others must not wait for each job of these."""
    desk.store.enqueue([echo(n, ordering_key=key) for key in ("a", "b") for n in range(20)])

    desk.sql(change)

    assert desk.sql("SELECT count(*) FROM ops.job_staging") == [(lines,)]
    done = desk.drained()
    assert len(done) == (40 if lines else 0)


def test_who_enqueues_in_a_transaction_of_his_own_program_stages_once(desk: Desk) -> None:
    with desk.person() as person:
        enqueue(person, [echo(n, ordering_key="k") for n in range(5)], KINDS)

    assert desk.drained() == [0, 1, 2, 3, 4]


def test_what_ours_do_is_not_staged_once_more(desk: Desk) -> None:
    desk.store.enqueue([echo(n, ordering_key="k") for n in range(3)])
    [job] = desk.claim()
    desk.store.renew([job], timedelta(seconds=90))
    desk.store.release([job])
    [job] = desk.claim()
    desk.finish(job)

    assert desk.sql("SELECT 1 FROM ops.job_staging") == []


UNREADABLE = {
    "digits": "jsonb_build_object('n', CAST('1' || repeat('0', 5000) AS numeric))",
    "deep": "CAST(repeat('[', 3000) || repeat(']', 3000) AS jsonb)",
    "deep in one": (
        "CAST('{\"n\": ' || repeat('[', 3000) || '\"]],\"' || repeat(']', 3000) || '}' AS jsonb)"
    ),
}


def inserted(payload: str, key: str) -> str:
    return INSERT.format(n="?", key=key).replace("jsonb_build_object('n', ?)", payload)


@pytest.mark.parametrize("payload", UNREADABLE.values(), ids=UNREADABLE)
@pytest.mark.parametrize("key", ["NULL", "'k'"], ids=["free", "keyed"])
def test_a_payload_that_no_program_of_ours_reads_stops_no_other_job(
    desk: Desk, payload: str, key: str
) -> None:
    desk.insert(1, None)
    desk.sql(inserted(payload, key))
    desk.insert(2, None)
    desk.store.move_staged(10)

    claimed = desk.claim()

    assert len(claimed) == 3
    read = [job.payload for job in claimed]
    assert {"n": 1} in read
    assert {"n": 2} in read


def test_a_job_whose_payload_no_program_of_ours_reads_is_dead(desk: Desk) -> None:
    desk.sql(inserted(UNREADABLE["digits"], "NULL"))
    [job] = desk.claim()

    ended = try_job(job, KINDS["echo"], context(), RUN)

    assert isinstance(ended.verdict, Dead)
    assert ended.verdict.code == "bad_payload"


def test_a_payload_that_no_program_of_ours_reads_can_be_looked_at(desk: Desk) -> None:
    desk.sql(inserted(UNREADABLE["digits"], "NULL"))
    [(job_id,)] = desk.sql("SELECT id FROM ops.jobs")
    view = PostgresJobView(desk.database, KINDS)

    assert view.page(JobFilter(), None, 10).total == 1
    assert "unreadable" in str(view.find(str(job_id)).payload)


def test_what_is_enqueued_on_a_connection_that_does_not_say_whose_it_is_is_done_once(
    desk: Desk,
) -> None:
    jobs = [NewJob(kind="echo", queue=Q, payload={"n": n}, ordering_key="k") for n in range(3)]
    with desk.person() as person:
        enqueue(person, jobs, KINDS)

    assert desk.drained() == [0, 1, 2]
