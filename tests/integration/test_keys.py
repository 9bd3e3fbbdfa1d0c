"""What makes a row one row: the account it belongs to, and eBay's own key."""

from collections.abc import Mapping

import pytest
import sqlalchemy as sa

from infra.ebay.streams.registry import STREAMS
from infra.postgres.transaction import Database
from tests.support.stored import table_of

# A primary key holds no null, so that no row slips past its uniqueness.
PRIMARY_KEY = """
SELECT attribute.attname
  FROM pg_index, unnest(pg_index.indkey) WITH ORDINALITY AS part (number, place)
  JOIN pg_attribute attribute ON attribute.attnum = part.number
 WHERE indrelid = CAST(:table AS regclass) AND attrelid = indrelid AND indisprimary
 ORDER BY place
"""
BESIDE: Mapping[str, tuple[str, ...]] = {
    "ebay.order_lines": ("account_id", "order_id", "line_item_id"),
    "ebay.transaction_fees": ("account_id", "transaction_id", "transaction_type", "fee_number"),
    "ebay.sync_states": ("account_id", "stream", "pass"),
    "ebay.tokens": ("account_id",),
}


def primary_key(database: Database, table: str) -> tuple[str, ...]:
    with database.transaction() as connection:
        return tuple(connection.execute(sa.text(PRIMARY_KEY), {"table": table}).scalars())


@pytest.mark.parametrize("stream", [stream.name for stream in STREAMS])
def test_r16_r17_a_row_of_ebays_is_one_by_its_account_and_key(
    database: Database, stream: str
) -> None:
    table = table_of(stream)

    assert primary_key(database, table.name) == ("account_id", *table.key)


@pytest.mark.parametrize("table", BESIDE)
def test_r13_r16_what_stands_beside_is_one_for_each_account_too(
    database: Database, table: str
) -> None:
    assert primary_key(database, table) == BESIDE[table]
