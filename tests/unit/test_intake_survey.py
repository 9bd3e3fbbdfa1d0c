"""What a file is: its encoding, its delimiter, its columns and the order of its dates."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import cast

import pytest

from core.errors import UsageError
from core.intake import text
from core.intake.model import Because, Column, DateOrder, Format, Layout, Survey
from core.intake.ports import Opened
from core.intake.rows import chunks
from core.intake.survey import survey
from core.intake.text import Hashed

HEADER = "Case Number,Plaintiff,Defendant,Judgment Amount,Filing Date,County\n"
ROW = "C-1,Bank,Müller,10.00,01/31/2024,Kings\n"


def never() -> None:
    return


def surveyed(content: bytes, given: Format | None = None) -> Survey:
    @contextmanager
    def opened() -> Iterator[Opened]:
        yield Opened(name="f.csv", content=io.BytesIO(content), size=len(content))

    return survey(opened, given, never)


def read(content: bytes) -> list[tuple[str | None, str | None]]:
    """Case numbers and defendants of all rows that are good."""
    found = surveyed(content)
    read_again = chunks(
        Hashed(io.BytesIO(content), never),
        found.layout,
        file_hash=found.file_hash,
        after=0,
        most=2,
    )
    return [(row.case_number, row.defendant) for chunk in read_again for row in chunk.rows]


@pytest.mark.parametrize(
    ("codec", "before", "told"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8-sig", b"", "utf-8"),
        ("utf-16", b"", "utf-16"),
        ("utf-16-be", b"\xfe\xff", "utf-16"),
        ("utf-16-le", b"", "utf-16-le"),
        ("utf-16-be", b"", "utf-16-be"),
        ("windows-1252", b"", "windows-1252"),
    ],
)
def test_an_encoding_is_found_and_told(codec: str, before: bytes, told: str) -> None:
    content = before + (HEADER + ROW).encode(codec)

    found = surveyed(content)

    assert found.layout.encoding == told
    assert found.layout.format is Format.SIMPLICITY
    assert found.rows == 1
    assert read(content) == [("C-1", "Müller")]


def test_a_broken_byte_in_a_file_of_utf_8_does_not_make_it_windows_1252() -> None:
    """Or all its names would be read wrong: only the row that holds the byte is refused."""
    broken = (HEADER + ROW).encode() + b"C-2,Bank,M\xfcller,1,,\n" + ROW.encode()

    assert surveyed(broken).layout.encoding == "utf-8"
    assert read(broken) == [("C-1", "Müller"), ("C-1", "Müller")]


@pytest.mark.parametrize("rows", [1, 20_000])
def test_an_old_file_is_read_from_its_beginning_however_late_that_is_seen(rows: int) -> None:
    plain = "".join(f"C-{number},Bank,Miller,1,,\n" for number in range(rows))
    content = HEADER.encode() + plain.encode() + ROW.encode("windows-1252")

    found = surveyed(content)

    assert (found.layout.encoding, found.rows) == ("windows-1252", rows + 1)
    assert read(content)[-1] == ("C-1", "Müller")


def test_a_broken_byte_before_all_others_does_not_make_utf_8_windows_1252() -> None:
    broken = HEADER.encode() + b"C-2,Bank,M\xfcller,1,,\n" + ROW.encode() * 2

    assert surveyed(broken).layout.encoding == "utf-8"
    assert read(broken) == [("C-1", "Müller")] * 2


def test_a_late_broken_byte_of_utf_8_is_one_where_there_were_others_before() -> None:
    plain = "".join(f"C-{number},Bank,Miller,1,,\n" for number in range(30_000))
    content = (HEADER + ROW + plain).encode() + b"C-2,Bank,M\xfcller,1,,\n"

    assert surveyed(content).layout.encoding == "utf-8"


def test_a_byte_that_windows_1252_does_not_have_costs_its_row() -> None:
    content = HEADER.encode() + b"C-1,Bank,M\xfcller,1,,\nC-2,Bank,M\x81ller,1,,\n"

    assert read(content) == [("C-1", "Müller")]


def test_half_a_character_of_utf_16_is_told() -> None:
    with pytest.raises(UsageError, match="begins as utf-16"):
        surveyed((HEADER + ROW).encode("utf-16") + b"x")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("before", ["", "\n \n", "sep={}\n", "SEP={}\r\n\n"])
def test_a_delimiter_is_that_by_which_most_columns_are_known(delimiter: str, before: str) -> None:
    lines = before.format(delimiter) + (HEADER + ROW).replace(",", delimiter)

    found = surveyed(lines.encode())

    assert found.layout.delimiter == delimiter
    assert found.layout.places[Column.COUNTY] == 5


def test_a_long_name_of_a_column_is_cut() -> None:
    found = surveyed(f"Case{'_' * 100_000}Number,Def\n".encode())

    assert found.layout.names[Column.CASE_NUMBER] == "Case" + "_" * 36


def test_values_may_hold_the_other_delimiters() -> None:
    found = surveyed(b"Case No;Defendant, first;Defendant\n1;2,3;4\n")

    assert found.layout.delimiter == ";"


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \r\n\n", ",,,,\n,\n"])
@pytest.mark.parametrize("given", [None, Format.SIMPLICITY])
def test_an_empty_file_is_one_of_no_rows(content: str, given: Format | None) -> None:
    found = surveyed(content.encode(), given)

    assert found.rows == 0
    assert found.layout.places == {}
    assert read(content.encode()) == []


def test_a_header_alone_is_a_file_of_no_rows() -> None:
    assert surveyed(HEADER.encode()).rows == 0


@pytest.mark.parametrize(
    ("dates", "order", "because"),
    [
        (["01/31/2024", "02/03/2024"], DateOrder.MONTH_FIRST, Because.SEEN),
        (["02/03/2024", "31/01/2024"], DateOrder.DAY_FIRST, Because.SEEN),
        (["02/03/2024", "2024-01-31", "", "soon"], DateOrder.MONTH_FIRST, Because.AMBIGUOUS),
        (["31/01/2024", "01/31/2024"], DateOrder.MONTH_FIRST, Because.CONTRADICTORY),
    ],
)
def test_the_order_of_dates_is_the_whole_columns(
    dates: list[str], order: DateOrder, because: Because
) -> None:
    lines = "Case No,Filing Date,Judgment Date\n" + "".join(f"1,{each},1/2/24\n" for each in dates)

    found = surveyed(f"{lines}2\n".encode()).layout.dates

    assert (found[Column.FILING_DATE].order, found[Column.FILING_DATE].because) == (order, because)
    assert found[Column.JUDGMENT_DATE].because is Because.AMBIGUOUS


def test_the_digest_is_that_of_the_whole_file() -> None:
    content = (HEADER + ROW).encode()

    assert surveyed(content).file_hash == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'"Case Number,Plaintiff\n', "the header of the file cannot be read: quotes_broken"),
        (b"x" * (2 * 1024 * 1024), "first line of the file is too long"),
        (b"x," * 200_000 + b"\n", "200,001 columns"),
        (b"a,b\n1,2\n", "no column for case_number"),
    ],
    ids=["quotes", "long", "columns", "names"],
)
def test_a_file_without_a_header_of_use_is_told(content: bytes, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        surveyed(content)


def test_ten_million_columns_are_no_header() -> None:
    with pytest.raises(UsageError, match="first line of the file is too long"):
        surveyed(b"a," * 10_000_000)


def test_a_file_that_is_too_large_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_FILE", 1000)

    with pytest.raises(UsageError, match="larger than 0 GB; split it"):
        surveyed((HEADER + ROW * 100).encode())


def test_a_reading_may_be_stopped_at_each_piece() -> None:
    class StoppedError(Exception):
        pass

    def stop() -> None:
        raise StoppedError

    file = Opened(name="f", content=io.BytesIO(b"x"), size=1)
    with pytest.raises(StoppedError):
        survey(lambda: cast("AbstractContextManager[Opened]", _Same(file)), None, stop)


class _Same:
    def __init__(self, file: Opened) -> None:
        self.file = file

    def __enter__(self) -> Opened:
        return self.file

    def __exit__(self, *_: object) -> None:
        return


def test_how_a_file_is_read_is_remembered_whole() -> None:
    layout = surveyed((HEADER + ROW).encode()).layout

    assert Layout.from_json(layout.as_json()) == layout


def test_a_digest_is_of_what_nobody_has_read_too() -> None:
    content = b"x" * 1_000_000

    assert Hashed(io.BytesIO(content), never).digest() == hashlib.sha256(content).hexdigest()


def test_bytes_without_a_name_are_read_as_text() -> None:
    assert Hashed(io.BytesIO(b""), never).name == ""
