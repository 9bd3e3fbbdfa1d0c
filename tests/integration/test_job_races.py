"""Jobs under many hands at once: each race is forced by a real lock, and waited for."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from threading import Barrier
from typing import Any, TypeVar
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.ids import RunId
from core.jobs.model import Completed, Enqueued, Job, JobId, NewJob, Status, Waiting
from core.jobs.ports import Ended, Lane, Settled, Streak
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.job_queues import PostgresQueues
from infra.postgres.job_rows import enqueue
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from infra.postgres.url import parse
from tests.contract.test_job_store import KINDS, LEASE, RUN, Q, echo
from tests.support.postgres import execute

T = TypeVar("T")
BLOCKED = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""
STRANDED = """
SELECT count(*) FROM ops.jobs job
 WHERE CASE status
       WHEN 'draft' THEN false
       WHEN 'pending' THEN seq IS NULL AND NOT EXISTS (SELECT FROM ops.job_staging WHERE job_id = job.id)
       WHEN 'processing' THEN leased_until IS NULL
       WHEN 'waiting' THEN wait_until IS NULL
       ELSE finished_at IS NULL END
"""  # noqa: E501 -- a statement
ASLEEP = """
SELECT count(*) FROM ops.job_keys kept
 WHERE visible_at IS DISTINCT FROM (
         SELECT due_at FROM ops.jobs
          WHERE (jobs.queue, jobs.ordering_key) = (kept.queue, kept.ordering_key)
            AND seq IS NOT NULL AND due_at IS NOT NULL
          ORDER BY seq LIMIT 1)
