"""Every table of ours is exported, or kept for a reason; none of its columns gets lost."""

from collections.abc import Iterator

import pytest

from core.exports.catalog import KEPT, TABLES
from core.exports.model import Request
from infra.postgres.exports import PostgresExports
from infra.postgres.transaction import Database

# The account is told by its name; the hash is ours, for the sync.
LEFT_OUT = {"account_id", "content_hash", "id"}
OURS = ("ebay", "ops", "intake", "enforcement")


def tables(database: Database) -> Iterator[str]:
    with database.transaction() as connection:
        yield from connection.exec_driver_sql(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            f" WHERE table_schema IN {OURS}"
        ).scalars()


def columns(database: Database, table: str) -> set[str]:
    with database.transaction() as connection:
        return set(
            connection.exec_driver_sql(
                "SELECT column_name FROM information_schema.columns"
                f" WHERE table_schema || '.' || table_name = '{table}'"
            ).scalars()
        )


def test_every_table_is_exported_or_kept(database: Database) -> None:
    """A new one: into TABLES and sql/exports.sql, or with its reason into KEPT."""
    exported = {table.full_name for table in TABLES.values()}

    assert sorted(tables(database)) == sorted(exported | set(KEPT))


@pytest.mark.parametrize("name", TABLES)
def test_every_column_of_an_exported_table_is_exported(name: str, database: Database) -> None:
    """With the account first and eBay's answers last, which stay away unless asked for."""
    table = TABLES[name]
    last = (*table.documents, *table.texts)
    store = PostgresExports(database)

    [whole] = store.batches(Request(table=table, raw=True))
    [plain] = store.batches(Request(table=table))

    assert whole.columns[0] == "account"
    assert set(whole.columns) == columns(database, table.full_name) - LEFT_OUT | {"account"}
    assert tuple(whole.columns) == (*plain.columns, *last)
    assert whole.documents == len(table.documents)
