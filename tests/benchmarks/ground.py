"""What all contenders stand on: one PostgreSQL, simulators in processes of their own."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.url import DatabaseUrl
from infra.simulator.oauth import CLIENT_ID, CLIENT_SECRET
from tests.benchmarks import measure
from tests.support.postgres import Server, execute, migrated_template, scratch

TOKEN_PATH = "/identity/v1/oauth2/token"
# Shorter than the backfill of 90 days, so that every order stays inside it while we measure.
HISTORY_DAYS = 80


@dataclass(frozen=True, slots=True)
class Seller:
    name: str
    refresh_token: str
    access_token: str


@dataclass(frozen=True, slots=True)
class Ebay:
    """One simulator, every order written beforehand, so that no page is slower than another."""

    url: str
    sellers: tuple[Seller, ...]
    orders: int


@dataclass(frozen=True, slots=True)
class Ground:
    """`template` is a database with our schema. `folder` is for what the children leave."""

    server: Server
    template: str
    folder: Path
    one: Ebay
    several: Ebay

    def query(self, database: str, sql: str) -> list[list[object]]:
        return [list(row) for row in execute(self.server.admin.with_database(database), sql)]

    def settle(self) -> None:
        """No contender pays for what the one before it left to write."""
        execute(self.server.admin, "CHECKPOINT")

    def wal_bytes(self) -> int:
        rows = execute(self.server.admin, "SELECT pg_current_wal_lsn() - '0/0'")
        return int(rows[0][0])

    def version(self) -> str:
        return str(execute(self.server.admin, "SHOW server_version")[0][0])


@contextmanager
def prepared(orders: int, accounts: int) -> Iterator[Ground]:
    """PostgreSQL as its wheel configures it, with fsync; one seller with all the orders, several
    who share as many.
    """
    with (
        scratch() as folder,
        server_with_schema(folder) as (server, template),
        _simulator(folder, accounts=1, orders=orders) as one,
        _simulator(folder, accounts=accounts, orders=orders // accounts) as several,
    ):
        yield Ground(server, template, folder, one, several)


@contextmanager
def prepared_alone(orders: int, listings: int) -> Iterator[Ground]:
    """The same with one seller only, who has so many listings."""
    with (
        scratch() as folder,
        server_with_schema(folder) as (server, template),
        _simulator(folder, accounts=1, orders=orders, listings=listings) as one,
    ):
        yield Ground(server, template, folder, one, one)


@contextmanager
def server_with_schema(folder: Path) -> Iterator[tuple[Server, str]]:
    """PostgreSQL as its wheel configures it, and the name of a database to copy from."""
    with EmbeddedPostgres(folder / "server") as postgres:
        server = Server(postgres.url, postgres.url, "embedded")
        with migrated_template(server) as template:
            yield server, template


def cronshot_settings(url: DatabaseUrl, ebay: Ebay, folder: Path, key: str) -> Mapping[str, str]:
    return {
        "DATABASE_URL": url.reveal(),
        "ENCRYPTION_KEYS": key,
        "EBAY_SIMULATOR_API_URL": ebay.url,
        "CRONSHOT_HOME": str(folder),
    }


def encryption_key() -> str:
    return f"bench:{base64.b64encode(os.urandom(32)).decode()}"


@contextmanager
def _simulator(
    folder: Path, *, accounts: int, orders: int, listings: int | None = None
) -> Iterator[Ebay]:
    command = measure.python(
        "infra.simulator.main", "--port", "0", "--days", str(HISTORY_DAYS), "--render-all",
        "--accounts", str(accounts), "--orders", str(orders),
        *([] if listings is None else ["--listings", str(listings)]),
    )  # fmt: skip
    with subprocess.Popen(
        command, cwd=folder, env=measure.environment({}), stdout=subprocess.PIPE, text=True
    ) as simulator:
        try:
            assert simulator.stdout is not None
            told = json.loads(simulator.stdout.readline())
            sellers = tuple(
                Seller(
                    each["name"],
                    each["refresh_token"],
                    _access_token(told["api_url"], each["refresh_token"]),
                )
                for each in told["accounts"]
            )
            yield Ebay(told["api_url"], sellers, orders * accounts)
        finally:
            simulator.terminate()


def _access_token(url: str, refresh_token: str) -> str:
    answer = httpx.post(
        url + TOKEN_PATH,
        auth=(CLIENT_ID, CLIENT_SECRET),
        data={"grant_type": "refresh_token", "refresh_token": refresh_token},
        trust_env=False,
    )
    token: str = answer.raise_for_status().json()["access_token"]
    return token
