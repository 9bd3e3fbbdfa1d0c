"""Where queues are stormed: a watched database, real workers, somebody else's server."""

import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from infra.postgres.url import DatabaseUrl
from tests.support.counting_site import CountingSite, counting_site
from tests.support.forks import Fork, Forks
from tests.support.ground import Ended
from tests.support.postgres import execute
from tests.support.queue_oracle import QueueOracle
from tests.support.storm_kinds import SITE

LAUNCHER = "tests.support.queue_launcher"
DRAIN = ("queue", "--json")
UNAVAILABLE = 69
QUIET_S = 90.0
NOBODY = str(UUID(int=0))
OPEN = "SELECT count(*) FROM ops.jobs WHERE due_at IS NOT NULL"


@dataclass
class QueueSite:
    """`printed`: what the workers said on stderr."""

    url: DatabaseUrl
    environment: Mapping[str, str]
    forks: Forks
    outside: CountingSite
    oracle: QueueOracle
    folder: Path
    printed: list[str] = field(default_factory=list)

    def sql(self, statement: str) -> Sequence[Sequence[Any]]:
        return execute(self.url, statement)

    def start(self, *arguments: str, **how: Any) -> Fork:
        return self.forks.start(arguments or DRAIN, self.environment, **how)

    def drain(self, **how: Any) -> Ended:
        """One run, until it finds nothing, or a job of it ends it."""
        ended = self.followed(self.start(*DRAIN, **how))
        self.printed.append(ended.err)
        return ended

    def followed(self, fork: Fork, woken: Callable[[], None] = lambda: None) -> Ended:
        """To its end: where it freezes it is woken when its leases are over."""
        while (ended := fork.stopped_or_ended()) is None:
            time.sleep(self.oracle.lease_s * 1.2)
            woken()
            fork.send(signal.SIGCONT)
        return ended

    def drain_all(self) -> int:
        """Run after run until every job has ended; how many runs it took.

        Nobody disturbs them but the jobs that are left.
        """
        ends = time.monotonic() + QUIET_S
        for runs in range(1, 10_000):
            ended = self.drain()
            honest = ended.killed or ended.status in {0, 1, 75}
            assert honest, f"{ended.status}: {ended.out}{ended.err}"
            if self.sql(OPEN)[0][0] == 0:
                return runs
            if '"tripped"' in ended.out:
                self.resume()
            assert time.monotonic() < ends, f"some jobs do not end: {self.left()}"
            self.wait_until_due()
        raise AssertionError("it never ends")

    def resume(self) -> None:
        """What a person does after a crash loop: again, where a frozen process holds the row."""
        for arguments in (("workers", "resume", "queue-drain"), ("queues", "resume", "storm")):
            ends = time.monotonic() + QUIET_S
            while (ended := self.start(*arguments).wait()).status == UNAVAILABLE:
                assert time.monotonic() < ends, ended.err
            assert ended.status == 0, ended.err

    def wait_until_due(self) -> None:
        """Not longer than a lease, for something may come meanwhile."""
        ((seconds,),) = self.sql(
            "SELECT least(extract(epoch FROM min(due_at) - clock_timestamp())::float8,"
            f" {self.oracle.lease_s}) FROM ops.jobs WHERE due_at IS NOT NULL"
        )
        time.sleep(max(float(seconds or 0), 0.02))

    def left(self) -> Sequence[Sequence[Any]]:
        return self.sql(
            "SELECT status, kind, queue, ordering_key, attempts, due_at, clock_timestamp()"
            " FROM ops.jobs WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 5"
        )

    def let_leases_run_out(self) -> None:
        """As if a minute went by. Nobody may hold a lock on them."""
        past = "clock_timestamp() - make_interval(secs => 1)"
        self.sql(
            "SET session_replication_role = replica;"
            f" UPDATE ops.jobs SET leased_until = {past} WHERE status = 'processing';"
            f" UPDATE ops.job_keys SET visible_at = {past} WHERE locked_by IS NOT NULL;"
            f" UPDATE ops.runs SET expires_at = {past} WHERE status = 'running'"
        )

    def let_go_of_locks(self) -> None:
        """What PostgreSQL does by itself when a frozen process has held a transaction for 5 s."""
        self.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE"
            " 'storm-%' AND datname = current_database() AND (state LIKE 'idle in transaction%'"
            " OR wait_event = 'ClientRead' AND state = 'active')"
        )

    def wait_for_leases(self) -> None:
        while self.sql("SELECT FROM ops.jobs WHERE leased_until > clock_timestamp() LIMIT 1"):
            time.sleep(0.05)

    def run_of(self, fork: Fork) -> str:
        """The id of its run; nobody's where it has not begun."""
        said = (line for line in fork.log() if line["event"] == "run.started")
        return next((str(line["run_id"]) for line in said), NOBODY)

    def events(self) -> Counter[str]:
        rows = self.sql("SELECT event, count(*) FROM ops.job_events GROUP BY event")
        return Counter({str(event): int(times) for event, times in rows})

    def told(self, event: str) -> int:
        """How often the workers said so in their logs."""
        return sum(err.count(f'"event": "{event}"') for err in self.printed)


@contextmanager
def queue_site(
    url: DatabaseUrl,
    admin: DatabaseUrl,
    *,
    lease_s: float,
    parallel: int = 2,
    refuses: int = 0,
) -> Iterator[QueueSite]:
    """On the migrated, empty database `url`."""
    with (
        tempfile.TemporaryDirectory(prefix="cronshot-storm-") as name,
        counting_site(refuses) as outside,
        _forks(Path(name)) as forks,
    ):
        environment = {
            "PATH": os.environ["PATH"],
            "CRONSHOT_ENV_FILE": "",
            "DATABASE_URL": url.reveal(),
            "LEASE_S": str(lease_s),
            "LOG_FORMAT": "json",
            "WORKERS_MAX_PARALLEL": str(parallel),
            SITE: outside.address,
        }
        oracle = QueueOracle(admin, outside, lease_s)
        oracle.install()
        yield QueueSite(admin, environment, forks, outside, oracle, Path(name))


@contextmanager
def _forks(folder: Path) -> Iterator[Forks]:
    with Forks(LAUNCHER, folder) as forks:
        yield forks
