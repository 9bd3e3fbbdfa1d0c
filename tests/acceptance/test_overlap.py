"""Called twice at once, the work of one is done; a dead run is followed, and writes no more."""

import json
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.report import Outcome, Reason, RunReport
from infra.postgres.connect import connect
from infra.simulator.server import Simulator
from tests.support.postgres import Server
from tests.support.site import WORKER, Gate, Served, Site, beside, served

pytestmark = pytest.mark.timeout(180)
SHORT = 0.5
ONLY_ORDERS = """
UPDATE ebay.sync_states SET due_at = now() + interval '1 hour' WHERE stream <> 'orders'
"""


def outcomes(site: Site) -> Counter[tuple[str, str | None]]:
    rows = site.sql("SELECT outcome, reason FROM ops.runs")
    return Counter((outcome, reason) for outcome, reason in rows)


def test_df14_of_two_at_once_one_works_and_the_other_says_who_holds_the_lock(
    site: Site, server: Served
) -> None:
    site.connect(2)

    with Gate(site.simulator) as gate:
        first: list[Any] = []
        with beside(lambda: first.append(server.call())):
            gate.wait()
            second = server.call().json()
            command = site.cli("ebay", "--json")
            gate.open()

    report = first[0].json()
    assert report["outcome"] == "done"
    for body in (second, json.loads(command.stdout)):
        assert (body["outcome"], body["reason"]) == ("skipped", "already_running")
        assert body["holder"]["run_id"] == report["run_id"]
        assert body["holder"]["since"] <= report["finished_at"] <= body["holder"]["until"]
        assert body["counts"] == {}
    assert command.returncode == 75
    assert site.one("SELECT count(*) FROM ops.leases WHERE run_id IS NOT NULL") == 0


def test_a_cron_that_minds_nobody_may_call_a_run_at_work_no_failure(site: Site) -> None:
    site.hold_lease()

    quiet = site.cli("ebay", "--ok-if-running", "--json")
    loud = site.cli("ebay", "--json")

    assert (quiet.returncode, loud.returncode) == (0, 75)
    assert json.loads(quiet.stdout)["reason"] == "already_running"


def at_once(server: Served, number: int) -> list[dict[str, Any]]:
    def call(_: int) -> dict[str, Any]:
        body: dict[str, Any] = server.call().json()
        return body

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call, range(number)))


def test_r12_r15_of_forty_at_once_one_works(site: Site, server: Served) -> None:
    site.connect(2)

    with Gate(site.simulator) as gate:
        reports: list[dict[str, Any]] = []
        with beside(lambda: reports.extend(at_once(server, 40))):
            gate.wait()
            # All others are answered while the one is held: none of them came too late.
            while sum(outcomes(site).values()) < 40:
                continue
            gate.open()

    ended = Counter((report["outcome"], report["reason"]) for report in reports)
    assert ended == {("done", None): 1, ("skipped", "already_running"): 39}
    [winner] = [report["run_id"] for report in reports if report["outcome"] == "done"]
    holders = {report["holder"]["run_id"] for report in reports if report["outcome"] == "skipped"}
    assert holders <= {winner, None}
    assert winner in holders
    assert outcomes(site) == ended
    assert site.one("SELECT count(*) FROM (SELECT DISTINCT run_id FROM ops.run_units) units") == 1


@contextmanager
def new_site(server: Server, simulator: Simulator) -> Iterator[Site]:
    """A database without a schema."""
    name = server.create_database()
    yield Site(
        url=server.client.with_database(name).reveal(),
        admin=server.admin.with_database(name),
        simulator=simulator,
        ebay_url=simulator.api_url,
        extra={"RUN_DDL_ON_STARTUP": "true"},
    )
    server.drop_database(name)


