"""Values that are written into a statement arrive as they are, and never as SQL."""

from uuid import UUID

import pytest

from infra.postgres.literals import Value, literal
from infra.postgres.transaction import Database

ID = UUID("0f8fad5b-d9cb-469f-a165-70867728950e")
NASTY = "'; DROP TABLE ops.jobs; -- \\' \\\\ %s %% :name $1 \" \n ü 😀 E'"


@pytest.mark.parametrize("conforming", ["on", "off"])
@pytest.mark.parametrize("text", [NASTY, "\\", "'", "\\'", "''", "", "plain"])
def test_a_text_arrives_as_it_is(database: Database, text: str, conforming: str) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql(f"SET LOCAL standard_conforming_strings = {conforming}")
        connection.exec_driver_sql("SET LOCAL escape_string_warning = off")
        found = connection.exec_driver_sql(f"SELECT CAST({literal(text)} AS text)").scalar_one()
        [several] = connection.exec_driver_sql(
            f"SELECT CAST({literal([text, text])} AS text[])"
        ).scalars()

    assert found == text
    assert several == [text, text]


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("bigint", -7),
        ("double precision", 60.5),
        ("boolean", True),
        ("boolean", False),
        ("uuid", ID),
        ("text", None),
        ("uuid[]", [ID, ID]),
        ("bigint[]", [1, 2]),
        ("text[]", []),
    ],
)
def test_other_values_arrive_as_they_are(database: Database, type_: str, value: Value) -> None:
    with database.transaction() as connection:
        statement = f"SELECT CAST({literal(value)} AS {type_})"
        assert connection.exec_driver_sql(statement).scalar_one() == value


def test_a_text_with_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        literal("a\0b")
