"""Killed or frozen at one point after another, with work to do each time, and judged each time."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.support.crash_points import STOP
from tests.support.ground import Ended, Ground
from tests.support.postgres import through_pooler


def prepared(grounds: Sequence[Ground]) -> list[str]:
    """Everything read once; then the names of the points that a run over many changes passes."""
    with ThreadPoolExecutor(len(grounds)) as threads:
        found = list(threads.map(_prepared, grounds))
    shared = set(found[0]).intersection(*found[1:])
    return [point for point in found[0] if point in shared]


def _prepared(each: Ground) -> list[str]:
    assert each.run("ebay").status == 0
    each.change_every_order()
    make_work(each, 0)
    record = each.folder / "points"
    assert each.run("ebay", record=record).status == 0
    return record.read_text().splitlines()


def swept(
    grounds: Sequence[Ground], points: Sequence[str], fate: Callable[[Ground, str], str]
) -> Counter[str]:
    def sweep(number: int) -> Counter[str]:
        share = points[number :: len(grounds)]
        return Counter(fate(grounds[number], point) for point in share)

    with ThreadPoolExecutor(len(grounds)) as threads:
        return sum(threads.map(sweep, range(len(grounds))), Counter())


def make_work(each: Ground, changes: int = 20) -> None:
    """All units due, new tokens to get, and something new to find."""
    each.change_the_source(changes)
    each.wait_until_visible()
    each.expire_tokens()
    each.make_all_due()


def kill(each: Ground, point: str) -> str:
    make_work(each)

    killed = each.run("ebay", at=point)

    assert killed.killed, f"{point} was not reached: {killed.err}"
    check(each)
    follow(each)
    check(each)
    return "killed"


def kill_where_it_gets(each: Ground, point: str) -> str:
    """As `kill`, of a source so lively that a run may have less to do, and not reach the point."""
    make_work(each, 3)

    ended = each.run("ebay", at=point)

    check(each)
    follow(each)
    check(each)
    return "killed" if ended.killed else "passed"


def follow(each: Ground) -> None:
    """The next run takes over at once and does all that was due."""
    next_run = each.run("ebay", "--take-over", "--json")
    assert next_run.status == 0, f"{next_run.out}{next_run.err}"
    assert next_run.report["outcome"] == "done", next_run.out


def check(each: Ground) -> None:
    """Nobody runs; what PostgreSQL still does for a killed process ends within a second."""
    wait_for_silence(each)
    each.oracle.history_is_sound()
    each.oracle.cursors_tell_the_truth()
    each.oracle.leases_end_soon()
    each.oracle.every_run_left_a_row(quiet=False)


def wait_for_silence(each: Ground) -> None:
    busy = "state <> 'idle'" if through_pooler() else "true"
    ends = time.monotonic() + 15
    while each.sql(
        "SELECT 1 FROM pg_stat_activity WHERE application_name = 'cronshot'"
        f" AND datname = current_database() AND {busy}"
    ):
        assert time.monotonic() < ends, "a killed process holds its connection"
        time.sleep(0.01)


def freeze(each: Ground, point: str) -> str:
    """Frozen, overtaken when its lease has run out, woken."""
    make_work(each)
    each.start("ebay", at=point, how=STOP)
    passed = each.launcher.wait_until_stopped()
    assert passed is None, f"{point} was not reached: {passed}"
    run_ids = each.sql("SELECT id, status FROM ops.runs ORDER BY started_at DESC LIMIT 1")
    frozen_id, status = (str(value) for value in run_ids[0])
    let_go_of_locks(each)
    each.let_leases_run_out()

    overtaken(each)
    mark = each.sql("SELECT COALESCE(max(id), 0) FROM chaos.log")[0][0]
    each.launcher.send(signal.SIGCONT)
    woken = each.ended()

    later = each.sql(f"SELECT count(*) FROM chaos.log WHERE id > {mark} AND kind <> 'run'")[0][0]
    check(each)
    if status == "running":
        now = each.sql(f"SELECT status FROM ops.runs WHERE id = '{frozen_id}'")[0][0]
        assert now == "abandoned"
        assert later == 0, f"{point}: the woken run wrote"
        assert woken.status == 75, f"{point}: {woken.err}"
        assert woken.log[-1]["reason"] == "lease_lost"
        return "lease_lost"
    if woken.status == 69:
        assert later == 0, f"{point}: the woken run wrote"
        return "cut_off"
    assert woken.status == 0, f"{point}: {woken.status} {woken.err}"
    return "done"


def overtaken(each: Ground) -> Ended:
    other = each.other("ebay", "--json")
    assert other.status == 0, other.err
    assert other.report["outcome"] == "done", other.out
    return other


def let_go_of_locks(each: Ground) -> None:
    """What PostgreSQL does by itself when a frozen process has held a transaction for 5 s.

    Or for 15, where it was frozen between the messages of one statement. Leases of production,
    unlike those of tests, outlive that.
    """
    each.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name ="
        " 'cronshot' AND datname = current_database()"
        " AND (state LIKE 'idle in transaction%' OR wait_event = 'ClientRead' AND state = 'active')"
    )


def quiet_run(each: Ground) -> None:
    each.wait_until_visible()
    each.make_all_due()
    done = each.run("ebay", "--json")
    assert done.status == 0, done.err
    assert done.report["outcome"] == "done"
    check(each)
    each.oracle.rows_are_the_sources()
    each.oracle.nothing_is_stranded()
    each.oracle.runs_end_in_time()
    each.oracle.every_run_left_a_row(quiet=True)
    each.oracle.no_secret_is_told(each.printed)
