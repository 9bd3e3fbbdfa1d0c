"""Claiming and settling read few rows, however many there are: on PostgreSQL 16 as on 18."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from core.jobs.control import COUNTED
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.job_queues import PostgresQueues
from infra.postgres.migrator import migrate
from infra.postgres.queries import load
from infra.postgres.transaction import Database
from tests.support import backlog
from tests.support.postgres import QUICK, open_database, scratch

BATCH = 100
# Seen, locked, joined and written: a few times each of what is taken, and none of the others;
# and whether any key is due.
A_CLAIM, A_SETTLE = 8 * BATCH + 4, 4 * BATCH


def claims(database: Database, *expected: int) -> None:
    """One after the other, each settled."""
    for jobs in expected:
        found, read = backlog.claim(database, BATCH)
        assert len(found.jobs) == jobs
        assert read <= A_CLAIM, read
        settling = backlog.complete(database, found.jobs)
        assert settling <= A_SETTLE, settling


def looks(database: Database) -> None:
    queues = PostgresQueues(database, frozenset())
    values = {"most": COUNTED}
    _, read = backlog.rows_read(
        database,
        lambda connection: connection.execute(load("jobs_queues")["look"], values).all(),
    )
    assert [state.due for state in queues.look()] == [1]
    assert read <= 50, read
    everything = {"known": [], "most": COUNTED}
    _, read = backlog.rows_read(
        database,
        lambda connection: connection.execute(load("jobs_queues")["overview"], everything).all(),
    )
    assert read <= 20 * COUNTED, read


def no_keys(database: Database, jobs: int) -> None:
    backlog.fill(database, jobs // 2)
    backlog.run(database, backlog.FINISH)
    backlog.fill(database, jobs, priority="(ARRAY[1, 5, 10, 20])[1 + mod(n, 4)]")
    claims(database, BATCH, BATCH)
    looks(database)


def one_hot_key(database: Database, jobs: int) -> None:
    backlog.fill(database, jobs, key="'hot'")
    backlog.fill(database, 1, key="'other'")
    claims(database, 2, 1)
    backlog.fill(database, 1, key="'third'")
    looks(database)


def many_blocked_keys(database: Database, jobs: int) -> None:
    """Of nine keys in ten the head is not due, and all that stands behind it is."""
    keys = min(jobs // 5, 10_000)
    head = f"n <= {keys} AND mod(n, 10) <> 0"
    backlog.fill(database, jobs, key=f"'k' || mod(n, {keys})", blocked=head)
    claims(database, BATCH, BATCH)
    looks(database)


BACKLOGS = [no_keys, one_hot_key, many_blocked_keys]
FIVE_THOUSAND, MILLION = 5_000, 1_000_000


@pytest.mark.parametrize("pile", BACKLOGS, ids=lambda pile: pile.__name__)
def test_a_claim_reads_few_rows_of_thousands(database: Database, pile: object) -> None:
    """The thin edge of the test below. Nobody has told the planner yet what there is."""
    backlog.run(database, "ALTER TABLE ops.jobs SET (autovacuum_enabled = false)")
    assert callable(pile)

    pile(database, FIVE_THOUSAND)


@pytest.mark.parametrize("pile", BACKLOGS, ids=lambda pile: pile.__name__)
def test_a_claim_reads_few_rows_of_a_table_that_was_thought_empty(
    database: Database, pile: object
) -> None:
    """As autovacuum sees one in the middle of a long INSERT: any plan for it seems cheap."""
    for table in ("jobs", "job_keys"):
        backlog.run(database, f"ALTER TABLE ops.{table} SET (autovacuum_enabled = false)")
    backlog.fill(database, FIVE_THOUSAND)
    backlog.fill(database, FIVE_THOUSAND, key="'k' || n")
    backlog.run(database, "DELETE FROM ops.jobs")
    backlog.run(database, "DELETE FROM ops.job_keys")
    for table in ("jobs", "job_keys"):
        backlog.run(database, f"ANALYZE ops.{table}")
    assert callable(pile)

    pile(database, FIVE_THOUSAND)


@pytest.fixture(scope="module", params=[16, 18], ids=["PostgreSQL 16", "PostgreSQL 18"])
def large(request: pytest.FixtureRequest) -> Iterator[Database]:
    with scratch() as folder, EmbeddedPostgres(folder, request.param, options=QUICK) as server:
        opened = open_database(server.url, 2)
        migrate(opened)
        yield opened
        opened.dispose()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("pile", BACKLOGS, ids=lambda pile: pile.__name__)
def test_a_claim_reads_few_rows_of_a_million(large: Database, pile: object) -> None:
    database = large
    backlog.run(database, "TRUNCATE ops.jobs, ops.job_keys, ops.queues CASCADE")
    assert callable(pile)

    pile(database, MILLION)

    with database.transaction(statement_timeout_ms=0, transaction_timeout_ms=0) as connection:
        connection.execute(sa.text("ANALYZE ops.jobs"))
        connection.execute(sa.text("ANALYZE ops.job_keys"))
    found, read = backlog.claim(database, 1)
    assert len(found.jobs) == 1
    assert read <= 20, read
