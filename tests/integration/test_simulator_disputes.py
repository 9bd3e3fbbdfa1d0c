"""getPaymentDisputeSummaries of the simulator, against eBay's contract."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from infra.simulator.clock import SimulatorClock, iso, to_ms
from infra.simulator.server import Simulator
from infra.simulator.world import World
from tests.support.ebay_shared import contract
from tests.support.simulated import Caller

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DISPUTES = "/sell/fulfillment/v1/payment_dispute_summary"
MEMBER = "paymentDisputeSummaries"


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """Nothing here changes it; time stands still."""
    world = World(seed=4, orders=3000, clock=SimulatorClock(source=lambda: NOW))
    with Simulator(world) as simulator, Caller(simulator) as caller:
        yield caller


@pytest.fixture(scope="module")
def rows(caller: Caller) -> list[dict[str, Any]]:
    return caller.pages(DISPUTES, MEMBER, open_date_from=at(days=89), open_date_to=at())


def at(**ago: float) -> str:
    return iso(to_ms(NOW - timedelta(**ago)))


def test_answers_keep_the_contract_and_show_all_that_it_documents(
    caller: Caller, rows: list[dict[str, Any]]
) -> None:
    document = contract("sell_fulfillment_v1")
    checker = Draft202012Validator(
        {
            "$ref": "#/components/schemas/DisputeSummaryResponse",
            "components": deepcopy(document["components"]),
        }
    )
    enums = contract("ENUMS")["sell_fulfillment_v1"]["enums"]
    fields = document["components"]["schemas"]["PaymentDisputeSummary"]["properties"]

    body = caller.get(DISPUTES, limit=5, offset=5).json()

    assert list(checker.iter_errors(body)) == []
    assert set(document["components"]["schemas"]["DisputeSummaryResponse"]["properties"]) == set(
        body
    )
    assert {"SUBSCRIPTION_CANCELED", *enums["DisputeReasonEnum"]} == {row["reason"] for row in rows}
    assert {row["paymentDisputeStatus"] for row in rows} == set(enums["DisputeStateEnum"])
    assert {name for row in rows for name in row} == {*fields, "sellerProtected"}


def test_rows_come_newest_first_and_offset_counts_rows(
    caller: Caller, rows: list[dict[str, Any]]
) -> None:
    dates = [row["openDate"] for row in rows]

    shown = caller.get(
        DISPUTES, open_date_from=at(days=89), open_date_to=at(), limit=7, offset=3
    ).json()

    assert dates == sorted(dates, reverse=True)
    assert shown[MEMBER] == rows[3:10]
    assert shown["total"] == len(rows)


def test_rows_can_be_narrowed(caller: Caller, rows: list[dict[str, Any]]) -> None:
    one = rows[4]
    narrow = {"open_date_from": at(days=89), "open_date_to": at()}

    by_order = caller.pages(DISPUTES, MEMBER, order_id=one["orderId"], limit="200")
    by_buyer = caller.pages(DISPUTES, MEMBER, buyer_username=one["buyerUsername"], **narrow)
    by_status = caller.pages(
        DISPUTES, MEMBER, payment_dispute_status=["OPEN", "ACTION_NEEDED"], **narrow
    )

    assert by_order == [row for row in rows if row["orderId"] == one["orderId"]]
    assert by_buyer == [row for row in rows if row["buyerUsername"] == one["buyerUsername"]]
    assert by_status == [row for row in rows if row["paymentDisputeStatus"] != "CLOSED"]


def test_nothing_is_an_empty_list(caller: Caller) -> None:
    answer = caller.get(DISPUTES, order_id="none")

    assert answer.status_code == 200
    assert (answer.json()["total"], answer.json()[MEMBER]) == (0, [])


def test_a_start_alone_reaches_ninety_days_and_an_end_alone_as_far_back(
    caller: Caller, rows: list[dict[str, Any]]
) -> None:
    middle = at(days=45)

    since = caller.pages(DISPUTES, MEMBER, open_date_from=at(days=89))
    until = caller.pages(DISPUTES, MEMBER, open_date_to=middle)

    assert since == rows
    assert until[: len(rows)] == [row for row in rows if row["openDate"] <= middle][: len(until)]


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 201},
        {"limit": 0},
        {"offset": "x"},
        {"open_date_from": "yesterday"},
        {"open_date_from": at(days=91), "open_date_to": at()},
        {"open_date_from": at(), "open_date_to": at(days=1)},
        {"open_date_from": at(days=600)},
        {"payment_dispute_status": "LOST"},
    ],
)
def test_what_ebay_does_not_take_is_refused(caller: Caller, parameters: dict[str, Any]) -> None:
    assert caller.error_id(DISPUTES, **parameters) == (400, 33001)


def test_it_is_served_by_apiz_alone_and_draws_on_its_own_quota() -> None:
    with (
        Simulator(orders=10, accounts=1, split_hosts=True) as simulator,
        Caller(simulator) as caller,
    ):
        token = caller.refresh()
        headers = {"Authorization": f"Bearer {token}"}

        wrong = caller.get(DISPUTES)
        right = caller.http.get(simulator.apiz_url + DISPUTES, headers=headers)

        assert (wrong.status_code, wrong.content) == (404, b"")
        assert right.status_code == 200
        assert simulator.quotas.counts()["sell.fulfillment.payment_dispute"] == 1
