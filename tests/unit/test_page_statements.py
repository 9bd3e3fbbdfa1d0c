"""What the loader makes of a stream's header and rows."""

import re

import pytest

from infra.postgres.page_statements import PageTable, page_table
from infra.postgres.queries import parameters, statements

ROWS = """SELECT raw ->> 'id' AS thing_id,
       COALESCE(raw ->> 'sku', '') AS sku,
       CAST(raw ->> 'title' AS text) AS title,
       CAST(raw ->> 'modified' AS timestamptz) AS modified_at"""
FULL = "-- list: things, table: ebay.things, key: thing_id sku, version: modified_at, ends, details"
PLAIN = "-- list: things, table: ebay.things, key: thing_id"


def table(header: str = PLAIN, rows: str = ROWS) -> PageTable:
    return page_table(f"-- What it is.\n{header}\n\n-- name: rows\n{rows}", rows)


def filled(part: str, header: str = PLAIN, rows: str = ROWS) -> str:
    return table(header, rows).fill(f"<<{part}>>")


def test_a_header_names_the_list_the_table_and_the_key() -> None:
    found = table()

    assert (found.list_field, found.table, found.key) == ("things", "ebay.things", ("thing_id",))
    assert (found.version, found.ends, found.details) == (None, False, False)
    assert found.columns == ("thing_id", "sku", "title", "modified_at")


def test_a_header_tells_what_else_there_is() -> None:
    found = table(FULL)

    assert found.key == ("thing_id", "sku")
    assert (found.version, found.ends, found.details) == ("modified_at", True, True)


@pytest.mark.parametrize(
    ("header", "made"),
    [
        (PLAIN, ("store",)),
        (f"{PLAIN}, ends", ("store", "end_unseen")),
        (f"{PLAIN}, details", ("store", "lacking_details")),
        (FULL, ("store", "lacking_details", "end_unseen")),
    ],
)
def test_only_what_the_stream_needs_is_made(header: str, made: tuple[str, ...]) -> None:
    assert table(header).statements == made
    assert tuple(statements(f"{header}\n-- name: rows\n{ROWS}")) == made


@pytest.mark.parametrize(
    "header",
    [
        "",
        "-- list: things, table: ebay.things",
        "-- list: things, key: thing_id, table: ebay.things",
        "-- list: things, table: ebay.things, key: thing_id, details, ends",
        "-- list: things, table: ebay.things, key: thing_id, end",
        "-- list things, table: ebay.things, key: thing_id",
    ],
)
def test_a_header_that_is_not_understood_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="needs a line"):
        table(header)


def test_rows_without_a_column_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a line"):
        table(rows="SELECT 1")


def test_a_misspelt_placeholder_is_refused() -> None:
    with pytest.raises(KeyError, match="colums"):
        table().fill("SELECT <<colums>>")


def test_what_looks_like_a_placeholder_in_a_streams_rows_stays() -> None:
    odd = ROWS.replace("'title'", "'<<title>>'")

    assert table(rows=odd).fill("(<<rows>>)") == f"({odd})"


def test_columns_are_those_of_the_rows_and_what_details_add() -> None:
    assert filled("columns") == "thing_id, sku, title, modified_at"
    assert filled("columns", FULL) == "thing_id, sku, title, modified_at, detail"


def test_the_columns_of_the_key_are_never_set() -> None:
    names = re.findall(r"(\w+) = ", filled("settings", FULL))

    assert names == ["title", "modified_at", "detail", "ended_at"]


def test_a_name_of_a_type_is_not_a_column() -> None:
    assert "text" not in table().columns


DETAILED = """SELECT raw ->> 'id' AS thing_id,
       detail ->> 'a' AS a,
       COALESCE(raw ->> 'b',
                detail ->> 'b') AS b,
       newest ->> 'c' AS c,
       raw ->> 'detailed' AS d,
       other ->> 'e' AS e
  FROM (SELECT COALESCE(detail -> 'said', raw) AS newest) said
 CROSS JOIN (SELECT raw -> 'other' AS other) there"""


def test_columns_read_from_details_are_found_by_way_of_other_names_too() -> None:
    found = table(f"{PLAIN}, details", DETAILED)

    assert found.columns == ("thing_id", "a", "b", "c", "d", "e")
    assert found.detailed == {"a", "b", "c"}


def test_only_those_stay_where_a_page_brings_no_details() -> None:
    settings = filled("settings", f"{PLAIN}, details", DETAILED)

    for name in ("a", "b", "c", "detail"):
        assert f"{name} = CASE WHEN EXCLUDED.detail IS NULL" in settings
    for name in ("d", "e"):
        assert f"{name} = EXCLUDED.{name}" in settings


def test_two_columns_of_a_key_are_one_text() -> None:
    assert filled("key_text", FULL) == "thing_id || '|' || sku"
    assert filled("stored_key_text", FULL) == "stored.thing_id || '|' || stored.sku"
    assert filled("same_key", FULL) == (
        "stored.thing_id = entry.thing_id AND stored.sku = entry.sku"
    )


def test_the_pages_statement_takes_the_page_its_account_and_when_it_was_asked_for() -> None:
    for header in (PLAIN, FULL):
        found = statements(f"{header}\n-- name: rows\n{ROWS}")["store"].text
        assert sorted(parameters(found)) == ["account_id", "page", "read_at"]


def test_a_streams_own_statement_wins_over_the_one_made() -> None:
    found = statements(f"{PLAIN}\n-- name: rows\n{ROWS};\n-- name: store\nSELECT 1;")

    assert found["store"].text == "SELECT 1"
