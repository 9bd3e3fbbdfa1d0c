"""The first reading of a file: what it is, without taking anything of it."""

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from core.errors import UsageError
from core.intake.columns import NAME_TOLD, format_of, places, recognised
from core.intake.model import DATES, Column, DateOrder, Dates, Format, Layout, Survey
from core.intake.ports import Opened
from core.intake.records import Record, Records, TooLargeError
from core.intake.text import Encoding, Hashed, begins_as, instead, opened
from core.intake.values import decided, shows

DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR = "sep="
"""A line that Excel writes for itself, before the header."""

OpenFile = Callable[[], AbstractContextManager[Opened]]
Pause = Callable[[], None]


def survey(open_file: OpenFile, given: Format | None, pause: Pause) -> Survey:
    """The whole file, once, or twice where it is not in the encoding that it seems to be in.

    `given`: the format that it must have. Raises UsageError for a file of which nothing can be
    taken, and what `pause` raises.
    """
    encoding: Encoding | None = None
    while True:
        with open_file() as file:
            source = Hashed(file.content, pause)
            chosen = encoding or begins_as(source.head())
            try:
                return _survey(source, chosen, given)
            except UnicodeDecodeError as error:
                encoding = instead(chosen, error, seen=source.seen)


def _survey(source: Hashed, encoding: Encoding, given: Format | None) -> Survey:
    records = Records(opened(source, encoding), ",", marks=not encoding.strict)
    found = header(records)
    if found is None:
        empty = _layout(encoding, records, given or Format.GENERIC, ())
        return Survey(file_hash=source.digest(), rows=0, layout=empty)
    rest, fields = found
    layout = _layout(encoding, records, given or format_of(fields), fields)
    records.width = layout.width
    rows, dates = _look_through(rest, layout)
    return Survey(file_hash=source.digest(), rows=rows, layout=replace(layout, dates=dates))


def _layout(encoding: Encoding, records: Records, format_: Format, fields: Sequence[str]) -> Layout:
    where = places(fields, format_) if fields else {}
    return Layout(
        format=format_,
        encoding=encoding.name,
        strict=encoding.strict,
        delimiter=records.delimiter,
        width=len(fields),
        places=where,
        names={column: _told(fields[place]) for column, place in where.items()},
    )


def _told(name: str) -> str:
    return " ".join(name.replace("\ufeff", "").split())[:NAME_TOLD]


def header(records: Records) -> tuple[Iterator[Record], list[str]] | None:
    """The rows below it, and its fields; None: there is no row at all. Finds the delimiter."""
    line = _first_line(records)
    if line is not None and line.lower().startswith(_SEPARATOR):
        records.pass_line()
        line = _first_line(records)
    if line is None:
        return None
    records.delimiter = _delimiter(line)
    rest = iter(records)
    first = next(rest, None)
    if first is None:
        return None
    if first.fault is not None:
        raise UsageError(f"the header of the file cannot be read: {first.fault}")
    return rest, first.fields


def _first_line(records: Records) -> str | None:
    try:
        return records.first_line()
    except TooLargeError:
        raise UsageError("the first line of the file is too long to be a header") from None


def _delimiter(line: str) -> str:
    """That by which most names are known; else by which there are most."""

    def worth(delimiter: str) -> tuple[int, int]:
        try:
            fields = next(csv.reader([line], delimiter=delimiter), [])
        except csv.Error:
            return 0, 0
        return recognised(fields), len(fields)

    return max(DELIMITERS, key=worth)


def _look_through(rest: Iterator[Record], layout: Layout) -> tuple[int, dict[Column, Dates]]:
    shown: dict[Column, Counter[DateOrder]] = {
        column: Counter() for column in DATES if column in layout.places
    }
    looked_at = [(layout.places[column], counted) for column, counted in shown.items()]
    rows = 0
    for record in rest:
        rows += 1
        for place, counted in looked_at:
            if place < len(record.fields):
                order = shows(record.fields[place].strip())
                if order is not None:
                    counted[order] += 1
    return rows, {column: decided(counted) for column, counted in shown.items()}
