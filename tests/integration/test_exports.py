"""What is exported is what is stored: each table, since when, of whom, as of one instant."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.errors import StoreUnavailableError, UsageError
from core.exports.catalog import TABLES, find
from core.exports.lines import Format, lines
from core.exports.model import Request
from infra.ebay.streams.registry import STREAMS
from infra.postgres.exports import PostgresExports
from infra.postgres.queries import load
from infra.postgres.transaction import Database
from infra.postgres.url import parse
from tests.support.plans import rows_scanned
from tests.support.postgres import Server, execute, open_database
from tests.support.site import Site, new_site

pytestmark = pytest.mark.timeout(180)
LIMITS = (
    "SELECT name, setting FROM pg_settings WHERE name IN"
    " ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout')"
)


@pytest.fixture(scope="module")
def read(_session_server: Server, _template: str) -> Iterator[Site]:
    """Two sellers, everything of whom was read; each table has rows."""
    with new_site(_session_server, _template, accounts=2, orders=60, days=80) as site:
        site.connect(2, streams=[stream.name for stream in STREAMS])
        report = site.run()
        assert report.outcome == "done", report
        site.sql(
            "INSERT INTO ebay.quarantine (account_id, stream, row_hash, reason, sqlstate, raw,"
            " run_id, first_seen_at, last_seen_at) SELECT id, 'orders', 'h', '=1+1', '22007',"
            " '{\"a\": ', gen_random_uuid(), now(), now() FROM ebay.accounts"
        )
        yield site


@pytest.fixture
def store(read: Site) -> Iterator[PostgresExports]:
    database = open_database(parse(read.url), 2)
    yield PostgresExports(database)
    database.dispose()


def exported(store: PostgresExports, **request: Any) -> list[dict[str, Any]]:
    """As a reader of JSON lines gets it."""
    text = b"".join(lines(Format.JSONL, batch) for batch in store.batches(Request(**request)))
    return [json.loads(line) for line in text.splitlines()]


def counted(read: Site, table: str, condition: str = "true") -> int:
    return int(read.one(f"SELECT count(*) FROM ebay.{table} WHERE {condition}"))


@pytest.mark.parametrize("name", TABLES)
def test_all_rows_are_exported_with_what_ebay_answered(
    name: str, read: Site, store: PostgresExports
) -> None:
    rows = exported(store, table=find(name), raw=True)

    assert len(rows) == counted(read, name) > 0
    assert {row["account"] for row in rows} == {"seller-1", "seller-2"}
    document = next(iter(TABLES[name].documents), None)
    assert document is None or all(isinstance(row[document], dict) for row in rows)


def test_values_are_those_that_are_stored(read: Site, store: PostgresExports) -> None:
    [stored] = read.sql(
        "SELECT order_id, total_value, creation_date, updated_at FROM ebay.orders"
        " ORDER BY account_id, order_id LIMIT 1"
    )

    first = exported(store, table=find("orders"))[0]

    assert (first["account"], first["order_id"]) == ("seller-1", stored[0])
    assert first["total_value"] == str(stored[1])
    assert datetime.fromisoformat(first["creation_date"]) == stored[2]
    assert abs(datetime.fromisoformat(first["updated_at"]) - stored[3]) < timedelta(milliseconds=1)


@pytest.mark.parametrize("name", TABLES)
def test_the_order_is_that_of_the_key(name: str, store: PostgresExports) -> None:
    table = find(name)

    first, again = exported(store, table=table), exported(store, table=table)

    assert first == again
    assert [row["account"] for row in first] == sorted(row["account"] for row in first)


@pytest.mark.parametrize("name", TABLES)
def test_rows_of_the_named_accounts_only(name: str, read: Site, store: PostgresExports) -> None:
    mine = exported(store, table=find(name), accounts=("seller-2",))

    of_it = "account_id = (SELECT id FROM ebay.accounts WHERE name = 'seller-2')"
    assert len(mine) == counted(read, name, of_it)
    assert {row["account"] for row in mine} == {"seller-2"}


def test_an_unknown_account_is_named(store: PostgresExports) -> None:
    with pytest.raises(UsageError, match="no account 'nobody'; see `accounts list`"):
        next(store.batches(Request(table=find("orders"), accounts=("seller-1", "nobody"))))


def middle(read: Site, table: str, column: str) -> datetime:
    """About half of the rows are younger."""
    found = read.one(f"SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY {column}) FROM {table}")
    assert isinstance(found, datetime)
    return found


DATED = {name: table.since for name, table in TABLES.items() if table.since.isidentifier()}


@pytest.mark.parametrize("name", DATED)
def test_since_counts_by_the_date_of_the_business(
    name: str, read: Site, store: PostgresExports
) -> None:
    """A row without that date is never left out."""
    since = middle(read, f"ebay.{name}", DATED[name])

    rows = exported(store, table=find(name), since=since)

    younger = f"COALESCE({DATED[name]} >= '{since.isoformat()}', true)"
    assert len(rows) == counted(read, name, younger) > 0


@pytest.mark.parametrize("name", TABLES)
def test_since_with_changed_counts_by_when_a_row_changed_here(
    name: str, read: Site, store: PostgresExports
) -> None:
    later = read.one("SELECT clock_timestamp() + interval '1 hour'")
    before = read.one("SELECT min(updated_at) FROM ebay.orders")

    assert exported(store, table=find(name), since=later, changed=True) == []
    rows = exported(store, table=find(name), since=before - timedelta(hours=1), changed=True)
    assert len(rows) == counted(read, name)


def test_parts_are_as_old_as_their_whole(read: Site, store: PostgresExports) -> None:
    since = middle(read, "ebay.orders", "creation_date")
    booked = middle(read, "ebay.transactions", "transaction_date")

    parts = exported(store, table=find("order_lines"), since=since)
    fees = exported(store, table=find("transaction_fees"), since=booked)

    orders = f"SELECT account_id, order_id FROM ebay.orders WHERE creation_date >= '{since}'"
    assert len(parts) == counted(read, "order_lines", f"(account_id, order_id) IN ({orders})") > 0
    sold = (
        "SELECT account_id, transaction_id, transaction_type FROM ebay.transactions"
        f" WHERE transaction_date >= '{booked}'"
    )
    fees_of_it = f"(account_id, transaction_id, transaction_type) IN ({sold})"
    assert len(fees) == counted(read, "transaction_fees", fees_of_it) > 0


def test_the_money_of_an_order_is_whole_once_a_part_of_it_is_young(
    read: Site, store: PostgresExports
) -> None:
    money = {
        (row["account"], row["order_id"], row["currency"]): row
        for row in exported(store, table=find("order_money"))
    }
    since = middle(read, "ebay.transactions", "transaction_date")

    young = exported(store, table=find("order_money"), since=since)

    assert 0 < len(young) < len(money)
    for row in young:
        assert row == money[row["account"], row["order_id"], row["currency"]]
    orders = {(row["account"], row["order_id"]) for row in young}
    sold = read.sql(
        "SELECT account.name, order_id FROM ebay.transactions JOIN ebay.accounts account"
        f" ON account.id = account_id WHERE transaction_date >= '{since}' AND order_id IS NOT NULL"
    )
    assert {(name, order_id) for name, order_id in sold} <= orders


def test_an_export_shows_one_instant_whatever_is_written_meanwhile(
    database: Database,
) -> None:
    fill(database, 1500)

    with closing(PostgresExports(database).batches(Request(table=find("payouts")))) as batches:
        first = next(batches)
        with database.transaction() as other:
            other.exec_driver_sql("DELETE FROM ebay.payouts WHERE payout_id LIKE 'p%1'")
            other.exec_driver_sql("UPDATE ebay.payouts SET payout_status = 'LATER'")
        rest = [row for batch in batches for row in batch.rows]

    rows = [*first.rows, *rest]
    assert len(rows) == 1500
    assert len(first.rows) == 1000
    assert {row[first.columns.index("payout_status")] for row in rows} == {"SUCCEEDED"}


def fill(database: Database, payouts: int) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(
            "INSERT INTO ebay.accounts (name, environment) VALUES ('a', 'simulator');"
            "INSERT INTO ebay.payouts (account_id, payout_id, payout_date, payout_status, raw,"
            " content_hash, first_seen_at, updated_at)"
            " SELECT id, 'p' || lpad(CAST(n AS text), 6, '0'), now(), 'SUCCEEDED', '{}', n, now(),"
            f" now() FROM ebay.accounts, generate_series(1, {payouts}) AS n"
        )


MANY = 3000
MANY_OF_ALL = f"""
INSERT INTO ebay.accounts (name, environment) VALUES ('a', 'simulator');
INSERT INTO ebay.orders (account_id, order_id, creation_date, last_modified_date, raw, content_hash,
                         first_seen_at, updated_at)
