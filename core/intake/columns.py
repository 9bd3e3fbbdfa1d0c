"""Which column of a file is what: names that files give them, formats by their headers."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from core.errors import UsageError
from core.intake.model import Column, Format

MAX_COLUMNS = 1000
TOLD, NAME_TOLD = 30, 40

ALIASES: Mapping[Column, Sequence[str]] = {
    Column.CASE_NUMBER: ("case number", "case no", "caseno", "case #", "case#"),
    Column.PLAINTIFF: ("plaintiff", "plaintiff name", "plf", "plf name"),
    Column.DEFENDANT: ("defendant", "defendant name", "def", "def name"),
    Column.AMOUNT: (
        "judgment amount", "amount", "amt", "judgment amt", "amount awarded", "orig amt",
    ),
    Column.FILING_DATE: ("filing date", "file date", "date filed", "entry date"),
    Column.JUDGMENT_DATE: ("judgment date",),
    Column.COUNTY: ("county",),
    Column.COURT: ("court", "filing court"),
}  # fmt: skip
FOIL: Mapping[Column, Sequence[str]] = {
    Column.CASE_NUMBER: ("index number", "index no", "index #", "docket number", "docket no"),
    Column.PLAINTIFF: ("creditor", "creditor name", "judgment creditor"),
    Column.DEFENDANT: ("debtor", "debtor name", "judgment debtor"),
    Column.JUDGMENT_DATE: ("docketed date", "date docketed", "judgment docketed"),
    Column.COUNTY: ("county of docket",),
}
"""What only the answers of courts to requests under the Freedom of Information Law call them."""
INDICATORS = 2
SIMPLICITY = frozenset(
    {"case number", "plaintiff", "defendant", "judgment amount", "filing date", "county"}
)
REQUIRED: Mapping[Format, Sequence[Column]] = {
    Format.SIMPLICITY: (Column.CASE_NUMBER, Column.PLAINTIFF, Column.DEFENDANT, Column.AMOUNT),
    Format.FOIL: (Column.CASE_NUMBER, Column.DEFENDANT),
    Format.GENERIC: (),
}
_ALL = {column: (*ALIASES[column], *FOIL.get(column, ())) for column in Column}
_KNOWN = {alias for aliases in _ALL.values() for alias in aliases}
_OF_FOIL = {alias for aliases in FOIL.values() for alias in aliases}
_BETWEEN = re.compile(r"[\s_]+")


class MissingColumnsError(UsageError):
    """Names what would have been accepted, and what was found."""


class AmbiguousColumnError(UsageError):
    """The same name stands over two columns."""


def normal(header: str) -> str:
    return _BETWEEN.sub(" ", header.replace("\ufeff", "")).strip(" .:").lower()


def recognised(headers: Sequence[str]) -> int:
    """How many of these names are known."""
    return len(_KNOWN.intersection(map(normal, headers)))


def format_of(headers: Sequence[str]) -> Format:
    names = set(map(normal, headers))
    if names - {""} == SIMPLICITY:
        return Format.SIMPLICITY
    return Format.FOIL if len(names & _OF_FOIL) >= INDICATORS else Format.GENERIC


def places(headers: Sequence[str], format_: Format) -> Mapping[Column, int]:
    """Where each column is; of two names for one, the one that is listed first.

    Raises MissingColumnsError, AmbiguousColumnError.
    """
    if len(headers) > MAX_COLUMNS:
        raise UsageError(
            f"the header has {len(headers):,} columns; at most {MAX_COLUMNS:,} are read"
        )
    names = [normal(header) for header in headers]
    _refuse_twice(names)
    # Backwards: the first of its names is written last.
    found = {
        column: names.index(alias)
        for column in Column
        for alias in reversed(_ALL[column])
        if alias in names
    }
    _require(format_, found, headers)
    return found


def _refuse_twice(names: Sequence[str]) -> None:
    twice = [name for name, times in Counter(names).items() if times > 1 and name in _KNOWN]
    if twice:
        raise AmbiguousColumnError(f"two columns of the file are called {twice[0]!r}; rename one")


def _require(format_: Format, found: Mapping[Column, int], headers: Sequence[str]) -> None:
    missing = [column for column in REQUIRED[format_] if column not in found]
    if format_ is Format.GENERIC and not {Column.CASE_NUMBER, Column.DEFENDANT} & set(found):
        missing = [Column.CASE_NUMBER, Column.DEFENDANT]
    if missing:
        joined = " or " if format_ is Format.GENERIC else "; "
        raise MissingColumnsError(
            f"the file has no column for {joined.join(map(_accepted, missing))}."
            f" Its columns are: {_found(headers)}"
        )


def _accepted(column: Column) -> str:
    return f"{column} (accepted: {', '.join(_ALL[column])})"


def _found(headers: Sequence[str]) -> str:
    told = ", ".join(repr(header.strip()[:NAME_TOLD]) for header in headers[:TOLD])
    more = len(headers) - TOLD
    return f"{told}, and {more:,} more" if more > 0 else told
