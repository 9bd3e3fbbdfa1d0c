"""A file of court judgments: how it is read, and what became of its rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, NewType
from uuid import UUID

BatchId = NewType("BatchId", UUID)

ERRORS_PERCENT = 10
"""More rows than that with an error: none of the file is taken."""
FIRST_ERRORS = 20
"""Kept of a file that is not taken; and so many warnings of any."""
VALUE_KEPT = 40
UNKNOWN_PLAINTIFF, UNKNOWN_DEFENDANT = "Unknown Plaintiff", "Unknown Defendant"
"""Stored where no file has named one; never in place of a name that is known."""


class Format(StrEnum):
    SIMPLICITY = "simplicity"
    FOIL = "foil"
    GENERIC = "generic"


class Column(StrEnum):
    """What is taken of a file, by the names in `intake.judgments`."""

    CASE_NUMBER = "case_number"
    PLAINTIFF = "plaintiff"
    DEFENDANT = "defendant"
    AMOUNT = "amount"
    FILING_DATE = "filing_date"
    JUDGMENT_DATE = "judgment_date"
    COUNTY = "county"
    COURT = "court"


DATES = (Column.FILING_DATE, Column.JUDGMENT_DATE)


class DateOrder(StrEnum):
    MONTH_FIRST = "MM/DD"
    DAY_FIRST = "DD/MM"


class Because(StrEnum):
    """Why a column's dates are read in that order."""

    SEEN = "values above 12 show it"
    AMBIGUOUS = "no value is above 12: taken for MM/DD"
    CONTRADICTORY = "values above 12 stand in both places: taken for MM/DD"


@dataclass(frozen=True, slots=True)
class Dates:
    order: DateOrder
    because: Because


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a file is read. `places`: of each column that it has; `names`: as the file calls them.

    `width`: how many columns its header has. `strict`: a byte that is none of its encoding would
    end the reading; else the row that holds it is refused.
    """

    format: Format
    encoding: str
    strict: bool
    delimiter: str
    width: int
    places: Mapping[Column, int]
    names: Mapping[Column, str]
    dates: Mapping[Column, Dates] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        return {
            "format": self.format,
            "encoding": self.encoding,
            "strict": self.strict,
            "delimiter": self.delimiter,
            "width": self.width,
            "places": dict(self.places),
            "names": dict(self.names),
            "dates": {
                column: {"order": each.order, "because": each.because}
                for column, each in self.dates.items()
            },
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Layout":
        """What `as_json` wrote."""
        return cls(
            format=Format(told["format"]),
            encoding=told["encoding"],
            strict=told["strict"],
            delimiter=told["delimiter"],
            width=told["width"],
            places={Column(name): place for name, place in told["places"].items()},
            names={Column(name): header for name, header in told["names"].items()},
            dates={
                Column(name): Dates(DateOrder(each["order"]), Because(each["because"]))
                for name, each in told["dates"].items()
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a first reading of the whole file found. `rows`: below the header, blank ones aside."""

    file_hash: str
    rows: int
    layout: Layout


@dataclass(slots=True)
class Row:
    """A judgment as a row says it; None: the row does not say it."""

    case_number: str
    row_number: int
    plaintiff: str | None = None
    defendant: str | None = None
    amount: Decimal | None = None
    filing_date: date | None = None
    judgment_date: date | None = None
    county: str | None = None
    court: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value. `column`: as the file calls it; empty: the row as a whole."""

    row_number: int
    column: str
    code: str
    value: str | None = None


@dataclass(slots=True, kw_only=True)
class Chunk:
    """Some rows of a file, one after the other, up to `last`.

    `rows`: at most one for each case number. `repeated`: rows put together with an earlier one of
    theirs. `invalid`: rows with an error; of `warnings` only some are told.
    """

    rows: list[Row] = field(default_factory=list)
    last: int = 0
    repeated: int = 0
    invalid: int = 0
    warnings: int = 0
    errors: list[Fault] = field(default_factory=list)
    told_warnings: list[Fault] = field(default_factory=list)

    def counted(self) -> "Chunk":
        """Without what is in it."""
        return Chunk(last=self.last, invalid=self.invalid, warnings=self.warnings)


class BatchStatus(StrEnum):
    STAGING = "staging"
    UPSERTING = "upserting"
    COMPLETED = "completed"
    DUPLICATE = "duplicate"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    id: BatchId
    kind: str
    file_path: str
    source_reference: str | None
    force: bool
    survey: Survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One reading of one file, and how far it has come.

    `rows_read`: the row of the file up to which it is staged. `moved_to`: the last case that this
    try has moved; those before it are gone, and need not be looked for. At its end `total` is
    `inserted + updated + duplicate + rejected`.
    """

    id: BatchId
    job_id: UUID
    kind: str
    status: BatchStatus
    file_path: str
    file_hash: str
    source_reference: str | None
    layout: Layout
    rows_surveyed: int
    rows_read: int = 0
    total: int = 0
    staged: int = 0
    invalid: int = 0
    warnings: int = 0
    inserted: int = 0
    updated: int = 0
    duplicate: int = 0
    rejected: int = 0
    error_threshold_percent: int = ERRORS_PERCENT
    rejection_reason: str | None = None
    duplicate_of: BatchId | None = None
    moved_to: str = ""

    @property
    def is_over_budget(self) -> bool:
        """Exactly the threshold is still within it."""
        return self.invalid * 100 > self.rows_surveyed * self.error_threshold_percent

    def report(self) -> dict[str, object]:
        """Of counts and names of columns: nobody is in it."""
        layout = self.layout
        return {
            "batch_id": str(self.id),
            "format": layout.format,
            "encoding": layout.encoding,
            "delimiter": layout.delimiter,
            "columns": dict(layout.names),
            "dates": {
                column: f"{each.order}: {each.because}" for column, each in layout.dates.items()
            },
            "total": self.total,
            "inserted": self.inserted,
            "updated": self.updated,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "warnings": self.warnings,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The same content has been taken already, as `of`."""

    id: BatchId
    of: BatchId


class Busy:
    """Another job has this file in its hands."""


Begun = Batch | Duplicate | Busy