SELECT id, n, now(), now(), '{{}}', n, now(), now()
  FROM ebay.accounts, generate_series(1, {MANY}) AS n;
INSERT INTO ebay.order_lines (account_id, order_id, line_item_id, raw, content_hash, first_seen_at,
                              updated_at)
SELECT account_id, order_id, '1', '{{}}', 1, now(), now() FROM ebay.orders;
INSERT INTO ebay.transactions (account_id, transaction_id, transaction_type, transaction_date,
                               order_id, amount_value, amount_currency, raw, content_hash,
                               first_seen_at, updated_at)
SELECT account_id, order_id, 'SALE', now(), order_id, 1, 'EUR', '{{}}', 1, now(), now()
  FROM ebay.orders;
INSERT INTO ebay.transaction_fees (account_id, transaction_id, transaction_type, fee_number, raw,
                                   content_hash, first_seen_at, updated_at)
SELECT account_id, order_id, 'SALE', 1, '{{}}', 1, now(), now() FROM ebay.orders;
"""


@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
@pytest.mark.parametrize("name", ["orders", "order_lines", "order_money", "transaction_fees"])
def test_each_row_is_read_a_few_times_whatever_is_known_of_the_tables(
    name: str, analysed: bool, database: Database, direct_database_url: str
) -> None:
    execute(parse(direct_database_url), MANY_OF_ALL + ("ANALYZE;" if analysed else ""))
    query = load("exports")[name].text.removeprefix("DECLARE exported NO SCROLL CURSOR FOR")
    values = {"accounts": ["a"], "since": datetime(2026, 1, 1, tzinfo=UTC), "changed": False}
    if ":raw" in query:
        values["raw"] = False

    with database.transaction() as connection:
        explained = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}")
        [plan] = connection.execute(explained, values).scalar_one()

    assert plan["Plan"]["Actual Rows"] == MANY
    # The account may be looked up for each.
    assert rows_scanned(plan["Plan"]) <= 3 * MANY + 10


def test_few_rows_are_held_at_once(database: Database) -> None:
    """Fewer where eBay's answers come along."""
    fill(database, 2500)
    store = PostgresExports(database)

    plain = [len(batch.rows) for batch in store.batches(Request(table=find("payouts")))]
    raw = [len(batch.rows) for batch in store.batches(Request(table=find("payouts"), raw=True))]

    assert plain == [1000, 1000, 500]
    assert raw == [100] * 25


def test_a_database_that_goes_away_is_told(
    database: Database, direct_database_url: str, database_name: str
) -> None:
    fill(database, 1500)
    sessions = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = '{database_name}' AND query LIKE 'FETCH%'"
    )

    batches = PostgresExports(database).batches(Request(table=find("payouts")))
    next(batches)
    execute(parse(direct_database_url), sessions)
    with pytest.raises(StoreUnavailableError):
        next(batches)


def test_a_reader_that_takes_its_time_is_waited_for(database: Database) -> None:
    """The limits of other transactions end neither a long export nor a slow one."""
    used: list[Any] = []
    sa.event.listen(database.engine, "checkout", lambda driver, *_: used.append(driver))

    with closing(PostgresExports(database).batches(Request(table=find("payouts")))) as batches:
        next(batches)
        limits = used[0].execute_simple(LIMITS).rows

    assert dict(limits) == {
        "idle_in_transaction_session_timeout": "3600000",
        "statement_timeout": "600000",
    } | ({"transaction_timeout": "0"} if len(limits) == 3 else {})
