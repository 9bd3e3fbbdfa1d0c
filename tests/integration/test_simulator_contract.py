"""The simulator's answers against eBay's contracts and, field by field, against the samples."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from infra.simulator.oauth import RUNAME
from infra.simulator.server import Simulator
from tests.support.ebay_shared import contract, sample
from tests.support.simulated import ORDERS, PAYOUTS, RATE_LIMITS, TRANSACTIONS, USER, Caller

Paths = dict[str, set[str]]


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    """A seller with enough orders for rare members to turn up."""
    now = datetime(2026, 11, 1, 12, tzinfo=UTC)
    with Simulator(seed=3, orders=6000, now=now) as simulator, Caller(simulator, 0) as caller:
        simulator.world.behaviour.quota_limits["payoutapi.sell.finances"] = 10**6
        yield caller


@pytest.fixture(scope="module")
def orders(caller: Caller) -> list[dict[str, Any]]:
    return caller.pages(ORDERS, "orders", limit=200)


@pytest.fixture(scope="module")
def transactions(caller: Caller) -> list[dict[str, Any]]:
    return caller.pages(TRANSACTIONS, "transactions", limit=1000)


@pytest.fixture(scope="module")
def payouts(caller: Caller) -> list[dict[str, Any]]:
    return caller.pages(PAYOUTS, "payouts", limit=200)


def validator(name: str, schema: str) -> Draft202012Validator:
    document = contract(name)
    return Draft202012Validator(
        {
            "$ref": f"#/components/schemas/{schema}",
            "components": deepcopy(document["components"]),
        }
    )


@pytest.mark.parametrize(
    ("name", "schema", "path", "parameters"),
    [
        ("sell_fulfillment_v1", "OrderSearchPagedCollection", ORDERS, {"limit": 200}),
        (
            "sell_fulfillment_v1",
            "OrderSearchPagedCollection",
            ORDERS,
            {"limit": 200, "offset": 200, "fieldGroups": "TAX_BREAKDOWN"},
        ),
        ("sell_finances_v1", "Transactions", TRANSACTIONS, {"limit": 1000}),
        ("sell_finances_v1", "Payouts", PAYOUTS, {"limit": 200}),
        ("commerce_identity_v1", "UserResponse", USER, {}),
        ("developer_analytics_v1_beta", "RateLimitsResponse", RATE_LIMITS, {}),
    ],
)
def test_answers_keep_the_contract(
    caller: Caller, name: str, schema: str, path: str, parameters: dict[str, Any]
) -> None:
    checker = validator(name, schema)

    body = caller.get(path, **parameters).json()

    assert [error.message for error in checker.iter_errors(body)] == []


def test_every_order_keeps_the_contract(orders: list[dict[str, Any]]) -> None:
    checker = validator("sell_fulfillment_v1", "Order")

    broken = [error.message for order in orders[::7] for error in checker.iter_errors(order)]

    assert broken == []


def test_single_rows_keep_the_contract(caller: Caller, payouts: list[dict[str, Any]]) -> None:
    canceled = next(
        order for order in caller.account.ledger.orders if order.cancel_state == "CANCELED"
    )

    order = caller.get(f"{ORDERS}/{canceled.order_id}").json()
    payout = caller.get(f"{PAYOUTS}/{payouts[0]['payoutId']}").json()

    assert list(validator("sell_fulfillment_v1", "Order").iter_errors(order)) == []
    assert list(validator("sell_finances_v1", "Payout").iter_errors(payout)) == []
    assert order["cancelStatus"]["cancelRequests"][0]["cancelRequestState"] == "COMPLETED"


def test_orders_have_every_member_of_the_sample(
    caller: Caller, orders: list[dict[str, Any]]
) -> None:
    wanted = sample("fulfillment_getOrders_200")["body"]

    given = caller.get(ORDERS, limit=5).json()
    given["orders"] = orders

    assert missing(wanted, given) == {}


def test_transactions_have_every_member_of_the_sample(
    caller: Caller, transactions: list[dict[str, Any]]
) -> None:
    wanted = sample("finances_getTransactions_200")["body"]

    given = caller.get(TRANSACTIONS, limit=20).json()
    given["transactions"] = transactions

    assert missing(wanted, given) == {}


def test_payouts_have_every_member_of_the_sample(
    caller: Caller, payouts: list[dict[str, Any]]
) -> None:
    wanted = sample("finances_getPayouts_200")["body"]

    given = caller.get(PAYOUTS, limit=20).json()
    given["payouts"] = payouts

    assert missing(wanted, given) == {}


@pytest.mark.parametrize(
    ("name", "path"),
    [("identity_getUser_200", USER), ("analytics_getRateLimits_200", RATE_LIMITS)],
)
def test_small_answers_have_every_member_of_the_sample(
    caller: Caller, name: str, path: str
) -> None:
    wanted = sample(name)["body"]

    given = caller.get(path).json()

    assert missing(wanted, given) == {}
    assert set(paths(given)) == set(paths(wanted))


def test_the_empty_lists_are_those_of_the_samples(caller: Caller) -> None:
    wanted = sample("fulfillment_getOrders_empty")["body"]
    instant = "2026-01-01T00:00:00.000Z..2026-01-01T00:00:01.000Z"

    empty = caller.get(ORDERS, filter=f"lastmodifieddate:[{instant}]", limit=200).json()
    nothing = caller.get(TRANSACTIONS, filter=f"transactionDate:[{instant}]")

    assert {**empty, "href": wanted["href"]} == wanted
    assert nothing.status_code == sample("finances_none_204")["status"]
    assert nothing.content == b""


@pytest.mark.parametrize(
    ("name", "form"),
    [
        (
            "oauth_token_application",
            {"grant_type": "client_credentials", "scope": "https://api.ebay.com/oauth/api_scope"},
        ),
        ("oauth_token_user_code_grant", {"grant_type": "authorization_code"}),
        ("oauth_token_user_refresh", {"grant_type": "refresh_token"}),
    ],
)
def test_tokens_look_like_the_samples(caller: Caller, name: str, form: dict[str, str]) -> None:
    wanted = sample(name)
    secrets = {"access_token", "refresh_token"}
    if form["grant_type"] == "authorization_code":
        code = caller.simulator.desk.authorization_code(caller.account)
        form = {**form, "code": code, "redirect_uri": RUNAME}
    if form["grant_type"] == "refresh_token":
        form = {**form, "refresh_token": caller.account.refresh_token}

    answer = caller.mint(**form)

    assert answer.status_code == wanted["status"]
    assert set(answer.json()) == set(wanted["body"])
    assert {key: value for key, value in answer.json().items() if key not in secrets} == {
        key: value for key, value in wanted["body"].items() if key not in secrets
    }


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("oauth_error_invalid_client", {"grant_type": "nonsense"}),
        (
            "oauth_error_invalid_grant_refresh",
            {"grant_type": "refresh_token", "refresh_token": "x"},
        ),
        ("oauth_error_invalid_grant_code", {"grant_type": "authorization_code", "code": "x"}),
        ("oauth_error_invalid_scope", {"grant_type": "client_credentials", "scope": "x"}),
        ("oauth_error_unsupported_grant", {"grant_type": "password"}),
    ],
)
def test_token_errors_are_those_of_the_samples(
    caller: Caller, name: str, form: dict[str, str]
) -> None:
    wanted = sample(name)
    strange = name == "oauth_error_invalid_client"

    answer = caller.mint_as(("x", "y"), form) if strange else caller.mint(**form)

    assert (answer.status_code, answer.json()) == (wanted["status"], wanted["body"])


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("error_401_1001_invalid_token", "unauthorized"),
        ("error_403_1100_insufficient_scope", "missing_scope"),
        ("error_403_215001_missing_signature_key", "signature_required"),
        ("error_500_2003_internal", "server_error"),
    ],
)
def test_errors_are_those_of_the_samples(caller: Caller, name: str, fault: str) -> None:
    wanted = sample(name)
    caller.simulator.faults.add(fault, operation="getUser", times=1)

    answer = caller.get(USER)

    assert (answer.status_code, answer.json()) == (wanted["status"], wanted["body"])


def test_filter_errors_are_those_of_the_samples(caller: Caller) -> None:
    wanted = sample("error_400_30700_invalid_filter")

    answer = caller.get(ORDERS, filter="foo:[x]")

    assert (answer.status_code, answer.json()) == (wanted["status"], wanted["body"])


def test_every_documented_value_turns_up(
    orders: list[dict[str, Any]],
    transactions: list[dict[str, Any]],
    payouts: list[dict[str, Any]],
) -> None:
    enums = contract("ENUMS")
    fulfillment = enums["sell_fulfillment_v1"]["enums"]
    finances = enums["sell_finances_v1"]["enums"]
    texts = strings(orders) | strings(transactions) | strings(payouts)
    # What the six operations never show: disputes, refund requests, places, currencies.
    shown_orders = {
        "AppointmentStatusEnum", "AppointmentTypeEnum", "AppointmentWindowEnum",
        "AuthenticityVerificationReasonEnum", "AuthenticityVerificationStatusEnum",
        "CancelStateEnum", "ChargeTypeEnum", "CollectionMethodEnum",
        "EbayVaultFulfillmentTypeEnum", "FulfillmentInstructionsType",
        "LineItemFulfillmentStatusEnum", "OrderFulfillmentStatus", "OrderPaymentStatusEnum",
        "PaymentMethodTypeEnum", "PaymentStatusEnum", "RefundStatusEnum", "SoldFormatEnum",
        "TaxIdentifierTypeEnum", "TaxTypeEnum",
    }  # fmt: skip
    shown_money = {
        "BookingEntryEnum", "FeeTypeEnum", "PayoutStatusEnum", "ReferenceTypeEnum",
        "RegionTypeEnum", "TaxTypeEnum", "TransactionStatusEnum", "TransactionTypeEnum",
    }  # fmt: skip

    unseen = {
        f"{name}.{value}"
        for source, names in ((fulfillment, shown_orders), (finances, shown_money))
        for name in names
        for value in source[name]
        if value not in texts
    }

    assert unseen == set()


def strings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(*(strings(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(strings(each) for each in value))
    return set()


def missing(wanted: Any, given: Any) -> Paths:
    """Paths of `wanted` that `given` lacks, or has with other JSON types only."""
    have = paths(given)
    return {
        path: kinds for path, kinds in paths(wanted).items() if not kinds <= have.get(path, set())
    }


def paths(value: Any, path: str = "") -> Paths:
    found: Paths = {path: {type(value).__name__}}
    children: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        children = [(f"{path}.{name}", each) for name, each in value.items()]
    if isinstance(value, list):
        children = [(f"{path}[]", each) for each in value]
    for name, each in children:
        for below, kinds in paths(each, name).items():
            found.setdefault(below, set()).update(kinds)
    return found
