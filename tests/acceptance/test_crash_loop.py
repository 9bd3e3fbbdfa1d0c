"""A worker that fails by our own fault ten times in a row stops itself, and probes once an hour."""

import json
import subprocess
from typing import Any
from unittest.mock import patch

import pytest

from core.report import Outcome, Reason, RunReport
from core.sync.worker import SyncAccounts
from tests.support import broken
from tests.support.site import WORKER, Gate, Served, Site

pytestmark = pytest.mark.timeout(180)
MISTAKEN = ("-m", "tests.support.broken")
PROBE_DUE = f"UPDATE ops.workers SET probe_at = now() WHERE worker = '{WORKER}'"


def fail(site: Site, times: int) -> list[RunReport]:
    with patch.object(SyncAccounts, "run_once", broken.broken):
        return [site.run() for _ in range(times)]


def die(site: Site, times: int) -> None:
    """Runs that were killed: their rows say `running` and their time is over."""
    site.sql(
        "INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)"
        f" SELECT gen_random_uuid(), '{WORKER}', 'running', 'cli', '', now(),"
        f" now() - interval '1 second' FROM generate_series(1, {times})"
    )


def faults(site: Site) -> int:
    count: int = site.one(f"SELECT faults FROM ops.workers WHERE worker = '{WORKER}'")
    return count


def tripped(site: Site) -> bool:
    value: bool = site.one(
        f"SELECT tripped_at IS NOT NULL FROM ops.workers WHERE worker = '{WORKER}'"
    )
    return value


def heartbeat(site: Site) -> str:
    status: str = site.one(f"SELECT status FROM ops.worker_heartbeats WHERE worker_id = '{WORKER}'")
    return status


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]


def test_the_tenth_mistake_in_a_row_stops_the_worker(site: Site, server: Served) -> None:
    site.connect()
    nine = fail(site, 9)
    before = tripped(site)

    tenth = site.cli("ebay", "--json", command=MISTAKEN)
    next_one = site.cli("ebay", "--json")
    over_http = server.call()

    assert {(run.outcome, run.reason) for run in nine} == {(Outcome.FAILED, Reason.BUG)}
    assert not before
    assert tenth.returncode == 1
    [loud] = [event for event in events(tenth) if event["level"] == "critical"]
    assert loud["event"] == "Crash loop detected"
    assert loud["worker"] == WORKER
    assert heartbeat(site) == "error"
    for body in (json.loads(next_one.stdout), over_http.json()):
        assert (body["outcome"], body["reason"]) == ("skipped", "tripped")
    assert next_one.returncode == 0
    assert "workers resume" in over_http.json()["message"]


def test_ten_dead_runs_in_a_row_stop_the_worker(site: Site) -> None:
    site.connect()
    die(site, 10)

    found = site.cli("ebay", "--json")

    assert found.returncode == 1
    assert json.loads(found.stdout)["reason"] == "tripped"
    assert [event["event"] for event in events(found) if event["level"] == "critical"] == [
        "Crash loop detected"
    ]
    assert heartbeat(site) == "error"
    assert site.one("SELECT count(*) FROM ops.runs WHERE status = 'abandoned'") == 10
    assert site.one("SELECT count(*) FROM ops.leases WHERE run_id IS NOT NULL") == 0


def test_a_run_that_was_really_killed_counts(site: Site) -> None:
    site.connect()
    with Gate(site.simulator) as gate:
        process = site.start("ebay", "--json")
        gate.wait()
        process.kill()
        process.communicate()

    site.run(take_over=True, deadline_s=0.5)

    assert faults(site) == 1


def test_a_run_that_works_forgives(site: Site) -> None:
    site.connect()
    fail(site, 9)

    site.run()
    fail(site, 9)

    assert not tripped(site)
    assert faults(site) == 9


@pytest.mark.parametrize("what", ["idle", "deadline", "upstream", "paused", "busy", "dry", "units"])
def test_what_says_nothing_about_our_code_neither_counts_nor_forgives(
    site: Site, what: str
) -> None:
    site.connect()
    if what == "idle":
        site.run()
    fail(site, 3)
    if what in {"upstream", "units"}:
        site.simulator.faults.add("server_error" if what == "upstream" else "missing_scope")
    if what == "paused":
        site.sql("UPDATE ops.workers SET enabled = false WHERE worker = '*'")
    if what == "busy":
        site.hold_lease()
    deadlines = {"deadline": 0.5, "upstream": 2.0}

    report = site.run(deadline_s=deadlines.get(what), dry_run=what == "dry")

    assert faults(site) == (0 if what == "dry" else 3), report


def test_an_unreachable_database_counts_nowhere(site: Site) -> None:
    site.connect()
    nowhere = site.environment(DATABASE_URL="postgresql://a@127.0.0.1:1/b?sslmode=disable")

    site.cli("ebay", environment=nowhere)

    assert faults(site) == 0


def trip(site: Site) -> None:
    site.connect()
    fail(site, 10)
    assert tripped(site)


def test_one_probe_an_hour_that_works_untrips(site: Site) -> None:
    trip(site)
    early = site.run()
    site.sql(PROBE_DUE)

    probe = site.run()
    after = site.run()

    assert (early.outcome, early.reason) == (Outcome.SKIPPED, Reason.TRIPPED)
    assert probe.outcome is Outcome.DONE
    assert not tripped(site)
    assert faults(site) == 0
    assert after.outcome is Outcome.DONE


def test_a_probe_that_fails_waits_another_hour(site: Site) -> None:
    trip(site)
    site.sql(PROBE_DUE)

    [probe] = fail(site, 1)
    after = site.run()

    assert probe.reason is Reason.BUG
    assert after.reason is Reason.TRIPPED
    minutes = site.one(
        "SELECT extract(epoch FROM probe_at - now()) / 60 FROM ops.workers"
        f" WHERE worker = '{WORKER}'"
    )
    assert 58 < minutes <= 60


def test_a_probe_finds_its_dead_predecessor_and_probes(site: Site) -> None:
    trip(site)
    die(site, 1)
    site.sql(PROBE_DUE)

    probe = site.run()

    assert probe.outcome is Outcome.DONE
    assert not tripped(site)


def test_a_person_resumes_it(site: Site) -> None:
    trip(site)

    resumed = site.cli("workers", "resume", WORKER)
    report = site.run()

    assert resumed.returncode == 0
    assert report.outcome is Outcome.DONE
    assert faults(site) == 0
    assert heartbeat(site) == "running"
