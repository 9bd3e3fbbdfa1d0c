"""getOrders and getOrder of the simulator: filters, pages, errors."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.simulator.behaviour import OrderSort
from infra.simulator.clock import SimulatorClock, iso, to_ms
from infra.simulator.server import Simulator
from infra.simulator.world import World
from tests.support.simulated import ORDERS, Caller

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture
def caller() -> Iterator[Caller]:
    """300 orders over 120 days; time stands still."""
    world = World(seed=2, orders=300, days=120, clock=SimulatorClock(source=lambda: NOW))
    with Simulator(world) as simulator, Caller(simulator) as caller:
        yield caller


def at(**ago: float) -> str:
    return iso(to_ms(NOW - timedelta(**ago)))


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["orderId"] for row in rows]


def test_a_window_holds_what_was_modified_in_it_both_ends_included(caller: Caller) -> None:
    orders = sorted(caller.account.ledger.orders, key=lambda order: order.modified)
    inside = orders[100:200]
    window = f"lastmodifieddate:[{iso(inside[0].modified)}..{iso(inside[-1].modified)}]"

    rows = caller.pages(ORDERS, "orders", filter=window, limit=30)

    assert set(ids(rows)) == {order.order_id for order in inside}


def test_the_end_may_be_left_open(caller: Caller) -> None:
    wanted = {o.order_id for o in caller.account.ledger.orders if iso(o.modified) >= at(days=10)}

    rows = caller.pages(ORDERS, "orders", filter=f"lastmodifieddate:[{at(days=10)}..]")

    assert set(ids(rows)) == wanted


def test_of_two_dates_only_the_creation_counts(caller: Caller) -> None:
    created = f"creationdate:[{at(days=20)}..{at(days=10)}]"
    modified = f"lastmodifieddate:[{at(days=1)}..{at(hours=1)}]"

    both = caller.pages(ORDERS, "orders", filter=f"{modified},{created}")
    one = caller.pages(ORDERS, "orders", filter=created)

    assert ids(both) == ids(one) != []


def test_without_a_filter_there_are_ninety_days(caller: Caller) -> None:
    rows = caller.pages(ORDERS, "orders", limit=200)

    assert len(rows) < 300
    assert min(row["creationDate"] for row in rows) >= at(days=90)
    assert ids(rows) == ids(sorted(rows, key=lambda row: row["creationDate"], reverse=True))


@pytest.mark.parametrize(
    ("sort", "key", "reverse"),
    [
        (OrderSort.CREATED_DESC, "creationDate", True),
        (OrderSort.CREATED_ASC, "creationDate", False),
        (OrderSort.MODIFIED_DESC, "lastModifiedDate", True),
        (OrderSort.MODIFIED_ASC, "lastModifiedDate", False),
    ],
)
def test_the_order_of_rows_can_be_switched(
    caller: Caller, sort: OrderSort, key: str, reverse: bool
) -> None:
    caller.simulator.world.behaviour.order_sort = sort

    rows = caller.pages(ORDERS, "orders", limit=50)

    assert rows == sorted(rows, key=lambda row: row[key], reverse=reverse)


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ("{NOT_STARTED|IN_PROGRESS}", {"NOT_STARTED", "IN_PROGRESS"}),
        ("{FULFILLED|IN_PROGRESS}", {"FULFILLED", "IN_PROGRESS"}),
    ],
)
def test_orders_can_be_narrowed_by_fulfillment(caller: Caller, wanted: str, kept: set[str]) -> None:
    rows = caller.pages(ORDERS, "orders", filter=f"orderfulfillmentstatus:{wanted}")

    assert {row["orderFulfillmentStatus"] for row in rows} <= kept
    assert rows


def test_links_lead_through_all_pages_and_drop_field_groups(caller: Caller) -> None:
    window = f"lastmodifieddate:[{at(days=30)}..{at(days=1)}]"

    body = caller.get(
        ORDERS, filter=window, limit=10, offset=10, fieldGroups="TAX_BREAKDOWN"
    ).json()

    encoded = f"lastmodifieddate:%5B{at(days=30)}..{at(days=1)}%5D"
    assert body["next"] == f"{caller.simulator.api_url}{ORDERS}?filter={encoded}&limit=10&offset=20"
    assert body["prev"].endswith("&limit=10&offset=0")
    assert (body["limit"], body["offset"]) == (10, 10)


def test_the_last_page_has_no_next_and_the_first_no_prev(caller: Caller) -> None:
    body = caller.get(ORDERS, limit=200, offset=200).json()

    assert "next" not in body
    assert "prev" not in caller.get(ORDERS).json()
    assert len(caller.get(ORDERS).json()["orders"]) == 50
    assert caller.get(ORDERS, limit=200, offset=5000).json()["orders"] == []


def test_ids_override_everything_else(caller: Caller) -> None:
    wanted = [order.order_id for order in caller.account.ledger.orders[:3]]

    body = caller.get(
        ORDERS, orderIds=",".join([*wanted, "99-99999-99999"]), limit=9999, filter="nonsense"
    ).json()

    assert set(ids(body["orders"])) == set(wanted)
    assert body["total"] == 3


def test_nothing_older_than_two_years_is_shown() -> None:
    world = World(seed=2, orders=300, days=900, clock=SimulatorClock(source=lambda: NOW))
    with Simulator(world) as simulator, Caller(simulator) as caller:
        rows = caller.pages(
            ORDERS, "orders", limit=200, filter=f"lastmodifieddate:[{at(days=729)}..]"
        )

    assert min(row["creationDate"] for row in rows) >= at(days=730)
    assert 200 < len(rows) < 260


def test_cancel_requests_are_in_the_single_order_only(caller: Caller) -> None:
    rows = caller.pages(ORDERS, "orders", limit=200)
    canceled = next(row for row in rows if row["cancelStatus"]["cancelState"] == "CANCELED")

    single = caller.get(f"{ORDERS}/{canceled['orderId']}").json()

    assert all(row["cancelStatus"]["cancelRequests"] == [] for row in rows)
    assert len(single["cancelStatus"]["cancelRequests"]) == 1


def test_taxes_are_there_when_asked_for(caller: Caller) -> None:
    plain = caller.get(ORDERS, limit=200).json()["orders"]
    taxed = caller.get(ORDERS, limit=200, fieldGroups="TAX_BREAKDOWN").json()["orders"]

    assert not any(line["taxes"] for row in plain for line in row["lineItems"])
    assert any("tax" in row["pricingSummary"] for row in taxed)
    assert any(line["taxes"] for row in taxed for line in row["lineItems"])


FUTURE = iso(to_ms(NOW + timedelta(seconds=1)))


@pytest.mark.parametrize(
    ("parameters", "error_id"),
    [
        ({"limit": 201}, 31100),
        ({"limit": 0}, 31100),
        ({"limit": "ten"}, 31100),
        ({"offset": -1}, 31000),
        ({"offset": "x"}, 31000),
        ({"fieldGroups": "ALL"}, 32800),
        ({"orderIds": ",".join(["1"] * 51)}, 30900),
        ({"filter": "foo:[x]"}, 30700),
        ({"filter": f"lastModifiedDate:[{at(days=1)}..]"}, 30700),
        ({"filter": "orderfulfillmentstatus:NOT_STARTED"}, 30800),
        ({"filter": "orderfulfillmentstatus:{NOT_STARTED}"}, 30800),
        ({"filter": f"lastmodifieddate:{at(days=1)}"}, 30800),
        ({"filter": "lastmodifieddate:[2026-10-01..]"}, 30810),
        ({"filter": "lastmodifieddate:[2026-13-01T00:00:00.000Z..]"}, 30810),
        ({"filter": f"lastmodifieddate:[..{at(days=1)}]"}, 30820),
        ({"filter": f"creationdate:[{at(days=740)}..{at(days=1)}]"}, 30830),
        ({"filter": f"lastmodifieddate:[{at(days=1)}..{at(days=2)}]"}, 30840),
        ({"filter": f"lastmodifieddate:[{at(days=1)}..{at(days=1)}]"}, 30840),
        ({"filter": f"lastmodifieddate:[{at(days=1)}..{FUTURE}]"}, 30850),
        ({"filter": f"lastmodifieddate:[{FUTURE}..]"}, 30850),
    ],
)
def test_bad_requests_get_their_error(
    caller: Caller, parameters: dict[str, Any], error_id: int
) -> None:
    assert caller.error_id(ORDERS, **parameters) == (400, error_id)


def test_an_unknown_order_is_an_invalid_id(caller: Caller) -> None:
    assert caller.error_id(f"{ORDERS}/99-99999-99999") == (400, 32100)


def test_accounts_have_their_own_orders_and_share_one_id(caller: Caller) -> None:
    first, second = (
        {order.order_id for order in account.ledger.orders}
        for account in caller.simulator.world.accounts
    )

    assert len(first) == len(second) == 300
    assert first & second == {"10-00000-00001"}
