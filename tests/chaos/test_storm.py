"""Random faults for CHAOS_S seconds, over backfills of 5,000 orders from a source that changes."""

import math
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from infra.postgres.embedded import EmbeddedPostgres
from tests.support.caused import Caused
from tests.support.ground import Ended, Ground, ground
from tests.support.postgres import Server, migrated_template, scratch
from tests.support.sweep import check, let_go_of_locks, wait_for_silence

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(0)]

CHAOS_S = float(os.environ.get("CHAOS_S") or 60)
STORMS = 2
# Of each of two sellers.
ORDERS = 2500
# A whole run takes a second or two.
MOMENTS_S = 1.2
RUN = ("ebay", "--deadline", "20s", "--json")
# Not fsync, which protects from power cuts only; but what is committed must survive the server.
SERVER = ("fsync=off", "full_page_writes=off", "max_connections=100")
API_FAULTS: Mapping[str, float] = {
    "server_error": 0.03,
    "unavailable": 0.02,
    "rate_limited": 0.01,
    "truncated_json": 0.02,
    "reset_before": 0.02,
    "reset_mid_body": 0.02,
    "html": 0.02,
    "expire_token": 0.02,
}
# What a run may end with while all this goes on: the work done, some of it, or no database.
HONEST = {0, 1, 69}


def test_a_storm_of_faults_loses_nothing(request: pytest.FixtureRequest, caused: Caused) -> None:
    seed = int(getattr(request.config.option, "randomly_seed", None) or 1)

    # They mostly wait, so the time of one is enough for all.
    with ThreadPoolExecutor(STORMS) as threads:
        counts = sum(threads.map(blown, range(seed, seed + STORMS)), Counter[str]())

    took = f"{CHAOS_S:.0f} s, {STORMS} side by side"
    caused(f"storm: seed {seed}, {took}, faults by kind: {dict(sorted(counts.items()))}")
    least = dict.fromkeys((f"api {kind}" for kind in API_FAULTS), 1)
    least |= {kind: times * STORMS for kind, times in plan().items()}
    missed = {kind: (counts[kind], times) for kind, times in least.items() if counts[kind] < times}
    assert not missed, f"too few (caused, wanted): {missed}"


def blown(seed: int) -> Counter[str]:
    with _Opened(seed) as storm:
        return storm.blow(Random(seed))


def plan() -> dict[str, int]:
    """How often a storm causes each kind, for the time that there is.

    All storms together kill 200 times in five minutes.
    """
    share = CHAOS_S / 300 / STORMS
    often = {
        "killed": 200,
        "frozen": 12,
        "cut off": 24,
        "restarted": 6,
        "doubled": 12,
        "asked to stop": 12,
    }
    return {kind: max(1, math.ceil(times * share)) for kind, times in often.items()}


