"""Picking what is due and finding what is open read few rows of a million, on each PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.migrator import migrate
from infra.postgres.transaction import Database
from tests.integration.test_statement_budget import RUN, TAKE, explained
from tests.support.postgres import QUICK, open_database, scratch
from tests.support.site import WORKER

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
ACCOUNTS, ROWS, OPEN = 200_000, 1_000_000, 1_000
UNITS = """
INSERT INTO ebay.accounts (name, environment)
SELECT 'seller-' || number, 'simulator' FROM generate_series(1, :accounts) AS number;
"""
STATES = """
INSERT INTO ebay.sync_states (account_id, stream, pass, interval_s, due_at)
SELECT account.id, unit.stream, unit.pass, 300, clock_timestamp() + interval '1 h' * (1 + random())
  FROM ebay.accounts account
 CROSS JOIN (VALUES ('orders', 'new'), ('transactions', 'new'), ('payouts', 'new'),
                    ('transactions', 'open'), ('payouts', 'open')) AS unit(stream, pass)
"""
RUNNING = """
INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)
VALUES (:run_id, :worker, 'running', 'cli', '', now(), now() + interval '1 hour')
"""
# One account's years: every thousandth row is not final yet.
TRANSACTIONS = """
INSERT INTO ebay.transactions (account_id, transaction_id, transaction_type, transaction_status,
                               transaction_date, raw, content_hash, first_seen_at, updated_at)
SELECT 1, number::text, 'SALE',
       CASE WHEN mod(number, 1000) = 0 THEN 'FUNDS_ON_HOLD' ELSE 'PAYOUT' END,
       now() - interval '1 minute' * number, '{}', 1, now(), now()
  FROM generate_series(1, :rows) AS number
"""
RETURNS = """
INSERT INTO ebay.returns (account_id, return_id, creation_date, state, raw, content_hash,
                          first_seen_at, updated_at)
SELECT 1, number::text, now() - interval '1 minute' * number,
       CASE WHEN mod(number, 1000) <> 0 THEN 'CLOSED' END, '{}', 1, now(), now()
  FROM generate_series(1, :rows) AS number
"""
STORED = {"transactions": TRANSACTIONS, "returns": RETURNS}


@dataclass(frozen=True)
class Ground:
    database: Database

    def run(self, statement: str, **values: object) -> None:
        with self.database.transaction(statement_timeout_ms=0, transaction_timeout_ms=0) as open_:
            open_.execute(sa.text(statement), values)

    def read(self, feature: str, name: str, **values: object) -> int:
        return explained(self.database, feature, name, **values)

    def taking(self) -> int:
        return self.read("sync", "take_due", **{**TAKE, "now": datetime.now(UTC)})


@pytest.fixture(scope="module", params=[16, 18], ids=["PostgreSQL 16", "PostgreSQL 18"])
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with scratch() as folder, EmbeddedPostgres(folder, request.param, options=QUICK) as server:
        database = open_database(server.url, 2)
        migrate(database)
        yield Ground(database)
        database.dispose()


def test_taking_and_looking_read_few_rows_of_a_million(ground: Ground) -> None:
    # Whichever test comes first: the other gives its account an id of its own choice.
    ground.run("ALTER TABLE ebay.accounts ALTER COLUMN id RESTART WITH 1000")
    ground.run(UNITS, accounts=ACCOUNTS)
    ground.run(STATES)
    ground.run(RUNNING, run_id=RUN, worker=WORKER)
    ground.run("ANALYZE")

    idle, looking = ground.taking(), ground.read("sync", "summary")
    ground.run(
        "UPDATE ebay.sync_states SET due_at = now() - interval '1 minute' * random()"
        " WHERE mod(account_id, 10) = 0"
    )
    ground.run("ANALYZE ebay.sync_states")
    busy = ground.taking()
    ground.run("UPDATE ebay.sync_states SET due_at = now() - interval '1 minute' * random()")
    ground.run("ANALYZE ebay.sync_states")
    all_due, looking_busy = ground.taking(), ground.read("sync", "summary")
    renewing = ground.read("sync", "renew_units", run_id=RUN, lease_s=60.0)

    assert idle <= 20, idle
    assert looking <= 20, looking
    assert busy <= 100, busy
    assert all_due <= 100, all_due
    assert looking_busy <= 20, looking_busy
    assert renewing <= 100, renewing


@pytest.mark.parametrize("stream", STORED)
def test_what_is_open_is_found_without_reading_what_is_not(ground: Ground, stream: str) -> None:
    ground.run(
        "INSERT INTO ebay.accounts (id, name, environment) OVERRIDING SYSTEM VALUE"
        " VALUES (1, 'shop', 'simulator') ON CONFLICT DO NOTHING"
    )
    ground.run(STORED[stream], rows=ROWS)
    ground.run(f"ANALYZE ebay.{stream}")
    since = datetime.now(UTC) - timedelta(days=180)

    span = ground.read(stream, "open_range", account_id=1, since=since)

    # Those that are open, and one row that says so.
    assert span <= 2 * OPEN + 1, span
    if stream == "returns":
        page = {"since": since, "until": datetime.now(UTC), "most": 25}
        assert ground.read(stream, "open_rows", account_id=1, **page) <= 200
