"""Rows of a delimited file, however broken: each is read, or told with its number."""

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UsageError
from core.intake.records import MAX_ROW, Record, Records


class Endless:
    """So many characters without an end of line, then a line."""

    def __init__(self, before: str, characters: int, after: str) -> None:
        self.pieces = self._made(before, characters, after)
        self.longest = 0

    def _made(self, before: str, characters: int, after: str) -> Iterator[str]:
        yield from before.splitlines(keepends=True)
        while characters:
            piece = min(characters, MAX_ROW)
            characters -= piece
            yield "x" * piece
        yield "\n"
        yield from after.splitlines(keepends=True)

    def readline(self, limit: int, /) -> str:
        line = next(self.pieces, "")
        self.longest = max(self.longest, len(line))
        return line


def read(text: str, width: int | None = None, *, marks: bool = False) -> list[tuple[int, object]]:
    records = Records(io.StringIO(text, newline=""), ",", width=width, marks=marks)
    return [(record.number, record.fault or record.fields) for record in records]


def test_rows_are_numbered_as_a_spreadsheet_numbers_them() -> None:
    text = 'a,b\n\n"1\r\n2",x\r\n , \n3,y\r4,z'

    assert read(text) == [
        (1, ["a", "b"]), (3, ["1\r\n2", "x"]), (5, ["3", "y"]), (6, ["4", "z"]),
    ]  # fmt: skip


def test_what_is_quoted_may_hold_everything() -> None:
    text = '"a,""b""\n;\t",x\n'

    assert read(text, 2) == [(1, ['a,"b"\n;\t', "x"])]


def test_a_space_before_a_quote_is_none_of_the_value() -> None:
    assert read('1, "Smith, John"\n') == [(1, ["1", "Smith, John"])]


def test_a_quote_within_a_value_is_a_character() -> None:
    assert read('1,5" pipe\n') == [(1, ["1", '5" pipe'])]


def test_a_row_may_end_early_and_have_blanks_too_many() -> None:
    assert read("1\n1,2,3,,\n", 3) == [(1, ["1"]), (2, ["1", "2", "3", "", ""])]


def test_a_row_with_more_values_than_columns_is_refused_alone() -> None:
    assert read("1,2,3\n4,5\n", 2) == [(1, "too_many_fields"), (2, ["4", "5"])]


@pytest.mark.parametrize(
    "broken", ['"Smith" Jr,2\n', '"Smith,2\n', '"Smith,"2\n'], ids=["after", "never", "twice"]
)
def test_a_quote_that_nobody_closes_costs_its_own_line_only(broken: str) -> None:
    good = [f"{number},x\n" for number in range(5000)]

    told = read("".join([*good, broken, *good]), 2)

    assert [number for number, what in told if what == "quotes_broken"] == [5001]
    assert len(told) == 10_001


def test_a_quote_that_pairs_with_one_far_below_costs_one_line_more() -> None:
    """Between the two are rows, not a value."""
    good = [f"{number},x\n" for number in range(1000)]

    told = read("".join(['"Smith,1\n', *good, 'Miller",1\n', *good]), 2)

    refused = [number for number, what in told if isinstance(what, str)]
    assert refused == [1]
    assert len(told) == 2002


def test_a_row_of_more_than_a_megabyte_is_refused_with_its_number() -> None:
    told = read(f"1,a\n2,{'x' * MAX_ROW}\n3,c\n", 2)

    assert told == [(1, ["1", "a"]), (2, "row_too_large"), (3, ["3", "c"])]


def test_a_field_larger_than_csv_allows_is_refused_with_its_row() -> None:
    told = read(f"1,{'x' * (csv.field_size_limit() + 1)}\n2,b\n", 2)

    assert told == [(1, "row_too_large"), (2, ["2", "b"])]


def test_a_row_of_many_lines_is_not_longer_than_one_of_one_line() -> None:
    lines = "".join(f'"{"x" * 60_000}\n",' for _ in range(20))

    told = read(f"1,a\n{lines}\n3,c\n", 100)

    assert told[0] == (1, ["1", "a"])
    assert told[-1][1] == ["3", "c"]
    assert {what for _, what in told[1:-1] if isinstance(what, str)} <= {
        "row_too_large", "quotes_broken",
    }  # fmt: skip


def test_a_gigabyte_without_an_end_of_line_is_passed_over_in_pieces() -> None:
    text = Endless("1,a\n", 2**30, "3,c\n")

    told = [(each.number, each.fault or each.fields) for each in Records(text, ",", width=2)]

    assert told == [(1, ["1", "a"]), (2, "row_too_large"), (3, ["3", "c"])]
    assert text.longest == MAX_ROW


def test_a_file_made_to_be_read_again_and_again_is_refused() -> None:
    """Each of its lines closes a quote and opens the next one: rows without an end."""
    text = 'a,"\n' + 'b",c,"\n' * 200_000

    with pytest.raises(UsageError, match="too many quotes"):
        read(text, 3)


def test_many_quotes_that_nobody_closes_are_refused_line_by_line() -> None:
    lines = "".join(f'"{number},x\n' + "1,2\n" * 5 for number in range(2000))

    told = read(lines, 2)

    assert sum(isinstance(what, str) for _, what in told) == 2000
    assert len(told) == 12_000


def test_what_postgresql_cannot_keep_is_refused_with_its_row() -> None:
    assert read("1,a\0b\n2,c\n", 2) == [(1, "nul_character"), (2, ["2", "c"])]


def test_a_mark_of_a_lost_byte_is_one_only_where_bytes_were_lost() -> None:
    assert read("1,M\ufffdller\n", 2) == [(1, ["1", "M\ufffdller"])]
    assert read("1,M\ufffdller\n", 2, marks=True) == [(1, "not_in_its_encoding")]


@given(
    st.lists(
        st.lists(
            st.text(
                st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20
            ),
            min_size=2,
            max_size=5,
        ),
        max_size=20,
    )
)
def test_what_csv_writes_is_read_back(rows: list[list[str]]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, quoting=csv.QUOTE_ALL).writerows(rows)

    told = read(written.getvalue())

    assert [what for _, what in told] == [row for row in rows if "".join(row).strip()]


@given(st.text(alphabet='a",\n\r x', max_size=200))
def test_nothing_stops_the_reading(text: str) -> None:
    numbers = [record.number for record in Records(io.StringIO(text, newline=""), ",", width=2)]

    assert numbers == sorted(set(numbers))


def test_a_record_says_what_it_is() -> None:
    assert Record(1, ["a"]).fault is None
