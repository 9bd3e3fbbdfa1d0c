"""Calls per API and day, counted where eBay counts them; and an eBay that is away."""

import json
from collections.abc import Iterator

import pytest

from core.report import Outcome, Reason
from core.sync.budget import FIRST_CHUNK
from tests.support.postgres import Server
from tests.support.site import Gate, Site, new_site

ORDERS = "sell.fulfillment"


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=11, accounts=4, orders=500) as site:
        yield site


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.reset()
    return _module_site


def limit(site: Site, api: str, calls: int) -> None:
    site.sql(
        "INSERT INTO ebay.api_budgets (environment, api, call_limit, reset_at, learned_at)"
        f" VALUES ('simulator', '{api}', {calls}, now() + interval '1 hour', now()),"
        " ('simulator', 'developer.analytics', NULL, NULL, now())"
    )


def counted(site: Site) -> dict[str, int]:
    return site.simulator.quotas.counts()


@pytest.mark.parametrize("calls", [1, 7, 12])
def test_r59_no_more_calls_leave_than_the_day_allows(site: Site, calls: int) -> None:
    site.connect(4)
    limit(site, ORDERS, calls)
    before = counted(site).get(ORDERS, 0)

    first = site.run()
    site.all_due()
    again = site.run()

    assert (first.outcome, first.reason) == (Outcome.PARTIAL, Reason.BUDGET)
    assert counted(site)[ORDERS] - before <= calls
    orders = [unit for unit in again.units if unit.stream == "orders"]
    assert Reason.BUDGET in {unit.reason for unit in orders}
    assert site.one("SELECT max(due_at) > now() + interval '50 minutes' FROM ebay.sync_states"
                    " WHERE stream = 'orders'")  # fmt: skip


def test_what_the_calls_of_one_day_left_is_read_with_those_of_the_next(site: Site) -> None:
    site.connect(1)
    limit(site, ORDERS, 2)
    site.run()
    partly = site.one("SELECT count(*) FROM ebay.orders")
    site.sql("UPDATE ebay.api_budgets SET call_limit = 100, reset_at = now()")
    site.all_due()

    report = site.run()

    assert report.outcome is Outcome.DONE
    assert partly < site.one("SELECT count(*) FROM ebay.orders") == 500


def test_what_is_counted_is_what_left(site: Site) -> None:
    site.connect(4)
    before = counted(site)

    site.run()

    left = {api: calls - before.get(api, 0) for api, calls in counted(site).items()}
    ours = dict(map(tuple, site.sql("SELECT api, used FROM ebay.api_budgets WHERE used > 0")))
    assert ours[ORDERS] == left[ORDERS]
    assert ours["sell.finances"] == left["payoutapi.sell.finances"]


def test_a_killed_run_takes_few_of_the_days_calls_along(site: Site) -> None:
    """A worker that is killed at every call must not use up the day that the next one needs."""
    site.connect(4, streams=("orders",))
    before = counted(site).get(ORDERS, 0)

    with Gate(site.simulator) as gate:
        process = site.start("ebay", "--json")
        gate.wait()
        process.kill()
        process.communicate()

    made = counted(site).get(ORDERS, 0) - before
    reserved = site.one(f"SELECT used FROM ebay.api_budgets WHERE api = '{ORDERS}'")
    assert made < reserved <= 4 * FIRST_CHUNK
    assert site.run(take_over=True).outcome is Outcome.DONE


def test_limits_and_resets_are_learned_once_a_day(site: Site) -> None:
    site.connect(2)
    asked = len(site.simulator.requests.entries(operation="getRateLimits"))

    site.run()
    site.all_due()
    site.run()

    assert len(site.simulator.requests.entries(operation="getRateLimits")) == asked + 1
    known = site.sql(
        "SELECT api, call_limit FROM ebay.api_budgets WHERE learned_at IS NOT NULL"
        " AND reset_at > now() AND api IN ('sell.fulfillment', 'sell.finances')"
    )
    assert dict(map(tuple, known)) == {ORDERS: 100_000, "sell.finances": 15_000}


LIES = {
    "more than there are numbers": {"limit": 10**30, "remaining": 10**30},
    "less than nothing": {"limit": -5, "remaining": -10},
    "nothing at all": {"limit": 0, "remaining": 0},
    "a reset that never comes": {"limit": 40, "remaining": 40, "reset": "9999-12-31T00:00:00.000Z"},
    "a reset that is over": {"limit": 40, "remaining": 40, "reset": "2001-01-01T00:00:00.000Z"},
    "a limit of five seconds": {"limit": 1, "remaining": 0, "timeWindow": 5},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_lies_about_limits_stop_nobody_and_last_no_longer_than_a_day(
    site: Site, lie: dict[str, object]
) -> None:
    site.connect(2)
    rate = {"reset": "2026-01-01T07:00:00.000Z", "timeWindow": 86_400} | lie
    names = ("sell.fulfillment", "sell.finances", "GetMyMessages")
    told = {"rateLimits": [{"resources": [{"name": each, "rates": [rate]} for each in names]}]}
    site.simulator.faults.add(
        "status", operation="getRateLimits", status=200, body=json.dumps(told)
    )

    first = site.run()
    site.all_due()
    again = site.run()

    assert (first.outcome, again.outcome) == (Outcome.DONE, Outcome.DONE)
    assert site.one(
        "SELECT max(reset_at) < now() + interval '26 hours' AND min(COALESCE(call_limit, 1)) > 0"
        " AND min(used) >= 0 FROM ebay.api_budgets"
    )


def new_are_due(site: Site) -> None:
    """Which unit comes first is a matter of luck, and those without open rows ask nothing."""
    site.all_due()
    site.sql("UPDATE ebay.sync_states SET due_at = NULL WHERE pass = 'open'")


def test_an_ebay_that_is_away_is_probed_by_one_unit_until_it_answers(site: Site) -> None:
    site.connect(4)
    site.sql(
        "INSERT INTO ebay.api_breakers"
        " SELECT 'simulator', api, 0, 5, now(), now() + interval '1 h'"
        " FROM (VALUES (''), ('sell.fulfillment'), ('sell.finances')) AS failing (api)"
    )
    shut = site.run()
    new_are_due(site)
    site.sql("UPDATE ebay.api_breakers SET probe_at = now()")

    opened = site.run()

    assert (shut.outcome, shut.reason, shut.counts["calls"]) == (Outcome.FAILED, Reason.UPSTREAM, 0)
    assert {unit.reason for unit in shut.units} == {Reason.CIRCUIT_OPEN}
    assert Reason.CIRCUIT_OPEN in {unit.reason for unit in opened.units}
    assert site.one("SELECT count(*) FROM ebay.api_breakers WHERE api = ''") == 0
    new_are_due(site)
    assert site.run().outcome is Outcome.DONE
    assert site.one("SELECT count(*) FROM ebay.api_breakers") == 0
