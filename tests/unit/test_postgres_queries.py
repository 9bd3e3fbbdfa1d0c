"""What the loader makes of an SQL file."""

import pytest

from infra.postgres.queries import parameters, split

SOURCE = """
-- Lock order: parent first. :not_a_parameter
-- name: first
-- Surprising, because :also_not.
SELECT 'a -- not :a comment', "b--c" -- :nor_this
  FROM t /* nor
  :that */ WHERE x = :x;

-- name: second
UPDATE t SET y = CAST(:y AS jsonb) WHERE y = :y AND z % 2 = 1 AND s LIKE 'a%'
RETURNING 1;
-- name: third
SELECT 7 % 2;
"""


def test_statements_are_found_by_name_and_come_without_comments() -> None:
    assert dict(split(SOURCE)) == {
        "first": "SELECT 'a -- not :a comment', \"b--c\"\n  FROM t   WHERE x = :x",
        "second": "UPDATE t SET y = CAST(:y AS jsonb) WHERE y = :y AND z %% 2 = 1"
        " AND s LIKE 'a%'\nRETURNING 1",
        "third": "SELECT 7 % 2",
    }


def test_parameters_are_what_the_statement_binds() -> None:
    assert parameters("SELECT :b, :a, :b, x::text, '{}'") == ["b", "a"]


@pytest.mark.parametrize(
    "source",
    [
        "SELECT 1;\n-- name: late\nSELECT 2;",
        "-- name: twice\nSELECT 1;\n-- name: twice\nSELECT 2;",
        "-- name: empty\n-- nothing\n-- name: other\nSELECT 1;",
    ],
)
def test_a_file_that_would_lose_a_statement_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"stands"):
        dict(split(source))
