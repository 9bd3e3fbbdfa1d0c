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
    found: dict[str, int] = {}
    for schema, table, column in database.sql(COLUMNS):
        text = f'lower(CAST("{column}" AS text))'
        # A word of its own: another buyer's name may begin like this one's.
        tests = [f"{text} ~ ('(?<![[:alnum:]])' || {_quoted(each)} || '(?![[:alnum:]])')"
                 for each in map(_pattern, words)]  # fmt: skip
        sql = f'SELECT count(*) FROM {schema}."{table}" WHERE {" OR ".join(tests)}'
        count = database.sql(sql)[0][0]
        if count:
            found[f"{schema}.{table}.{column}"] = count
    return found


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
