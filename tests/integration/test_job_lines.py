"""Lines that somebody holds, or that are deep, and what they do to the others."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.jobs.model import Completed, Job, NewJob, Transaction
from core.jobs.ports import Ended, Settled
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.job_rows import enqueue
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from tests.contract.test_job_store import KINDS, RUN, echo, lane
from tests.integration.test_account_states import rows

STAGED = "SELECT count(*) FROM ops.job_staging WHERE ordering_key = '{}'"


def stage(database: Database, *jobs: NewJob) -> None:
    with database.transaction() as connection:
        enqueue(connection, jobs, KINDS)


def staged(database: Database, key: str) -> int:
    [(count,)] = rows(database, STAGED.format(key))
    assert isinstance(count, int)
    return count


@pytest.mark.parametrize("held", ["held", "new"])
def test_a_line_that_somebody_holds_holds_up_no_other(database: Database, held: str) -> None:
    """A handler's effect may take as long as a statement may: its key's row is locked so long."""
    store = PostgresJobs(database, KINDS)
    store.enqueue([echo(ordering_key="held")])
    [job] = store.claim(RUN, lane()).jobs
    moved: list[int] = []

    def effect(_: Transaction) -> None:
        stage(database, echo(ordering_key=held), echo(ordering_key="other"))
        moved.append(store.move_staged(10))

    store.settle_with(RUN, Settled(job=job, verdict=Completed(effect=effect)), effect)

    assert moved == [2 if held == "new" else 1]
    assert staged(database, "other") == 0
    assert store.move_staged(10) == 2 - moved[0]


def test_a_deep_line_is_moved_by_and_by_and_hides_no_other(database: Database) -> None:
    store = PostgresJobs(database, KINDS)
    stage(database, *(echo(number, ordering_key="deep") for number in range(50)))
    stage(database, echo(ordering_key="other"))

    moved = store.move_staged(10)

    assert moved <= 12
    assert staged(database, "other") == 0
    while store.move_staged(10):
        pass
    done: list[Job] = []
    while jobs := store.claim(RUN, lane(without=("other",))).jobs:
        done += jobs
        store.settle(RUN, [Settled(job=job, verdict=Completed()) for job in jobs])
    assert [job.payload["n"] for job in done] == list(range(50))


@pytest.mark.parametrize(("over", "held"), [(True, False), (False, True)])
def test_a_lease_that_is_over_is_lost_while_another_takes_it(
    database: Database, over: bool, held: bool
) -> None:
    """Who was told that he holds it would do once more outside what the other one does."""
    store = PostgresJobs(database, KINDS)
    store.enqueue([echo()])
    [job] = store.claim(RUN, lane()).jobs
    if over:
        rows(database, "UPDATE ops.jobs SET leased_until = clock_timestamp()")

    with database.transaction() as other:
        other.execute(sa.text("SELECT FROM ops.jobs FOR UPDATE"))
        renewed = store.renew([job], timedelta(seconds=60))

    assert (job.id in renewed) is held


def test_a_line_that_somebody_holds_holds_up_no_renewal(database: Database) -> None:
    store = PostgresJobs(database, KINDS)
    store.enqueue([echo(1, ordering_key="held"), echo(2, ordering_key="free"), echo(3)])
    jobs = store.claim(RUN, lane()).jobs
    rows(database, "UPDATE ops.jobs SET leased_until = leased_until - interval '10 s'")

    with database.transaction() as other:
        other.execute(sa.text("SELECT FROM ops.job_keys WHERE ordering_key = 'held' FOR UPDATE"))
        renewed = store.renew(jobs, timedelta(seconds=60))

    assert renewed.keys() == {job.id for job in jobs}
    later = "SELECT payload->>'n' FROM ops.jobs WHERE leased_until > now() + interval '55 s'"
    assert sorted(rows(database, later)) == [("2",), ("3",)]


def test_o4_who_was_frozen_until_his_key_was_forgotten_writes_nothing(database: Database) -> None:
    """The fence of a key that is made anew begins at 0: that of each job is what counts."""
    store, control = PostgresJobs(database, KINDS), PostgresJobControl(database, KINDS)
    store.enqueue([echo(1, ordering_key="k")])
    [frozen] = store.claim(RUN, lane()).jobs
    rows(database, "UPDATE ops.jobs SET leased_until = clock_timestamp()")
    rows(database, "UPDATE ops.job_keys SET visible_at = clock_timestamp()")
    [second] = store.claim(RUN, lane()).jobs
    store.settle(RUN, [Settled(job=second, verdict=Completed())])
    [(later,)] = rows(database, "SELECT clock_timestamp()")
    forgotten = control.forget(later, 10)
    store.enqueue([echo(2, ordering_key="k")])
    [live] = store.claim(RUN, lane()).jobs
    done: list[Transaction] = []

    ended = store.settle(RUN, [Settled(job=frozen, verdict=Completed())])
    with_effect = store.settle_with(RUN, Settled(job=frozen, verdict=Completed()), done.append)
    renewed = store.renew([frozen], timedelta(seconds=60))
    store.release([frozen])

    assert (forgotten, live.fence) == (2, frozen.fence)
    assert (ended, with_effect, renewed, done) == ([Ended.LOST], Ended.LOST, {}, [])
    assert rows(database, "SELECT id, status, fence FROM ops.jobs") == [
        (live.id, "processing", live.fence)
    ]
