"""getTransactions and getPayouts of the simulator, and how the money fits together."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.simulator.clock import SimulatorClock, iso, to_ms
from infra.simulator.server import Simulator
from infra.simulator.world import World
from tests.support.simulated import ORDERS, PAYOUTS, TRANSACTIONS, Caller

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """Nothing here changes it; time stands still."""
    world = World(seed=4, orders=1500, clock=SimulatorClock(source=lambda: NOW))
    with Simulator(world) as simulator, Caller(simulator) as caller:
        yield caller


@pytest.fixture(scope="module")
def rows(caller: Caller) -> list[dict[str, Any]]:
    return caller.pages(TRANSACTIONS, "transactions", limit=1000)


def at(**ago: float) -> str:
    return iso(to_ms(NOW - timedelta(**ago)))


def signed(row: dict[str, Any]) -> Decimal:
    value = Decimal(row["amount"]["value"])
    return value if row["bookingEntry"] == "CREDIT" else -value


def test_amounts_are_positive_and_the_booking_is_the_sign(rows: list[dict[str, Any]]) -> None:
    assert all(Decimal(row["amount"]["value"]) >= 0 for row in rows)
    assert {row["bookingEntry"] for row in rows} == {"CREDIT", "DEBIT"}
    assert {row["amount"]["currency"] for row in rows} == {"EUR", "USD"}


def test_only_id_and_type_together_name_a_row(rows: list[dict[str, Any]]) -> None:
    keys = {(row["transactionId"], row["transactionType"]) for row in rows}

    assert len(keys) == len(rows)
    assert len({row["transactionId"] for row in rows}) < len(rows)


def test_every_paid_order_has_a_sale_that_agrees_with_it(
    caller: Caller, rows: list[dict[str, Any]]
) -> None:
    sales = {row["transactionId"]: row for row in rows if row["transactionType"] == "SALE"}
    orders = caller.pages(ORDERS, "orders", limit=200)
    paid = [
        order
        for order in orders
        if order["paymentSummary"]["payments"][0]["paymentStatus"] == "PAID"
    ]

    for order in paid:
        sale = sales.pop(order["orderId"])
        fees = [fee for line in sale["orderLineItems"] for fee in line["marketplaceFees"]]
        assert Decimal(sale["amount"]["value"]) == Decimal(
            order["paymentSummary"]["totalDueSeller"]["value"]
        )
        assert sum(Decimal(fee["amount"]["value"]) for fee in fees) == Decimal(
            order["totalMarketplaceFee"]["value"]
        )
        assert [line["lineItemId"] for line in sale["orderLineItems"]] == [
            line["lineItemId"] for line in order["lineItems"]
        ]
    assert sales == {}


def test_every_refund_of_an_order_has_its_row(caller: Caller, rows: list[dict[str, Any]]) -> None:
    booked: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["transactionType"] == "REFUND":
            booked[row["orderId"]] += Decimal(row["totalFeeBasisAmount"]["value"])

    refunded: dict[str, Decimal] = defaultdict(Decimal)
    for order in caller.pages(ORDERS, "orders", limit=200):
        for refund in order["paymentSummary"]["refunds"]:
            if refund["refundStatus"] != "FAILED":
                refunded[order["orderId"]] += Decimal(refund["amount"]["value"])

    assert booked == refunded
    assert len(booked) > 20


def test_payouts_are_the_sums_of_their_rows(caller: Caller, rows: list[dict[str, Any]]) -> None:
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    counts: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["transactionStatus"] == "PAYOUT":
            sums[row["payoutId"], row["amount"]["currency"]] += signed(row)
            counts[row["payoutId"]] += 1

    payouts = caller.pages(PAYOUTS, "payouts", limit=200)

    assert {
        (each["payoutId"], each["amount"]["currency"]): Decimal(each["amount"]["value"])
        for each in payouts
    } == sums
    assert {each["payoutId"]: each["transactionCount"] for each in payouts} == counts
    assert len(payouts) > 50


def test_rows_come_newest_first_unless_asked(caller: Caller, rows: list[dict[str, Any]]) -> None:
    dates = [row["transactionDate"] for row in rows]

    ascending = caller.get(TRANSACTIONS, sort="transactionDate", limit=1000).json()["transactions"]

    assert dates == sorted(dates, reverse=True)
    assert [row["transactionDate"] for row in ascending] == sorted(dates)[:1000]


def test_the_default_page_is_twenty(caller: Caller) -> None:
    assert len(caller.get(TRANSACTIONS).json()["transactions"]) == 20
    assert len(caller.get(PAYOUTS).json()["payouts"]) == 20


def test_a_window_includes_both_ends(caller: Caller, rows: list[dict[str, Any]]) -> None:
    inside = rows[100:200]
    window = f"[{inside[-1]['transactionDate']}..{inside[0]['transactionDate']}]"

    found = caller.pages(TRANSACTIONS, "transactions", filter=f"transactionDate:{window}", limit=30)

    assert found == inside


@pytest.mark.parametrize(
    ("name", "member"),
    [
        ("transactionType", "transactionType"),
        ("transactionStatus", "transactionStatus"),
        ("payoutId", "payoutId"),
        ("orderId", "orderId"),
    ],
)
def test_rows_can_be_narrowed(
    caller: Caller, rows: list[dict[str, Any]], name: str, member: str
) -> None:
    value = next(row[member] for row in rows if "payoutId" in row and "orderId" in row)

    found = caller.pages(TRANSACTIONS, "transactions", filter=f"{name}:{{{value}}}", limit=1000)

    assert found == [row for row in rows if row.get(member) == value]


def test_a_row_can_be_asked_for_by_id_and_type_in_two_filters(
    caller: Caller, rows: list[dict[str, Any]]
) -> None:
    wanted = rows[7]
    filters = [
        f"transactionId:{{{wanted['transactionId']}}}",
        f"transactionType:{{{wanted['transactionType']}}}",
    ]

    assert caller.get(TRANSACTIONS, filter=filters).json()["transactions"] == [wanted]


def test_payouts_can_be_narrowed_and_asked_for(caller: Caller) -> None:
    payouts = caller.pages(PAYOUTS, "payouts", limit=200)
    failed = [each for each in payouts if each["payoutStatus"] == "RETRYABLE_FAILED"]

    by_status = caller.pages(PAYOUTS, "payouts", filter="payoutStatus:{RETRYABLE_FAILED}")
    attempted = caller.pages(
        PAYOUTS,
        "payouts",
        filter=f"payoutStatus:{{RETRYABLE_FAILED}},lastAttemptedPayoutDate:[{at(days=90)}..]",
    )
    by_date = caller.pages(PAYOUTS, "payouts", filter=f"payoutDate:[{at(days=9)}..{at(days=2)}]")

    assert by_status == attempted == failed != []
    assert (
        by_date
        == [each for each in payouts if at(days=9) <= each["payoutDate"] <= at(days=2)]
        != []
    )
    assert caller.get(f"{PAYOUTS}/{failed[0]['payoutId']}").json() == failed[0]


def test_lists_past_their_end_are_204_without_a_body(caller: Caller) -> None:
    for path in (TRANSACTIONS, PAYOUTS):
        answer = caller.get(path, offset=100_000)
        assert (answer.status_code, answer.content) == (204, b"")
        assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("path", "parameters", "error"),
    [
        (TRANSACTIONS, {"limit": 1001}, (400, 135003)),
        (TRANSACTIONS, {"limit": 0}, (400, 135003)),
        (TRANSACTIONS, {"offset": "x"}, (400, 135003)),
        (TRANSACTIONS, {"sort": "amount"}, (400, 135005)),
        (TRANSACTIONS, {"filter": "transactionType:{NONSENSE}"}, (400, 135006)),
        (TRANSACTIONS, {"filter": "transactionStatus:{NONSENSE}"}, (400, 135007)),
        (TRANSACTIONS, {"filter": "transactionDate:[yesterday..]"}, (400, 135008)),
        (TRANSACTIONS, {"filter": "transactiondate:[x..y]"}, (400, 135008)),
        (TRANSACTIONS, {"filter": "transactionId:{1}"}, (400, 135009)),
        (TRANSACTIONS, {"filter": f"transactionDate:[{at(days=1900)}..]"}, (400, 135015)),
        (TRANSACTIONS, {"filter": f"transactionDate:[{at(days=1200)}..]"}, (400, 135016)),
        (PAYOUTS, {"limit": 201}, (400, 135003)),
        (PAYOUTS, {"sort": "transactionDate"}, (400, 135005)),
        (PAYOUTS, {"filter": "payoutStatus:{NONSENSE}"}, (400, 135002)),
        (PAYOUTS, {"filter": f"payoutDate:[{at(days=1)}..{at(days=2)}]"}, (400, 135004)),
        (PAYOUTS, {"filter": f"lastAttemptedPayoutDate:[{at(days=9)}..]"}, (400, 135004)),
        (PAYOUTS, {"filter": f"payoutDate:[{at(days=1900)}..]"}, (400, 135013)),
        (PAYOUTS, {"filter": f"payoutDate:[{at(days=1200)}..]"}, (400, 135014)),
        (f"{PAYOUTS}/123", {}, (404, 135001)),
    ],
)
def test_bad_requests_get_their_error(
    caller: Caller, path: str, parameters: dict[str, Any], error: tuple[int, int]
) -> None:
    assert caller.error_id(path, **parameters) == error


def test_nine_thousand_rows_in_one_window_without_a_total(caller: Caller) -> None:
    behaviour = caller.simulator.world.behaviour
    start, end = NOW - timedelta(hours=5), NOW - timedelta(hours=4)
    window = f"transactionDate:[{iso(to_ms(start))}..{iso(to_ms(end))}]"
    with Simulator(orders=1, now=NOW, clock=SimulatorClock(lambda: NOW)) as simulator:
        simulator.world.behaviour.finances_total = False
        simulator.world.add_transactions("seller-1", 9000, start, end)
        with Caller(simulator) as reader:
            first = reader.get(TRANSACTIONS, filter=window, limit=1000).json()
            found = reader.pages(TRANSACTIONS, "transactions", filter=window, limit=1000)

    assert behaviour.finances_total
    assert "total" not in first
    assert len({(row["transactionId"], row["transactionType"]) for row in found}) == 9000


def test_offsets_can_have_a_ceiling(caller: Caller) -> None:
    with Simulator(orders=1) as simulator, Caller(simulator) as reader:
        simulator.world.behaviour.offset_ceiling = 5000

        assert reader.error_id(TRANSACTIONS, offset=5000) == (400, 135003)
        assert reader.get(TRANSACTIONS, offset=0).status_code == 200
