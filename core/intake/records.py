"""Rows of a delimited file, one at a time, however broken it is."""

import csv
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import UsageError
from core.intake.text import REPLACED

MAX_ROW = 1024 * 1024
"""Characters; a longer one is passed over and refused."""
LONG_FIELD = 4000
"""A field of several lines and so long is a quote that nobody closed."""
TOO_LARGE, BAD_QUOTES, TOO_MANY_FIELDS = "row_too_large", "quotes_broken", "too_many_fields"
NUL, UNDECODABLE = "nul_character", "not_in_its_encoding"
READ_AGAIN = 8 * 1024 * 1024
"""Characters that may be read again for broken quotes, and four times as many as there are: else a
file could be made of which each line costs as much as a whole row.
"""
_BROKEN = {TOO_LARGE, BAD_QUOTES, TOO_MANY_FIELDS}


class Text(Protocol):
    def readline(self, limit: int, /) -> str: ...


class TooLargeError(Exception):
    """A line longer than any row."""


@dataclass(slots=True)
class _Lines:
    """The lines of a text; those of the present row are kept, to be read again one by one."""

    text: Text
    taken: list[str] = field(default_factory=list)
    again: deque[str] = field(default_factory=deque)
    size: int = 0
    left: int = READ_AGAIN

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.again.popleft() if self.again else self._new()
        if not line:
            raise StopIteration
        self.size += len(line)
        if self.size >= MAX_ROW:
            self._refuse(line)
        self.taken.append(line)
        return line

    def _new(self) -> str:
        line = self.text.readline(MAX_ROW)
        self.left += 4 * len(line)
        return line

    def _refuse(self, line: str) -> None:
        """A long line is passed over; before a line that makes a row too long, its first ends."""
        if self.taken:
            self.again.appendleft(line)
        else:
            while line and not line.endswith(("\n", "\r")):
                line = self.text.readline(MAX_ROW)
        raise TooLargeError

    def begin(self) -> None:
        self.taken.clear()
        self.size = 0

    def give_back(self) -> None:
        """All but the first line. Raises UsageError for a file of which that is too much."""
        self.left -= self.size
        if self.left < 0:
            raise UsageError("the file has too many quotes that nobody closes to be read")
        self.again.extendleft(reversed(self.taken[1:]))


@dataclass(frozen=True, slots=True)
class Record:
    """`number`: as a spreadsheet numbers rows, the header is 1. `fault`: why it is of no use."""

    number: int
    fields: list[str]
    fault: str | None = None


@dataclass(slots=True)
class Records:
    """Rows that are not blank. A quote that nobody closes costs its own line, no more.

    `width`: how many columns there are; a row may have fewer. None: any number. `marks`: U+FFFD
    stands where a byte was none of the encoding.
    """

    text: Text
    delimiter: str
    width: int | None = None
    marks: bool = False
    number: int = 0
    _lines: _Lines = field(init=False)

    def __post_init__(self) -> None:
        self._lines = _Lines(self.text)

    def __iter__(self) -> Iterator[Record]:
        rows = csv.reader(self._lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)
        while True:
            self._lines.begin()
            self.number += 1
            fields, fault = self._next(rows)
            if fields is None and fault is None:
                return
            if fault in _BROKEN:
                self._lines.give_back()
            if fault is not None:
                yield Record(self.number, [], fault)
            elif fields:
                yield Record(self.number, fields)

    def first_line(self) -> str | None:
        """The first that is not blank; it is read all the same. Raises TooLargeError."""
        for line in self._lines:
            if line.strip():
                self._lines.again.appendleft(line)
                return line
            self._lines.begin()
            self.number += 1
        return None

    def pass_line(self) -> None:
        """As if it were not in the file."""
        next(self._lines)

    def _next(self, rows: Iterator[list[str]]) -> tuple[list[str] | None, str | None]:
        """Both None: the end. No fields: a blank row."""
        try:
            fields = next(rows)
        except StopIteration:
            return None, None
        except TooLargeError:
            return None, TOO_LARGE
        except csv.Error:
            return None, self._broken()
        whole = "".join(fields)
        if not whole or whole.isspace():
            return [], None
        return fields, self._fault(fields, whole)

    def _broken(self) -> str:
        """csv's own limit for a field is lower than ours for a row."""
        long = len(self._lines.taken) == 1 and len(self._lines.taken[0]) > csv.field_size_limit()
        return TOO_LARGE if long else BAD_QUOTES

    def _fault(self, fields: list[str], whole: str) -> str | None:
        if self.width is not None and len(fields) > self.width and any(fields[self.width :]):
            return TOO_MANY_FIELDS
        if len(self._lines.taken) > 1 and max(map(len, fields)) > LONG_FIELD:
            return BAD_QUOTES
        if "\0" in whole:
            return NUL
        return UNDECODABLE if self.marks and REPLACED in whole else None
