"""Many jobs at once, and how many rows are read to work on them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from core.ids import RunId
from core.jobs.model import Completed, Job
from core.jobs.ports import Claim, Lane, Settled
from core.jobs.settling import changes
from infra.postgres.job_claim import Claiming
from infra.postgres.jobs import settle_in
from infra.postgres.transaction import Database

RUN = RunId(UUID("0f8fad5b-d9cb-469f-a165-70867728950e"))
LEASE = timedelta(seconds=60)
Q = "default"

# What is written by hand here is what `enqueue` and `refresh_keys` write.
JOBS = """
INSERT INTO ops.jobs (queue, kind, status, ordering_key, priority, run_at, max_attempts, payload, created_at,
                      updated_at)
SELECT :queue, 'echo', 'pending', {key}, {priority},
       CASE WHEN {blocked} THEN now() + interval '1 hour' ELSE now() - interval '1 ms' * (:jobs - n) END, 3,
       jsonb_build_object('n', n), now(), now()
  FROM generate_series(1, :jobs) AS n
"""  # noqa: E501 -- a statement
KEYS = """
INSERT INTO ops.job_keys (queue, ordering_key, kind, priority, visible_at)
SELECT DISTINCT ON (ordering_key) queue, ordering_key, kind, priority, due_at
  FROM ops.jobs WHERE ordering_key IS NOT NULL AND due_at IS NOT NULL ORDER BY ordering_key, seq
ON CONFLICT DO NOTHING
"""
FINISH = """
UPDATE ops.jobs SET status = 'completed', finished_at = now() WHERE status = 'pending'
"""
READ = """
SELECT COALESCE(sum(seq_tup_read), 0) + COALESCE(sum(idx_tup_fetch), 0)
  FROM pg_stat_xact_user_tables WHERE schemaname = 'ops'
"""


def run(database: Database, statement: str, **values: object) -> None:
    with database.transaction(statement_timeout_ms=0, transaction_timeout_ms=0) as connection:
        connection.execute(sa.text(statement), values)


def fill(
    database: Database,
    jobs: int,
    *,
    key: str = "NULL",
    priority: str = "5",
    blocked: str = "false",
) -> None:
    """The arguments are SQL over the number `n` of a job."""
    fields = {"key": key, "priority": priority, "blocked": blocked}
    run(database, JOBS.format(**fields), queue=Q, jobs=jobs)
    run(database, KEYS)


def rows_read(database: Database, work: Callable[[sa.Connection], Any]) -> tuple[Any, int]:
    """What it returned, and the rows that its statements fetched, of all tables of ours."""
    with database.transaction(by_index=True) as connection:
        before = connection.execute(sa.text(READ)).scalar_one()
        found = work(connection)
        after = connection.execute(sa.text(READ)).scalar_one()
    return found, int(after - before)


def claim(database: Database, batch: int) -> tuple[Claim, int]:
    lane = Lane(queue=Q, batch=batch, lease=LEASE)
    found, read = rows_read(database, lambda connection: Claiming(connection, RUN, lane).claim())
    assert isinstance(found, Claim)
    return found, read


def complete(database: Database, jobs: tuple[Job, ...]) -> int:
    """Every second one has a result to be written down."""
    verdicts = (Completed(), Completed(result={"n": 1}))
    ended = [Settled(job=job, verdict=verdicts[n % 2]) for n, job in enumerate(jobs)]
    made = changes(ended, {})
    _, read = rows_read(database, lambda connection: settle_in(connection, RUN, made))
    return read
