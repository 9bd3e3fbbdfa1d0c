"""What a run costs the database: statements counted, rows read counted, whatever there is."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from core.report import Outcome, Reason, Trigger
from handlers.invoke import Call, run_once
from infra.postgres.connect import Connection
from infra.postgres.queries import load
from infra.postgres.transaction import Database
from infra.simulator.server import Simulator
from tests.support.site import DRAIN, TOKENS, WORKER, Site, site_of

pytestmark = pytest.mark.timeout(180)
NOTHING_DUE_AT_MOST = 12
PAGE_AT_MOST = 6
JOBS_AT_MOST = 10
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RUN = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(accounts=1, orders=900, days=20) as running:
        yield running


@pytest.fixture
def site(database_url: str, direct_database_url: str, simulator: Simulator) -> Site:
    return site_of(database_url, direct_database_url, simulator)


@contextmanager
def counting() -> Iterator[list[str]]:
    """Every statement of ours; transaction control and SET LOCAL are not cursor executions."""
    statements: list[str] = []
    lock = threading.Lock()

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        with lock:
            statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def many_accounts(site: Site, accounts: int) -> None:
    """Each with five units, none of them due."""
    site.sql(f"""
        INSERT INTO ebay.accounts (name, environment)
        SELECT 'more-' || number, 'simulator' FROM generate_series(1, {accounts}) AS number;
        INSERT INTO ebay.sync_states (account_id, stream, pass, interval_s, due_at)
        SELECT account.id, unit.stream, unit.pass, 300, now() + interval '1 hour' * random() + interval '1 hour'
          FROM ebay.accounts account
         CROSS JOIN (VALUES ('orders', 'new'), ('transactions', 'new'), ('payouts', 'new'),
                            ('transactions', 'open'), ('payouts', 'open')) AS unit(stream, pass)
         WHERE account.name LIKE 'more-%';
    """)  # noqa: E501  (one column list)
    site.sql("ANALYZE")


def many_fresh_tokens(site: Site, accounts: int) -> None:
    """Of accounts that keep theirs for two hours and their owners' consent for a year."""
    many_accounts(site, accounts)
    site.sql("""
        INSERT INTO ebay.tokens (account_id, refresh_token, refresh_expires_at, access_token,
                                 access_expires_at, refreshed_at, version)
        SELECT account.id, refresh_token, now() + interval '1 year', access_token,
               now() + interval '2 hours', now(), version
          FROM ebay.accounts account, ebay.tokens
         WHERE account.name LIKE 'more-%';
    """)


def nothing_due(site: Site, worker: str = WORKER, **call: Any) -> list[str]:
    settings = site.settings()
    trigger = Trigger(via="cli", **call)
    with counting() as statements:
        report = run_once(Call(worker=worker, trigger=trigger), settings=settings)
    assert (report.outcome, report.reason) == (Outcome.DONE, Reason.NOTHING_DUE)
    return statements


@pytest.mark.parametrize("call", [{}, {"delivery_id": "d"}], ids=["plain", "delivered"])
def test_r31_a_run_with_nothing_due_costs_the_same_however_many_accounts_there_are(
    site: Site, call: dict[str, str]
) -> None:
    site.connect()
    site.run()
    one = nothing_due(site, **call)
    site.sql("DELETE FROM ops.runs")

    many_accounts(site, 1000)
    thousand = nothing_due(site, **call)

    assert len(one) <= NOTHING_DUE_AT_MOST, one
    assert thousand == one


@pytest.mark.parametrize("call", [{}, {"delivery_id": "d"}], ids=["plain", "delivered"])
def test_a_token_refresh_with_nothing_due_costs_the_same_however_many_accounts_there_are(
    site: Site, call: dict[str, str]
) -> None:
    site.connect()
    site.run(worker=TOKENS)
    one = nothing_due(site, TOKENS, **call)
    site.sql("DELETE FROM ops.runs")

    many_fresh_tokens(site, 1000)
    thousand = nothing_due(site, TOKENS, **call)

    assert len(one) <= NOTHING_DUE_AT_MOST, one
    assert thousand == one


