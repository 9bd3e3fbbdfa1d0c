"""Rows as judgments, or what is wrong with them."""

import io
from datetime import date
from decimal import Decimal

import pytest

from core.intake.model import Chunk, Row
from core.intake.rows import chunks
from core.intake.survey import survey
from core.intake.text import Hashed
from tests.support.intake_desk import HEADER, MemoryFiles, bad_rows, rows


def read(text: str, *, most: int = 1000, after: int = 0) -> list[Chunk]:
    files = MemoryFiles()
    files.put(text)
    found = survey(lambda: files.open("/srv/intake/judgments.csv"), None, lambda: None)
    source = Hashed(io.BytesIO(text.encode()), lambda: None)
    return list(chunks(source, found.layout, file_hash=found.file_hash, after=after, most=most))


def faults(chunk: Chunk) -> list[tuple[int, str, str, str | None]]:
    return [(each.row_number, each.column, each.code, each.value) for each in chunk.errors]


def test_a_row_is_a_judgment() -> None:
    [chunk] = read(f'{HEADER}C-1," Bank\nof  X ",Smith,"$1,234.50",01/31/2024,Kings\n')

    assert chunk.rows == [
        Row("C-1", 2, "Bank of X", "Smith", Decimal("1234.50"), date(2024, 1, 31), None, "Kings")
    ]
    assert (chunk.last, chunk.invalid, chunk.errors) == (2, 0, [])


def test_df6_no_amount_is_none_and_nothing_to_pay_is_0() -> None:
    [chunk] = read(f"{HEADER}C-1,B,S,0,,\nC-2,B,S, ,,\n")

    assert [row.amount for row in chunk.rows] == [Decimal(0), None]
    assert [(each.code, each.value) for each in chunk.told_warnings] == [("amount_blank", None)]


def test_every_error_of_a_row_is_told_with_its_column_as_the_file_calls_it() -> None:
    [chunk] = read(f"{HEADER} ,B,{'S' * 501},-5,,\nC-2,B,S,1,,\n")

    assert faults(chunk) == [
        (2, "Case Number", "missing", None),
        (2, "Defendant", "too_long", "S" * 40),
        (2, "Judgment Amount", "amount_negative", "-5"),
    ]
    assert chunk.invalid == 1
    assert [row.case_number for row in chunk.rows] == ["C-2"]


def test_a_broken_row_is_an_error_of_the_whole_row() -> None:
    [chunk] = read(f'{HEADER}"C-1,B,S,1,,\nC-2,B,S,1,,,x\n{rows(3)}')

    assert faults(chunk) == [(2, "", "quotes_broken", None), (3, "", "too_many_fields", None)]


def test_a_bad_date_is_a_warning() -> None:
    [chunk] = read(f"{HEADER}C-1,B,S,1,soon,\n" + "C-2,B,S,1,02/30/2024,\n" * 30)

    assert [row.filing_date for row in chunk.rows] == [None, None]
    assert (chunk.warnings, len(chunk.told_warnings), chunk.invalid) == (31, 20, 0)
    assert chunk.told_warnings[0].value == "soon"


def test_dates_are_all_read_in_the_columns_order() -> None:
    [chunk] = read(f"{HEADER}C-1,B,S,1,02/03/2024,\nC-2,B,S,1,31/01/2024,\n")

    assert [row.filing_date for row in chunk.rows] == [date(2024, 3, 2), date(2024, 1, 31)]


def test_what_is_said_twice_of_a_case_is_put_together() -> None:
    [chunk] = read(f"{HEADER}C-1,B,S,1,01/31/2024,\nC-1,B,T, ,,Kings\n")

    assert chunk.rows == [Row("C-1", 3, "B", "T", Decimal(1), date(2024, 1, 31), None, "Kings")]
    assert chunk.repeated == 1


def test_rows_come_in_chunks_and_go_on_where_they_were_left() -> None:
    text = HEADER + rows(*range(3)) + bad_rows(4) + rows(5)

    whole = read(text, most=2)
    later = read(text, most=2, after=4)

    assert [(chunk.last, len(chunk.rows), chunk.invalid) for chunk in whole] == [
        (3, 2, 0), (5, 1, 1), (6, 1, 0),
    ]  # fmt: skip
    assert [(chunk.last, len(chunk.rows), chunk.invalid) for chunk in later] == [(6, 1, 1)]
    assert read(text, after=6) == []


def test_a_file_without_case_numbers_has_the_same_ones_each_time() -> None:
    first, second = (read("Defendant,Amount\nSmith,1\nMiller,2\n") for _ in range(2))

    numbers = [row.case_number for row in first[0].rows]
    assert numbers == [row.case_number for row in second[0].rows]
    assert all(number.startswith("INTAKE-") for number in numbers)
    assert [number[-2:] for number in numbers] == ["-2", "-3"]


@pytest.mark.parametrize("defendant", ["=cmd|'/c calc'!A0", "@SUM(1)", "+1", "-1", "\tx"])
def test_what_a_spreadsheet_would_take_for_a_formula_is_a_name_like_others(defendant: str) -> None:
    [chunk] = read(f'{HEADER}C-1,B,"{defendant}",1,,\n')

    assert chunk.rows[0].defendant == defendant.strip()


def test_what_is_only_counted_holds_nobody() -> None:
    [chunk] = read(HEADER + rows(1) + bad_rows(2))

    counted = chunk.counted()

    assert (counted.rows, counted.errors, counted.invalid, counted.last) == ([], [], 1, 3)