"""


class Yard:
    def __init__(self, database: Database, admin: str) -> None:
        self.database, self.admin = database, parse(admin)
        self.store = PostgresJobs(database, KINDS)
        self.control = PostgresJobControl(database, KINDS)

    def sql(self, statement: str, **values: object) -> list[Any]:
        with self.database.transaction() as connection:
            done = connection.execute(sa.text(statement), values)
            return list(done.scalars()) if done.returns_rows else []

    def claim(self, batch: int = 10) -> list[Job]:
        lane = Lane(queue=Q, batch=batch, lease=LEASE)
        return list(self.store.claim(RunId(uuid4()), lane).jobs)

    def finish(self, job: Job) -> Ended:
        return self.store.settle(RUN, [Settled(job=job, verdict=Completed())])[0]

    def expire(self) -> None:
        past = "now() - interval '1 s'"
        self.sql(f"UPDATE ops.jobs SET leased_until = {past} WHERE status = 'processing'")
        self.sql(f"UPDATE ops.job_keys SET visible_at = {past} WHERE locked_by IS NOT NULL")

    @contextmanager
    def held(self, statement: str, **values: object) -> Iterator[sa.Connection]:
        """Another session that is in the middle of it."""
        with self.database.transaction() as connection:
            connection.execute(sa.text(statement), values)
            yield connection

    def while_blocked(self, hold: Callable[[sa.Connection], object], blocked: Callable[[], T]) -> T:
        """`blocked` runs against what `hold` has locked; it is committed once that waits for it."""
        with ThreadPoolExecutor(1) as thread:
            with self.database.transaction() as connection:
                hold(connection)
                waiting = thread.submit(blocked)
                self.wait_until_blocked(waiting)
            return waiting.result(10)

    def wait_until_blocked(self, future: Future[Any]) -> None:
        while not execute(self.admin, BLOCKED):
            assert not future.done(), "it did not wait"

    def settled_down(self) -> None:
        assert self.sql(STRANDED) == [0]
        assert self.sql(ASLEEP) == [0]


@pytest.fixture
def yard(database: Database, direct_database_url: str) -> Yard:
    return Yard(database, direct_database_url)


def test_e2_two_claimers_of_one_key_get_its_head_once(yard: Yard) -> None:
    yard.store.enqueue([echo(1, ordering_key="k"), echo(2, ordering_key="k")])

    with yard.held("SELECT 1 FROM ops.job_keys FOR UPDATE"):
        meanwhile = yard.claim()

    assert meanwhile == []
    assert [job.payload["n"] for job in yard.claim()] == [1]
    assert yard.claim() == []


def test_e2_two_claimers_of_one_job_get_it_once(yard: Yard) -> None:
    yard.store.enqueue([echo(1), echo(2)])

    with yard.held("SELECT 1 FROM ops.jobs WHERE payload = '{\"n\" : 1}' FOR UPDATE"):
        meanwhile = yard.claim()

    assert [job.payload["n"] for job in meanwhile] == [2]
    assert [job.payload["n"] for job in yard.claim()] == [1]


def test_e2_many_claimers_share_the_work_and_none_is_done_twice(yard: Yard) -> None:
    yard.store.enqueue([echo(n, ordering_key=f"k{n % 7}" if n % 2 else None) for n in range(120)])
    start = Barrier(4)

    def work(_: int) -> list[tuple[str | None, object]]:
        start.wait()
        done, idle = [], 0
        while idle < 5:
            jobs = yard.claim(5)
            idle = 0 if jobs else idle + 1
            for job in jobs:
                assert yard.finish(job) is Ended.COMPLETED
                done.append((job.ordering_key, job.payload["n"]))
        return done

    with ThreadPoolExecutor(4) as workers:
        done = [each for found in workers.map(work, range(4)) for each in found]

    assert set(Counter(number for _, number in done).values()) == {1}
    assert len(done) == 120
    started = yard.sql(
        "SELECT array_agg(payload ->> 'n' ORDER BY started_at) FROM ops.jobs"
        " WHERE ordering_key IS NOT NULL GROUP BY ordering_key"
    )
    assert all(list(map(int, each)) == sorted(map(int, each)) for each in started)
    yard.settled_down()


def test_g2_the_later_of_two_enqueuers_stands_behind_the_first(yard: Yard) -> None:
    """The first one has its place and does not commit: the other waits, whatever ids they have."""
    yard.store.enqueue([echo(0, ordering_key="k")])
    line = {"q": Q, "k": "k"}

    def first(connection: sa.Connection) -> None:
        connection.execute(
            sa.text("SELECT 1 FROM ops.job_keys WHERE (queue, ordering_key) = (:q, :k) FOR UPDATE"),
            line,
        )
        connection.execute(
            sa.text(
                "INSERT INTO ops.jobs (queue, kind, status, ordering_key, run_at, max_attempts,"
                " payload, created_at, updated_at) VALUES (:q, 'echo', 'pending', :k, now(), 3,"
                " '{\"n\" : 1}', now(), now())"
            ),
            line,
        )

    yard.while_blocked(first, lambda: yard.store.enqueue([echo(2, ordering_key="k")]))

    order = []
    while jobs := yard.claim():
        order += [job.payload["n"] for job in jobs]
        yard.finish(jobs[0])
    assert order == [0, 1, 2]


def test_an_enqueue_while_its_key_goes_quiet_is_not_slept_through(yard: Yard) -> None:
    yard.store.enqueue([echo(1, ordering_key="k")])
    [last] = yard.claim()

    def enqueue_behind() -> object:
        return yard.store.enqueue([echo(2, ordering_key="k")])

    with ThreadPoolExecutor(1) as thread:
        # The one who settles holds the key's row; whoever enqueues waits, and finds it quiet.
        blocked: list[Future[object]] = []

        def effect(_: object) -> None:
            blocked.append(thread.submit(enqueue_behind))
            yard.wait_until_blocked(blocked[0])

        yard.store.settle_with(RUN, Settled(job=last, verdict=Completed()), effect)
        blocked[0].result(10)

    yard.settled_down()
    assert [job.payload["n"] for job in yard.claim()] == [2]


def test_a_key_going_quiet_while_one_enqueues_is_not_slept_through(yard: Yard) -> None:
    yard.store.enqueue([echo(1, ordering_key="k")])
    [last] = yard.claim()

    def hold(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT 1 FROM ops.job_keys FOR UPDATE"))
        connection.execute(
            sa.text(
                "INSERT INTO ops.jobs (queue, kind, status, ordering_key, run_at, max_attempts,"
                " payload, created_at, updated_at) VALUES ('default', 'echo', 'pending', 'k',"
                " now(), 3, '{\"n\" : 2}', now(), now())"
            )
        )

    ended = yard.while_blocked(hold, lambda: yard.finish(last))

    assert ended is Ended.COMPLETED
    yard.settled_down()
    assert [job.payload["n"] for job in yard.claim()] == [2]


@pytest.mark.parametrize("key", [None, "k"])
def test_o4_a_zombie_that_settles_while_it_is_replaced_writes_nothing(
    yard: Yard, key: str | None
) -> None:
    """Its statement has begun already: it waits for the new holder's claim, and finds its fence."""
    [made] = yard.store.enqueue([echo(1, ordering_key=key)])
    [zombie] = yard.claim()
    yard.expire()

    def replace(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT 1 FROM ops.job_keys FOR UPDATE"))
        connection.execute(
            sa.text(
                "UPDATE ops.jobs SET fence = fence + 1, attempts = 2, locked_at = now(),"
                " leased_until = now() + interval '1 min'"
            )
        )

    ended = yard.while_blocked(replace, lambda: yard.finish(zombie))

    assert ended is Ended.LOST
    assert yard.sql("SELECT status FROM ops.jobs WHERE id = :id", id=made.id) == ["processing"]


def test_s1_a_cancel_while_the_job_settles_is_not_lost_work(yard: Yard) -> None:
    """The cancel came first: what settles waits for it, and ends as cancelled."""
    [made] = yard.store.enqueue([echo(1)])
    [job] = yard.claim()

    def ask(connection: sa.Connection) -> None:
        connection.execute(sa.text("UPDATE ops.jobs SET cancel_asked_at = now()"))

    ended = yard.while_blocked(ask, lambda: yard.finish(job))

    assert ended is Ended.CANCELLED
    assert yard.sql("SELECT status FROM ops.jobs WHERE id = :id", id=made.id) == ["cancelled"]


def test_e9_a_cancel_after_the_job_has_settled_finds_it_so(yard: Yard) -> None:
    [made] = yard.store.enqueue([echo(1)])
    [job] = yard.claim()

    with ThreadPoolExecutor(1) as thread:
        asked: list[Future[Status]] = []

        def effect(_: object) -> None:
            asked.append(thread.submit(yard.control.cancel, made.id))
            yard.wait_until_blocked(asked[0])

        ended = yard.store.settle_with(RUN, Settled(job=job, verdict=Completed()), effect)
        error = asked[0].exception(10)

    assert ended is Ended.COMPLETED
    assert "completed" in str(error)


@pytest.mark.parametrize("key", [None, "k"])
def test_w2_a_signal_while_the_job_enters_its_wait_wakes_it(yard: Yard, key: str | None) -> None:
    """Both lock the key's row and the job's first: whichever is second sees the other."""
    [made] = yard.store.enqueue([echo(1, ordering_key=key)])
    [job] = yard.claim()
    until = job.leased_until + timedelta(hours=1)
    settled = Settled(job=job, verdict=Waiting(name="go", until=until))

    def send(connection: sa.Connection) -> None:
        connection.execute(sa.text("SELECT 1 FROM ops.job_keys FOR UPDATE"))
        connection.execute(sa.text("SELECT 1 FROM ops.jobs FOR UPDATE"))
        connection.execute(
            sa.text(
                "INSERT INTO ops.job_signals (job_id, name, data, received_at)"
                " SELECT id, 'go', '{}', now() FROM ops.jobs"
            )
        )

    yard.while_blocked(send, lambda: yard.store.settle(RUN, [settled]))

    [woken] = yard.claim()
    assert (woken.id, woken.signal) == (made.id, {"name": "go", "data": {}})


def test_signals_and_waits_by_the_hundred_lose_no_wake_up(yard: Yard) -> None:
    until = timedelta(hours=1)
    made = yard.store.enqueue([echo(n) for n in range(40)])
    jobs = {job.id: job for job in yard.claim(40)}
    start = Barrier(2)

    def wait_all() -> None:
        start.wait()
        for each in made:
            job = jobs[each.id]
            verdict = Waiting(name="go", until=job.leased_until + until)
            yard.store.settle(RUN, [Settled(job=job, verdict=verdict)])

    def signal_all() -> None:
        start.wait()
        for each in made:
            yard.control.signal(each.id, "go", {})

    with ThreadPoolExecutor(2) as hands:
        for end in [hands.submit(wait_all), hands.submit(signal_all)]:
            end.result(60)

    assert len(yard.claim(40)) == 40


def test_two_handlers_that_write_to_each_others_keys_do_not_deadlock(yard: Yard) -> None:
    """Inside somebody's transaction no key row is locked: jobs are staged."""
    yard.store.enqueue([echo(1, ordering_key="a"), echo(2, ordering_key="b")])
    first, second = yard.claim()
    both = Barrier(2, timeout=30)

    def notify(job: Job, other: str) -> Ended:
        def effect(_: object) -> None:
            both.wait()

        then = [NewJob(kind="echo", payload={"from": job.ordering_key}, ordering_key=other)]
        settled = Settled(job=job, verdict=Completed(then=then))
        return yard.store.settle_with(RUN, settled, effect)

    with ThreadPoolExecutor(2) as hands:
        ends = [hands.submit(notify, first, "b"), hands.submit(notify, second, "a")]
        assert [end.result(30) for end in ends] == [Ended.COMPLETED, Ended.COMPLETED]

    assert yard.store.move_staged(10) == 2
    assert {job.ordering_key for job in yard.claim()} == {"a", "b"}


def test_what_is_enqueued_in_a_transaction_stands_or_falls_with_it(yard: Yard) -> None:
    def interrupted() -> None:
        with yard.database.transaction() as connection:
            enqueue(connection, [echo(1), echo(2, ordering_key="k")], KINDS)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()

    assert yard.sql("SELECT count(*) FROM ops.jobs") == [0]
    assert yard.sql("SELECT count(*) FROM ops.job_staging") == [0]


def test_one_idempotency_key_many_clients_one_job(yard: Yard) -> None:
    start = Barrier(4)

    def ask(number: int) -> JobId:
        start.wait()
        return yard.store.enqueue([echo(number, idempotency_key="same", ordering_key="k")])[0].id

    with ThreadPoolExecutor(4) as clients:
        ids = set(clients.map(ask, range(4)))

    assert len(ids) == 1
    assert len(yard.claim()) == 1


def test_a_renewal_passes_by_a_job_that_is_being_settled(yard: Yard) -> None:
    yard.store.enqueue([echo(1), echo(2)])
    jobs = yard.claim()

    with yard.held("SELECT 1 FROM ops.jobs WHERE id = :id FOR UPDATE", id=jobs[0].id):
        held = yard.store.renew(jobs, 2 * LEASE)

    assert held == {job.id: False for job in jobs}
    later = yard.sql("SELECT id FROM ops.jobs WHERE leased_until > now() + interval '70 s'")
    assert later == [jobs[1].id]


def test_moving_staged_jobs_twice_at_once_moves_each_once(yard: Yard) -> None:
    with yard.database.transaction() as connection:
        enqueue(connection, [echo(n, ordering_key=f"k{n % 3}") for n in range(12)], KINDS)
    start = Barrier(2)

    def move(_: int) -> int:
        start.wait()
        return yard.store.move_staged(100)

    with ThreadPoolExecutor(2) as hands:
        moved = list(hands.map(move, range(2)))

    assert sum(moved) == 12
    yard.settled_down()


def test_forgetting_takes_no_key_that_is_about_to_be_used(yard: Yard) -> None:
    yard.store.enqueue([echo(1, ordering_key="k")])
    yard.finish(yard.claim()[0])
    tomorrow = yard.sql("SELECT now() + interval '1 day'")[0]
    ready = threading.Event()
    enqueued: list[Enqueued] = []

    def use_it() -> None:
        ready.wait(10)
        enqueued.extend(yard.store.enqueue([echo(2, ordering_key="k")]))

    with ThreadPoolExecutor(1) as thread:
        using = thread.submit(use_it)
        ready.set()
        while yard.control.forget(tomorrow, 10):
            pass
        using.result(10)

    yard.settled_down()
    assert [job.payload["n"] for job in yard.claim()] == [2]


def test_df8_two_first_faults_of_a_queue_at_once_are_two(yard: Yard) -> None:
    queues = PostgresQueues(yard.database, frozenset())
    fault = Streak(before=1, after=1, longest=1, sound=False)

    yard.while_blocked(
        lambda connection: connection.execute(
            sa.text("INSERT INTO ops.queues (queue, faults) VALUES (:queue, 1)"), {"queue": Q}
        ),
        lambda: queues.judge(Q, fault),
    )

    assert yard.sql("SELECT faults FROM ops.queues") == [2]