class _Opened:
    """A server of its own, for it is stopped at once and started again."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._stack = ExitStack()

    def __enter__(self) -> "Storm":
        folder = self._stack.enter_context(scratch())
        postgres = self._stack.enter_context(EmbeddedPostgres(folder, options=SERVER))
        server = Server(postgres.url, postgres.url, "chaos")
        template = self._stack.enter_context(migrated_template(server))
        url = postgres.url.with_database(server.create_database(template))
        site = self._stack.enter_context(
            ground(url, url, orders=ORDERS, seed=self._seed, parallel=4)
        )
        return Storm(site=site, postgres=postgres)

    def __exit__(self, *about: object) -> None:
        self._stack.close()


@dataclass
class Storm:
    """Each kind of fault does one thing to one run, waits until nobody runs, and lets judge."""

    site: Ground
    postgres: EmbeddedPostgres
    counts: Counter[str] = field(default_factory=Counter)
    kills_in_a_row: int = 0
    frozen: list[str] = field(default_factory=list)
    rng: Random = field(default_factory=Random)

    def blow(self, rng: Random) -> Counter[str]:
        """Ends by itself: after the plan, or after three times its time."""
        self.rng = rng
        causes: Mapping[str, Callable[[], None]] = {
            "killed": self.kill,
            "frozen": self.freeze,
            "cut off": self.cut_off,
            "restarted": self.restart,
            "doubled": self.double,
            "asked to stop": self.ask_to_stop,
        }
        self.misbehave()
        ends = time.monotonic() + 3 * CHAOS_S + 60
        for kind in self._order():
            before = self.counts[kind]
            while self.counts[kind] == before and time.monotonic() < ends:
                self.begin_again_when_done()
                self.site.make_all_due()
                causes[kind]()
        self.quiet()
        self.counts.update(
            {f"api {kind}": times for kind, times in self.site.simulator.faults.counts.items()}
        )
        return self.counts

    def _order(self) -> Iterator[str]:
        kinds = [kind for kind, times in plan().items() for _ in range(times)]
        self.rng.shuffle(kinds)
        return iter(kinds)

    def misbehave(self) -> None:
        self.site.simulator.world.behaviour.mutations_per_request = 2
        for kind, probability in API_FAULTS.items():
            hint = {"retry_after": "1"} if kind == "rate_limited" else {}
            self.site.simulator.faults.add(kind, probability=probability, **hint)

    def behave(self) -> None:
        self.site.simulator.world.behaviour.mutations_per_request = 0
        self.site.simulator.faults.clear()

    def begin_again_when_done(self) -> None:
        """Whatever happens shall happen to a backfill."""
        behind = self.site.sql(
            "SELECT FROM ebay.sync_states WHERE pass = 'new'"
            " AND (cursor_at IS NULL OR window_from IS NOT NULL)"
        )
        if behind:
            return
        self.counts["backfills"] += 1
        if self.counts["backfills"] % 10 == 1:
            self.quiet()
            self.misbehave()
        self.judge()
        self.site.forget_everything()

    def start(self) -> int:
        """At once over a dead run, or when its lease has run out."""
        if self.rng.random() < 0.8:
            return self.site.start(*RUN, "--take-over")
        self.site.wait_for_leases()
        return self.site.start(*RUN)

    def a_moment(self) -> None:
        time.sleep(self.rng.uniform(0, MOMENTS_S))

    def kill(self) -> None:
        if self.kills_in_a_row > self.rng.uniform(5, 15):
            self.complete()
        self.start()
        self.a_moment()
        self.site.launcher.send(signal.SIGKILL)
        if self.heard().killed:
            self.counts["killed"] += 1
            self.kills_in_a_row += 1
        self.judge()

    def freeze(self) -> None:
        self.site.wait_for_leases()
        before = self.site.sql("SELECT clock_timestamp()")[0][0]
        self.site.start(*RUN)
        self.a_moment()
        self.site.launcher.send(signal.SIGSTOP)
        ended = self.site.launcher.wait_until_stopped()
        if ended is not None:
            self.told(self.site.heard(ended))
            return
        running = self.site.sql(
            "SELECT id FROM ops.runs WHERE status = 'running'"
            f" AND started_at > '{before.isoformat()}'"
        )
        time.sleep(self.site.oracle.lease_s)
        self.overtake()
        mark = self.site.sql("SELECT COALESCE(max(id), 0) FROM chaos.log")[0][0]
        self.site.launcher.send(signal.SIGCONT)
        woken = self.heard()
        self.counts["frozen"] += 1
        if running:
            self.frozen.append(str(running[0][0]))
            assert woken.status == 75, woken.err
            assert woken.report["reason"] == "lease_lost"
            written = self.site.sql(f"SELECT * FROM chaos.log WHERE id > {mark} AND kind <> 'run'")
            assert not written, f"a run that was overtaken wrote: {written}"
            self.counts["woken too late"] += 1
        self.judge()

    def overtake(self) -> None:
        for _ in range(5):
            other = self.site.other(*RUN)
            if self.told(other).status != 75:
                return
            let_go_of_locks(self.site)
        raise AssertionError("nobody could take over")

    def cut_off(self) -> None:
        """Its connections are terminated, one here and one there."""
        self.start()
        for _ in range(self.rng.randint(1, 4)):
            time.sleep(self.rng.uniform(0, 0.5))
            hit = self.site.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
                f" 'cronshot' AND datname = current_database() AND random() < {self.rng.random()}"
            )
            self.counts["connections terminated"] += len(hit)
            self.counts["cut off"] += 1 if hit else 0
        self.heard()
        self.judge()

    def restart(self) -> None:
        """Stopped at once, as when it crashes; recovers when it starts."""
        self.start()
        self.a_moment()
        pid = int((self.cluster_folder / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, signal.SIGQUIT)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)
        self.postgres._cluster.start()
        self.heard()
        self.counts["restarted"] += 1
        self.judge()

    @property
    def cluster_folder(self) -> Path:
        return self.postgres._cluster.data

    def double(self) -> None:
        """Two at once: the work of one is done."""
        self.site.wait_for_leases()
        first = self.site.start(*RUN)
        other = self.site.other(*RUN)
        one = self.heard()
        refused = [each for each in (one, other) if each.status == 75]
        assert first
        for each in refused:
            assert each.report["reason"] == "already_running", each.out
        self.counts["doubled"] += len(refused)
        self.told(other)
        self.judge()

    def ask_to_stop(self) -> None:
        self.start()
        self.a_moment()
        self.site.launcher.send(signal.SIGTERM)
        ended = self.heard(within=15)
        if ended.status == -signal.SIGTERM:
            # It had no handler yet.
            return
        self.counts["asked to stop"] += 1
        self.judge()

    def complete(self) -> None:
        """A run that nobody disturbs, so that the crash loop breaker does not stop the worker."""
        self.told(self.site.run(*RUN, "--take-over"))
        self.kills_in_a_row = 0

    def heard(self, within: float = 60) -> Ended:
        return self.told(self.site.ended(within, signals={-signal.SIGKILL, -signal.SIGTERM}))

    def told(self, ended: Ended) -> Ended:
        """Whatever it met, it says so in one of the ways that there are."""
        if ended.status < 0:
            return ended
        assert ended.status in HONEST | {75}, f"{ended.status}: {ended.err}"
        if ended.report["reason"] == "tripped":
            self.counts["tripped"] += 1
            assert self.site.sql("SELECT faults FROM ops.workers WHERE faults >= 10")
            assert self.site.command("workers", "resume", "ebay-cycle").status == 0
            self.kills_in_a_row = 0
        return ended

    def judge(self) -> None:
        check(self.site)

    def quiet(self) -> None:
        """All faults over, everything due: one run, and our rows are the source's."""
        self.behave()
        wait_for_silence(self.site)
        self.site.wait_for_leases()
        self.site.wait_until_visible()
        self.site.command("workers", "resume", "ebay-cycle")
        self.site.make_all_due()
        done = self.site.run("ebay", "--json")
        assert done.report["outcome"] == "done", f"{done.out}{done.err}"
        self.kills_in_a_row = 0
        check(self.site)
        oracle = self.site.oracle
        oracle.rows_are_the_sources()
        oracle.nothing_is_stranded()
        oracle.runs_end_in_time(self.frozen)
        oracle.every_run_left_a_row(quiet=True)
        oracle.no_secret_is_told(self.site.printed)
        self.site.printed.clear()
        self.counts["quiet runs"] += 1
