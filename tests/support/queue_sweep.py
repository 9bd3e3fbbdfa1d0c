"""A drain, or a producer, killed or frozen at one point after another, and judged each time."""

import signal
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.support.crash_points import STOP
from tests.support.producer import EVERYTHING
from tests.support.queue_site import DRAIN, QueueSite

Fate = Callable[[QueueSite, str], str]
PRODUCE = ("produce", "--once", "everything")
NOT_REACHED = "not reached"
"""Batches are as large as jobs are quick, so a few points of a drain come in one run only."""


def produced(site: QueueSite) -> None:
    """One job of each sort, and nothing else."""
    forget(site)
    ended = site.start(*PRODUCE).wait()
    assert ended.status == 0, ended.err


def forget(site: QueueSite) -> None:
    """As if nothing had been asked for yet; the triggers do not see it."""
    site.sql(
        "SET session_replication_role = replica; TRUNCATE ops.jobs CASCADE;"
        " TRUNCATE ops.job_keys, ops.queues, storm.log, storm.effects;"
        " UPDATE ops.workers SET faults = 0 WHERE worker = 'queue-drain'"
    )
    site.outside.requests.clear()


def points_of(site: QueueSite, *command: str) -> list[str]:
    """The names of those that it passes, with everything to do."""
    forget(site) if command == PRODUCE else produced(site)
    record = site.folder / "points"
    record.unlink(missing_ok=True)
    ended = site.start(*command, record=record).wait()
    assert ended.status in {0, 1}, ended.err
    return record.read_text().splitlines()


def swept(sites: Sequence[QueueSite], points: Sequence[str], fate: Fate) -> Counter[str]:
    def sweep(number: int) -> Counter[str]:
        return Counter(fate(sites[number], point) for point in points[number :: len(sites)])

    with ThreadPoolExecutor(len(sites)) as threads:
        return sum(threads.map(sweep, range(len(sites))), Counter())


def kill(site: QueueSite, point: str) -> str:
    produced(site)

    killed = site.start(*DRAIN, at=point).wait()

    assert killed.killed or killed.status in {0, 1}, f"{point}: {killed.err}"
    site.oracle.nothing_is_stranded()
    site.let_leases_run_out()
    site.drain_all()
    site.oracle.judge()
    return "killed" if killed.killed else NOT_REACHED


def freeze(site: QueueSite, point: str) -> str:
    """Frozen, overtaken when its leases have run out, woken: it writes nothing more."""
    produced(site)
    frozen = site.start(*DRAIN, at=point, how=STOP)
    ended = frozen.stopped_or_ended()
    if ended is not None:
        assert ended.status in {0, 1}, f"{point}: {ended.err}"
        return NOT_REACHED
    site.let_go_of_locks()
    site.let_leases_run_out()

    site.drain_all()
    ((mark,),) = site.sql("SELECT COALESCE(max(id), 0) FROM storm.log")
    frozen.send(signal.SIGCONT)
    woken = frozen.wait()

    later = site.sql(f"SELECT * FROM storm.log WHERE id > {mark}")
    assert not later, f"{point}: it wrote when it had woken: {later}"
    assert woken.status in {0, 1, 69, 75}, f"{point}: {woken.status}: {woken.err}"
    site.oracle.judge()
    return "lease_lost" if '"event": "job.lease_lost"' in woken.err else "too late for anything"


def kill_producer(site: QueueSite, point: str) -> str:
    """What was committed is done, the rest was never there."""
    forget(site)

    killed = site.start(*PRODUCE, at=point).wait()

    assert killed.killed, f"{point} was not reached: {killed.err}"
    half = len(EVERYTHING) // 2
    asked = [job for job in site.oracle.jobs() if "stream" in job.payload]
    assert len(asked) in {0, half, len(EVERYTHING)}, f"{point}: {len(asked)} of a list"
    site.oracle.nothing_is_stranded()
    site.drain_all()
    site.oracle.judge()
    return f"{len(asked)} jobs"
