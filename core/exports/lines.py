"""Rows as CSV and as JSON lines."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import Any
from uuid import UUID

from core.exports.model import Batch
from core.report import instant

# A cell that begins so is computed by spreadsheets, some of which take the wide signs too.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# JSON may hold them, yet readers end a line at them.
_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


def first_lines(form: Format, batch: Batch) -> bytes:
    """What stands before the rows."""
    return _csv([batch.columns]) if form is Format.CSV else b""


def lines(form: Format, batch: Batch) -> bytes:
    """UTF-8. CSV as RFC 4180 has it, null as nothing; money as decimal text, instants in UTC.

    In CSV a text that a spreadsheet would compute gets a `'` in front. Numbers stay numbers.
    """
    if form is Format.CSV:
        return _csv([[_CELLS[type(value)](value) for value in row] for row in batch.rows])
    return "".join(f"{_object(batch, row)}\n" for row in batch.rows).encode()


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


def _object(batch: Batch, row: Sequence[Any]) -> str:
    """Documents last, as PostgreSQL wrote them: read and written again, numbers would change."""
    end = len(row) - batch.documents
    values = [_VALUES[type(value)](value) for value in row[:end]]
    told = _dumps(dict(zip(batch.columns, values, strict=False)))
    parts = [
        f", {_dumps(name)}: {'null' if text is None else text}"
        for name, text in zip(batch.columns[end:], row[end:], strict=True)
    ]
    return "".join([told[:-1], *parts, "}"]).translate(_LINE_ENDS)


def _dumps(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _neutral(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def _decimal(number: Decimal) -> str:
    """Without an exponent, which `str` writes for 0.0000000."""
    return format(number, "f")


def _as_is(value: Any) -> Any:
    return value


_CELLS: Mapping[type, Callable[[Any], str]] = {
    NoneType: lambda _: "",
    str: _neutral,
    bool: lambda value: "true" if value else "false",
    int: str,
    Decimal: _decimal,
    datetime: lambda at: instant(at) or "",
    list: _dumps,
    UUID: str,
}
_VALUES: Mapping[type, Callable[[Any], object]] = {
    NoneType: _as_is,
    str: _as_is,
    bool: _as_is,
    int: _as_is,
    Decimal: _decimal,
    datetime: instant,
    list: _as_is,
    UUID: str,
}
