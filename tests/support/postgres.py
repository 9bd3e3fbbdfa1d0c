"""A real PostgreSQL for tests, and a new database for each of them."""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from infra.postgres.cluster import OS_USER, Cluster
from infra.postgres.connect import connect, server_version
from infra.postgres.embedded import DEFAULT_VERSION, EmbeddedPostgres
from infra.postgres.engine import make_engine
from infra.postgres.migrator import migrate
from infra.postgres.transaction import Database
from infra.postgres.url import DatabaseUrl, SslMode, parse

QUICK = (
    "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300",
    "max_wal_size=256MB",
)  # fmt: skip
IN_MEMORY, ROOM = Path("/dev/shm"), 8 * 2**30
"""A database is copied there in a quarter of the time; a container may have 64 MB of it."""
POOL_SIZE = 2
SCRATCH = "cronshot-test-"

_numbers = count(1)


def environment(name: str) -> str:
    return os.environ.get(name, "")


def through_pooler() -> bool:
    return environment("TEST_PGBOUNCER") == "1"


@dataclass(frozen=True)
class Server:
    """`admin` reaches PostgreSQL itself; `client` what the tests talk to."""

    admin: DatabaseUrl
    client: DatabaseUrl
    label: str

    def create_database(self, template: str = "template1") -> str:
        name = f"cronshot_test_{os.getpid()}_{next(_numbers)}"
        execute(self.admin, f'CREATE DATABASE {name} TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop_database(self, name: str) -> None:
        execute(self.admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def execute(url: DatabaseUrl, sql: str) -> Sequence[Sequence[Any]]:
    """One literal statement outside any transaction, for what only an administrator does."""
    with closing(connect(url, application_name="cronshot tests", timeout=30)) as connection:
        return connection.execute_simple(sql).rows or []


def open_database(url: DatabaseUrl, pool_size: int = 5) -> Database:
    return Database(make_engine(url, pool_size=pool_size, application_name="cronshot tests"))


@contextmanager
def running_server() -> Iterator[Server]:
    """TEST_DATABASE_URL or an embedded one; through PgBouncer with TEST_PGBOUNCER=1."""
    with _postgres() as (url, kind):
        version = _version(url)
        if not through_pooler():
            yield Server(url, url, f"PostgreSQL {version} ({kind}), directly")
            return
        with pgbouncer(url) as pooled:
            label = f"PostgreSQL {version} ({kind}), through {_pgbouncer_version()}"
            yield Server(url, pooled, f"{label} in transaction mode, pool of {POOL_SIZE}")


@contextmanager
def migrated_template(server: Server) -> Iterator[str]:
    """The name of a database with our schema and nothing in it, to copy from."""
    name = server.create_database()
    database = open_database(server.admin.with_database(name), 1)
    migrate(database)
    database.dispose()
    yield name
    server.drop_database(name)


@contextmanager
def _postgres() -> Iterator[tuple[DatabaseUrl, str]]:
    given = environment("TEST_DATABASE_URL")
    if given:
        yield parse(given), "TEST_DATABASE_URL"
        return
    _stop_leftovers()
    version = int(environment("TEST_POSTGRES_VERSION") or DEFAULT_VERSION)
    with (
        scratch(_quickest_place()) as folder,
        EmbeddedPostgres(folder, version, options=QUICK) as server,
    ):
        yield server.url, "embedded"


def _quickest_place() -> Path | None:
    roomy = IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM
    return IN_MEMORY if roomy else None


def _stop_leftovers() -> None:
    """Stop what a killed test run has left running: nobody holds its locks any more."""
    places = (Path(tempfile.gettempdir()), IN_MEMORY)
    for folder in (found for place in places for found in place.glob(f"{SCRATCH}*")):
        with suppress(OSError), ExitStack() as held:
            for name in ("lock.change", "lock"):
                lock = held.enter_context((folder / name).open("r+"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            Cluster(folder / "postgres", DEFAULT_VERSION).stop()
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def scratch(place: Path | None = None) -> Iterator[Path]:
    """Not pytest's `tmp_path`: that is too long for a socket, and closed to other OS users."""
    folder = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _version(url: DatabaseUrl) -> str:
    with closing(connect(url, application_name="cronshot tests", timeout=30)) as connection:
        return ".".join(str(part) for part in server_version(connection))


def _pgbouncer_version() -> str:
    told = subprocess.run(["pgbouncer", "--version"], capture_output=True, text=True, check=True)
    return told.stdout.splitlines()[0]


@contextmanager
def pgbouncer(server: DatabaseUrl, pool_size: int = POOL_SIZE) -> Iterator[DatabaseUrl]:
    """PgBouncer in transaction mode before `server`, for any database on it."""
    with scratch() as folder:
        port = free_port()
        settings = folder / "pgbouncer.ini"
        settings.write_text(_pgbouncer_settings(server, port, pool_size))
        settings.chmod(0o600)
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                ["pgbouncer", str(settings)], stdout=log, stderr=subprocess.STDOUT
            )
        try:
            _wait_for(port, process, folder / "log")
            yield DatabaseUrl(
                host="127.0.0.1",
                port=port,
                user=server.user,
                password=None,
                database=server.database,
            )
        finally:
            process.terminate()
            process.wait()


def _pgbouncer_settings(server: DatabaseUrl, port: int, pool_size: int) -> str:
    place = {
        "host": str(server.socket_dir or server.host),
        "port": str(server.port),
        "user": server.user,
    }
    if server.password:
        place["password"] = server.password.reveal()
    target = " ".join(f"{key}={_quoted(value)}" for key, value in place.items())
    tls = "disable" if server.sslmode is SslMode.DISABLE else "require"
    # It refuses to run as root; only this user may enter the embedded server's folder.
    user = f"user = {OS_USER}" if os.geteuid() == 0 else ""
    return f"""
[databases]
* = {target}
[pgbouncer]
{user}
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_db_connections = {pool_size}
max_client_conn = 1000
query_wait_timeout = 20
server_tls_sslmode = {tls}
log_connections = 0
log_disconnections = 0
"""


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"pgbouncer ended: {log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
