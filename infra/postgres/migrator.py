"""Brings the schema up to date, and says whether it is."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from importlib.resources.abc import Traversable

import sqlalchemy as sa

from core.errors import ConfigurationError
from infra.postgres.errors import LockTimeoutError, SchemaMissingError
from infra.postgres.transaction import Database

# Whoever holds it migrates; it is held by the transaction, so nothing is left when it breaks.
LOCK_KEY = 0x63726F6E73686F74
LOCK_TIMEOUT_MS = 1_000
TRIES = 60
PAUSE_S = 0.5
STATEMENT_TIMEOUT_MS = 600_000

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")

# CREATE SCHEMA IF NOT EXISTS demands the right to create one, also where it exists.
_HISTORY = """
DO $$ BEGIN
  IF to_regnamespace('ops') IS NULL THEN CREATE SCHEMA ops; END IF;
END $$;
CREATE TABLE ops.schema_migrations (
  version     integer PRIMARY KEY,
  name        text NOT NULL,
  checksum    text NOT NULL,
  applied_at  timestamptz NOT NULL DEFAULT now()
);
"""
_HAS_HISTORY = "SELECT to_regclass('ops.schema_migrations') IS NOT NULL"
_READ = "SELECT version, name, checksum FROM ops.schema_migrations ORDER BY version"
_RECORD = sa.text(
    "INSERT INTO ops.schema_migrations (version, name, checksum) "
    "VALUES (:version, :name, :checksum)"
)


@dataclass(frozen=True, slots=True)
class Migration:
    """`checksum` is of the text with Unix line ends, whatever the checkout made of them."""

    version: int
    name: str
    sql: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Applied:
    version: int
    name: str
    checksum: str


class SchemaState(StrEnum):
    OK = "ok"
    MISSING = "missing"
    TOO_OLD = "too_old"
    TOO_NEW = "too_new"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Status:
    """`sentence` says what is wrong and what to type."""

    state: SchemaState
    sentence: str

    def require_ok(self) -> None:
        if self.state is not SchemaState.OK:
            raise ConfigurationError(self.sentence)


def shipped() -> Traversable:
    return resources.files("infra.postgres") / "migrations"


def read(folder: Traversable) -> tuple[Migration, ...]:
    """The migrations of a folder, in order; raises ValueError unless they are 1, 2, 3 …"""
    found = sorted(
        (_migration(file) for file in folder.iterdir() if file.name.endswith(".sql")),
        key=lambda migration: migration.version,
    )
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the migrations in {folder} are not numbered 0001, 0002, … once each")
    return tuple(found)


def _migration(file: Traversable) -> Migration:
    match = _FILE.fullmatch(file.name)
    if match is None:
        raise ValueError(f"{file.name} is not named NNNN_name.sql")
    sql = file.read_bytes().replace(b"\r\n", b"\n")
    checksum = hashlib.sha256(sql).hexdigest()
    return Migration(int(match[1]), match[2], sql.decode(), checksum)


def check(database: Database, folder: Traversable | None = None) -> Status:
    """Whether this code fits this schema; one statement."""
    try:
        with database.transaction() as connection:
            applied = applied_to(connection)
    except SchemaMissingError:
        applied = []
    return compare(applied, read(folder or shipped()))


def applied_to(connection: sa.Connection) -> list[Applied]:
    """Raises SchemaMissingError on a database that was never migrated."""
    return [Applied(*row) for row in connection.exec_driver_sql(_READ)]


def compare(applied: Sequence[Applied], known: Sequence[Migration]) -> Status:
    """1. An applied migration reads differently now. 2. Nothing applied. 3. Less. 4. More."""
    for ours, theirs in zip(known, applied, strict=False):
        if (ours.version, ours.checksum) != (theirs.version, theirs.checksum):
            return Status(
                SchemaState.CHANGED,
                f"migration {theirs.version:04} ({theirs.name}) was changed after it had been "
                "applied: restore the file, and put the change into a new one",
            )
    if not applied:
        return Status(
            SchemaState.MISSING, "the database has no schema yet: run `python -m core.run migrate`"
        )
    if len(applied) < len(known):
        return Status(
            SchemaState.TOO_OLD,
            f"the database schema is at {len(applied)}, this version needs {len(known)}: "
            "run `python -m core.run migrate`",
        )
    if len(applied) > len(known):
        return Status(
            SchemaState.TOO_NEW,
            f"the database schema is at {len(applied)}, this version knows {len(known)}: "
            "run the newer version of Cronshot that migrated it (`git pull`, or deploy again)",
        )
    return Status(SchemaState.OK, f"the database schema is at {len(applied)}, as it should be")


def migrate(database: Database, folder: Traversable | None = None) -> list[Applied]:
    """Apply what is missing, each migration in a transaction of its own; returns what it applied.

    Two at once share the work. Raises ConfigurationError where the schema is newer or a file was
    changed, LockTimeoutError where other sessions held a table for a minute. `database` should
    reach PostgreSQL itself, not a pooler (`DATABASE_URL_DIRECT`).
    """
    known = read(folder or shipped())
    applied: list[Applied] = []
    while (step := _patiently(database, known)) is not None:
        applied.append(step)
    return applied


def _patiently(database: Database, known: Sequence[Migration]) -> Applied | None:
    """One step, tried again while it waits for a lock: a long wait would block all who come after.

    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    for _ in range(TRIES - 1):
        try:
            return _step(database, known)
        except LockTimeoutError:
            # The database does the waiting, so that those who queued behind us get through.
            with database.transaction() as connection:
                connection.exec_driver_sql(f"SELECT pg_sleep({PAUSE_S})")
    return _step(database, known)


def _step(database: Database, known: Sequence[Migration]) -> Applied | None:
    with database.transaction(
        statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        lock_timeout_ms=LOCK_TIMEOUT_MS,
        transaction_timeout_ms=0,
    ) as connection:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
        # A role that may only work with the tables finds an up-to-date schema up to date.
        if not connection.exec_driver_sql(_HAS_HISTORY).scalar_one():
            connection.exec_driver_sql(_HISTORY)
        applied = applied_to(connection)
        status = compare(applied, known)
        if status.state not in (SchemaState.MISSING, SchemaState.TOO_OLD):
            status.require_ok()
            return None
        return _apply(connection, known[len(applied)])


def _apply(connection: sa.Connection, migration: Migration) -> Applied:
    # Without parameters the driver sends the text as it is: several statements, `%` and `:` too.
    connection.exec_driver_sql(migration.sql)
    step = Applied(migration.version, migration.name, migration.checksum)
    connection.execute(
        _RECORD, {"version": step.version, "name": step.name, "checksum": step.checksum}
    )
    return step
