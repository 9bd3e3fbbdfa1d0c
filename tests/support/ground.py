"""Where runs are killed: a simulated eBay, a watched database, and real processes."""

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.postgres.url import DatabaseUrl
from infra.simulator.behaviour import Behaviour
from infra.simulator.oauth import CLIENT_ID, CLIENT_SECRET
from infra.simulator.server import Simulator
from tests.support.closing import Closing
from tests.support.crash_points import KILL, STOP
from tests.support.forked import Forked
from tests.support.oracle import Oracle
from tests.support.postgres import execute
from tests.support.site import MONEY, only
from tests.support.source_changes import change

LAUNCHER = ("-m", "tests.support.launcher")
ENDS = {KILL: "crash", STOP: "stop"}
LEASE_S = 2.0
CRON_SECRET = "canary-cron-secret-0123456789abcdef"
KEY = base64.b64encode(b"canary-encryption-key-of-32-byte").decode()
# A reader leaves out the last two minutes; this much later it sees what is changed now, and still
# never inside a window that it closed before the change.
VISIBLE_AFTER_S = 0.15
BEHIND = timedelta(minutes=2) - timedelta(seconds=0.1)
PATIENCE_S = 60.0


class StuckError(AssertionError):
    """A process did not do in time what it was waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`status`: exit code, or the negative number of the signal that ended it."""

    status: int
    out: str
    err: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def report(self) -> dict[str, Any]:
        """What `--json` printed."""
        told: dict[str, Any] = json.loads(self.out)
        return told

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == name]


class Launcher(Closing):
    """One process at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._output = ""
        self._process: Forked | None = None

    @property
    def pid(self) -> int:
        return self._last.pid

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        at: str | None = None,
        how: str = KILL,
        record: Path | None = None,
    ) -> int:
        self._output = str(self._folder / f"run-{os.getpid()}-{id(self)}-{next(self._numbers)}")
        with (
            Path(f"{self._output}.out").open("w") as out,
            Path(f"{self._output}.err").open("w") as err,
        ):
            self._process = Forked(
                [sys.executable, *LAUNCHER, *points(record, at, how), "--", *arguments],
                cwd=self._folder,
                env=dict(environment),
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return self.pid

    def wait(self, timeout: float = PATIENCE_S) -> Ended:
        """Until it ends; freezes on the way are passed over."""
        try:
            self._last.wait(timeout)
        except subprocess.TimeoutExpired:
            raise self._stuck() from None
        return self._ended()

    def wait_until_stopped(self, timeout: float = PATIENCE_S) -> Ended | None:
        """None once it is frozen; else how it ended."""
        try:
            return None if self._last.wait_until_stopped(timeout) else self._ended()
        except subprocess.TimeoutExpired:
            raise self._stuck() from None

    def send(self, number: int) -> None:
        # It may have ended, though nobody has read of it yet.
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.send(signal.SIGKILL)
            self._process.wait(5)

    @property
    def _last(self) -> Forked:
        assert self._process is not None, "nothing was started"
        return self._process

    def _ended(self) -> Ended:
        out, err = (Path(f"{self._output}.{end}") for end in ("out", "err"))
        return Ended(status=self._last.returncode, out=out.read_text(), err=err.read_text())

    def _stuck(self) -> StuckError:
        return StuckError(f"the process {self.pid} does nothing; see {self._output}.err")


def points(record: Path | None, at: str | None, how: str) -> list[str]:
    """As the launcher is told of them."""
    counted = [] if record is None else ["--count", str(record)]
    return counted if at is None else [*counted, f"--{ENDS[how]}-at", at]


@dataclass
class Ground:
    """`printed`: everything that any process said, for the search for secrets."""

    simulator: Simulator
    admin: DatabaseUrl
    environment: Mapping[str, str]
    launcher: Launcher
    second: Launcher
    oracle: Oracle
    folder: Path
    streams: Sequence[str] = MONEY
    printed: list[str] = field(default_factory=list)

    def sql(self, statement: str) -> Sequence[Sequence[Any]]:
        return execute(self.admin, statement)

    def start(self, *arguments: str, **how: Any) -> int:
        return self.launcher.start(arguments, self.environment, **how)

    def ended(
        self, timeout: float = PATIENCE_S, signals: AbstractSet[int] = frozenset({-signal.SIGKILL})
    ) -> Ended:
        """`signals`: what it may have died of without a word."""
        return self.heard(self.launcher.wait(timeout), signals)

    def heard(
        self, ended: Ended, signals: AbstractSet[int] = frozenset({-signal.SIGKILL})
    ) -> Ended:
        self.printed += [ended.out, ended.err]
        if ended.status not in signals:
            last = [line for line in ended.log if line["event"] in {"run.finished", "run.failed"}]
            assert len(last) == 1, f"O12: one line says how it ended:\n{ended.err}"
            if last[0]["reason"] == "database":
                assert ended.status == 69, ended.err
        return ended

    def run(self, *arguments: str, **how: Any) -> Ended:
        self.start(*arguments, **how)
        return self.ended()

    def other(self, *arguments: str) -> Ended:
        """A second process, while the first one lives."""
        self.second.start(arguments, self.environment)
        return self.heard(self.second.wait())

    def command(self, *arguments: str) -> Ended:
        """A command that is no run."""
        self.launcher.start(arguments, self.environment)
        ended = self.launcher.wait()
        self.printed += [ended.out, ended.err]
        return ended

    def change_the_source(self, changes: int) -> None:
        with self.simulator.world.lock:
            for account in self.simulator.world.accounts:
                for _ in range(changes):
                    self.simulator.world.life.modify_any(account)
                change(self.simulator.world, account, self.streams)

    def change_every_order(self) -> None:
        with self.simulator.world.lock:
            for account in self.simulator.world.accounts:
                for order in account.ledger.orders:
                    self.simulator.world.life.modify(account, order)

    def make_all_due(self) -> None:
        """In one order each time; the instants of eBay's limits pass as well."""
        self.sql(
            "UPDATE ebay.sync_states SET due_at = clock_timestamp() - make_interval(secs => place)"
            " FROM (SELECT account_id AS a, stream AS s, pass AS p,"
            " row_number() OVER (ORDER BY account_id DESC, stream DESC, pass DESC) AS place"
            " FROM ebay.sync_states) AS row"
            " WHERE (account_id, stream, pass) = (a, s, p) AND leased_by IS NULL;"
            " UPDATE ebay.api_budgets SET blocked_until = NULL, used = 0, used_open = 0;"
            " DELETE FROM ebay.api_breakers"
        )

    def forget_everything(self) -> None:
        """As if the sellers had been connected just now; the triggers do not see it."""
        self.sql(
            "SET session_replication_role = replica;"
            " DELETE FROM ebay.order_lines; DELETE FROM ebay.orders;"
            " DELETE FROM ebay.transaction_fees; DELETE FROM ebay.transactions;"
            " DELETE FROM ebay.payouts;"
            " UPDATE ebay.sync_states SET cursor_at = NULL, window_from = NULL, window_to = NULL,"
            " window_goal = NULL, window_limit = NULL, window_offset = NULL, window_total = NULL,"
            " window_pass = NULL"
        )
        self.oracle.forget_cursors()

    def expire_tokens(self) -> None:
        self.sql("UPDATE ebay.tokens SET access_expires_at = clock_timestamp()")

    def let_leases_run_out(self) -> None:
        """As if a minute went by. Nobody may hold a lock on them."""
        past = "clock_timestamp() - make_interval(secs => 1)"
        self.sql(
            "SET session_replication_role = replica;"
            f" UPDATE ops.leases SET expires_at = {past} WHERE run_id IS NOT NULL;"
            f" UPDATE ops.runs SET expires_at = {past} WHERE status = 'running';"
            f" UPDATE ebay.sync_states SET leased_until = {past}, due_at = {past}"
            " WHERE leased_by IS NOT NULL"
        )

    def wait_for_leases(self) -> None:
        """Until every lease has run out, by the clock that decides."""
        lives = (
            "SELECT FROM ops.leases WHERE expires_at > clock_timestamp() UNION ALL"
            " SELECT FROM ebay.sync_states WHERE leased_until > clock_timestamp()"
        )
        while self.sql(lives):
            time.sleep(0.05)

    def wait_until_visible(self) -> None:
        time.sleep(VISIBLE_AFTER_S)


