"""Statements reach the server as pg8000 would write them, though it reads each only once."""

from importlib import resources
from typing import Any

import pytest
from pg8000.dbapi import convert_paramstyle

from infra.postgres.cursor import STYLE, Numbered, numbered
from infra.postgres.dialect import Dialect
from infra.postgres.queries import load

FEATURES = sorted(
    file.name[:-4]
    for file in (resources.files("infra.postgres") / "sql").iterdir()
    if file.name.endswith(".sql")
)
ODD = [
    "SELECT %s",
    "SELECT '%s it''s' || %s, \"a%s\" FROM t WHERE a %% 2 = %s",
    "SELECT E'\\'%s', $$ %s $$, %s -- %s\n, %s",
    "",
    "'",
    "é%sü",
]


def as_pg8000_does(text: str) -> str:
    converted: str = convert_paramstyle(STYLE, text, ())[0]
    return converted


@pytest.mark.parametrize("feature", FEATURES)
def test_a_statement_of_ours_is_what_pg8000_makes_of_it(feature: str) -> None:
    dialect: Any = Dialect
    for statement in load(feature).values():
        text = str(statement.compile(dialect=dialect()))

        assert str(numbered(text)) == as_pg8000_does(text)
        assert as_pg8000_does(numbered(text)) == as_pg8000_does(text)


@pytest.mark.parametrize("text", ODD)
def test_quotes_percents_and_comments_are_left_to_pg8000(text: str) -> None:
    assert as_pg8000_does(numbered(text)) == as_pg8000_does(text)


def test_what_is_sent_is_the_whole_text() -> None:
    assert numbered("SELECT %s, %s").encode() == b"SELECT $1, $2"
    assert isinstance(numbered("SELECT %s"), Numbered)