def test_r12_the_first_runs_ever_at_once_are_one_that_works(
    site: Site, postgres_server: Server, tmp_path: Path
) -> None:
    """They make the schema, too, which is made once; the lease has no row yet."""
    with new_site(postgres_server, site.simulator) as fresh:
        runs = [fresh.start("ebay", "--json", "--dry-run") for _ in range(4)]
        told = [run.communicate(timeout=100) for run in runs]
        fresh.sql("DELETE FROM ops.runs")
        fresh.connect()
        with (
            Gate(site.simulator) as gate,
            served(fresh.environment(), tmp_path / "log") as server,
        ):
            reports: list[dict[str, Any]] = []
            with beside(lambda: reports.extend(at_once(server, 12))):
                gate.wait()
                while sum(outcomes(fresh).values()) < 12:
                    continue
                gate.open()
        ended = outcomes(fresh)
        leases = fresh.one(f"SELECT fence FROM ops.leases WHERE name = '{WORKER}'")

    assert [run.returncode for run in runs] == [0, 0, 0, 0], told
    assert ended == {("done", None): 1, ("skipped", "already_running"): 11}
    assert leases == 1


def test_who_holds_the_workers_lock_in_psql_holds_the_worker(site: Site, server: Served) -> None:
    site.connect()

    with closing(connect(site.admin, application_name="psql", timeout=30)) as session:
        session.execute_simple("BEGIN")
        session.execute_simple(f"SELECT pg_advisory_xact_lock(ops.lock_key('{WORKER}'))")
        over_http = server.call("GET", f"/cron/{WORKER}?strict=1")
        command = site.cli("ebay", "--json")
        named = server.call(json={"stream": "payouts"})
        session.execute_simple("ROLLBACK")
    after = server.call()

    body = json.loads(command.stdout)
    assert (body["outcome"], body["reason"]) == ("skipped", "already_running")
    assert body["holder"] == {"run_id": None, "since": None, "until": None}
    assert command.returncode == 75
    assert over_http.status_code == 409
    assert int(over_http.headers["retry-after"]) > 0
    assert named.json()["outcome"] == "done"
    assert after.json()["outcome"] == "done"


def killed(site: Site, *arguments: str, **environment: str) -> str:
    """Start a run, kill it while eBay is being asked, and return its id."""
    with Gate(site.simulator) as gate:
        process = site.start("ebay", "--json", *arguments, **environment)
        gate.wait()
        process.kill()
        process.communicate()
    run_id: str = str(site.one("SELECT id FROM ops.runs WHERE status = 'running'"))
    return run_id


def wait_until_over(site: Site) -> None:
    """The lease's own end, by the database's clock."""
    while not site.one(
        "SELECT coalesce(max(expires_at) < clock_timestamp(), true) FROM ops.leases"
    ):
        continue


def test_r14_a_killed_run_is_followed_when_its_lease_ends(site: Site) -> None:
    site.connect()
    dead = killed(site, LEASE_S="6")
    short = site.with_settings(LEASE_S="6")

    before = short.run()
    wait_until_over(site)
    after = short.run()

    assert (before.outcome, before.reason) == (Outcome.SKIPPED, Reason.ALREADY_RUNNING)
    assert before.holder is not None
    assert str(before.holder.run_id) == dead
    assert after.outcome is Outcome.DONE
    assert len(after.units) == 3
    assert_abandoned(site, dead)


def assert_abandoned(site: Site, run_id: str) -> None:
    [row] = site.sql(
        f"SELECT status, outcome, finished_at IS NOT NULL FROM ops.runs WHERE id = '{run_id}'"
    )
    assert list(row) == ["abandoned", None, True]
    assert site.one(f"SELECT count(*) FROM ebay.sync_states WHERE leased_by = '{run_id}'") == 0


def test_a_killed_run_is_followed_at_once_by_who_takes_over(site: Site) -> None:
    site.connect()
    dead = killed(site)

    command = site.cli("ebay", "--json", "--take-over")

    body = json.loads(command.stdout)
    assert (body["outcome"], command.returncode) == ("done", 0)
    assert body["counts"]["units"] == 3
    assert "run.abandoned" in command.stderr
    assert dead in command.stderr
    assert_abandoned(site, dead)
    assert site.one(f"SELECT fence FROM ops.leases WHERE name = '{WORKER}'") == 2


def test_taking_over_where_nobody_works_is_an_ordinary_run(site: Site) -> None:
    site.connect()

    report = site.run(take_over=True)

    assert report.outcome is Outcome.DONE
    assert site.one("SELECT count(*) FROM ops.runs WHERE status = 'abandoned'") == 0


