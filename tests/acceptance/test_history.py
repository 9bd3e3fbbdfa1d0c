"""What ran, and what is due: `tick`, `runs`, `workers`, `psql`."""

import json
from typing import Any

import pytest

from tests.support.site import Site

pytestmark = pytest.mark.timeout(150)


@pytest.fixture
def read(site: Site) -> Site:
    """Two accounts, read once."""
    site.connect(2)
    assert site.cli("ebay").returncode == 0
    return site


def told(site: Site, *arguments: str) -> Any:
    ended = site.cli(*arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_tick_runs_what_is_due_and_nothing_else(site: Site) -> None:
    site.connect(1)

    first = told(site, "tick")
    again = site.cli("tick")

    [run] = first["runs"]
    assert (run["worker"], run["outcome"]) == ("ebay-cycle", "done")
    assert again.returncode == 0
    assert "no worker is due" in again.stderr


def test_tick_leaves_a_paused_worker_alone(site: Site) -> None:
    site.connect(1)
    assert site.cli("workers", "pause", "ebay-cycle").returncode == 0

    paused = told(site, "tick")

    assert paused == {"runs": []}
    assert site.one("SELECT count(*) FROM ops.runs") == 0


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
    checked = site.cli("migrate", "--check")
    applied = site.cli("migrate")

    assert (checked.returncode, applied.returncode) == (0, 0), checked.stderr + applied.stderr
