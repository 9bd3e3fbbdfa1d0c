"""Migrations: by anybody, at any time, several at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from core.errors import ConfigurationError
from infra.postgres import migrator
from infra.postgres.migrator import SchemaState, check, migrate, read, shipped
from infra.postgres.transaction import Database
from tests.support.postgres import Server, execute, open_database

FIRST = "CREATE SCHEMA shop; CREATE TABLE shop.a (id integer); INSERT INTO shop.a VALUES (1);"
# `%`, `:x` and a function body go to the server as they stand.
SECOND = """
ALTER TABLE shop.a ADD COLUMN b text DEFAULT ':x 100%';
CREATE FUNCTION shop.f() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN 7 % 4; END $$;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_first.sql").write_text(FIRST)
    (tmp_path / "0002_second.sql").write_text(SECOND)
    (tmp_path / "README.md").write_text("not a migration")
    return tmp_path


def test_an_empty_database_is_brought_up_to_date_once(
    empty_database: Database, folder: Path
) -> None:
    assert check(empty_database, folder).state is SchemaState.MISSING

    assert [step.version for step in migrate(empty_database, folder)] == [1, 2]
    assert migrate(empty_database, folder) == []

    assert check(empty_database, folder).state is SchemaState.OK
    with empty_database.transaction() as connection:
        row = connection.exec_driver_sql("SELECT id, b, shop.f() FROM shop.a").one()
    assert tuple(row) == (1, ":x 100%", 3)


def test_what_was_shipped_applies_and_is_up_to_date(empty_database: Database) -> None:
    migrate(empty_database)

    status = check(empty_database)
    assert status.state is SchemaState.OK
    status.require_ok()


def test_a_newer_version_of_the_code_says_what_to_type(
    empty_database: Database, folder: Path
) -> None:
    migrate(empty_database, folder)
    (folder / "0003_third.sql").write_text("SELECT 1;")

    status = check(empty_database, folder)

    assert status.state is SchemaState.TOO_OLD
    assert "python -m core.run migrate" in status.sentence
    with pytest.raises(ConfigurationError, match=r"at 2, this version needs 3"):
        status.require_ok()


def test_an_older_version_of_the_code_leaves_the_schema_alone(
    empty_database: Database, folder: Path
) -> None:
    migrate(empty_database, folder)
    (folder / "0002_second.sql").unlink()

    assert check(empty_database, folder).state is SchemaState.TOO_NEW
    with pytest.raises(ConfigurationError, match="this version knows 1"):
        migrate(empty_database, folder)


def test_a_migration_changed_after_it_was_applied_is_named(
    empty_database: Database, folder: Path
) -> None:
    migrate(empty_database, folder)
    (folder / "0001_first.sql").write_text(FIRST + "\n-- harmless")

    assert check(empty_database, folder).state is SchemaState.CHANGED
    with pytest.raises(ConfigurationError, match=r"0001 \(first\) was changed"):
        migrate(empty_database, folder)


def test_line_ends_of_another_checkout_change_nothing(
    empty_database: Database, folder: Path
) -> None:
    migrate(empty_database, folder)
    (folder / "0002_second.sql").write_bytes(SECOND.replace("\n", "\r\n").encode())

    assert check(empty_database, folder).state is SchemaState.OK


def test_a_migration_that_fails_leaves_nothing_behind(
    empty_database: Database, folder: Path
) -> None:
    (folder / "0002_second.sql").write_text("CREATE TABLE shop.half (id integer); SELECT 1 / 0;")

    with pytest.raises(Exception, match="22012"):
        migrate(empty_database, folder)

    assert check(empty_database, folder).sentence.startswith("the database schema is at 1,")
    (folder / "0002_second.sql").write_text("CREATE TABLE shop.half (id integer);")
    assert [step.version for step in migrate(empty_database, folder)] == [2]


@pytest.mark.parametrize(
    ("made", "name"),
    [
        ("CREATE SCHEMA ops; CREATE TABLE ops.worker_heartbeats (id integer)", "worker_heartbeats"),
        ("CREATE SCHEMA ops; CREATE TYPE ops.runs AS (id integer)", "runs"),
        ("CREATE SCHEMA ebay; CREATE TABLE ebay.orders (id integer)", "orders"),
    ],
)
def test_what_another_system_has_made_is_named_with_the_way_out(
    empty_database: Database, made: str, name: str
) -> None:
    with empty_database.transaction() as connection:
        connection.exec_driver_sql(made)

    with pytest.raises(ConfigurationError, match=name) as refused:
        migrate(empty_database)

    for way_out in ("a database of its own", "rename that"):
        assert way_out in str(refused.value)


def test_empty_schemas_that_are_there_already_are_used(empty_database: Database) -> None:
    with empty_database.transaction() as connection:
        connection.exec_driver_sql("CREATE SCHEMA ops; CREATE SCHEMA ebay")

    migrate(empty_database)

    assert check(empty_database).state is SchemaState.OK