def test_who_takes_a_lease_revokes_the_units_of_who_held_it(site: Site) -> None:
    site.connect()
    dead = killed(site)
    held = site.sql(
        f"SELECT stream, fence FROM ebay.sync_states WHERE leased_by = '{dead}' ORDER BY stream"
    )

    site.run(take_over=True, deadline_s=SHORT)

    rows = site.sql(
        "SELECT stream, fence, leased_by, leased_until, due_at <= now() FROM ebay.sync_states"
        " WHERE pass = 'new' ORDER BY stream"
    )
    assert len(held) == 3
    assert [list(row) for row in rows] == [
        [stream, fence + 1, None, None, True] for stream, fence in held
    ]


def test_r14_an_abandoned_run_that_wakes_up_takes_and_writes_nothing(site: Site) -> None:
    """Four units are held at eBay, and two wait, when it is taken over."""
    site.connect(6)
    site.sql(ONLY_ORDERS)
    first: list[RunReport] = []

    with Gate(site.simulator) as gate, beside(lambda: first.append(site.run())):
        gate.wait()
        second = site.run(take_over=True, deadline_s=SHORT)
        gate.open()

    assert (second.outcome, second.reason) == (Outcome.PARTIAL, Reason.DEADLINE)
    assert (first[0].outcome, first[0].reason) == (Outcome.PARTIAL, Reason.LEASE_LOST)
    assert {unit.reason for unit in first[0].units} == {Reason.LEASE_LOST}
    assert len(first[0].units) == 4
    assert site.one("SELECT count(*) FROM ebay.orders") == 0
    assert site.one("SELECT count(*) FROM ops.run_units") == 0
    assert_abandoned(site, str(first[0].run_id))


@pytest.mark.parametrize("asked", [{"accounts": ("seller-1",)}, {"streams": ("orders",)}], ids=str)
def test_named_units_are_read_beside_a_cycle_but_never_past_a_live_lease(
    site: Site, asked: dict[str, Any]
) -> None:
    site.connect()
    cycle: list[RunReport] = []

    with Gate(site.simulator, "getOrders") as gate, beside(lambda: cycle.append(site.run())):
        gate.wait()
        while site.one("SELECT count(*) FROM ops.run_units") < 2:
            continue
        named = site.run(**asked)
        gate.open()

    reasons = {(unit.stream, unit.pass_): unit.reason for unit in named.units}
    assert reasons[("orders", "new")] is Reason.ALREADY_RUNNING
    if "accounts" in asked:
        assert (named.outcome, named.reason) == (Outcome.DONE, None)
        assert reasons[("payouts", "new")] is None
        assert (
            site.one(
                "SELECT count(*) FROM ops.run_units WHERE reason = 'already_running'"
                f" AND run_id = '{named.run_id}'"
            )
            == 1
        )
    else:
        assert (named.outcome, named.reason) == (Outcome.SKIPPED, Reason.ALREADY_RUNNING)
    assert cycle[0].outcome is Outcome.DONE


def test_a_command_whose_units_are_all_held_says_already_running(site: Site) -> None:
    site.connect()
    site.sql("UPDATE ebay.sync_states SET leased_by = gen_random_uuid(),"
             " leased_until = now() + interval '1 minute'")  # fmt: skip

    named = site.cli("ebay", "--account", "seller-1", "--json")
    quiet = site.cli("ebay", "--account", "seller-1", "--json", "--ok-if-running")

    assert (named.returncode, quiet.returncode) == (75, 0)
    assert json.loads(named.stdout)["reason"] == "already_running"
    assert {unit["reason"] for unit in json.loads(named.stdout)["units"]} == {"already_running"}
    assert json.loads(named.stdout)["holder"]["until"] is not None


@pytest.mark.parametrize(
    "named", [("--account", "seller-1"), ("--stream", "orders"), ("--since", "1d"), ("--dry-run",)]
)
def test_taking_over_goes_without_names(site: Site, named: tuple[str, ...]) -> None:
    site.connect()

    refused = site.cli("ebay", "--take-over", *named)

    assert refused.returncode == 65
    assert "--take-over ends the other runs" in refused.stderr


