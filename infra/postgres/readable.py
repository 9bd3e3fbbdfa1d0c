"""JSON as it comes from the database, where rows are made by hand too.

PostgreSQL takes numbers of thousands of digits, and lists thousands deep, and Python does not: one
such row must stop nobody who reads others beside it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

UNREADABLE = "larger numbers or deeper lists than any program of ours reads; see it with `psql`"
REFUSED = (ValueError, RecursionError)
_SIGNS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]')
_OPENING, _CLOSING = frozenset("[{"), frozenset("]}")


def read(text: str) -> Any:
    """What stands for a whole value that is refused says so."""
    try:
        return json.loads(text)
    except REFUSED:
        return {"unreadable": UNREADABLE}


def read_rows(text: str) -> list[list[Any]]:
    """Of a JSON array of arrays, none of them empty; None stands for a field that is refused."""
    try:
        rows: list[list[Any]] = json.loads(text)
    except REFUSED:
        return [[_or_none(field) for field in _parts(row)] for row in _parts(text)]
    return rows


def _or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except REFUSED:
        return None


def _parts(array: str) -> Iterator[str]:
    depth = begin = 0
    for found in _SIGNS.finditer(array):
        sign = found[0]
        if sign in _OPENING:
            depth += 1
            begin = found.end() if depth == 1 else begin
        elif sign in _CLOSING:
            depth -= 1
            if depth == 0:
                yield array[begin : found.start()]
        elif sign == "," and depth == 1:
            yield array[begin : found.start()]
            begin = found.end()
