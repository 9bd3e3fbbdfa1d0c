from datetime import timedelta
from typing import Any

import pytest

from core.sync.model import Environment, Walk
from infra.ebay.hosts import EBAY_HOSTS, Host
from infra.ebay.rest import RestList
from infra.ebay.streams.registry import STREAM_ALIASES, STREAM_APIS, STREAMS
from tests.support.ebay_shared import contract, sample
from tests.support.stream_lists import REST_LISTS

CONTRACTS = {
    "orders": ("sell_fulfillment_v1", "/order", "OrderSearchPagedCollection", "Order"),
    "transactions": ("sell_finances_v1", "/transaction", "Transactions", "Transaction"),
    "payouts": ("sell_finances_v1", "/payout", "Payouts", "Payout"),
    "disputes": (
        "sell_fulfillment_v1",
        "/payment_dispute_summary",
        "DisputeSummaryResponse",
        "PaymentDisputeSummary",
    ),
}
SAMPLED = ("orders", "transactions", "payouts")
EVERY = pytest.mark.parametrize("api", REST_LISTS.values(), ids=list(REST_LISTS))


def operation(api: RestList) -> dict[str, Any]:
    name, path, *_ = CONTRACTS[api.stream.name]
    found = contract(name)["paths"][path]["get"]
    assert isinstance(found, dict)
    return found


def test_streams_come_in_order_of_priority() -> None:
    assert [stream.name for stream in STREAMS][:4] == [
        "orders",
        "transactions",
        "messages",
        "cases",
    ]


def test_offers_mean_every_kind_of_offers() -> None:
    known = [stream.name for stream in STREAMS if stream.name.endswith("_offers")]

    assert sorted(STREAM_ALIASES["offers"]) == sorted(known)


def test_streams_are_read_as_eBay_allows() -> None:  # noqa: N802  (its name)
    by_name = {stream.name: stream for stream in STREAMS}

    assert {
        name: (stream.walk, stream.page_size, stream.offset_ceiling, stream.interval)
        for name, stream in by_name.items()
    } == {
        "orders": (Walk.MOVING, 200, None, timedelta(minutes=5)),
        "transactions": (Walk.FIXED, 1000, 5000, timedelta(minutes=5)),
        "messages": (Walk.HALVED, 200, None, timedelta(minutes=10)),
        "payouts": (Walk.FIXED, 200, 5000, timedelta(minutes=30)),
        "disputes": (Walk.FIXED, 200, None, timedelta(minutes=60)),
        "best_offers": (Walk.SNAPSHOT, 100, 10_000, timedelta(minutes=10)),
        "active_inventory": (Walk.SNAPSHOT, 200, 25_000, timedelta(hours=1)),
        "buyer": (Walk.SNAPSHOT, 200, None, timedelta(hours=1)),
        "cases": (Walk.HALVED, 200, None, timedelta(minutes=15)),
        "inquiries": (Walk.HALVED, 50, None, timedelta(minutes=15)),
        "returns": (Walk.HALVED, 50, None, timedelta(minutes=15)),
        "cancellations": (Walk.HALVED, 200, None, timedelta(minutes=15)),
        "inventory_offers": (Walk.SNAPSHOT, 5, None, timedelta(minutes=360)),
    }


@EVERY
def test_a_stream_calls_an_operation_of_its_contract(api: RestList) -> None:
    name, path, *_ = CONTRACTS[api.stream.name]
    document = contract(name)
    base = document["servers"][0]["variables"]["basePath"]["default"]
    # What stands at a path goes before what stands at the whole.
    server = document["paths"][path].get("servers", document["servers"])[0]

    assert operation(api)["operationId"] == api.operation
    assert base + path == api.path
    host = EBAY_HOSTS[Environment.PRODUCTION].base(api.host)
    assert server["url"] == f"{host}{{basePath}}"


@EVERY
def test_the_scope_that_a_stream_names_is_one_that_its_contract_takes(api: RestList) -> None:
    scopes = [scope for way in operation(api)["security"] for scope in way["api_auth"]]

    assert api.scope in scopes


@EVERY
def test_parameters_headers_and_empty_answers_are_those_of_the_contract(api: RestList) -> None:
    parameters = {parameter["name"]: parameter for parameter in operation(api)["parameters"]}

    assert {"limit", "offset", *(api.ends or ["filter"])} <= set(parameters)
    if api.ends is None:
        assert f"{api.filter_name}:[" in parameters["filter"]["description"]
    assert str(api.stream.page_size) in parameters["limit"]["description"]
    assert ("X-EBAY-C-MARKETPLACE-ID" in parameters) is api.by_marketplace
    assert ("204" in operation(api)["responses"]) is api.none_is_204


@EVERY
def test_list_keys_and_instant_are_fields_of_the_contract(api: RestList) -> None:
    name, _, page, row = CONTRACTS[api.stream.name]
    schemas = contract(name)["components"]["schemas"]

    assert api.stream.list_field in schemas[page]["properties"]
    assert {*api.key_fields, api.instant_field} <= set(schemas[row]["properties"])


@pytest.mark.parametrize("name", SAMPLED)
def test_keys_tell_the_rows_of_the_samples_apart(name: str) -> None:
    api = REST_LISTS[name]
    family = "fulfillment" if api.stream.name == "orders" else "finances"
    rows = sample(f"{family}_{api.operation}_200")["body"][api.stream.list_field]

    keys = {tuple(row[field] for field in api.key_fields) for row in rows}

    assert len(keys) == len(rows)


def test_r53_transactions_and_finances_share_one_download() -> None:
    operations = [api.operation for api in STREAM_APIS.values()]

    assert len(set(operations)) == len(operations)
    assert "finances" not in STREAM_APIS
    assert REST_LISTS["transactions"].operation == "getTransactions"


@pytest.mark.parametrize("name", ["transactions", "payouts"])
def test_r57_finances_live_on_apiz_and_say_204_when_empty(name: str) -> None:
    assert REST_LISTS[name].host is Host.APIZ
    assert REST_LISTS[name].none_is_204


def test_disputes_are_asked_for_in_ranges_that_ebay_takes() -> None:
    api = REST_LISTS["disputes"]
    text = {each["name"]: each["description"] for each in operation(api)["parameters"]}

    assert "is 90 days" in text["open_date_from"]
    assert api.stream.max_window == timedelta(days=90)
    assert "zero-based" in text["offset"]
    assert operation(api)["responses"].keys().isdisjoint({"204"})
    disputed = contract("ENUMS")["sell_fulfillment_v1"]["enums"]["DisputeStateEnum"]
    assert disputed == ["OPEN", "ACTION_NEEDED", "CLOSED"]
