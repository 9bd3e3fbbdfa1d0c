"""The simulator's Trading API: what it takes, what it answers, and how it says no."""

import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from infra.ebay.trading import TradingList
from infra.ebay.trading_xml import NAMESPACE, write_request
from infra.simulator.listings import SHARED_ITEM_ID
from infra.simulator.server import Simulator
from infra.simulator.trading_calls import CALLS
from tests.support.ebay_shared import trading_sample
from tests.support.simulated import Caller
from tests.support.stream_lists import TRADING_LISTS
from tests.support.trading_schema import in_order, unknown

OURS = ("GiftIcon", "HandlingOfTheFuture", "DroneTracking")
LISTS = pytest.mark.parametrize("api", TRADING_LISTS.values(), ids=list(TRADING_LISTS))


@pytest.fixture
def caller() -> Iterator[Caller]:
    with (
        Simulator(seed=4, accounts=2, orders=3, listings=130, split_hosts=True) as simulator,
        Caller(simulator) as caller,
    ):
        yield caller


def call(caller: Caller, name: str, body: bytes | None = None, **headers: str) -> httpx.Response:
    token = caller.token or caller.refresh()
    usual = {
        "X-EBAY-API-CALL-NAME": name,
        "X-EBAY-API-SITEID": "77",
        "X-EBAY-API-COMPATIBILITY-LEVEL": "1423",
        "X-EBAY-API-IAF-TOKEN": token,
        "Content-Type": "text/xml",
    }
    return caller.http.post(
        f"{caller.simulator.api_url}/ws/api.dll",
        content=write_request(name, {}) if body is None else body,
        headers=usual | {key.replace("_", "-"): value for key, value in headers.items()},
    )


def ask(caller: Caller, api: TradingList, page: int = 1, size: int = 200) -> ET.Element:
    fields: Any = {
        api.container: {
            "Include": True,
            "DurationInDays": 60,
            "Pagination": {"EntriesPerPage": size, "PageNumber": page},
        }
    }
    return ET.fromstring(call(caller, api.operation, write_request(api.operation, fields)).content)


def find(root: ET.Element, path: str) -> list[str]:
    steps = "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))
    return [(each.text or "").strip() for each in root.findall(steps)]


def codes(answer: httpx.Response) -> tuple[int, list[str], list[str]]:
    root = ET.fromstring(answer.content)
    return answer.status_code, find(root, "Ack"), find(root, "Errors/ErrorCode")


@LISTS
def test_answers_have_the_elements_of_ebays_schema(caller: Caller, api: TradingList) -> None:
    strange = set(unknown(ET.tostring(ask(caller, api))))

    assert {path for path in strange if not path.endswith(OURS)} == set()


@LISTS
def test_samples_have_the_elements_of_ebays_schema(api: TradingList) -> None:
    """Which shows that the schema is read as it is meant."""
    assert set(unknown(trading_sample(api.operation))) == set()


@LISTS
def test_our_requests_are_written_as_the_schema_has_them(caller: Caller, api: TradingList) -> None:
    fields: Any = {
        api.container: {"Include": True, **api.options, "Pagination": {"EntriesPerPage": 1}}
    }
    written = write_request(api.operation, fields)

    assert set(unknown(written)) == set()
    assert in_order(written)


@LISTS
def test_some_rows_carry_what_no_schema_knows_and_some_are_padded(
    caller: Caller, api: TradingList
) -> None:
    text = ET.tostring(ask(caller, api)).decode()

    assert any(name in text for name in OURS)
    assert re.search(r"ItemID>\n +\d+ \t<", text)


