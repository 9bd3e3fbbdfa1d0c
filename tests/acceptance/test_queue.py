"""Jobs as people meet them: enqueued, drained, stuck, looked after, on the command line."""

import json
import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pg8000 import DatabaseError

from core.jobs.model import Completed
from core.report import Outcome, Reason, RunReport
from tests.support import forked
from tests.support.odd_kinds import Seen, kind, odd_kinds
from tests.support.postgres import scratch
from tests.support.site import DRAIN, KEPT, Site, beside
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(120)
ODD = ("-m", "tests.support.odd_kinds")
CANARY = "canary-payload-4711"


@pytest.fixture(autouse=True)
def _odd() -> Iterator[None]:
    with odd_kinds():
        yield


@pytest.fixture
def folder() -> Iterator[Path]:
    with scratch() as folder:
        yield folder


def enqueue(site: Site, name: str, payload: str = "{}", *more: str) -> str:
    made = typed(site, "jobs", "enqueue", name, payload, "--json", *more)
    assert made.returncode == 0, made.stderr
    found: str = json.loads(made.stdout)["id"]
    return found


def drain(site: Site, *more: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(typed(site, "queue", "--json", *more).stdout)
    return report


def job(site: Site, job_id: str) -> dict[str, Any]:
    shown = typed(site, "jobs", "show", job_id, "--json")
    assert shown.returncode == 0, shown.stderr
    told: dict[str, Any] = json.loads(shown.stdout)
    return told


def events(stderr: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stderr.splitlines() if line.startswith("{")]


def leases_run_out(site: Site) -> None:
    """As if a minute went by."""
    site.sql(
        "UPDATE ops.jobs SET leased_until = now() - interval '1 s' WHERE status = 'processing';"
        "UPDATE ops.job_keys SET visible_at = now() - interval '1 s' WHERE locked_by IS NOT NULL"
    )


def heartbeat(site: Site) -> str:
    status: str = site.one(f"SELECT status FROM ops.worker_heartbeats WHERE worker_id = '{DRAIN}'")
    return status


def test_what_is_enqueued_is_done_and_told(site: Site) -> None:
    made = typed(site, "jobs", "enqueue", "test", '{"text": "hello"}')

    drained = typed(site, "queue")
    listed = typed(site, "jobs", "list")

    assert "core.run queue` does it" in made.stdout
    assert drained.returncode == 0
    assert "queue-drain: done: 1 job completed in" in drained.stderr
    assert "completed  test" in listed.stdout
    assert job(site, made.stdout[:8])["result"] == {"echo": {"text": "hello"}}


def test_e1_a_queued_job_is_done_by_the_next_run_of_another_process(site: Site) -> None:
    queued = enqueue(site, "test")

    done = site.cli("queue", "--json", command=ODD)

    assert json.loads(done.stdout)["counts"]["completed"] == 1
    assert job(site, queued)["status"] == "completed"


def test_e1_a_queued_job_is_done_after_a_restart_of_everything(folder: Path) -> None:
    """The embedded database ends with each command: nothing of ours runs between the two."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT or "COV" in name}
    environment = {**kept, "CRONSHOT_HOME": str(folder / "home"), "LOG_FORMAT": "json"}

    made = forked.run(["-m", "core.run", "jobs", "enqueue", "test"], env=environment, timeout=60)
    still = list(folder.glob("home/postgres*/postmaster.pid"))
    done = forked.run(["-m", "core.run", "queue", "--json"], env=environment, timeout=60)

    assert made.returncode == 0, made.stderr
    assert still == []
    assert json.loads(done.stdout)["counts"]["completed"] == 1


def test_e2_of_many_runs_at_once_one_does_the_job(site: Site) -> None:
    seen = Seen()
    seen.gate.set()
    reports: list[RunReport] = []
    with odd_kinds(kind("counted", seen)):
        enqueue(site, "counted")
        threads = [
            threading.Thread(target=lambda: reports.append(site.run(worker=DRAIN)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    assert len(seen.jobs) == 1
    assert sum(int(str(report.counts["completed"])) for report in reports) == 1
    assert {report.outcome for report in reports} == {Outcome.DONE}


def test_e3_a_job_whose_process_was_killed_is_done_again_when_its_lease_is_over(
    site: Site, folder: Path
) -> None:
    held = enqueue(site, "hold", json.dumps({"folder": str(folder)}))
    process = started(site)
    wait_for(folder / "began-0", process)
    process.kill()
    process.communicate()

    early = drain(site)
    before = job(site, held)
    leases_run_out(site)
    (folder / "end").touch()
    late = drain(site)

    assert process.returncode == -signal.SIGKILL
    assert (early["reason"], early["counts"]["skipped"]) == ("nothing_due", {"locked": 1})
    assert (before["status"], before["attempts"]) == ("processing", 1)
    assert late["counts"]["completed"] == 1
    after = job(site, held)
    assert (after["status"], after["attempts"]) == ("completed", 2)
    assert "lease_expired" in [event["event"] for event in after["events"]]


def test_e3_a_job_that_kills_each_worker_is_dead_after_exactly_its_attempts(site: Site) -> None:
    poison, other = enqueue(site, "die"), enqueue(site, "test")
    killed = 0

    while job(site, poison)["status"] != "dead":
        done = site.cli("queue", "--json", command=ODD)
        killed += done.returncode == -signal.SIGKILL
        leases_run_out(site)
        assert killed <= 3

    assert killed == 3
    told = job(site, poison)
    assert (told["attempts"], told["error_code"]) == (3, "attempts_exhausted")
    assert job(site, other)["status"] == "completed"
    assert site.one("SELECT faults FROM ops.queues WHERE queue = 'odd'") == 3


def test_df13_e4_a_run_whose_job_was_taken_over_writes_nothing_and_says_lease_lost(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = Seen()
    with odd_kinds(kind("slow", seen)):
        queued = enqueue(site, "slow")
        first: list[RunReport] = []
        with beside(lambda: first.append(site.run(worker=DRAIN))):
            assert seen.arrived.wait(60)
            leases_run_out(site)
            with odd_kinds(kind("slow", lambda _, __: done_by("the second"))):
                assert site.run(worker=DRAIN).counts["completed"] == 1
            before = site.sql(f"SELECT * FROM ops.jobs WHERE id = '{queued}'")
            seen.gate.set()
        after = site.sql(f"SELECT * FROM ops.jobs WHERE id = '{queued}'")

    assert before == after
    assert job(site, queued)["result"] == {"by": "the second"}
    assert first[0].counts["lost"] == 1
    assert "job.lease_lost" in capsys.readouterr().err


def test_e6_a_retry_is_claimable_when_its_time_comes_and_e8_counted_once(site: Site) -> None:
    failed = enqueue(site, "boom")
    first = drain(site)
    wait_s = site.one("SELECT extract(epoch FROM run_at - updated_at) FROM ops.jobs")
    early = drain(site)
    site.sql("UPDATE ops.jobs SET run_at = now()")

    again = drain(site)

    assert first["counts"]["retried"] == 1
    assert 59 < wait_s < 61
    assert early["counts"]["claimed"] == 0
    assert again["counts"]["claimed"] == 1
    assert job(site, failed)["attempts"] == 2


def test_e10_an_exception_is_stored_told_as_an_event_logged_and_exits_1(site: Site) -> None:
    failed = enqueue(site, "boom", json.dumps({"text": CANARY}))

    done = typed(site, "queue", "--json")

    told = job(site, failed)
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] == "degraded"
    assert told["error_code"] == "ValueError"
    assert re.search(r"ValueError in odd_kinds\.py:\d+; the log of run ", told["error_detail"])
    assert "retried" in [event["event"] for event in told["events"]]
    [line] = [line for line in events(done.stderr) if line["event"] == "job.failed"]
    assert "odd_kinds.py" in line["traceback"]


def test_e21_no_payload_and_no_secret_is_in_logs_and_run_rows(site: Site) -> None:
    for name in ("boom", "broken-effect", "nothing", "nan", "strict", "refused"):
        enqueue(site, name, json.dumps({"text": CANARY}))

    done = typed(site, "queue", "--json")

    assert json.loads(done.stdout)["counts"]["claimed"] == 6
    runs = str(site.sql("SELECT * FROM ops.runs")) + str(site.sql("SELECT * FROM ops.run_events"))
    errors = str(site.sql("SELECT error_code, error_detail FROM ops.jobs"))
    told = str(site.sql("SELECT * FROM ops.job_events"))
    for text in (done.stderr, done.stdout, runs, errors, told):
        assert CANARY not in text


def test_e11_a_kind_that_nobody_knows_is_dead(site: Site) -> None:
    queued = enqueue(site, "test")
    site.sql("UPDATE ops.jobs SET kind = 'from-tomorrow'")

    report = drain(site)

    assert (job(site, queued)["status"], job(site, queued)["error_code"]) == (
        "dead",
        "unknown_kind",
    )
    assert report["outcome"] == "degraded"
    assert "unknown_kind 1" in report["detail"]


def test_e12_a_payload_that_is_refused_is_no_job_and_later_dead_without_a_retry(
    site: Site,
) -> None:
    refused = typed(site, "jobs", "enqueue", "strict", "{}")
    stored = enqueue(site, "strict", '{"text": "fine"}')
    site.sql("UPDATE ops.jobs SET payload = '{}'")

    drain(site)

    assert refused.returncode == 65
    assert "text: must be a text" in refused.stderr
    told = job(site, stored)
    assert (told["status"], told["error_code"], told["attempts"]) == ("dead", "bad_payload", 1)


@pytest.mark.parametrize(("name", "code"), [("nothing", "no_verdict"), ("nan", "bad_result")])
def test_s8_what_is_no_result_is_a_failure_with_a_name(site: Site, name: str, code: str) -> None:
    queued = enqueue(site, name)

    drain(site)

    assert job(site, queued)["error_code"] == code


def test_df9_after_an_sql_error_in_one_job_the_next_job_of_the_run_is_done(site: Site) -> None:
    broken = enqueue(site, "broken-effect")
    following = enqueue(site, "broken-effect")
    site.sql(f"UPDATE ops.jobs SET kind = 'test' WHERE id = '{following}'")

    drain(site)

    assert job(site, broken)["status"] == "failed"
    assert job(site, following)["status"] == "completed"


class TestRunsAreSeen:
    def test_e13_every_run_leaves_a_row_also_when_idle_or_killed(self, site: Site) -> None:
        drain(site)
        enqueue(site, "die")
        site.cli("queue", command=ODD)

        rows = site.sql("SELECT status, outcome, reason, whole FROM ops.runs ORDER BY started_at")

        assert [tuple(row) for row in rows] == [
            ("finished", "done", "nothing_due", True),
            ("running", None, None, True),
        ]

    def test_e13_a_worker_that_takes_nothing_of_what_waits_is_degraded(self, site: Site) -> None:
        enqueue(site, "test")
        site.sql("UPDATE ops.jobs SET run_at = now() - interval '3 minutes'")
        fresh = heartbeat(site)
        for _ in range(2):
            idle(site)

        assert (fresh, heartbeat(site)) == ("degraded", "degraded")

        drain(site)

        assert heartbeat(site) == "running"

    def test_who_has_no_jobs_need_not_call_it(self, site: Site) -> None:
        never = heartbeat(site)
        drain(site)
        called = heartbeat(site)
        later(site, 3)
        forgotten = heartbeat(site)
        enqueue(site, "test")
        site.sql("UPDATE ops.jobs SET run_at = now() - interval '121 seconds'")

        assert (never, called, forgotten) == ("starting", "running", "stopped")
        assert heartbeat(site) == "degraded"

    def test_a_job_of_a_paused_queue_or_key_waits_for_nobody(self, site: Site) -> None:
        enqueue(site, "test", "{}", "--key", "chat")
        enqueue(site, "boom")
        site.sql(
            "UPDATE ops.jobs SET run_at = now() - interval '1 hour';"
            "UPDATE ops.job_keys SET visible_at = now() - interval '1 hour'"
        )
        waits = heartbeat(site)

        typed(site, "queues", "pause", "odd")
        typed(site, "queues", "pause", "default", "--key", "chat")

        assert (waits, heartbeat(site)) == ("degraded", "starting")

    def test_a_schedule_that_nobody_fires_is_work_that_waits(self, site: Site) -> None:
        site.sql(
            "INSERT INTO ops.schedules (name, kind, payload, cron, next_fire_at, created_at,"
            " updated_at) VALUES ('nightly', 'test', '{}', '0 3 * * *',"
            " now() - interval '3 minutes', now(), now())"
        )
        waits = heartbeat(site)

        drain(site)

        site.sql("DELETE FROM ops.schedules")
        assert (waits, heartbeat(site)) == ("degraded", "running")

    def test_a_run_that_died_is_called_abandoned_by_the_next_one_and_counted(
        self, site: Site
    ) -> None:
        enqueue(site, "die")
        site.cli("queue", command=ODD)
        alive = heartbeat(site)
        later(site, 2)
        dead = heartbeat(site)

        typed(site, "queue")

        assert (alive, dead, heartbeat(site)) == ("running", "degraded", "running")
        assert site.one("SELECT count(*) FROM ops.runs WHERE status = 'abandoned'") == 1
        assert site.one(f"SELECT faults FROM ops.workers WHERE worker = '{DRAIN}'") == 1

        enqueue(site, "test")
        drain(site)

        assert site.one(f"SELECT faults FROM ops.workers WHERE worker = '{DRAIN}'") == 0

    def test_a_run_of_named_queues_and_a_dry_one_are_no_signs_of_life(self, site: Site) -> None:
        drain(site, "--queue", "default")
        drain(site, "--kind", "test")
        drain(site, "--dry-run")

        assert heartbeat(site) == "starting"

    def test_several_runs_at_once_are_all_alive(self, site: Site) -> None:
        seen = Seen()
        with odd_kinds(kind("slow", seen)):
            enqueue(site, "slow")
            with beside(lambda: done(site.run(worker=DRAIN))):
                assert seen.arrived.wait(60)
                enqueue(site, "test")
                second = site.run(worker=DRAIN)
                running = site.one("SELECT count(*) FROM ops.runs WHERE status = 'running'")
                seen.gate.set()

        assert (second.outcome, second.counts["completed"]) == (Outcome.DONE, 1)
        assert running == 1
        assert heartbeat(site) == "running"

    def test_tick_calls_it_when_its_minute_is_over(self, site: Site) -> None:
        drain(site)
        enqueue(site, "test")
        early = json.loads(typed(site, "tick", "--json").stdout)
        later(site, 1)

        late = json.loads(typed(site, "tick", "--json").stdout)

        assert DRAIN not in [run["worker"] for run in early["runs"]]
        [run] = [run for run in late["runs"] if run["worker"] == DRAIN]
        assert run["counts"]["completed"] == 1


def test_what_ended_long_ago_is_forgotten_and_what_has_not_ended_never(site: Site) -> None:
    old, young, late = (enqueue(site, "test", "{}", "--key", name) for name in "abc")
    drain(site)
    waiting = enqueue(site, "wait")
    drain(site)
    site.sql(
        "UPDATE ops.jobs SET created_at = now() - interval '32 days',"
        " finished_at = finished_at - interval '31 days'"
        f" WHERE id IN ('{old}', '{waiting}')"
    )

    drain(site)

    left = {str(row[0]) for row in site.sql("SELECT id FROM ops.jobs")}
    assert left == {young, late, waiting}
    assert site.one("SELECT count(*) FROM ops.job_keys") == 0


class TestSkips:
    def test_e14_every_job_that_was_left_has_a_reason(self, site: Site) -> None:
        enqueue(site, "test", "{}", "--at", "10m")
        for _ in range(2):
            enqueue(site, "wait", "{}", "--key", "chat")
        enqueue(site, "test", "{}", "--key", "quiet")
        typed(site, "queues", "pause", "default", "--key", "quiet")
        enqueue(site, "hold", '{"folder": "/"}')
        typed(site, "queues", "pause", "hold")

        report = drain(site)

        assert report["counts"]["skipped"] == {
            "not_due": 1,
            "key_busy": 1,
            "waiting": 1,
            "paused": 1,
            "disabled": 1,
        }
        told = typed(site, "queue").stderr
        assert "not done: 1 not due yet, 1 behind another of their key" in told

    def test_e15_a_run_that_finds_its_queues_paused_says_so(self, site: Site) -> None:
        enqueue(site, "test")
        typed(site, "queues", "pause", "default")

        done = typed(site, "queue")

        assert done.returncode == 0
        assert "queue-drain: skipped, paused" in done.stderr
        assert "queue default is paused: `queues resume default`" in done.stderr
        assert heartbeat(site) == "stopped"

    def test_e15_a_paused_worker_says_so_and_does_nothing(self, site: Site) -> None:
        enqueue(site, "test")
        typed(site, "workers", "pause", "queue")

        report = drain(site)

        assert (report["outcome"], report["reason"]) == ("skipped", "paused")
        assert heartbeat(site) == "stopped"


class TestCrashLoop:
    def fail(self, site: Site, times: int) -> RunReport:
        site.sql(
            "INSERT INTO ops.jobs (queue, kind, status, run_at, max_attempts, payload, created_at,"
            " updated_at) SELECT 'odd', 'boom-once', 'pending', now(), 1, '{}', now(), now()"
            f" FROM generate_series(1, {times})"
        )
        return site.run(worker=DRAIN)

    def test_df8_the_tenth_fault_in_a_row_stops_the_queue_and_alerts_still_go_out(
        self, site: Site
    ) -> None:
        self.fail(site, 9)
        before = heartbeat(site)

        enqueue(site, "boom-once")
        tenth = typed(site, "queue", "--json")
        enqueue(site, "away")
        other = enqueue(site, "test")
        after = drain(site)
        named = drain(site, "--queue", "odd")

        assert before == "degraded"
        assert tenth.returncode == 1
        [loud] = [line for line in events(tenth.stderr) if line["level"] == "critical"]
        assert (loud["event"], loud["queue"]) == ("Crash loop detected", "odd")
        assert heartbeat(site) == "error"
        assert job(site, other)["status"] == "completed"
        assert after["counts"]["skipped"] == {"tripped": 1}
        assert (named["outcome"], named["reason"]) == ("skipped", "tripped")
        assert "queues resume odd" in named["detail"]
        assert "stopped itself" in typed(site, "queues", "list").stdout

    def test_a_probe_that_works_opens_the_queue_again(self, site: Site) -> None:
        self.fail(site, 30)
        left = site.one("SELECT count(*) FROM ops.jobs WHERE status = 'pending'")
        site.sql("UPDATE ops.queues SET probe_at = now()")
        with odd_kinds(kind("boom-once", lambda _, __: done_by("a mended kind"))):
            probe = drain(site)

        assert probe["counts"]["completed"] == left > 1
        assert site.one("SELECT tripped_at IS NULL AND faults = 0 FROM ops.queues")
        assert heartbeat(site) == "running"

    def test_a_probe_that_fails_waits_another_hour(self, site: Site) -> None:
        self.fail(site, 30)
        site.sql("UPDATE ops.queues SET probe_at = now()")

        probe = drain(site)
        after = drain(site)

        assert probe["counts"]["claimed"] == 1
        assert after["counts"]["claimed"] == 0
        assert site.one("SELECT probe_at > now() + interval '58 minutes' FROM ops.queues")

    def test_a_person_resumes_it(self, site: Site) -> None:
        self.fail(site, 10)

        resumed = typed(site, "queues", "resume", "odd")

        assert resumed.returncode == 0
        assert site.one("SELECT tripped_at IS NULL AND faults = 0 FROM ops.queues")

    @pytest.mark.parametrize("neutral", ["refused", "away", "wait", "idle"])
    def test_what_says_nothing_about_our_code_neither_counts_nor_forgives(
        self, site: Site, neutral: str
    ) -> None:
        self.fail(site, 3)
        if neutral != "idle":
            enqueue(site, neutral)

        drain(site)

        assert site.one("SELECT faults FROM ops.queues WHERE queue = 'odd'") == 3


class TestStopping:
    def test_sigterm_lets_what_runs_end_and_gives_back_what_was_not_begun(
        self, site: Site, folder: Path
    ) -> None:
        payload = json.dumps({"folder": str(folder)})
        jobs = [enqueue(site, "hold", payload) for _ in range(3)]
        process = started(site, WORKERS_MAX_PARALLEL="1")
        wait_for(folder / "began-0", process)

        process.send_signal(signal.SIGTERM)
        (folder / "end").touch()
        out, err = process.communicate(timeout=60)

        report = json.loads(out)
        assert process.returncode == 0, err
        assert (report["outcome"], report["reason"], report["more"]) == (
            "partial",
            "deadline",
            True,
        )
        assert report["counts"]["completed"] == 1
        rows = site.sql(
            "SELECT status, attempts, locked_by FROM ops.jobs WHERE status <> 'completed'"
        )
        assert [tuple(row) for row in rows] == [("pending", 0, None)] * 2
        assert len(jobs) == 3

    def test_t9_a_job_that_takes_too_long_is_cut_off_says_so_and_is_tried_again(
        self, site: Site
    ) -> None:
        seen = Seen()
        with odd_kinds(kind("slow", seen, longest=timedelta(seconds=0.1))):
            stuck = enqueue(site, "slow")
            report = drain(site)
            seen.gate.set()

        told = job(site, stuck)
        assert (told["status"], told["attempts"]) == ("pending", 1)
        assert told["error_code"] == "timed_out"
        assert "its kind has no more time" in told["error_detail"]
        assert report["counts"]["retried"] == 1

    def test_t9_a_process_ends_though_a_job_of_it_hangs(self, site: Site) -> None:
        stuck = enqueue(site, "hang")

        ended = site.cli("queue", "--json", command=ODD)

        assert json.loads(ended.stdout)["counts"]["retried"] == 1
        assert job(site, stuck)["error_code"] == "timed_out"


def started(site: Site, **settings: str) -> subprocess.Popen[str]:
    return forked.popen(
        [*ODD, "queue", "--json"],
        env=site.environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(process.communicate()[1])


def done_by(who: str) -> Completed:
    return Completed(result={"by": who})


def done(report: RunReport) -> None:
    assert report.outcome is Outcome.DONE
    assert report.reason is not Reason.DEADLINE


def idle(site: Site) -> None:
    """A run of a worker that is alive and takes nothing."""
    site.sql(
        "INSERT INTO ops.runs (id, worker, status, outcome, via, request_hash, whole, counts,"
        " started_at, expires_at, finished_at)"
        f" VALUES (gen_random_uuid(), '{DRAIN}', 'finished', 'done', 'cli', '', true,"
        " '{\"claimed\": 0}', now(), now(), now())"
    )


def later(site: Site, minutes: float) -> None:
    site.sql(
        f"UPDATE ops.runs SET started_at = started_at - interval '{minutes} minutes',"
        f" expires_at = expires_at - interval '{minutes} minutes',"
        f" finished_at = finished_at - interval '{minutes} minutes'"
    )


RUNBOOK_ALIVE = (
    "SELECT worker_id, worker_type, status, last_heartbeat_at FROM ops.worker_heartbeats"
    " WHERE last_heartbeat_at > now() - interval '5 minutes' ORDER BY last_heartbeat_at DESC;"
)
RUNBOOK_WAITING = (
    "SELECT * FROM ops.jobs WHERE status = 'pending' ORDER BY created_at DESC LIMIT 10;"
)
RUNBOOK_STUCK = (
    "SELECT * FROM ops.jobs WHERE status = 'processing'"
    " AND locked_at < now() - interval '10 minutes';"
)


class TestRunbook:
    """The replaced systems' monitoring queries, as they are written there."""

    def test_a_healthy_system(self, site: Site) -> None:
        enqueue(site, "test", "{}", "--at", "10m")
        drain(site)

        assert [tuple(row)[:3] for row in site.sql(RUNBOOK_ALIVE)] == [(DRAIN, DRAIN, "running")]
        assert len(site.sql(RUNBOOK_WAITING)) == 1
        assert site.sql(RUNBOOK_STUCK) == []

    def test_df13_a_long_job_that_is_alive_is_not_stuck_for_its_lock_is_renewed(
        self, site: Site
    ) -> None:
        seen = Seen()
        quick = site.with_settings(LEASE_S="1")
        with odd_kinds(kind("slow", seen)):
            enqueue(site, "slow")
            with beside(lambda: done(quick.run(worker=DRAIN))):
                assert seen.arrived.wait(60)
                # As if it had been at it for an hour.
                site.sql("UPDATE ops.jobs SET locked_at = now() - interval '1 hour'")
                while site.sql(RUNBOOK_STUCK):
                    seen.gate.wait(0.05)
                alive = site.sql(RUNBOOK_ALIVE)
                seen.gate.set()

        assert [tuple(row)[:3] for row in alive] == [(DRAIN, DRAIN, "running")]

    def test_a_stuck_system(self, site: Site) -> None:
        stuck = enqueue(site, "die")
        site.cli("queue", command=ODD)
        waiting = enqueue(site, "test")
        site.sql("UPDATE ops.jobs SET run_at = now() - interval '1 hour' WHERE status = 'pending'")
        site.sql("UPDATE ops.jobs SET locked_at = locked_at - interval '11 minutes'")
        later(site, 11)

        assert site.sql(RUNBOOK_ALIVE) == []
        assert [str(row[0]) for row in site.sql(RUNBOOK_WAITING)] == [waiting]
        assert [str(row[0]) for row in site.sql(RUNBOOK_STUCK)] == [stuck]
        assert heartbeat(site) == "degraded"


BY_HAND = (
    "INSERT INTO ops.jobs"
    " (queue, kind, status, run_at, max_attempts, payload, created_at, updated_at)"
    " VALUES ('default', 'test', 'pending', {run_at}, 3, '{payload}', now(), now())"
)


@pytest.mark.parametrize("payload", ["[1]", "null", '"text"'])
def test_e12_a_payload_that_is_no_object_was_made_by_hand_and_is_dead(
    payload: str, site: Site
) -> None:
    site.sql(BY_HAND.format(run_at="now()", payload=payload))

    report = drain(site)

    assert report["counts"]["dead"] == 1
    code, detail = site.sql("SELECT error_code, error_detail FROM ops.jobs")[0]
    assert (code, "no JSON object" in detail) == ("bad_payload", True)


@pytest.mark.parametrize("run_at", ["infinity", "-infinity", "20000-01-01", "4000-01-01 BC"])
def test_an_instant_that_nobody_could_read_is_not_stored(run_at: str, site: Site) -> None:
    with pytest.raises(DatabaseError, match="jobs_run_at_readable"):
        site.sql(BY_HAND.format(run_at=f"'{run_at}'", payload="{}"))
