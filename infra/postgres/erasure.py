"""Taking a person out of every table that may hold one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from infra.postgres.queries import load

TOGETHER = {"orders": ("order_lines",)}
"""Rows that are found by those of another table, and erased before them."""
ORDER = (
    "orders",
    "transactions",
    "disputes",
    "cases",
    "inquiries",
    "returns",
    "cancellations",
    "messages",
    "mentions",
    "best_offers",
    "purchases",
    "listings",
    "notes",
    "quarantine",
    "run_events",
    "run_units",
    "connect_events",
    "tasks",
    "jobs",
    "schedules",
)
ALSO = frozenset(
    {"quarantine", "run_events", "run_units", "connect_events", "tasks", "jobs", "schedules"}
)
"""Texts, looked through for the person's other names as well, by which `look` does not look."""


def erase(connection: sa.Connection, words: Sequence[str], own: Sequence[int]) -> dict[str, int]:
    """How many rows of which table; none where the person was not known.

    `words` are names and ids of one person, `own` the accounts whose seller the person is.
    """
    about = {"words": list(words), "own": list(own)}
    _run(connection, "lock", {})
    found = {row.found for row in _run(connection, "look", about)}
    if not found and not own:
        return {}
    _run(connection, "keep", {"words": list(words)})
    aliases = [row.name for row in _run(connection, "also_known_as", about)]
    named = list(dict.fromkeys([*words, *aliases]))
    _run(connection, "set_names", {"names": json.dumps(named)})
    about["named"] = named
    counts = {name: _erased(connection, name, about) for name in _tables(found)}
    _run(connection, "set_names", {"names": ""})
    return {name: count for name, count in counts.items() if count}


def _tables(found: set[str]) -> list[str]:
    wanted = found | ALSO
    return [
        name for table in ORDER if table in wanted for name in (*TOGETHER.get(table, ()), table)
    ]


def _erased(connection: sa.Connection, name: str, about: Mapping[str, object]) -> int:
    return len(_run(connection, f"erase_{name}", about).all())


def _run(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> sa.CursorResult[Any]:
    statement = load("erasure")[name]
    wanted = statement.compile().params
    return connection.execute(statement, {key: values[key] for key in wanted})