def test_r60_a_page_costs_few_statements(site: Site) -> None:
    """Measured between two runs of which one reads more pages: all else is the same."""
    site.connect()
    site.sql("UPDATE ebay.sync_states SET due_at = NULL WHERE stream <> 'orders'")
    with counting() as first:
        report = site.run()
    [unit] = report.units
    site.all_due()
    site.sql("UPDATE ebay.sync_states SET due_at = NULL WHERE stream <> 'orders'")
    with counting() as second:
        again = site.run()
    [little] = again.units

    more_pages = unit.pages - little.pages
    assert more_pages >= 3
    assert (len(first) - len(second)) / more_pages <= PAGE_AT_MOST


def test_only_pages_do_not_wait_for_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a crash of the server takes away of them is read again: their cursor goes with them."""
    site.connect()
    site.sql("UPDATE ebay.sync_states SET due_at = NULL WHERE stream <> 'orders'")
    begun: list[str] = []
    driver = Connection.execute_simple

    def note(self: Connection, sql: str) -> Any:
        begun.append(sql)
        return driver(self, sql)

    monkeypatch.setattr(Connection, "execute_simple", note)

    report = site.run()

    [unit] = report.units
    assert unit.pages >= 3
    assert sum("SET LOCAL synchronous_commit = off" in sql for sql in begun) == unit.pages


def hundred_thousand(site: Site) -> None:
    many_accounts(site, 20_000)
    site.sql(
        "INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)"
        f" VALUES ('{RUN}', '{WORKER}', 'running', 'cli', '', now(), now() + interval '1 hour')"
    )


def rows_read(plan: dict[str, Any]) -> int:
    """Rows that any node of the plan looked at, thrown away or not."""
    loops = plan["Actual Loops"]
    removed = sum(int(value) for name, value in plan.items() if name.startswith("Rows Removed"))
    here = (int(plan["Actual Rows"]) + removed) * loops
    below: list[dict[str, Any]] = plan.get("Plans", [])
    return int(here) + sum(rows_read(child) for child in below)


def explained(database: Database, feature: str, name: str, **values: object) -> int:
    statement = f"EXPLAIN (ANALYZE, FORMAT JSON) {load(feature)[name].text}"
    with database.transaction(statement_timeout_ms=0, transaction_timeout_ms=0) as connection:
        found = connection.execute(sa.text(statement), values).scalar_one()
    plan = found if isinstance(found, list) else json.loads(found)
    return rows_read(plan[0]["Plan"])


TAKE = {
    "now": NOW,
    "most": 4,
    "streams": ["orders", "transactions", "payouts"],
    "leave": '[[1, "orders", "new"]]',
    "run_id": RUN,
    "lease_s": 60.0,
}


def test_taking_and_looking_read_few_rows_of_a_hundred_thousand(
    site: Site, database: Database
) -> None:
    hundred_thousand(site)
    now = site.one("SELECT clock_timestamp()")
    take = {**TAKE, "now": now}

    idle = explained(database, "sync", "take_due", **take)
    looking = explained(database, "sync", "summary")
    site.sql("UPDATE ebay.sync_states SET due_at = now() - interval '1 minute' * random()"
             " WHERE account_id % 10 = 0")  # fmt: skip
    site.sql("ANALYZE ebay.sync_states")
    busy = explained(database, "sync", "take_due", **{**take, "now": now + timedelta(minutes=1)})
    looking_busy = explained(database, "sync", "summary")
    site.sql("UPDATE ebay.sync_states SET due_at = now() - interval '1 minute'")
    site.sql("ANALYZE ebay.sync_states")
    all_due = explained(database, "sync", "take_due", **{**take, "now": now + timedelta(minutes=1)})
    renewing = explained(database, "sync", "renew_units", run_id=RUN, lease_s=60.0)

    assert idle <= 20, idle
    assert busy <= 100, busy
    assert all_due <= 100, all_due
    assert looking <= 20, looking
    assert looking_busy <= 20, looking_busy
    assert renewing <= 100, renewing


def test_dead_accounts_before_the_living_do_not_make_taking_slow(
    site: Site, database: Database
) -> None:
    """Units of accounts that are not active are never due, so they stand in nobody's way."""
    hundred_thousand(site)
    site.sql("UPDATE ebay.accounts SET status = 'needs_reconnect' WHERE id % 2 = 0;"
             "UPDATE ebay.sync_states SET due_at = CASE WHEN account_id % 2 = 0 THEN NULL"
             " ELSE now() - interval '1 minute' END")  # fmt: skip
    site.sql("ANALYZE")
    now = site.one("SELECT clock_timestamp()")

    read = explained(database, "sync", "take_due", **{**TAKE, "now": now})

    assert read <= 100, read


