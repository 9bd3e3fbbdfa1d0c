"""Named units, extra windows, dry runs and deadlines, as typed on the command line."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.postgres import Server
from tests.support.site import Site, new_site

KEPT = (
    "SELECT account_id, stream, pass, due_at, cursor_at, window_from, fence, leased_by, failures,"
    " last_attempt_at FROM ebay.sync_states ORDER BY 1, 2, 3"
)
TABLES = ("orders", "order_lines", "transactions", "transaction_fees", "payouts", "quarantine")


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=2, orders=250) as site:
        yield site


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.reset()
    _module_site.connect(2)
    return _module_site


def ebay(site: Site, *arguments: str, exits: int = 0) -> dict[str, Any]:
    done = site.cli("ebay", "--json", *arguments)
    assert done.returncode == exits, done.stderr
    [line] = done.stdout.splitlines()
    report: dict[str, Any] = json.loads(line)
    return report


def units(report: dict[str, Any]) -> set[tuple[str, str]]:
    return {(unit["account"], unit["stream"]) for unit in report["units"]}


def rows(site: Site) -> list[int]:
    return [site.one(f"SELECT count(*) FROM ebay.{table}") for table in TABLES]


def test_a_dry_run_writes_its_run_row_and_its_units_and_nothing_else(site: Site) -> None:
    before = site.sql(KEPT)

    report = ebay(site, "--dry-run")

    assert report["outcome"] == "done"
    assert "dry run" in report["detail"]
    assert report["counts"]["inserted"] > 0
    assert units(report) == {
        (account, stream)
        for account in ("seller-1", "seller-2")
        for stream in ("orders", "transactions", "payouts")
    }
    assert site.sql(KEPT) == before
    assert rows(site) == [0] * len(TABLES)
    assert site.one("SELECT count(*) FROM ops.leases WHERE run_id IS NOT NULL") == 0
    assert site.one("SELECT count(*) FROM ops.runs") == 1
    assert site.one("SELECT count(*) FROM ops.run_units") == 6


def test_r10_a_dry_run_foretells_what_the_run_then_does(site: Site) -> None:
    foretold = ebay(site, "--dry-run", "--account", "seller-2", "--stream", "payouts")

    done = ebay(site, "--account", "seller-2", "--stream", "payouts")

    assert foretold["counts"]["inserted"] == done["counts"]["inserted"] > 0


def test_a_dry_run_runs_beside_a_real_one(site: Site) -> None:
    site.hold_lease()

    report = ebay(site, "--dry-run", "--stream", "payouts")

    assert report["outcome"] == "done"


def test_named_units_alone_run_due_or_not(site: Site) -> None:
    ebay(site)

    again = ebay(site, "--account", "seller-1", "--stream", "orders", "--stream", "payouts")

    assert units(again) == {("seller-1", "orders"), ("seller-1", "payouts")}
    assert again["outcome"] == "done"
    assert ebay(site)["reason"] == "nothing_due"


def test_a_named_unit_under_a_live_lease_is_left_alone(site: Site) -> None:
    site.sql(
        "UPDATE ebay.sync_states SET leased_by = gen_random_uuid(),"
        " leased_until = now() + interval '1 minute' WHERE stream = 'orders'"
    )

    report = ebay(site, "--stream", "orders", exits=75)

    assert (report["outcome"], report["reason"]) == ("skipped", "already_running")
    assert rows(site)[0] == 0


@pytest.mark.parametrize("option", ["--account", "--stream"])
def test_a_name_that_does_not_exist_is_told_and_nothing_runs(site: Site, option: str) -> None:
    done = site.cli("ebay", option, "nobody")

    assert done.returncode in {2, 65}
    assert "nobody" in done.stderr
    assert site.one("SELECT count(*) FROM ops.runs") == 0


def test_a_stream_that_an_account_does_not_have_yet_comes_with_migrate(site: Site) -> None:
    site.sql("DELETE FROM ebay.sync_states WHERE account_id = (SELECT max(id) FROM ebay.accounts)")

    refused = site.cli("ebay", "--stream", "payouts")
    migrated = site.cli("migrate")
    report = ebay(site, "--stream", "payouts")

    assert refused.returncode == 65
    for word in ("'seller-2'", "'payouts'", "migrate"):
        assert word in refused.stderr
    assert migrated.returncode == 0
    assert units(report) == {("seller-1", "payouts"), ("seller-2", "payouts")}


def test_an_extra_window_mends_what_was_lost_and_leaves_the_cursor(site: Site) -> None:
    ebay(site)
    before = site.sql("SELECT cursor_at, window_from FROM ebay.sync_states ORDER BY 1")
    orders, *_ = rows(site)
    site.sql("DELETE FROM ebay.orders WHERE last_modified_date > now() - interval '40 days'")
    lost = orders - rows(site)[0]
    assert 0 < lost < orders

    report = ebay(site, "--stream", "orders", "--since", "40d")

    assert report["counts"]["inserted"] == lost
    assert rows(site)[0] == orders
    assert site.sql("SELECT cursor_at, window_from FROM ebay.sync_states ORDER BY 1") == before


def test_after_an_extra_window_the_regular_one_is_due(site: Site) -> None:
    ebay(site)

    ebay(site, "--stream", "orders", "--since", "1d")

    assert {stream for _, stream in units(ebay(site))} == {"orders"}


def test_an_extra_window_longer_than_the_api_takes_is_read_in_parts(site: Site) -> None:
    """The source begins 90 days ago; eBay would refuse a range of years."""
    ebay(site)

    report = ebay(site, "--stream", "orders", "--since", "400d")

    assert report["outcome"] == "done"
    assert report["counts"]["unchanged"] >= 500


@pytest.mark.timeout(150)
def test_r2_r22_a_deadline_leaves_the_rest_to_the_next_call(site: Site) -> None:
    """Two pages fit into the time, and a busy machine has some to spare."""
    site.simulator.faults.add("delay", operation="getOrders", seconds=1.5)
    calls = 0
    report: dict[str, Any] = {"more": True}

    while report["more"]:
        report = ebay(site, "--stream", "orders", "--deadline", "5s")
        calls += 1
        assert calls < 20

    assert calls > 1
    assert report["outcome"] == "done"
    assert site.one("SELECT count(*) FROM ebay.orders") == 500
    assert site.one("SELECT count(*) FROM ops.run_units WHERE reason = 'deadline'") > 0


def test_r3_r8_a_backfill_is_complete_when_its_first_success_is_told(site: Site) -> None:
    """Until then a stream that is behind says so: `partial`, with more to do."""
    site.simulator.faults.add("delay", operation="getOrders", seconds=1.5)
    first_success = "SELECT last_success_at FROM ebay.sync_states WHERE stream = 'orders'"
    orders = ("--account", "seller-1", "--stream", "orders")

    behind = ebay(site, *orders, "--deadline", "4s")
    unfinished = site.sql(first_success)
    shown = site.cli("accounts", "list").stdout
    site.simulator.faults.clear()
    caught_up = ebay(site, *orders)

    assert (behind["outcome"], behind["more"]) == ("partial", True)
    assert [tuple(row) for row in unfinished] == [(None,), (None,)]
    assert "never" in shown
    assert (caught_up["outcome"], caught_up["more"]) == ("done", False)
    assert sum(row[0] is not None for row in site.sql(first_success)) == 1


def test_a_paused_stream_stands_still_and_says_so(site: Site) -> None:
    site.sql("UPDATE ebay.sync_states SET enabled = false, due_at = NULL WHERE stream = 'orders'")

    report = ebay(site, "--stream", "orders")

    assert (report["outcome"], report["reason"]) == ("skipped", "paused")
    [reason] = {row[0] for row in site.sql("SELECT reason FROM ops.run_units")}
    assert reason == "disabled"


def test_a_run_with_nothing_due_calls_nobody(site: Site) -> None:
    ebay(site)
    calls = len(site.simulator.requests.entries())

    report = ebay(site)

    assert (report["reason"], report["units"]) == ("nothing_due", [])
    assert len(site.simulator.requests.entries()) == calls


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ebay", "--since", "9999-12-31T23:59:59-14:00"), 2),
        (("ebay", "--since", "foo"), 2),
        (("runs", "--since", "foo"), 2),
        (("ebay", "--deadline", "0s"), 2),
        (("ebay", "--since", "2999-01-01"), 65),
        (("ebay", "--since", "0d"), 65),
    ],
)
def test_a_since_that_cannot_be_meant_is_refused(
    site: Site, arguments: tuple[str, ...], code: int
) -> None:
    done = site.cli(*arguments)

    assert done.returncode == code, done.stderr
    assert arguments[1].removeprefix("--") in done.stderr
    assert "Traceback" not in done.stderr
    assert site.one("SELECT count(*) FROM ops.runs") == 0
