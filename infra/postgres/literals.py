"""A statement with its values written into it: one round trip, where parameters cost three.

For what is run hundreds of times and says nothing personal: PostgreSQL's log shows a statement that
fails, and with it what was written into it.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from infra.postgres.queries import load

# As SQLAlchemy finds its parameters.
_PARAMETER = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")

Value = str | int | float | bool | UUID | None | Sequence[str] | Sequence[int] | Sequence[UUID]


def run_literally(
    connection: sa.Connection, feature: str, name: str, /, **values: Value
) -> sa.CursorResult[Any]:
    parts = _parts(feature, name)
    texts = [literal(values[part]) if place % 2 else part for place, part in enumerate(parts)]
    return connection.exec_driver_sql("".join(texts))


@cache
def _parts(feature: str, name: str) -> Sequence[str]:
    """Text and parameter, one after the other. What the driver would halve is halved."""
    return _PARAMETER.split(load(feature)[name].text.replace("%%", "%"))


def literal(value: Value) -> str:
    """A constant, or the planner would not look it up in an index."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case UUID():
            return f"'{value}'"
        case str():
            return _text(value)
        case _:
            return _array(value)


def _text(value: str) -> str:
    """E'': what a backslash means in it does not depend on standard_conforming_strings."""
    if "\0" in value:
        raise ValueError("PostgreSQL keeps no NUL in a text")
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'"


def _array(values: Sequence[str] | Sequence[int] | Sequence[UUID]) -> str:
    """Numbers and ids as one text, which is read faster than an expression for each."""
    if values and not isinstance(values[0], str):
        return f"'{array_text(values)}'"
    return f"ARRAY[{','.join(literal(each) for each in values)}]"


def array_text(values: Sequence[object]) -> str:
    """Of numbers or ids, as PostgreSQL writes it."""
    return f"{{{','.join(map(str, values))}}}"
