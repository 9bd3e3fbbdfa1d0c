"""What ran, and what is due: `tick`, `runs`, `workers`, `psql`."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from core.ids import RunId
from core.report import Outcome, Reason, RunReport, Trigger
from handlers.cli.workers import worst
from tests.support.site import WORKER, Site
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(150)
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def read(site: Site) -> Site:
    """Two accounts, read once."""
    site.connect(2)
    assert typed(site, "ebay").returncode == 0
    return site


def told(site: Site, *arguments: str) -> Any:
    ended = typed(site, *arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_tick_runs_what_is_due_and_nothing_else(site: Site) -> None:
    site.connect(1)

    first = told(site, "tick")
    again = typed(site, "tick")

    assert [(run["worker"], run["outcome"]) for run in first["runs"]] == [
        ("ebay-cycle", "done"),
        ("queue-drain", "done"),
        ("token-refresh", "done"),
    ]
    assert again.returncode == 0
    assert "no worker is due" in again.stderr


def test_tick_says_that_a_worker_is_paused(site: Site) -> None:
    site.connect(1)
    assert typed(site, "workers", "pause", "ebay").returncode == 0

    paused = told(site, "tick")

    run = paused["runs"][0]
    assert (run["worker"], run["outcome"], run["reason"]) == (WORKER, "skipped", "paused")
    assert site.sql(f"SELECT outcome, reason FROM ops.runs WHERE worker = '{WORKER}'") == [
        ["skipped", "paused"]
    ]


def test_tick_says_that_the_database_is_away(site: Site) -> None:
    nowhere = site.environment(DATABASE_URL="postgresql://a@127.0.0.1:1/b?sslmode=disable")

    ended = site.cli("tick", "--json", environment=nowhere)

    assert ended.returncode == 69
    assert {run["reason"] for run in json.loads(ended.stdout)["runs"]} == {"database"}
    assert '"run.failed"' in ended.stderr


def test_tick_says_that_a_setting_is_missing(site: Site) -> None:
    ended = site.cli("tick", "--json", environment=site.environment(DATABASE_URL="nonsense"))

    assert ended.returncode == 78
    assert {run["reason"] for run in json.loads(ended.stdout)["runs"]} == {"config"}


def report(outcome: Outcome, reason: Reason | None = None) -> RunReport:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return RunReport(
        run_id=RunId(UUID(int=1)), worker=WORKER, trigger=Trigger(via="cli"), outcome=outcome,
        reason=reason, started_at=at, finished_at=at, duration_ms=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        ([report(Outcome.DEGRADED), report(Outcome.SKIPPED, Reason.ALREADY_RUNNING)], 1),
        ([report(Outcome.SKIPPED, Reason.ALREADY_RUNNING), report(Outcome.DONE)], 75),
        ([report(Outcome.DEGRADED), report(Outcome.FAILED, Reason.UPSTREAM)], 69),
        ([report(Outcome.FAILED, Reason.BUG), report(Outcome.FAILED, Reason.CONFIG)], 70),
        ([report(Outcome.DONE)], 0),
        ([], 0),
    ],
)
def test_the_worst_run_speaks_for_a_tick(reports: list[RunReport], code: int) -> None:
    assert worst(reports, ok_if_running=False) == code


def test_workers_are_listed_for_programs_as_runs_are(read: Site) -> None:
    [worker] = [each for each in told(read, "workers", "list")["workers"]
                if each["worker"] == WORKER]  # fmt: skip

    assert worker["enabled"] is True
    assert worker["interval_s"] == 300
    assert INSTANT.fullmatch(worker["last_heartbeat_at"])
    assert INSTANT.fullmatch(worker["finished_at"])
    assert (worker["outcome"], worker["reason"], worker["due"]) == ("done", None, False)


def test_instants_of_runs_are_written_as_in_reports(read: Site) -> None:
    [run] = told(read, "runs")["runs"]
    shown = told(read, "runs", run["id"])

    assert INSTANT.fullmatch(run["started_at"])
    assert INSTANT.fullmatch(shown["units"][0]["window_to"])
    assert INSTANT.fullmatch(shown["events"][0]["at"])


@pytest.mark.parametrize(
    "arguments",
    [("--limit", "-1"), ("--limit", "0"), ("--outcome", "bogus"), ("--worker", "bogus")],
)
def test_runs_are_chosen_by_what_there_is(site: Site, arguments: tuple[str, ...]) -> None:
    ended = typed(site, "runs", *arguments)

    assert ended.returncode == 2
    assert arguments[1] in ended.stderr


def test_a_worker_has_the_name_by_which_it_is_run(read: Site) -> None:
    assert len(told(read, "runs", "--worker", "ebay")["runs"]) == 1
    assert read.cli("workers", "pause", "ebay").returncode == 0
    assert read.one(f"SELECT enabled FROM ops.workers WHERE worker = '{WORKER}'") is False
    assert read.cli("workers", "resume", "ebay-cycle").returncode == 0


def test_runs_are_listed_newest_first_and_chosen(read: Site) -> None:
    assert read.cli("ebay").returncode == 0

    everything = told(read, "runs")["runs"]
    last = told(read, "runs", "--limit", "1")["runs"]
    none = told(read, "runs", "--outcome", "failed", "--since", "1d")["runs"]
    table = read.cli("runs", "--worker", "ebay-cycle").stdout

    assert [run["reason"] for run in everything] == ["nothing_due", None]
    assert last == everything[:1]
    assert none == []
    assert "nothing_due" in table
    assert str(everything[1]["id"])[:8] in table


def test_one_run_is_shown_by_the_beginning_of_its_id(read: Site) -> None:
    run_id = str(read.one("SELECT id FROM ops.runs"))

    shown = read.cli("runs", run_id[:8])
    as_json = told(read, "runs", run_id)

    assert shown.returncode == 0
    assert f"id: {run_id}" in shown.stdout
    assert re.search(r"^counts: (\w+=\d+ )*units=\d+ ", shown.stdout, re.MULTILINE)
    assert re.search(r"^started_at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$", shown.stdout, re.MULTILINE)
    assert "{" not in shown.stdout
    assert "ebay.called" in shown.stdout
    assert {unit["stream"] for unit in as_json["units"]} == {"orders", "transactions", "payouts"}


@pytest.mark.parametrize("run", ["00000000", "%", "not-an-id"])
def test_a_run_that_does_not_exist_is_said_to(read: Site, run: str) -> None:
    shown = read.cli("runs", run)

    assert shown.returncode == 65
    assert run in shown.stderr
    assert "Traceback" not in shown.stderr


def test_psql_is_the_database_of_the_settings(read: Site) -> None:
    asked = read.cli("psql", "-qAtc", "SELECT count(*) FROM ebay.accounts")

    assert asked.returncode == 0, asked.stderr
    assert asked.stdout == "2\n"


def test_the_schema_is_said_to_be_up_to_date(site: Site) -> None:
    checked = typed(site, "migrate", "--check")
    applied = typed(site, "migrate")

    assert (checked.returncode, applied.returncode) == (0, 0), checked.stderr + applied.stderr
