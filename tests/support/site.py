"""One installation to call from outside: a database, an eBay, settings, and a server over it."""

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch
from uuid import uuid4

import httpx
from pg8000 import DatabaseError

from core.report import RunReport, Trigger
from core.secret import Secret
from handlers import opening, selling
from handlers.invoke import Call, run_once
from handlers.parameters import Parameters
from infra.postgres.transaction import Database
from infra.postgres.url import DatabaseUrl, parse
from infra.settings import Settings
from infra.simulator.answers import Request
from infra.simulator.faults import Rule
from infra.simulator.server import Simulator
from tests.support import forked
from tests.support.postgres import Server, execute, free_port, open_database
from tests.support.simulated import NO_TLS

ROOT = forked.ROOT
CRON_SECRET = "canary-cron-secret-0123456789"
KEYS = "test:" + base64.b64encode(bytes(range(32))).decode()
WORKER, TOKENS, DRAIN = "ebay-cycle", "token-refresh", "queue-drain"
COMMAND = ("-m", "core.run")
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "CRONSHOT_ENV_FILE")

EMPTIED = (
    "ops.runs",
    "ops.run_units",
    "ops.run_events",
    "ops.leases",
    "ebay.accounts",
    "ebay.api_budgets",
    "ebay.api_breakers",
    "ebay.connect_states",
    "ebay.connect_events",
    "ebay.signing_keys",
    "ebay.order_lines",
    "ebay.transaction_fees",
    "ops.key_canary",
    "ops.jobs",
    "ops.job_keys",
    "ops.queues",
    "ops.chats",
)
"""These, and what refers to them."""
LARGE = 2**20
# To truncate a table costs a millisecond, to delete a few rows from it nothing.
RESET = f"""
DO $$
DECLARE
  every regclass[] := ARRAY(
    WITH RECURSIVE emptied (place) AS (
      SELECT unnest('{{{",".join(EMPTIED)}}}'::regclass[])::oid
       UNION
      SELECT conrelid FROM pg_constraint JOIN emptied ON confrelid = place WHERE contype = 'f')
    SELECT place::regclass FROM emptied WHERE pg_relation_size(place) > 0);
  listed text := array_to_string(every, ', ');
  each regclass;
BEGIN
  IF (SELECT sum(pg_relation_size(place)) FROM unnest(every) AS place) > {LARGE} THEN
    EXECUTE 'TRUNCATE ' || listed || ' CASCADE';
    RETURN;
  END IF;
  IF listed <> '' THEN
    EXECUTE 'LOCK TABLE ' || listed || ' IN ACCESS EXCLUSIVE MODE';
  END IF;
  PERFORM set_config('session_replication_role', 'replica', true);
  FOREACH each IN ARRAY every LOOP
    EXECUTE 'DELETE FROM ' || each;
  END LOOP;
END $$;
UPDATE ops.workers SET enabled = true, faults = 0, tripped_at = NULL, probe_at = NULL;
"""
# What most tests are about: the oldest streams, one of each kind of walk over instants.
MONEY = ("orders", "transactions", "payouts")
RESETS, DEADLOCK = 5, "40P01"


def only(streams: Sequence[str]) -> str:
    """The statement after which no account has other streams."""
    return f"DELETE FROM ebay.sync_states WHERE stream <> ALL ('{{{','.join(streams)}}}')"