def test_beginning_reads_few_rows_of_a_long_history(site: Site, database: Database) -> None:
    site.sql(f"""
        INSERT INTO ops.runs (id, worker, status, outcome, via, delivery_id, request_hash,
                              started_at, expires_at, finished_at, fence)
        SELECT gen_random_uuid(), '{WORKER}', 'finished', 'done', 'cli', 'd' || number % 5000, '',
               now() - interval '1 minute' * number, now(), now() - interval '1 minute' * number,
               number
          FROM generate_series(1, 100000) AS number
    """)
    site.sql("ANALYZE")
    lone = explained(database, "runs", "list_workers")
    site.sql(f"""
        INSERT INTO ops.runs (id, worker, status, outcome, reason, via, request_hash,
                              started_at, expires_at, finished_at)
        SELECT gen_random_uuid(), '{WORKER}', 'finished', 'skipped', 'paused', 'cli', '',
               now() + interval '1 minute' * number, now(), now() + interval '1 minute' * number
          FROM generate_series(1, 100000) AS number
    """)
    site.sql("ANALYZE")

    look = explained(database, "runs", "look", worker=WORKER, delivery_id="d7")
    none = explained(database, "runs", "look", worker=WORKER, delivery_id=None)
    abandon = explained(
        database, "runs", "abandon", worker=WORKER, old_run_id=None, take_over=False
    )
    listing = explained(database, "runs", "list_workers")

    assert look <= 100, look
    assert none <= 20, none
    assert abandon <= 10, abandon
    assert lone <= 50, lone
    assert listing <= 50, listing


def many_jobs(site: Site, jobs: int) -> None:
    site.sql(
        "INSERT INTO ops.jobs (queue, kind, status, run_at, max_attempts, payload, created_at,"
        " updated_at) SELECT 'default', 'test', 'pending', now(), 8, '{}', now(), now()"
        f" FROM generate_series(1, {jobs})"
    )


@pytest.mark.parametrize("call", [{}, {"delivery_id": "d"}], ids=["plain", "delivered"])
def test_a_drain_with_nothing_due_costs_the_same_however_many_jobs_are_not(
    site: Site, call: dict[str, str]
) -> None:
    nothing = nothing_due(site, DRAIN, **call)
    site.sql("DELETE FROM ops.runs")

    many_jobs(site, 1000)
    site.sql("UPDATE ops.jobs SET run_at = now() + interval '1 day'")
    thousand = nothing_due(site, DRAIN, **call)

    assert len(nothing) <= NOTHING_DUE_AT_MOST, nothing
    assert thousand == nothing


def test_a_hundred_cheap_jobs_cost_ten_statements(site: Site) -> None:
    nothing = nothing_due(site, DRAIN)
    settings = site.settings()

    many_jobs(site, 100)
    with counting() as statements:
        report = run_once(Call(worker=DRAIN, trigger=Trigger(via="cli")), settings=settings)

    assert report.counts["completed"] == 100
    assert len(statements) - len(nothing) <= JOBS_AT_MOST, statements