@pytest.fixture
def limited(postgres_server: Server, empty_database_name: str) -> Iterator[Database]:
    """A role that may not create anything in the database but what a test allows."""
    admin = postgres_server.admin.with_database(empty_database_name)
    if admin.password is not None:
        pytest.skip("the server wants passwords")
    role = f"limited_{empty_database_name}"
    execute(admin, f"CREATE ROLE {role} LOGIN")
    database = open_database(replace(admin, user=role), 1)
    yield database
    database.dispose()
    execute(admin, f"DROP OWNED BY {role}")
    execute(admin, f"DROP ROLE {role}")


@pytest.mark.direct_only(reason="its role is made for one test")
def test_a_role_that_may_not_create_finds_an_up_to_date_schema_up_to_date(
    empty_database: Database, empty_database_name: str, limited: Database
) -> None:
    migrate(empty_database)
    role = f"limited_{empty_database_name}"
    with empty_database.transaction() as connection:
        connection.exec_driver_sql(
            f"GRANT USAGE ON SCHEMA ops TO {role}; GRANT SELECT ON ops.schema_migrations TO {role}"
        )

    assert check(limited).state is SchemaState.OK
    assert migrate(limited) == []


@pytest.mark.direct_only(reason="its role is made for one test")
def test_a_role_that_owns_the_schemas_migrates_without_the_right_to_make_one(
    empty_database: Database, empty_database_name: str, limited: Database
) -> None:
    role = f"limited_{empty_database_name}"
    with empty_database.transaction() as connection:
        connection.exec_driver_sql(
            "".join(
                f"CREATE SCHEMA {schema} AUTHORIZATION {role};"
                for schema in ("ops", "ebay", "intake", "enforcement")
            )
        )

    migrate(limited)

    assert check(limited).state is SchemaState.OK


@pytest.mark.parametrize(
    "names", [["0002_b.sql"], ["0001_a.sql", "0001_b.sql"], ["0001_a.sql", "0003_c.sql"], ["a.sql"]]
)
def test_numbers_that_are_missing_or_repeated_are_refused(names: list[str], tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(ValueError, match="n"):
        read(tmp_path)


def test_the_shipped_migrations_are_numbered_without_a_gap() -> None:
    assert read(shipped())


def test_the_check_is_one_statement(database: Database) -> None:
    statements: list[str] = []
    event.listen(
        database.engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_: statements.append(statement),
    )

    check(database)

    assert len(statements) == 1


def test_eight_threads_at_once_apply_each_migration_once(
    empty_database: Database, folder: Path
) -> None:
    for number in range(3, 9):
        (folder / f"{number:04}_more.sql").write_text(f"CREATE TABLE shop.t{number} (id integer);")

    with ThreadPoolExecutor(8) as threads:
        shares = list(threads.map(lambda _: migrate(empty_database, folder), range(8)))

    assert sorted(step.version for share in shares for step in share) == list(range(1, 9))


PROCESS = """
import sys
from infra.postgres.engine import make_engine
from infra.postgres.migrator import migrate
from infra.postgres.transaction import Database
from infra.postgres.url import parse
print("ready", flush=True)
sys.stdin.read()
database = Database(make_engine(parse(sys.argv[1]), pool_size=1, application_name="migrate"))
print(len(migrate(database)))
database.dispose()
"""


def test_eight_processes_meet_on_an_empty_database(empty_database_url: str) -> None:
    gate, opener = os.pipe()
    command = [sys.executable, "-c", PROCESS, empty_database_url]
    processes = [
        subprocess.Popen(command, stdin=gate, stdout=subprocess.PIPE, text=True) for _ in range(8)
    ]
    os.close(gate)
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    os.close(opener)
    applied = [int(process.communicate()[0]) for process in processes]

    assert sum(applied) == len(read(shipped()))
    assert {process.returncode for process in processes} == {0}


def test_a_table_in_use_is_waited_for_without_blocking_its_readers_for_long(
    empty_database: Database,
    postgres_server: Server,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    migrate(empty_database, folder)
    (folder / "0003_third.sql").write_text("ALTER TABLE shop.a ADD COLUMN c integer;")
    monkeypatch.setattr(migrator, "LOCK_TIMEOUT_MS", 50)

    with ThreadPoolExecutor(1) as thread:
        with empty_database.transaction() as reader:
            reader.exec_driver_sql("SELECT count(*) FROM shop.a")
            waiting = thread.submit(migrate, empty_database, folder)
            while not execute(
                postgres_server.admin,
                "SELECT 1 FROM pg_stat_activity"
                f" WHERE state = 'active' AND query = 'SELECT pg_sleep({migrator.PAUSE_S})'",
            ):
                pass
            reader.exec_driver_sql("SELECT count(*) FROM shop.a")

        assert [step.version for step in waiting.result(30)] == [3]
