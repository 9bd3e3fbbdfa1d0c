"""Finding a person in a database: in every column of every table, by whatever was known of him."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from infra.simulator.catalog import Buyer


class Database(Protocol):
    def sql(self, text: str, /) -> Sequence[Sequence[Any]]: ...


COLUMNS = """
SELECT columns.table_schema, columns.table_name, column_name
  FROM information_schema.columns
  JOIN information_schema.tables USING (table_catalog, table_schema, table_name)
 WHERE columns.table_schema IN ('ebay', 'ops', 'public') AND table_type = 'BASE TABLE'
 ORDER BY 1, 2, 3
"""


def places_of(database: Database, words: Sequence[str]) -> dict[str, int]:
    """How many rows of which column hold one of these words, in any form of text."""
    tables: dict[str, list[str]] = {}
    for schema, table, column in database.sql(COLUMNS):
        tables.setdefault(f'{schema}."{table}"', []).append(column)
    # A word of its own: another buyer's name may begin like this one's.
    any_word = _quoted(f"(?<![[:alnum:]])(?:{'|'.join(map(_pattern, words))})(?![[:alnum:]])")
    # One statement for all: a connection for each column would take most of a test's time.
    counted = [
        f"SELECT {_quoted(table)}, ARRAY[{', '.join(_count(each, any_word) for each in columns)}]"
        f" FROM {table}"
        for table, columns in tables.items()
    ]
    rows = database.sql(" UNION ALL ".join(counted))
    return {
        table.replace('"', "") + f".{column}": count
        for table, counts in rows
        for column, count in zip(tables[table], counts, strict=True)
        if count
    }


def _count(column: str, pattern: str) -> str:
    return f'count(*) FILTER (WHERE lower(CAST("{column}" AS text)) ~ {pattern})'


def words_of(buyer: Buyer) -> list[str]:
    """Name, e-mail, streets, phones, as eBay shows them to a seller."""
    told = _leaves(buyer.buyer) | _leaves(buyer.ship_to)
    return sorted(told | {buyer.username})


def _leaves(told: Any, key: str = "") -> set[str]:
    if isinstance(told, Mapping):
        return {leaf for name, each in told.items() for leaf in _leaves(each, name)}
    # A country is no person's alone, nor is a town or the number of its post.
    personal = key not in {"countryCode", "city", "postalCode", "stateOrProvince"}
    return {told} if personal and isinstance(told, str) and told else set()


def _pattern(word: str) -> str:
    return "".join(
        f"\\{each}" if not each.isalnum() and each != " " else each for each in word.lower()
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