@LISTS
def test_pages_tell_how_many_there_are_and_the_last_one_is_repeated(
    caller: Caller, api: TradingList
) -> None:
    result = f"{api.container}/PaginationResult"
    key = f"{api.container}/{api.rows}"
    first = ask(caller, api, size=10)
    pages = int(*find(first, f"{result}/TotalNumberOfPages"))

    last, beyond = ask(caller, api, pages, size=10), ask(caller, api, pages + 7, size=10)

    total = int(*find(first, f"{result}/TotalNumberOfEntries"))
    assert pages == -(-total // 10) > 1
    assert len(find(last, key)) == (total % 10 or 10)
    assert [ET.tostring(each) for each in beyond.iter(f"{{{NAMESPACE}}}ItemID")] == [
        ET.tostring(each) for each in last.iter(f"{{{NAMESPACE}}}ItemID")
    ]


def test_a_page_may_be_shorter_than_was_asked_for(caller: Caller) -> None:
    caller.simulator.world.behaviour.my_ebay_page_size = 50

    root = ask(caller, TRADING_LISTS["active_inventory"])

    assert len(find(root, "ActiveList/ItemArray/Item")) == 50
    assert find(root, "ActiveList/PaginationResult/TotalNumberOfPages") == ["3"]


def test_the_time_that_is_left_goes_by(caller: Caller) -> None:
    before = find(
        ask(caller, TRADING_LISTS["active_inventory"]), "ActiveList/ItemArray/Item/TimeLeft"
    )
    caller.control("POST", "/clock", {"shift_s": 3600})
    caller.token = None

    after = find(
        ask(caller, TRADING_LISTS["active_inventory"]), "ActiveList/ItemArray/Item/TimeLeft"
    )

    assert len(before) == 130
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_a_list_that_nobody_asked_for_is_not_there(caller: Caller) -> None:
    for api in TRADING_LISTS.values():
        root = ET.fromstring(call(caller, api.operation).content)

        assert find(root, "Ack") == ["Success"]
        assert find(root, api.container) == []


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"X_EBAY_API_IAF_TOKEN": ""}, "930"),
        ({"X_EBAY_API_IAF_TOKEN": "v^1.1#nonsense"}, "21916984"),
        ({"X_EBAY_API_COMPATIBILITY_LEVEL": ""}, "10012"),
        ({"X_EBAY_API_SITEID": "Germany"}, "10012"),
    ],
)
def test_a_call_is_refused_in_a_200(caller: Caller, headers: dict[str, Any], code: str) -> None:
    answer = call(caller, "GetMyeBaySelling", **headers)

    assert codes(answer) == (200, ["Failure"], [code])
    assert ET.fromstring(answer.content).tag == f"{{{NAMESPACE}}}GetMyeBaySellingResponse"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<GetMyeBaySellingRequest",
        b"<GetMyeBaySellingRequest/>",
        write_request("GetMyeBayBuying", {}),
        b"<!DOCTYPE x [<!ENTITY a 'a'>]>" + b"<x>&a;</x>",
    ],
)
def test_a_request_that_is_none_is_refused(caller: Caller, body: bytes) -> None:
    assert codes(call(caller, "GetMyeBaySelling", body)) == (200, ["Failure"], ["5"])


def test_a_token_that_has_expired_is_told_from_one_that_never_was(caller: Caller) -> None:
    caller.refresh()
    caller.simulator.clock.shift(caller.simulator.clock.now() - caller.simulator.world.now)
    caller.control("POST", "/account", {"account": "seller-1", "expire_tokens": True})

    assert codes(call(caller, "GetMyeBayBuying")) == (200, ["Failure"], ["21917053"])


@pytest.mark.parametrize("name", CALLS)
def test_each_call_has_a_day_of_its_own(caller: Caller, name: str) -> None:
    caller.control("POST", "/quota", {"resource": name, "count": 5_000})

    spent = {each: codes(call(caller, each))[2] == ["518"] for each in CALLS}

    assert spent == {each: each == name for each in CALLS}


def test_an_unknown_call_is_not_found(caller: Caller) -> None:
    assert call(caller, "DoSomethingElse").status_code == 404


def test_calls_are_on_the_api_host_only(caller: Caller) -> None:
    answer = caller.http.post(f"{caller.simulator.apiz_url}/ws/api.dll", headers={
        "X-EBAY-API-CALL-NAME": "GetMyeBaySelling"})  # fmt: skip

    assert (answer.status_code, answer.content) == (404, b"")


def test_pages_stand_in_the_log_as_those_of_rest_lists_do_and_tokens_do_not(
    caller: Caller,
) -> None:
    ask(caller, TRADING_LISTS["active_inventory"], page=3, size=50)

    [entry] = caller.simulator.requests.entries(operation="GetMyeBaySelling")

    assert (entry.account, entry.limit, entry.offset) == ("seller-1", "50", "100")
    assert entry.headers["x-ebay-api-iaf-token"].startswith("sha256:")


