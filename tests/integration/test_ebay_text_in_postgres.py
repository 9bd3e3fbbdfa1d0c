"""What cleaning promises, asked of PostgreSQL itself."""

import json
from collections.abc import Iterator
from random import Random

import pytest
import sqlalchemy as sa

from core.errors import RejectedContentError
from infra.clean import clean_json_text, clean_row
from infra.postgres.transaction import Database
from infra.postgres.url import parse
from tests.support.postgres import open_database

AS_JSONB = sa.text("SELECT jsonb_array_length(CAST(:text AS jsonb))")
PIECES = (
    *("\\u0000", "\\ud83d", "\\uDE00", "\\ud83d\\ude00", "\\uDBFF", "\\udc00", "\\u00e9"),
    *("\\\\", '\\"', "\\n", "\x00", "\x01", "\x1f", "\x7f", "\ud83d", "\U0001f600", "u0000", "é"),
)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(parse(database_url), pool_size=1)
    yield opened
    opened.dispose()


def length(database: Database, text: str) -> object:
    with database.transaction() as connection:
        return connection.execute(AS_JSONB, {"text": text}).scalar_one()


def test_every_cleaned_text_is_jsonb(database: Database) -> None:
    rng = Random(20260301)
    titles = ["".join(rng.choices(PIECES, k=rng.randint(0, 8))) for _ in range(5000)]

    cleaned = clean_json_text("[" + ",".join(f'"{title}"' for title in titles) + "]")

    assert length(database, cleaned) == 5000


@pytest.mark.parametrize("piece", ["\\u0000", "\\ud83d", "\\uDE00", "\\uDE00\\ud83d"])
def test_the_same_uncleaned_is_refused(database: Database, piece: str) -> None:
    with pytest.raises(RejectedContentError):
        length(database, f'["{piece}"]')

    assert length(database, clean_json_text(f'["{piece}"]')) == 1


def test_a_cleaned_row_of_any_bytes_in_a_string_is_jsonb(database: Database) -> None:
    rng = Random(20260302)
    safe = bytes(byte for byte in range(256) if byte not in b'\t\n\r"\\')
    rows = [bytes(rng.choices(safe, k=20)) for _ in range(2000)]

    cleaned = [clean_row(b'{"title": "%s"}' % row) for row in rows]

    assert length(database, f"[{','.join(cleaned)}]") == 2000
    assert all(json.loads(row) for row in cleaned)
