"""The second reading: each row as a judgment, or what is wrong with it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal

from core.intake.model import FIRST_ERRORS, VALUE_KEPT, Chunk, Column, Fault, Format, Layout, Row
from core.intake.records import Record, Records
from core.intake.survey import header
from core.intake.text import Encoding, Hashed, opened
from core.intake.values import UnreadableError, amount, day

LONGEST = {
    Column.CASE_NUMBER: 100,
    Column.PLAINTIFF: 500,
    Column.DEFENDANT: 500,
    Column.COUNTY: 200,
    Column.COURT: 200,
}
MISSING, TOO_LONG, BAD_DATE, NO_AMOUNT = "missing", "too_long", "date_unreadable", "amount_blank"
_NEEDED = {
    Format.SIMPLICITY: (Column.CASE_NUMBER, Column.PLAINTIFF, Column.DEFENDANT),
    Format.FOIL: (Column.CASE_NUMBER, Column.DEFENDANT),
    Format.GENERIC: (Column.CASE_NUMBER, Column.DEFENDANT),
}
"""Must not be blank, where the file has such a column."""
HASH_KEPT = 12
_ANY = 10**9


def chunks(
    source: Hashed, layout: Layout, *, file_hash: str, after: int, most: int
) -> Iterator[Chunk]:
    """Of the rows below `after`, `most` at once."""
    text = opened(source, Encoding(layout.encoding, layout.strict))
    records = Records(text, layout.delimiter, marks=not layout.strict)
    found = header(records)
    if found is None:
        return
    records.width = layout.width
    reader = _Reader(layout=layout, made_up=f"INTAKE-{file_hash[:HASH_KEPT]}")
    for record in found[0]:
        if record.number > after:
            reader.take(record)
            if reader.taken == most:
                yield reader.chunk()
    if reader.taken:
        yield reader.chunk()


@dataclass(slots=True, kw_only=True)
class _Reader:
    """`made_up`: how the case number begins of a row in a file that has none."""

    layout: Layout
    made_up: str
    taken: int = 0
    _rows: dict[str, Row] = field(default_factory=dict)
    _chunk: Chunk = field(default_factory=Chunk)

    def chunk(self) -> Chunk:
        done = self._chunk
        done.rows = list(self._rows.values())
        self._rows, self._chunk, self.taken = {}, Chunk(last=done.last), 0
        return done

    def take(self, record: Record) -> None:
        self.taken += 1
        self._chunk.last = record.number
        row = self._read(record)
        if row is None:
            self._chunk.invalid += 1
            return
        earlier = self._rows.setdefault(row.case_number, row)
        if earlier is not row:
            self._chunk.repeated += 1
            _put_together(earlier, row)

    def _read(self, record: Record) -> Row | None:
        errors = self._chunk.errors
        before = len(errors)
        if record.fault is not None:
            errors.append(Fault(record.number, "", record.fault))
            return None
        texts = self._texts(record)
        self._check(record.number, texts)
        paid = self._amount(record.number, texts.get(Column.AMOUNT))
        if len(errors) > before:
            return None
        return Row(
            case_number=texts.get(Column.CASE_NUMBER) or f"{self.made_up}-{record.number}",
            row_number=record.number,
            plaintiff=texts.get(Column.PLAINTIFF) or None,
            defendant=texts.get(Column.DEFENDANT) or None,
            amount=paid,
            filing_date=self._day(record.number, Column.FILING_DATE, texts),
            judgment_date=self._day(record.number, Column.JUDGMENT_DATE, texts),
            county=texts.get(Column.COUNTY) or None,
            court=texts.get(Column.COURT) or None,
        )

    def _texts(self, record: Record) -> dict[Column, str]:
        """On one line each; of a row that ends early the rest is blank."""
        fields = record.fields
        there = len(fields)
        return {
            column: " ".join(fields[place].split()) if place < there else ""
            for column, place in self.layout.places.items()
        }

    def _check(self, number: int, texts: Mapping[Column, str]) -> None:
        for column in _NEEDED[self.layout.format]:
            if texts.get(column) == "":
                self._refuse(number, column, MISSING, "")
        for column, text in texts.items():
            if len(text) > LONGEST.get(column, _ANY):
                self._refuse(number, column, TOO_LONG, text)

    def _amount(self, number: int, text: str | None) -> Decimal | None:
        """Blank is not 0: nobody said what is to be paid."""
        if not text:
            if text is not None:
                self._warn(number, Column.AMOUNT, NO_AMOUNT, "")
            return None
        try:
            return amount(text)
        except UnreadableError as error:
            self._refuse(number, Column.AMOUNT, str(error), text)
            return None

    def _day(self, number: int, column: Column, texts: Mapping[Column, str]) -> date | None:
        text = texts.get(column)
        if not text:
            return None
        read = day(text, self.layout.dates[column].order)
        if read is None:
            self._warn(number, column, BAD_DATE, text)
        return read

    def _refuse(self, number: int, column: Column, code: str, value: str) -> None:
        self._chunk.errors.append(self._fault(number, column, code, value))

    def _warn(self, number: int, column: Column, code: str, value: str) -> None:
        self._chunk.warnings += 1
        if len(self._chunk.told_warnings) < FIRST_ERRORS:
            self._chunk.told_warnings.append(self._fault(number, column, code, value))

    def _fault(self, number: int, column: Column, code: str, value: str) -> Fault:
        return Fault(number, self.layout.names[column], code, value[:VALUE_KEPT] or None)


def _put_together(earlier: Row, later: Row) -> None:
    """The later one is right; what it does not say stays."""
    for column in fields(Row):
        said = getattr(later, column.name)
        if said is not None:
            setattr(earlier, column.name, said)
