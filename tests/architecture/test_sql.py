"""Every statement of ours, against the migrated schema and against the rules for SQL."""

import re
from contextlib import closing
from importlib import resources
from pathlib import Path

import pytest
import sqlalchemy as sa
from pg8000.dbapi import convert_paramstyle

from infra.postgres.connect import connect
from infra.postgres.dialect import Dialect
from infra.postgres.queries import load
from infra.postgres.url import parse

FOLDER = Path(str(resources.files("infra.postgres"))) / "sql"
FILES = sorted(FOLDER.glob("*.sql"))
MIGRATIONS = sorted((FOLDER.parent / "migrations").glob("*.sql"))

# Everything else takes the run's `:now`.
ASKS_THE_CLOCK = {
    "accounts": "a person's command belongs to no run, so it has no `:now`",
    "chats": "a message belongs to no run, and a wait ends by the clock that ends it",
    "connections": "a person's command, or a browser's request, belongs to no run",
    "erasure": "as notifications",
    "notifications": "a notification of eBay's belongs to no run",
    "intake": "batches live by the leases of the jobs that read them",
    "jobs": "leases and fences; and a job may be asked for by anybody, who belongs to no run",
    "jobs_control": "a person's command",
    "jobs_queues": "what is due of jobs lives by leases, the rest is a person's command",
    "moving": "a person's command",
    "runs": "worker leases, and the run rows that live and die with them",
    "schedules": "a person's command belongs to no run",
    "stream_control": "a person's command, and leases that it asks and ends",
    "sync": "unit leases and fences",
    "tasks": "a caller's request belongs to no run",
    "signing": "the right to make a key is a lease, and it must not be asked for before an instant",
    "sealed": "a person's command, and the runs that live by their leases",
    "tokens": "the right to refresh is a lease",
    "uploads": "a caller's request belongs to no run",
}

LITERAL = re.compile(r"'(?:[^']|'')*'")
BOUND_CAST = re.compile(r"(?<![:\w]):\w+::")
TRANSACTION_TIME = re.compile(r"\bnow\s*\(|\bcurrent_(?:timestamp|date|time)\b", re.IGNORECASE)
CLOCK = re.compile(r"\b(?:clock|statement)_timestamp\b", re.IGNORECASE)

STATEMENTS = [
    pytest.param(file, name, id=f"{file.stem}.{name}") for file in FILES for name in load(file.stem)
]


def as_sent(statement: sa.TextClause) -> str:
    """What the driver makes of it: `$1` for the first parameter, and so on."""
    dialect = Dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's has no types
    compiled = str(statement.compile(dialect=dialect))
    count = len(re.findall(r"%s", compiled))
    if not count:
        return compiled
    sent: str = convert_paramstyle("format", compiled, [None] * count)[0]
    return sent


def test_there_are_statements_to_check() -> None:
    assert len(STATEMENTS) > 10


@pytest.mark.parametrize(("file", "name"), STATEMENTS)
def test_a_statement_fits_the_schema(file: Path, name: str, direct_database_url: str) -> None:
    sent = as_sent(load(file.stem)[name])

    url = parse(direct_database_url)
    with closing(connect(url, application_name="test", timeout=10)) as connection:
        connection.prepare_statement(sent, ())


@pytest.mark.parametrize(("file", "name"), STATEMENTS)
def test_a_statement_keeps_to_the_rules(file: Path, name: str) -> None:
    text = load(file.stem)[name].text
    bare = LITERAL.sub("''", text)

    assert not BOUND_CAST.search(bare), "write CAST(:p AS type): `:p::type` is not bound"
    assert not any(":" in literal for literal in LITERAL.findall(text)), "a colon in a literal"
    assert not TRANSACTION_TIME.search(bare), "take :now"
    assert not CLOCK.search(bare) or file.stem in ASKS_THE_CLOCK, "take :now"


@pytest.mark.parametrize("file", MIGRATIONS, ids=lambda file: file.stem)
def test_in_a_migration_the_time_of_the_transaction_is_a_default_only(file: Path) -> None:
    text = re.sub(r"--[^\n]*", "", file.read_text())

    outside = re.sub(r"DEFAULT\s+now\(\)", "", text)
    views = re.sub(r"CREATE (?:OR REPLACE )?VIEW.*?;", "", outside, flags=re.DOTALL)
    assert not TRANSACTION_TIME.search(views)
