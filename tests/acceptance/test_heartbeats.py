"""Signs of life: derived from runs and leases, so that they cannot lie."""

import json
from typing import Any
from unittest.mock import patch

import pytest

from core.sync.worker import SyncAccounts
from handlers import opening, wiring
from tests.support import broken
from tests.support.site import WORKER, Gate, Site, beside

pytestmark = pytest.mark.timeout(120)
RUNBOOK = """
SELECT worker_id, worker_type, status, last_heartbeat_at FROM ops.worker_heartbeats
WHERE last_heartbeat_at > now() - interval '5 minutes'
ORDER BY last_heartbeat_at DESC;
"""
SHORT = 0.5


def status(site: Site) -> str:
    found: str = site.one(f"SELECT status FROM ops.worker_heartbeats WHERE worker_id = '{WORKER}'")
    return found


def alive(site: Site) -> list[tuple[str, str, str]]:
    """Whom the runbook's query shows."""
    return [(row[0], row[1], row[2]) for row in site.sql(RUNBOOK)]


def is_due(site: Site) -> bool:
    """Whether `tick` would run it."""
    settings = site.settings()
    with opening.opened(settings, opening.log_for(settings)) as ready:
        return next(each.due for each in wiring.worker_states(ready) if each.worker == WORKER)


def later(site: Site, minutes: float) -> None:
    """As if so much time had gone by since the last run."""
    site.sql(
        f"UPDATE ops.runs SET started_at = started_at - interval '{minutes} minutes',"
        f" expires_at = expires_at - interval '{minutes} minutes',"
        f" finished_at = finished_at - interval '{minutes} minutes'"
    )


def test_a_worker_that_never_ran_is_starting(site: Site) -> None:
    assert status(site) == "starting"
    assert alive(site) == []


def test_a_worker_on_time_is_running_and_was_seen_this_moment(site: Site) -> None:
    site.connect()

    site.run()
    later(site, 9)

    assert alive(site) == [(WORKER, WORKER, "running")]
    assert site.one(
        "SELECT last_heartbeat_at BETWEEN now() - interval '1 minute' AND clock_timestamp()"
        f" FROM ops.worker_heartbeats WHERE worker_id = '{WORKER}'"
    )


def test_r24_a_worker_that_is_not_called_any_more_is_degraded_and_last_seen_then(
    site: Site,
) -> None:
    site.connect()

    site.run()
    later(site, 11)

    assert status(site) == "degraded"
    assert alive(site) == []
    assert site.one(
        "SELECT last_heartbeat_at = (SELECT finished_at FROM ops.runs) FROM ops.worker_heartbeats"
        f" WHERE worker_id = '{WORKER}'"
    )


def test_a_run_at_work_is_running(site: Site) -> None:
    site.connect()

    with Gate(site.simulator) as gate, beside(lambda: assert_done(site)):
        gate.wait()
        seen, shown = status(site), alive(site)
        gate.open()

    assert seen == "running"
    assert shown == [(WORKER, WORKER, "running")]


def assert_done(site: Site) -> None:
    assert site.run().outcome == "done"


def test_a_run_that_died_is_degraded_from_the_end_of_its_lease(site: Site) -> None:
    site.connect()
    with Gate(site.simulator) as gate:
        process = site.start("ebay")
        gate.wait()
        process.kill()
        process.communicate()

    while_leased = status(site)
    later(site, 2)

    assert while_leased == "running"
    assert status(site) == "degraded"
    assert site.one(
        "SELECT last_heartbeat_at = (SELECT expires_at FROM ops.runs) FROM ops.worker_heartbeats"
        f" WHERE worker_id = '{WORKER}'"
    )


def test_a_run_called_abandoned_is_degraded(site: Site) -> None:
    site.connect()
    site.run()
    site.sql("UPDATE ops.runs SET status = 'abandoned', outcome = NULL")

    assert status(site) == "degraded"


def test_some_failing_units_are_degraded(site: Site) -> None:
    site.connect()
    site.simulator.faults.add("missing_scope", operation="getOrders")

    site.run()

    assert status(site) == "degraded"
    assert alive(site) == [(WORKER, WORKER, "degraded")]