@contextmanager
def ground(
    url: DatabaseUrl,
    admin: DatabaseUrl,
    *,
    orders: int,
    seed: int = 1,
    parallel: int = 1,
    lease_s: float = LEASE_S,
    streams: Sequence[str] = MONEY,
) -> Iterator[Ground]:
    """Two sellers, connected and not read yet, in the migrated, empty database `url`.

    They have these streams only.
    """
    with (
        tempfile.TemporaryDirectory(prefix="cronshot-chaos-") as name,
        Simulator(
            seed=seed,
            accounts=2,
            orders=orders,
            clock_offset=-BEHIND,
            # The first seller's money is shown to signed calls only.
            behaviour=Behaviour(signatures=True),
        ) as simulator,
        Launcher(Path(name)) as launcher,
        Launcher(Path(name)) as second,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "CRONSHOT_ENV_FILE": "",
            "DATABASE_URL": url.reveal(),
            "ENCRYPTION_KEYS": f"k1:{KEY}",
            "CRON_SECRET": CRON_SECRET,
            "EBAY_SIMULATOR_API_URL": simulator.api_url,
            "LEASE_S": str(lease_s),
            "LOG_FORMAT": "json",
            "WORKERS_MAX_PARALLEL": str(parallel),
        }
        oracle = Oracle(
            *(simulator, admin, secrets_of(simulator), lease_s),
            directly=url.port == admin.port,
            streams=streams,
        )
        made = Ground(simulator, admin, environment, launcher, second, oracle, Path(name), streams)
        _connect_sellers(made)
        oracle.install()
        yield made


def secrets_of(simulator: Simulator) -> list[str]:
    """What nobody may see: keys, and tokens by the part that each of their forms has in common."""
    tokens = [account.refresh_token for account in simulator.world.accounts]
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    secret = [CRON_SECRET, KEY, CLIENT_SECRET, basic, "#t^eyJ", quote("#t^eyJ", safe="")]
    return secret + tokens + [quote(token, safe="") for token in tokens]


def _connect_sellers(made: Ground) -> None:
    for account in made.simulator.world.accounts:
        file = made.folder / f"{account.name}.token"
        file.write_text(account.refresh_token)
        done = made.command(
            *("accounts", "add", "--name", account.name, "--environment", "simulator"),
            *("--refresh-token-file", str(file)),
        )
        assert done.status == 0, done.err
    made.sql(only(made.streams))