def test_units_of_a_killed_named_run_are_read_at_once_with_take_over(site: Site) -> None:
    """Its row and its leases stand for a minute more."""
    site.connect()
    site.sql(
        "WITH dead AS (INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at,"
        " expires_at) VALUES (gen_random_uuid(), 'ebay-cycle', 'running', 'cli', '', now(),"
        " now() + interval '1 minute') RETURNING id)"
        " UPDATE ebay.sync_states SET leased_by = dead.id, due_at = now() + interval '1 minute',"
        " leased_until = now() + interval '1 minute' FROM dead"
    )

    told = json.loads(site.cli("ebay", "--account", "seller-1", "--json").stdout)
    followed = site.run(take_over=True)

    assert "--take-over and without names" in told["message"]
    assert (followed.outcome, followed.counts["units"]) == (Outcome.DONE, 5)
    assert site.one("SELECT count(*) FROM ops.runs WHERE status = 'abandoned'") == 1


def test_a_named_run_leaves_the_cycles_lease_alone_even_when_it_trips_the_worker(
    site: Site,
) -> None:
    """Ten dead named runs are found by an eleventh while a cycle is at work."""
    site.connect()
    holder = site.hold_lease()
    site.sql(
        "INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)"
        f" SELECT gen_random_uuid(), '{WORKER}', 'running', 'cli', '', now(),"
        " now() - interval '1 second' FROM generate_series(1, 10)"
    )

    named = site.run(streams=("orders",))

    assert (named.outcome, named.reason, named.tripped) == (Outcome.SKIPPED, Reason.TRIPPED, True)
    assert str(site.one("SELECT run_id FROM ops.leases")) == holder


def test_r14_a_lease_is_renewed_while_a_run_works_on(site: Site) -> None:
    """Three times its own length in the middle of a call, and nobody can follow."""
    site.connect()
    short = site.with_settings(LEASE_S="2")
    first: list[RunReport] = []
    ends = "SELECT expires_at FROM ops.leases"

    with Gate(site.simulator) as gate, beside(lambda: first.append(short.run())):
        gate.wait()
        began = site.one(ends)
        while site.one(f"SELECT ({ends}) < timestamptz '{began}' + interval '6 seconds'"):
            continue
        second = short.run()
        gate.open()

    assert (second.outcome, second.reason) == (Outcome.SKIPPED, Reason.ALREADY_RUNNING)
    assert first[0].outcome is Outcome.DONE


def test_runs_whose_time_is_over_are_called_abandoned_by_any_later_run(site: Site) -> None:
    site.connect()
    named = killed(site, "--stream", "orders", LEASE_S="1")
    while not site.one("SELECT bool_and(expires_at < clock_timestamp()) FROM ops.runs"):
        continue

    report = site.run(streams=("payouts",))

    assert report.outcome is Outcome.DONE
    assert_abandoned(site, named)
    assert site.one("SELECT faults FROM ops.workers WHERE worker = 'ebay-cycle'") == 0


def test_an_ordinary_end_releases_the_lease(site: Site) -> None:
    site.connect()

    reports = [site.run(), site.run(deadline_s=SHORT), site.run()]

    assert [report.outcome for report in reports] == [Outcome.DONE] * 3
    assert site.one(f"SELECT fence FROM ops.leases WHERE name = '{WORKER}'") == 3
    assert site.one("SELECT run_id IS NULL AND expires_at IS NULL FROM ops.leases")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_run_that_is_asked_to_end_releases_everything(site: Site, name: str) -> None:
    site.connect(6)
    site.sql(ONLY_ORDERS)

    with Gate(site.simulator) as gate:
        process = site.start("ebay", "--json")
        gate.wait()
        process.send_signal(getattr(signal, name))
        assert process.stderr is not None
        while "stopping after this page" not in process.stderr.readline():
            continue
        gate.open()
        told, _ = process.communicate(timeout=60)

    body = json.loads(told)
    assert (body["outcome"], body["reason"], body["more"]) == ("partial", "deadline", True)
    # What was asked of eBay already is stored; what was not yet asked waits for the next call.
    assert "done" in {unit["outcome"] for unit in body["units"]} <= {"done", "partial"}
    assert len(body["units"]) <= 4
    assert process.returncode == 0
    assert site.one("SELECT count(*) FROM ops.leases WHERE run_id IS NOT NULL") == 0
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE leased_by IS NOT NULL") == 0
    assert site.run().outcome is Outcome.DONE
