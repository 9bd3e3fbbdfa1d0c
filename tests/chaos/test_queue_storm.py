"""Eight drains at a time while workers are killed, frozen and poisoned, and producers come and go:
O4 to O8 hold.
"""

import itertools
import math
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

import pytest

from core.jobs.control import JobConflictError
from core.jobs.model import JobId, NewJob, Priority
from infra.postgres.embedded import EmbeddedPostgres
from infra.postgres.errors import LockTimeoutError
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database
from tests.support.caused import Caused
from tests.support.forks import Fork
from tests.support.ground import Ended
from tests.support.postgres import Server, migrated_template, open_database, scratch
from tests.support.producer import HELD, told
from tests.support.queue_site import DRAIN, QueueSite, queue_site
from tests.support.storm_kinds import KINDS, POISON_ATTEMPTS

# A third: the sweeps over crash points have the rest.
CHAOS_S = float(os.environ.get("CHAOS_S") or 60) / 3
DRAINS, PRODUCERS = 8, 3
LEASE_S, DEADLINE_S = 1.5, 8
# Not fsync, which protects from power cuts only; but what is committed must survive the server.
SERVER = ("fsync=off", "full_page_writes=off", "max_connections=200")
# A drain ends with the work done, some of it, jobs that need a look, or no database; and one that
# was frozen finds that its run was given up.
HONEST = frozenset({0, 1, 69, 75})
BEHIND_POISON = 3
DISTURBED_EVERY_S = 2.0

Plan = dict[str, int]


def plan(seconds: float) -> Plan:
    """How often each kind of fault is caused at least, for the time that there is."""
    share = seconds / 300
    often = {
        "killed": 60,
        "killed by poison": 20,
        "frozen": 15,
        "frozen with a lease": 3,
        "asked to stop": 8,
        "cut off": 15,
        "producers killed": 4,
        "transactions held open": 60,
        "transactions rolled back": 15,
        "cancels": 10,
    }
    return {kind: max(1, math.ceil(times * share)) for kind, times in often.items()}


SEEN_IN_THE_END = (
    "tries that failed", "leases that expired", "refused outside", "verdicts against a job",
    "poison dead-lettered",
)  # fmt: skip


@pytest.mark.chaos
@pytest.mark.timeout(0)
def test_a_storm_over_the_queue_loses_nothing_doubles_nothing_and_keeps_the_order(
    request: pytest.FixtureRequest, caused: Caused
) -> None:
    seed = int(getattr(request.config.option, "randomly_seed", None) or 1)
    with scratch() as folder, EmbeddedPostgres(folder, options=SERVER) as postgres:
        server = Server(postgres.url, postgres.url, "chaos")
        with migrated_template(server) as template:
            name = server.create_database(template)
            counts = stormed(server, name, CHAOS_S, seed=seed)

    caused(f"queue: seed {seed}, {CHAOS_S:.0f} s, {DRAINS} drains, {dict(sorted(counts.items()))}")
    nothing_was_left_out(counts, plan(CHAOS_S) | {"writes that came too late": 1})


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_storm_over_the_queue(
    postgres_server: Server, database_name: str, caused: Caused
) -> None:
    counts = stormed(postgres_server, database_name, 1.5, seed=1)

    caused(f"queue, a sample: {dict(sorted(counts.items()))}")
    nothing_was_left_out(counts, plan(1.5))


def nothing_was_left_out(counts: Counter[str], least: Plan) -> None:
    wanted = dict(least) | dict.fromkeys(SEEN_IN_THE_END, 1)
    missed = {kind: (counts[kind], times) for kind, times in wanted.items() if counts[kind] < times}
    assert not missed, f"too few (caused, wanted): {missed}"


def stormed(server: Server, name: str, seconds: float, seed: int) -> Counter[str]:
    """Past the pooler: frozen processes would keep the few connections that it has."""
    url = server.admin.with_database(name)
    with (
        queue_site(url, url, lease_s=LEASE_S, refuses=10) as site,
        _opened(server, name) as database,
    ):
        storm = Storm(site=site, database=database, seconds=seconds, seed=seed)
        storm.blow()
        storm.quiet()
        return storm.counts


@contextmanager
def _opened(server: Server, name: str) -> Iterator[Database]:
    database = open_database(server.admin.with_database(name))
    yield database
    database.dispose()


