"""Storing a page reads the rows that it names, whatever the planner knows of the table."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from infra.postgres.queries import load
from infra.postgres.transaction import Database
from tests.support.plans import rows_scanned

# Below some thousand rows, and without statistics, PostgreSQL may well read all of an account.
STORED, PAGE = 20_000, 20
AT = "2026-11-01T10:00:00.000Z"
READ_AT = datetime(2026, 11, 2, tzinfo=UTC)


def order(number: int) -> dict[str, Any]:
    line = {"lineItemId": f"{number}-1", "quantity": 1}
    return {
        "orderId": f"{number:05}",
        "creationDate": AT,
        "lastModifiedDate": AT,
        "lineItems": [line],
    }


def transaction(number: int) -> dict[str, Any]:
    return {
        "transactionId": f"{number:05}",
        "transactionType": "SALE",
        "transactionDate": AT,
        "bookingEntry": "CREDIT",
        "orderLineItems": [{"lineItemId": "1", "marketplaceFees": [{"feeType": "FIXED"}]}],
    }


def payout(number: int) -> dict[str, Any]:
    return {"payoutId": f"{number:05}", "payoutDate": AT}


STREAMS = {"orders": order, "transactions": transaction, "payouts": payout}


@pytest.fixture
def account_id(database: Database) -> int:
    with database.transaction() as connection:
        added = connection.execute(
            sa.text(
                "INSERT INTO ebay.accounts (name, environment) VALUES ('a', 'simulator')"
                " RETURNING id"
            )
        )
        return int(added.scalar_one())


def page_of(stream: str, rows: range, note: str) -> str:
    return json.dumps({stream: [STREAMS[stream](number) | {"note": note} for number in rows]})


def store(database: Database, stream: str, account_id: int, page: str, *, how: str = "") -> Any:
    values = {"page": page, "account_id": account_id, "read_at": READ_AT}
    with database.transaction() as connection:
        statement = load(stream)["store"]
        return connection.execute(sa.text(how + statement.text), values).first()


@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_page_reads_only_its_own_rows_of_a_large_table(
    database: Database, account_id: int, stream: str, analysed: bool
) -> None:
    store(database, stream, account_id, page_of(stream, range(STORED), "as before"))
    if analysed:
        with database.transaction() as connection:
            connection.execute(sa.text("ANALYZE"))
    rows = range(1000, 1000 + PAGE)

    plans = [
        store(
            database,
            stream,
            account_id,
            page_of(stream, rows, note),
            how="EXPLAIN (ANALYZE, FORMAT JSON) ",
        )[0][0]["Plan"]
        for note in ("as before", "changed")
    ]

    again, changed = (rows_scanned(plan) for plan in plans)
    assert again == PAGE
    # Each row once, and its lines or fees, of which some may be gone.
    assert changed <= 2 * PAGE


@pytest.mark.parametrize("stream", ["orders", "transactions"])
def test_lines_find_their_parent_by_its_key_whatever_was_there_when_they_first_looked(
    database: Database, account_id: int, stream: str
) -> None:
    """PostgreSQL plans a foreign key's check once for a session, here on a table of some rows."""
    for number in range(12):
        rows = range(number * PAGE, (number + 1) * PAGE)
        store(database, stream, account_id, page_of(stream, rows, "first"))
    store(database, stream, account_id, page_of(stream, range(1_000, 5_000), "many"))

    page = page_of(stream, range(6_000, 6_000 + PAGE), "new")
    values = {"page": page, "account_id": account_id, "read_at": READ_AT}
    with database.transaction() as connection:
        # What the session has counted and not told yet counts as this transaction's.
        before = looked_at(connection, stream)
        connection.execute(sa.text(load(stream)["store"].text), values)
        assert looked_at(connection, stream) - before <= 5 * PAGE


def looked_at(connection: sa.Connection, table: str) -> int:
    return int(
        connection.execute(
            sa.text(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
                " WHERE schemaname = 'ebay' AND relname = :table"
            ),
            {"table": table},
        ).scalar_one()
    )
