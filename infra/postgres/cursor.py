"""pg8000's cursor, which looks for the parameters of each statement once, not at each execution.

It goes through a statement character by character to write `$1` in place of `%s`: a millisecond for
one of ours, which is a sixth of the processor's time of a run that reads a few pages.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import pg8000
from pg8000.dbapi import convert_paramstyle

STYLE = "format"
REMEMBERED = 1024


class Cursor(pg8000.Cursor):  # type: ignore[misc]  # pg8000 has no types
    def execute(self, operation: str, args: Sequence[Any] = (), stream: Any = None) -> "Cursor":
        text = numbered(operation) if args and self.paramstyle == STYLE else operation
        super().execute(text, args, stream)
        return self


class Numbered(str):
    """A statement as the server takes it; pg8000 goes through it in one step and keeps it."""

    __slots__ = ()

    def __iter__(self) -> Iterator[str]:
        yield str(self)

    def __len__(self) -> int:
        return 1


@lru_cache(REMEMBERED)
def numbered(operation: str) -> Numbered:
    text, _ = convert_paramstyle(STYLE, operation, ())
    return Numbered(text)
