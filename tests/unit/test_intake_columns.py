"""Which column is what, by the names that files give them."""

import pytest

from core.errors import UsageError
from core.intake.columns import (
    ALIASES,
    FOIL,
    AmbiguousColumnError,
    MissingColumnsError,
    format_of,
    places,
)
from core.intake.model import Column, Format

SIMPLE = ["Case Number", "Plaintiff", "Defendant", "Judgment Amount", "Filing Date", "County"]
NAMED = [
    (column, alias) for named in (ALIASES, FOIL) for column, all_ in named.items() for alias in all_
]


@pytest.mark.parametrize(("column", "alias"), NAMED, ids=str)
@pytest.mark.parametrize("around", ["{}", "\ufeff {}: ", "\t{}."])
def test_a_column_is_known_by_each_of_its_names(column: Column, alias: str, around: str) -> None:
    other = "Case Number" if column is Column.DEFENDANT else "Defendant"

    found = places([around.format(alias.title()), other], Format.GENERIC)

    assert found[column] == 0


def test_underscores_and_spaces_are_the_same() -> None:
    found = places(["case_number", "PLAINTIFF_NAME", "def  name", "amt"], Format.SIMPLICITY)

    assert found == {
        Column.CASE_NUMBER: 0, Column.PLAINTIFF: 1, Column.DEFENDANT: 2, Column.AMOUNT: 3,
    }  # fmt: skip


def test_of_two_names_for_one_column_the_first_of_the_list_is_taken() -> None:
    found = places(["Orig Amt", "Case No", "Plf", "Def", "Judgment Amount"], Format.SIMPLICITY)

    assert found[Column.AMOUNT] == 4


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(AmbiguousColumnError, match="'amount'"):
        places(["Case No", "Plf", "Def", "Amount", "AMOUNT "], Format.SIMPLICITY)


def test_a_name_that_nobody_knows_may_stand_there_twice() -> None:
    assert places(["Case No", "x", "x", "", ""], Format.GENERIC) == {Column.CASE_NUMBER: 0}


def test_a_missing_column_is_told_with_what_would_do_and_what_is_there() -> None:
    with pytest.raises(MissingColumnsError) as raised:
        places(["Docket", "Plaintiff", "Name"], Format.SIMPLICITY)

    told = str(raised.value)
    assert "case_number (accepted: case number, case no, caseno" in told
    assert "defendant (accepted:" in told
    assert "amount (accepted: judgment amount" in told
    assert "plaintiff (" not in told
    assert "Its columns are: 'Docket', 'Plaintiff', 'Name'" in told


def test_of_very_many_columns_some_are_told() -> None:
    with pytest.raises(MissingColumnsError, match="and 70 more"):
        places([f"c{number}" for number in range(100)], Format.SIMPLICITY)


def test_more_than_a_thousand_columns_are_refused() -> None:
    with pytest.raises(UsageError, match="1,001 columns"):
        places(["x"] * 1001, Format.GENERIC)


@pytest.mark.parametrize(
    ("headers", "format_"),
    [
        (SIMPLE, Format.SIMPLICITY),
        ([name.upper() for name in reversed(SIMPLE)], Format.SIMPLICITY),
        ([*SIMPLE, ""], Format.SIMPLICITY),
        ([*SIMPLE, "Court"], Format.GENERIC),
        (SIMPLE[:4], Format.GENERIC),
        (["Index Number", "Debtor", "Amount"], Format.FOIL),
        (["Index Number", "Defendant"], Format.GENERIC),
        ([], Format.GENERIC),
    ],
)
def test_a_format_is_known_by_the_header(headers: list[str], format_: Format) -> None:
    assert format_of(headers) is format_


def test_the_answers_of_courts_need_a_number_and_a_debtor() -> None:
    with pytest.raises(MissingColumnsError, match="defendant"):
        places(["Index Number", "Creditor", "Docketed Date"], Format.FOIL)


def test_any_other_file_needs_a_number_or_a_defendant() -> None:
    assert places(["Defendant"], Format.GENERIC) == {Column.DEFENDANT: 0}
    with pytest.raises(MissingColumnsError, match=r"case_number \(.*\) or defendant \("):
        places(["Plaintiff", "Amount"], Format.GENERIC)