@pytest.mark.parametrize("why", ["bug", "units"])
def test_a_failed_run_is_an_error_and_no_sign_of_life(site: Site, why: str) -> None:
    site.connect()
    site.simulator.faults.add("missing_scope")

    if why == "bug":
        with patch.object(SyncAccounts, "run_once", broken.broken):
            site.run()
    else:
        site.run()
    later(site, 6)

    assert status(site) == "error"
    assert alive(site) == []


@pytest.mark.parametrize("switch", [WORKER, "*"])
def test_a_paused_worker_is_stopped(site: Site, switch: str) -> None:
    site.connect()
    site.run()

    site.sql(f"UPDATE ops.workers SET enabled = false WHERE worker = '{switch}'")
    site.run()

    assert status(site) == "stopped"


def test_a_worker_without_accounts_is_called_but_degraded(site: Site) -> None:
    site.run()

    assert status(site) == "degraded"
    assert alive(site) == [(WORKER, WORKER, "degraded")]


def test_a_worker_whose_accounts_are_all_paused_is_stopped_but_called(site: Site) -> None:
    site.connect()
    site.sql("UPDATE ebay.accounts SET status = 'paused'")

    site.run()

    assert alive(site) == [(WORKER, WORKER, "stopped")]


def test_a_call_that_was_refused_is_no_sign_of_life(site: Site) -> None:
    site.hold_lease()

    site.run()

    assert status(site) == "starting"


@pytest.mark.parametrize(
    "named", [{"streams": ("payouts",)}, {"accounts": ("seller-1",)}, {"dry_run": True}]
)
def test_a_run_that_does_not_do_the_workers_work_is_none_of_its_signs(
    site: Site, named: dict[str, Any]
) -> None:
    site.connect()

    assert site.run(**named).outcome == "done"

    assert status(site) == "starting"
    assert is_due(site)
    site.run()
    later(site, 6)
    site.run(**named)
    assert is_due(site)


@pytest.mark.parametrize("named", [{}, {"streams": ("payouts",)}], ids=["not at all", "by name"])
def test_a_worker_that_is_not_called_for_its_accounts_is_degraded_not_starting(
    site: Site, named: dict[str, Any]
) -> None:
    site.connect()
    if named:
        site.run(**named)
    before = status(site)

    site.sql("UPDATE ebay.accounts SET created_at = now() - interval '11 minutes'")

    assert (before, status(site)) == ("starting", "degraded")
    assert alive(site) == []


def test_a_worker_that_is_not_called_has_nothing_to_do_for_accounts_that_are_not_active(
    site: Site,
) -> None:
    site.connect()

    site.sql("UPDATE ebay.accounts SET created_at = now() - interval '1 day', status = 'paused'")

    assert status(site) == "starting"


def test_a_failed_run_of_named_units_is_not_the_workers_failure(site: Site) -> None:
    site.connect()
    site.run()
    site.simulator.faults.add("missing_scope")

    assert site.run(streams=("orders",)).outcome == "failed"

    assert status(site) == "running"


def test_a_worker_with_work_left_is_due_at_once(site: Site) -> None:
    site.connect()
    before = is_due(site)
    assert site.run(deadline_s=SHORT).more
    left = is_due(site)
    assert not site.run().more

    assert (before, left, is_due(site)) == (True, True, False)


def test_an_idle_worker_and_one_out_of_time_are_running(site: Site) -> None:
    site.connect()
    site.run(deadline_s=SHORT)
    out_of_time = status(site)
    site.run()
    site.run()

    assert (out_of_time, status(site)) == ("running", "running")


def test_the_list_of_workers_says_the_same(site: Site) -> None:
    site.connect()
    site.run()

    told = site.cli("workers", "list", "--json")

    [worker] = [row for row in json.loads(told.stdout)["workers"] if row["worker"] == WORKER]
    assert worker["status"] == "running"


def test_psql_is_handed_its_own_options(site: Site) -> None:
    found = site.cli("psql", "-X", "-A", "-t", "-c", RUNBOOK.strip())
    twice = site.cli("psql", "-Atc", "SELECT 1", "--", environment=site.environment())

    if "psql is not on PATH" in found.stderr:
        pytest.skip("psql is not on PATH")
    assert (found.returncode, found.stdout) == (0, "")
    assert (twice.returncode, twice.stdout) == (0, "1\n")


def test_other_commands_still_refuse_what_they_do_not_know(site: Site) -> None:
    refused = site.cli("ebay", "--nonsense")

    assert refused.returncode == 2
    assert "--nonsense" in refused.stderr