@dataclass
class Storm:
    site: QueueSite
    database: Database
    seconds: float
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)
    _committed: dict[str, set[int]] = field(default_factory=dict)
    _rolled_back: dict[str, set[int]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: set[str] = field(default_factory=set)

    def blow(self) -> None:
        """Until its time is over and everything has been caused; at most twice as long."""
        began = time.monotonic()
        workers: list[Callable[[int], None]] = [self._drains] * DRAINS
        workers += [self._produces] * PRODUCERS + [self._disturbs]
        with ThreadPoolExecutor(len(workers)) as threads:
            futures = [threads.submit(work, place) for place, work in enumerate(workers)]
            while self._goes_on(time.monotonic() - began) and not _broken(futures):
                self.site.oracle.nothing_is_stranded()
                time.sleep(0.5)
            self.over.set()
        for future in futures:
            future.result()

    def quiet(self) -> None:
        """All faults over: what is left is done, and the oracle judges."""
        self.counts["quiet runs"] = self.site.drain_all()
        self.site.oracle.judge()
        self._what_was_committed_is_there()
        self._seen_in_the_end()

    def _goes_on(self, took: float) -> bool:
        if took > 2 * self.seconds + 60:
            return False
        return took < self.seconds or self._is_something_missing()

    def _is_something_missing(self) -> bool:
        bites = sum(self.site.outside.of("poison").values())
        with self._lock:
            self.counts["killed by poison"] = bites
        return any(self.counts[kind] < times for kind, times in plan(self.seconds).items())

    def _count(self, kind: str, times: int = 1) -> None:
        with self._lock:
            self.counts[kind] += times

    # Drains, each with a fate.

    def _drains(self, place: int) -> None:
        rng = Random(f"drain {self.seed} {place}")
        fates = [self._freeze, self._ask_to_stop, self._kill, self._kill, self._let, self._let]
        for number in itertools.count(place):
            if self.over.is_set():
                return
            fork = self.site.start(*DRAIN, "--deadline", f"{DEADLINE_S}s")
            self._heard(fork, fates[number % len(fates)](fork, rng))
            self.over.wait(rng.uniform(0, 0.1))

    def _let(self, fork: Fork, rng: Random) -> Ended:
        return self._followed(fork)

    def _kill(self, fork: Fork, rng: Random) -> Ended:
        time.sleep(rng.uniform(0, 1.0))
        fork.send(signal.SIGKILL)
        ended = self._followed(fork)
        if ended.killed:
            self._count("killed")
        return ended

    def _freeze(self, fork: Fork, rng: Random) -> Ended:
        fork.wait_until_it_says("run.started")
        time.sleep(rng.uniform(0, 0.4))
        fork.send(signal.SIGSTOP)
        return self._followed(fork, "frozen")

    def _ask_to_stop(self, fork: Fork, rng: Random) -> Ended:
        fork.wait_until_it_says("run.started")
        time.sleep(rng.uniform(0, 0.5))
        fork.send(signal.SIGTERM)
        ended = self._followed(fork)
        self._count("asked to stop", int(ended.status in HONEST))
        return ended

    def _followed(self, fork: Fork, kind: str = "frozen with a lease") -> Ended:
        """Whoever froze, by us or by a job."""

        def woken() -> None:
            self._overtaken(fork)
            self._count(kind)

        return self.site.followed(fork, woken=woken)

    def _overtaken(self, fork: Fork) -> None:
        """Not for ever: those who would take it over may be dead or frozen themselves."""
        ends = time.monotonic() + 3 * self.site.oracle.lease_s
        held = f"SELECT FROM ops.jobs WHERE locked_by = '{self.site.run_of(fork)}' LIMIT 1"
        while self.site.sql(held) and time.monotonic() < ends and not self.over.is_set():
            time.sleep(0.05)

    def _heard(self, fork: Fork, ended: Ended) -> None:
        with self._lock:
            self.site.printed.append(ended.err)
        if ended.killed:
            return
        if ended.status == -signal.SIGTERM:
            # It had no handler yet.
            return
        assert ended.status in HONEST, f"{fork.name}: {ended.status}: {ended.out}{ended.err}"
        if '"tripped"' in ended.out:
            self._count("tripped")
            self.site.resume()

    # Producers, one after the other in each place.

    def _produces(self, place: int) -> None:
        rng = Random(f"produce {self.seed} {place}")
        for number in range(10_000):
            if self.over.is_set():
                return
            lives_s = rng.uniform(1.0, 3.0)
            fork = self.site.start("produce", f"{place}.{number}", f"{lives_s}", f"{self.seed}")
            killed = rng.random() < 0.4
            if killed:
                time.sleep(rng.uniform(0.5, lives_s))
                fork.send(signal.SIGKILL)
            self._produced(fork.wait())

    def _produced(self, ended: Ended) -> None:
        assert ended.status == 0 or ended.killed, ended.err
        self._count("producers killed", int(ended.killed))
        for line in told(ended.out):
            kept = self._committed if line["committed"] else self._rolled_back
            with self._lock:
                kept.setdefault(line["stream"], set()).update(line["numbers"])
            if line["way"] == HELD:
                kind = "transactions held open" if line["committed"] else "transactions rolled back"
                self._count(kind)

    # Everything else that goes wrong.

    def _disturbs(self, place: int) -> None:
        """As much of it as there is time for, and what is still missing then."""
        rng = Random(f"disturb {self.seed}")
        jobs = PostgresJobs(self.database, KINDS)
        wanted = plan(self.seconds)
        poisons = math.ceil(wanted["killed by poison"] / POISON_ATTEMPTS)
        for number in itertools.count():
            if number < poisons or self.counts["killed by poison"] < wanted["killed by poison"]:
                self._poison(jobs, number)
            if self.counts["frozen with a lease"] < wanted["frozen with a lease"]:
                self._trouble(jobs, rng.choice((None, f"cold-{number}")))
            self._cut_off(rng)
            self._cancel(rng)
            if self.over.wait(DISTURBED_EVERY_S):
                return

    def _poison(self, jobs: PostgresJobs, number: int) -> None:
        """With innocents behind it, or beside it where it has no key."""
        key = None if number % 2 else f"poisoned-{number}"
        stream = {"stream": f"behind {number}"}
        behind = [
            NewJob(kind="storm.write", ordering_key=key, payload={**stream, "n": n})
            for n in range(1, BEHIND_POISON + 1)
        ]
        jobs.enqueue([NewJob(kind="storm.poison", ordering_key=key), *behind])

    def _trouble(self, jobs: PostgresJobs, key: str | None) -> None:
        """One that freezes whoever takes it, and others that fail, are refused, or take long."""
        jobs.enqueue(
            [
                NewJob(kind="storm.freeze", ordering_key=key, priority=Priority.URGENT),
                NewJob(kind="storm.call", payload={"fails": 1}),
                NewJob(kind="storm.count", payload={"refuses": True}),
                NewJob(kind="storm.last", payload={"seconds": self.site.oracle.lease_s * 1.3}),
            ]
        )

    def _cut_off(self, rng: Random) -> None:
        hit = self.site.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE"
            f" 'storm-%' AND datname = current_database() AND random() < {rng.uniform(0, 0.3)}"
        )
        self._count("cut off", len(hit))

    def _cancel(self, rng: Random) -> None:
        """Whatever it is doing at the moment; marked, for it may end as cancelled then."""
        rows = self.site.sql(
            "SELECT id FROM ops.jobs WHERE due_at IS NOT NULL"
            " AND kind NOT IN ('storm.poison', 'storm.freeze')"
            " ORDER BY random() LIMIT 1"
        )
        if not rows:
            return
        job_id = rows[0][0]
        self.site.sql(
            f"UPDATE ops.jobs SET payload = payload || '{{\"cancel\": true}}' WHERE id = '{job_id}'"
            " AND due_at IS NOT NULL"
        )
        try:
            PostgresJobControl(self.database, KINDS).cancel(JobId(job_id))
            self._count("cancels")
        except (JobConflictError, LockTimeoutError):
            # It has ended, or a frozen process holds its key: a person is told, and tries again.
            self._count("cancels refused")

    def _what_was_committed_is_there(self) -> None:
        """Of what producers said: all that they committed, nothing that they rolled back."""
        found: dict[str, set[int]] = {}
        for job in self.site.oracle.jobs():
            if "stream" in job.payload:
                found.setdefault(str(job.payload["stream"]), set()).add(int(job.payload["n"]))
        for stream, numbers in self._committed.items():
            lost = numbers - found.get(stream, set())
            assert not lost, f"O6: {stream} lost {sorted(lost)}"
        for stream, numbers in self._rolled_back.items():
            risen = numbers & found.get(stream, set())
            assert not risen, f"O6: {stream} rolled back {sorted(risen)}"

    def _seen_in_the_end(self) -> None:
        jobs, steps = self.site.oracle.jobs(), self.site.oracle.steps()
        poison = [job for job in jobs if job.kind == "storm.poison" and job.status == "dead"]
        self.counts |= Counter(
            {
                "jobs": len(jobs),
                "poison dead-lettered": len(poison),
                "tries that failed": self.site.events()["retried"],
                "verdicts against a job": sum(job.status == "failed" for job in jobs),
                "leases that expired": sum(
                    step.takes and step.old_status == "processing" for step in steps
                ),
                "writes that came too late": self.site.told("job.lease_lost"),
                "refused outside": self.site.outside.refused,
            }
        )


def _broken(futures: Sequence["Future[None]"]) -> bool:
    return any(each.done() and each.exception() for each in futures)