@dataclass
class Site:
    """`url` is what the product is given, `admin` reaches the same database directly."""

    url: str
    admin: DatabaseUrl
    simulator: Simulator
    ebay_url: str
    extra: Mapping[str, str] = field(default_factory=dict)

    def environment(self, **more: str | None) -> dict[str, str]:
        """For a child process: nothing of ours leaks in; None takes a variable away."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in KEPT or name.startswith("COV")
        }
        ours: dict[str, str | None] = {
            "DATABASE_URL": self.url,
            "ENCRYPTION_KEYS": KEYS,
            "CRON_SECRET": CRON_SECRET,
            "EBAY_SIMULATOR_API_URL": self.ebay_url,
            "LOG_FORMAT": "json",
            **self.extra,
            **more,
        }
        return kept | {name: value for name, value in ours.items() if value is not None}

    def with_settings(self, **extra: str) -> "Site":
        return replace(self, extra={**self.extra, **extra})

    @contextmanager
    def in_this_process(self, **more: str | None) -> Iterator[None]:
        with patch.dict(os.environ, self.environment(**more), clear=True):
            yield

    def settings(self) -> Settings:
        with self.in_this_process():
            return Settings.load()

    def sql(self, text: str) -> Sequence[Sequence[Any]]:
        return execute(self.admin, text)

    def one(self, text: str) -> Any:
        return self.sql(text)[0][0]

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """As the product opens it."""
        database = open_database(parse(self.url), 2)
        try:
            yield database
        finally:
            database.dispose()

    def reset(self) -> None:
        """As after `migrate`, before an eBay that is well.

        A run of the test before may still be ending, and PostgreSQL may choose this one as the
        victim of a deadlock.
        """
        for tries_left in reversed(range(RESETS)):
            try:
                self.sql(RESET)
                break
            except DatabaseError as error:
                if error.args[0]["C"] != DEADLOCK or not tries_left:
                    raise
        self.simulator.faults.clear()
        for account in self.simulator.world.accounts:
            account.revoked = False
            account.refresh_tokens = {account.refresh_token}
        for resource in self.simulator.quotas.counts():
            self.simulator.quotas.set_count(resource, 0)

    def connect(self, accounts: int = 1, *, first: int = 0, streams: Sequence[str] = MONEY) -> None:
        """Import sellers as `accounts add` does; these streams are due, others there are none."""
        settings = self.settings()
        log = opening.log_for(settings)
        chosen = self.simulator.world.accounts[first : first + accounts]
        with (
            opening.opened(settings, log) as ready,
            selling.manage_accounts(ready) as manage,
        ):
            for account in chosen:
                manage.add(
                    account.name,
                    "simulator",
                    Secret(account.refresh_token),
                    marketplace_ids=(),
                    replace=False,
                )
        self.sql(only(streams))

    def all_due(self) -> None:
        self.sql("UPDATE ebay.sync_states SET due_at = now() - interval '1 second'")

    def run(
        self, *, delivery_id: str | None = None, worker: str = WORKER, **parameters: Any
    ) -> RunReport:
        """In this process, without the environment."""
        call = Call(
            worker=worker,
            trigger=Trigger(via="cli", delivery_id=delivery_id),
            parameters=Parameters(**parameters),
        )
        return run_once(call, settings=self.settings())

    def cli(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        command: Sequence[str] = COMMAND,
        typed: str | None = None,
    ) -> subprocess.CompletedProcess[str]:
        return forked.run(
            [*command, *arguments],
            env=environment or self.environment(),
            timeout=100,
            typed=typed,
        )

    def start(self, *arguments: str, **more: str | None) -> subprocess.Popen[str]:
        return forked.popen(
            [*COMMAND, *arguments],
            env=self.environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def hold_lease(self, seconds: int = 30, worker: str = WORKER) -> str:
        """Somebody else is at work."""
        run_id = str(uuid4())
        self.sql(
            "INSERT INTO ops.leases AS lease (name, fence, run_id, acquired_at, expires_at)"
            f" VALUES ('{worker}', 1, '{run_id}', now(), now() + interval '{seconds} seconds')"
            " ON CONFLICT (name) DO UPDATE SET fence = lease.fence + 1, run_id = EXCLUDED.run_id,"
            " acquired_at = EXCLUDED.acquired_at, expires_at = EXCLUDED.expires_at"
        )
        return run_id


def site_of(url: str, admin: str, simulator: Simulator) -> Site:
    return Site(url, parse(admin), simulator, simulator.api_url)


@contextmanager
def new_site(server: Server, template: str, **world: Any) -> Iterator[Site]:
    """Over a migrated database of its own and a new eBay, both there while this is open."""
    name = server.create_database(template)
    client, admin = (each.with_database(name).reveal() for each in (server.client, server.admin))
    with Simulator(**world) as simulator:
        yield site_of(client, admin, simulator)
    server.drop_database(name)


@dataclass
class Served:
    """`serve` in a process of its own."""

    url: str
    http: httpx.Client
    process: subprocess.Popen[str]
    log: Path

    def call(
        self, method: str = "POST", path: str = f"/cron/{WORKER}", **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {CRON_SECRET}"} | options.pop("headers", {})
        return self.http.request(method, self.url + path, headers=headers, **options)

    def bare(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, self.url + path, **options)


@contextmanager
def served(
    environment: Mapping[str, str],
    log: Path,
    command: Sequence[str] = COMMAND,
    port: int | None = None,
) -> Iterator[Served]:
    port = port or free_port()
    with log.open("w") as stderr:
        process = forked.popen(
            [*command, "serve", "--port", str(port)],
            env=environment,
            stdout=stderr,
            stderr=stderr,
        )
    # No connection is kept: a server that is told to end need not wait for one.
    limits = httpx.Limits(max_keepalive_connections=0)
    http = httpx.Client(timeout=60, trust_env=False, verify=NO_TLS, limits=limits)
    try:
        server = Served(f"http://127.0.0.1:{port}", http, process, log)
        _wait_until_ready(server)
        yield server
    finally:
        http.close()
        process.terminate()
        process.wait(30)


def _wait_until_ready(server: Served) -> None:
    while True:
        try:
            server.bare("GET", "/health")
        except httpx.ConnectError:
            pass
        else:
            return
        try:
            server.process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"serve ended: {server.log.read_text()}")


class Gate:
    """Holds the requests of one operation at eBay until `open`; for `with`."""

    def __init__(self, simulator: Simulator, operation: str = "getOrders") -> None:
        self._faults = simulator.faults
        self._operation = operation
        self._pick = simulator.faults.pick
        self.arrived = threading.Event()
        self.opened = threading.Event()

    def __enter__(self) -> Self:
        self._faults.pick = self._held  # type: ignore[method-assign]  # the simulator waits
        return self

    def __exit__(self, *_: object) -> None:
        self.open()
        self._faults.pick = self._pick  # type: ignore[method-assign]  # as it was

    def open(self) -> None:
        self.opened.set()

    def wait(self) -> None:
        assert self.arrived.wait(60), f"nobody called {self._operation}"

    def _held(self, operation: str, request: Request) -> Rule | None:
        if operation == self._operation:
            self.arrived.set()
            self.opened.wait(60)
        return self._pick(operation, request)


@contextmanager
def beside(work: Callable[[], None]) -> Iterator[None]:
    """`work` in another thread; what it raises is raised at the end."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join(100)
    assert not thread.is_alive()
    if errors:
        raise errors[0]
