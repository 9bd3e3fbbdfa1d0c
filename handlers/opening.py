"""The database that a command, a run or a request works with, its settings and its log."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.errors import ConfigurationError
from core.events import Log
from infra.logs import make_log
from infra.postgres.accounts import PostgresAccounts
from infra.postgres.engine import make_engine
from infra.postgres.migrator import SchemaState, check, migrate
from infra.postgres.transaction import Database, for_ever
from infra.postgres.url import DatabaseUrl, parse
from infra.settings import Settings

STOP = threading.Event()
"""Set by SIGTERM and Ctrl-C: the runs of this process end at their next page."""


@dataclass(frozen=True, slots=True)
class WallClock:
    """The machine's clock, for what never decides about data: reports without a database."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  (the one wall clock)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Opened:
    """A database that may be worked with; `place` names it for people."""

    settings: Settings
    log: Log
    database: Database
    place: str


def load_settings(overrides: Mapping[str, object] | None = None) -> Settings:
    return Settings.load(overrides)


def log_for(settings: Settings | None) -> Log:
    """Also before there are settings, to say what is wrong with them."""
    if settings is None:
        return make_log("info", None)
    return make_log(settings.log_level, settings.log_format)


@contextmanager
def database_url(settings: Settings) -> Iterator[tuple[DatabaseUrl, bool]]:
    """DATABASE_URL, or the embedded server for as long as the context is open (True).

    Raises ConfigurationError on Lambda without DATABASE_URL: a mistyped variable must not start a
    database there.
    """
    if settings.database_url is not None:
        yield parse(settings.database_url.get_secret_value()), False
        return
    if settings.on_lambda:
        raise ConfigurationError("DATABASE_URL is not set")
    from infra.postgres.embedded import EmbeddedPostgres

    with EmbeddedPostgres(settings.cronshot_home) as server:
        yield server.url, True


@contextmanager
def connected(
    settings: Settings,
    log: Log,
    *,
    announce: Callable[[str], None] | None = None,
    time_left: Callable[[], float] = for_ever,
) -> Iterator[Opened]:
    """Connections for one run: one for each unit side by side, one for the coordinator.

    `time_left`: as of `Database`. The schema is not looked at.
    """
    with ExitStack() as stack:
        url, embedded = stack.enter_context(database_url(settings))
        place = f"embedded PostgreSQL in {settings.cronshot_home}" if embedded else url.safe()
        if announce is not None:
            announce("\n".join([*settings.doubts(), f"database: {place}"]))
        pool_size = settings.workers_max_parallel + 1
        engine = make_engine(
            url, pool_size=pool_size, application_name="cronshot", time_left=time_left
        )
        database = Database(engine, time_left)
        stack.callback(database.dispose)
        yield Opened(settings, log, database, place)


@contextmanager
def opened(
    settings: Settings,
    log: Log,
    *,
    announce: Callable[[str], None] | None = None,
    time_left: Callable[[], float] = for_ever,
) -> Iterator[Opened]:
    """As `connected`, with a schema of this release.

    Brought up to date by itself on the embedded database or with RUN_DDL_ON_STARTUP, else demanded
    (ConfigurationError).
    """
    with connected(settings, log, announce=announce, time_left=time_left) as ready:
        status = check(ready.database)
        if status.state is not SchemaState.OK and _runs_ddl(settings):
            migrate_all(ready)
            status = check(ready.database)
        status.require_ok()
        yield ready


def require_schema(ready: Opened) -> None:
    """Raises ConfigurationError with the command to type."""
    check(ready.database).require_ok()


def _runs_ddl(settings: Settings) -> bool:
    if settings.run_ddl_on_startup is not None:
        return settings.run_ddl_on_startup
    return settings.database_url is None


def migrate_all(ready: Opened) -> list[str]:
    """Through DATABASE_URL_DIRECT when it is set: a pooler may stand before the other.

    Never for the embedded database, which is neither.
    """
    direct = ready.settings.database_url_direct
    if direct is None or ready.settings.database_url is None:
        return _migrate_all(ready.database)
    url = parse(direct.get_secret_value())
    database = Database(make_engine(url, pool_size=1, application_name="cronshot migrate"))
    try:
        return _migrate_all(database)
    finally:
        database.dispose()


def _migrate_all(database: Database) -> list[str]:
    """However long it takes: cut off at each run's deadline, a long one would never be done."""
    database = replace(database, time_left=for_ever)
    applied = [f"{each.version:04} {each.name}" for each in migrate(database)]
    from infra.ebay.streams.registry import STREAMS

    PostgresAccounts(database, STREAMS).add_missing_states()
    return applied


def sleep(seconds: float) -> None:
    """Shorter when the process is asked to stop."""
    STOP.wait(seconds)