def test_a_warning_carries_data(caller: Caller) -> None:
    caller.control("POST", "/behaviour", {"trading_warnings": True})

    root = ask(caller, TRADING_LISTS["active_inventory"])

    assert (find(root, "Ack"), find(root, "Errors/SeverityCode")) == (["Warning"], ["Warning"])
    assert SHARED_ITEM_ID in find(root, "ActiveList/ItemArray/Item/ItemID")


@pytest.mark.parametrize(
    ("kind", "more", "found"),
    [
        ("server_error", {}, b"<ErrorCode>10007<"),
        ("rate_limited", {}, b"<ErrorCode>518<"),
        ("unauthorized", {}, b"<ErrorCode>21916984<"),
        ("failure", {"value": 17}, b"<Ack>Failure</Ack>"),
        ("failure", {"value": 17, "variant": "PartialFailure"}, b"<Ack>PartialFailure</Ack>"),
        ("xml_bomb", {}, b"<!DOCTYPE bomb"),
        ("wrong_shape", {}, b"<GeteBayOfficialTimeResponse"),
        ("nul_escape", {}, b"&#0;"),
        ("lone_surrogate", {}, b"&#xD83D;"),
        ("invalid_utf8", {}, b"\xff\xfe"),
        ("huge_number", {}, b">1e400"),
        ("bad_row", {"variant": "money"}, b">12,5x<"),
        ("bad_row", {"variant": "date"}, b"2026-13-45"),
    ],
)
def test_a_fault_is_as_the_trading_api_would_have_it(
    caller: Caller, kind: str, more: dict[str, Any], found: bytes
) -> None:
    caller.simulator.faults.add(kind, operation="GetMyeBaySelling", times=1, **more)
    api = TRADING_LISTS["active_inventory"]
    asked = write_request(api.operation, {"ActiveList": {"Include": True}})

    answers = [call(caller, api.operation, asked) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [found in answer.content for answer in answers] == [True, False]
    assert caller.simulator.faults.counts == {kind: 1}


@pytest.mark.parametrize(
    ("kind", "more", "rows", "told"),
    [
        ("short_page", {"rows": 30}, 100, ["130"]),
        ("hide_total", {}, 130, []),
        ("wrong_total", {"value": 7}, 130, ["137"]),
        ("wrong_shape", {"variant": "missing"}, 0, []),
    ],
)
def test_a_fault_of_a_list(
    caller: Caller, kind: str, more: dict[str, Any], rows: int, told: list[str]
) -> None:
    caller.simulator.faults.add(kind, operation="GetMyeBaySelling", **more)

    root = ask(caller, TRADING_LISTS["active_inventory"])

    assert len(find(root, "ActiveList/ItemArray/Item")) == rows
    assert find(root, "ActiveList/PaginationResult/TotalNumberOfEntries") == told


def test_the_same_page_comes_whatever_number_is_asked_for(caller: Caller) -> None:
    caller.simulator.faults.add("same_page", operation="GetMyeBaySelling")
    api = TRADING_LISTS["active_inventory"]

    first, second = ask(caller, api, 1, size=50), ask(caller, api, 2, size=50)

    path = "ActiveList/ItemArray/Item/ItemID"
    assert find(first, path) == find(second, path)


def test_faults_of_xml_leave_json_alone(caller: Caller) -> None:
    for kind in ("xml_bomb", "failure", "short_page"):
        caller.simulator.faults.add(kind)

    assert caller.get("/sell/fulfillment/v1/order").json()["total"] == 3
    assert caller.simulator.faults.counts == {"xml_bomb": 0}


def test_accounts_change_what_they_offer_and_buy_by_control(caller: Caller) -> None:
    before = {kind: caller.simulator.truth("seller-1", kind) for kind in TRADING_LISTS}

    for what in ("stock", "basket"):
        caller.control("POST", "/mutate", {"account": "seller-1", "what": what, "count": 5})

    for kind, rows in before.items():
        assert caller.simulator.truth("seller-1", kind) != rows
