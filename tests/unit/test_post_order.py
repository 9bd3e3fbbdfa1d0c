"""What Post-Order is asked, and how its answers are read."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from core.errors import (
    AccessTokenRefusedError,
    BadAnswerError,
    MissingScopeError,
    RateLimitedError,
    UpstreamUnavailableError,
)
from core.sync.model import Page, PageQuery, Walk
from infra.ebay.post_order import PostOrderList
from infra.ebay.source import EbayPages
from tests.support.ebay import CANARY, TOKEN, account, query
from tests.support.ebay_shared import post_order, post_order_sample, sample
from tests.support.stream_lists import POST_ORDER_LISTS

CASES, INQUIRIES, RETURNS, CANCELLATIONS = POST_ORDER_LISTS.values()
EVERY = pytest.mark.parametrize("api", POST_ORDER_LISTS.values(), ids=list(POST_ORDER_LISTS))
DETAILED = pytest.mark.parametrize("api", [INQUIRIES, RETURNS], ids=["inquiries", "returns"])
SAMPLES = {
    "cases": "searchCases_200",
    "inquiries": "searchInquiries_200",
    "returns": "searchReturns_200",
    "cancellations": "searchCancellations_200",
}


@pytest.fixture
def ebay() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url="https://api.ebay.com", assert_all_called=False) as router:
        yield router


def path_of(api: PostOrderList) -> str:
    return f"/post-order/v2{api.path}"


def fetch(source: EbayPages, api: PostOrderList, **how: Any) -> Page:
    asked: PageQuery = how.get("query", query())
    return source.fetch(account(), api.stream, asked, TOKEN, timeout=5)


def served(ebay: respx.MockRouter, api: PostOrderList, *bodies: object) -> respx.Route:
    """Answers in their order, the last one for ever."""
    left = [json.dumps(body).encode() for body in bodies]

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=left.pop(0) if len(left) > 1 else left[0])

    return ebay.get(path_of(api)).mock(side_effect=answer)


def rows(api: PostOrderList, count: int, first: int = 1) -> list[dict[str, Any]]:
    return [{api.key_field: first + number} for number in range(count)]


def listed(api: PostOrderList, members: object, **more: object) -> dict[str, object]:
    return {api.stream.list_field: members, **more}


@EVERY
def test_a_request_is_what_the_documents_describe(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList
) -> None:
    documented = post_order()["paths"][api.path]["get"]
    route = served(ebay, api, listed(api, [], total=0))

    fetch(source, api)

    parameters = {each["name"]: each for each in documented["parameters"] if "name" in each}
    request = route.calls[0].request
    sent = parse_qs(request.url.query.decode(), strict_parsing=True)
    assert documented["operationId"] == api.operation
    assert set(sent) <= set(parameters)
    assert int(sent["limit"][0]) <= parameters["limit"]["schema"]["maximum"]
    assert request.headers["authorization"] == f"IAF {CANARY}"
    assert request.headers["x-ebay-c-marketplace-id"] == "EBAY_US"
    assert request.headers["content-type"] == "application/json"


@EVERY
def test_r51_both_ends_are_always_sent_and_an_offset_never(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList
) -> None:
    route = served(ebay, api, listed(api, [], total=0))

    fetch(source, api)

    for call in route.calls:
        sent = parse_qs(call.request.url.query.decode())
        assert sent[f"{api.range_name}_from"] == ["2026-02-19T12:00:00.000Z"]
        assert sent[f"{api.range_name}_to"] == ["2026-03-01T12:00:00.000Z"]
        assert sent["limit"] == ["200"]
        assert "offset" not in sent


@EVERY
def test_streams_are_read_as_the_documents_allow(api: PostOrderList) -> None:
    stream = api.stream

    assert (stream.walk, stream.interval) == (Walk.HALVED, timedelta(minutes=15))
    assert (stream.open_pass, stream.in_sandbox) == (True, False)
    assert stream.max_window <= timedelta(days=90)
    assert stream.api == f"post-order.{api.path.split('/')[1]}"
    # Details are asked for by key, and the store joins them by these very keys.
    assert stream.open_by_key == bool(api.detail_path) == bool(stream.details_per_call)


@EVERY
def test_the_samples_are_read(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList
) -> None:
    body = post_order_sample(SAMPLES[api.stream.name])
    served(ebay, api, body)

    page = fetch(source, api)

    found = body[api.stream.list_field]
    assert [json.loads(row) for row in page.rows] == found
    assert page.keys == tuple(str(row[api.key_field]) for row in found)
    assert page.total == len(found)
    assert json.loads(page.text)[api.stream.list_field] == found


@pytest.mark.parametrize(
    ("api", "name"),
    [(RETURNS, "searchReturns_empty"), (CANCELLATIONS, "searchCancellations_empty")],
)
def test_the_empty_samples_are_empty(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList, name: str
) -> None:
    served(ebay, api, post_order_sample(name))

    page = fetch(source, api)

    assert (page.rows, page.total) == ((), 0)


@EVERY
@pytest.mark.parametrize(
    "body",
    [
        {"total": 0},
        {"total": 0, "members": None, "cancellations": None},
        {"members": [], "cancellations": []},
        {"members": [], "cancellations": [], "paginationOutput": None},
        {"members": [], "cancellations": [], "paginationOutput": {"limit": 0, "offset": 0}},
        {"paginationOutput": {"limit": 0, "offset": 0, "totalEntries": 0, "totalPages": 0}},
    ],
)
def test_nothing_in_every_form_is_an_empty_page(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList, body: object
) -> None:
    served(ebay, api, body)

    page = fetch(source, api)

    assert (page.rows, page.total) == ((), 0)


@pytest.mark.parametrize(
    ("more", "total"),
    [
        ({}, None),
        ({"total": 0}, None),
        ({"total": 1}, None),
        ({"total": 2}, 2),
        ({"total": 0, "totalNumberOfCases": 2}, 2),
        ({"paginationOutput": {"limit": 0, "offset": 0, "totalEntries": 0}, "total": 2}, 2),
        ({"paginationOutput": {"totalEntries": 300}, "total": 0}, 300),
        ({"total": -1}, None),
        ({"total": "many", "paginationOutput": 7}, None),
        ({"total": True}, None),
        ({"total": 10**30}, None),
    ],
)
def test_a_count_is_believed_where_the_rows_do_not_contradict_it(
    source: EbayPages, ebay: respx.MockRouter, more: dict[str, object], total: int | None
) -> None:
    served(ebay, CASES, listed(CASES, rows(CASES, 2), **more))

    assert fetch(source, CASES).total == total


@EVERY
@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"total": 3},
        {"members": {"a": 1}, "cancellations": {"a": 1}},
        {"members": [1, 2], "cancellations": [1, 2]},
        {"errorMessage": {"error": [{"errorId": 1, "message": "no"}]}},
    ],
)
def test_what_is_no_list_is_refused(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList, body: object
) -> None:
    served(ebay, api, body)

    with pytest.raises(BadAnswerError):
        fetch(source, api)


@EVERY
@pytest.mark.parametrize("body", [b"", b"<html>", b'{"members": [', b"\xff"])
def test_what_is_no_json_is_tried_again(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList, body: bytes
) -> None:
    ebay.get(path_of(api)).respond(200, content=body)

    with pytest.raises(UpstreamUnavailableError):
        fetch(source, api)


def test_ids_are_keys_whether_they_are_numbers_or_texts(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    members = [{"caseId": 5000000001}, {"caseId": "5000000002"}, {"caseId": None}, {}]
    served(ebay, CASES, listed(CASES, members))

    keys = fetch(source, CASES).keys

    assert keys[:2] == ("5000000001", "5000000002")
    assert all(key.startswith("sha256:") for key in keys[2:])


def test_cancellations_are_asked_for_by_both_roles_and_come_once(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    """Without a role eBay shows what the seller asked for only."""
    route = served(
        ebay,
        CANCELLATIONS,
        listed(CANCELLATIONS, rows(CANCELLATIONS, 2), total=2),
        listed(CANCELLATIONS, rows(CANCELLATIONS, 2, first=2), total=2),
    )

    page = fetch(source, CANCELLATIONS)

    roles = [parse_qs(call.request.url.query.decode())["role"] for call in route.calls]
    assert roles == [["SELLER"], ["BUYER"]]
    assert page.keys == ("1", "2", "3")
    assert page.total == 3
    assert json.loads(page.text) == {"cancellations": rows(CANCELLATIONS, 3)}
    assert CANCELLATIONS.stream.calls_per_page == 2


@pytest.mark.parametrize("more", [{"total": 3}, {}])
def test_a_role_with_more_than_a_page_makes_the_window_too_long(
    source: EbayPages, ebay: respx.MockRouter, more: dict[str, object]
) -> None:
    served(
        ebay,
        CANCELLATIONS,
        listed(CANCELLATIONS, rows(CANCELLATIONS, 1)),
        listed(CANCELLATIONS, rows(CANCELLATIONS, 2, first=5), **more),
    )

    page = fetch(source, CANCELLATIONS, query=query(limit=2))

    assert page.total == 3
    assert len(page.rows) == 3


def test_a_role_with_fewer_rows_than_it_says_is_an_outage(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    served(ebay, CANCELLATIONS, listed(CANCELLATIONS, rows(CANCELLATIONS, 1), total=2))

    with pytest.raises(UpstreamUnavailableError, match="holds 1 rows where 2 are due"):
        fetch(source, CANCELLATIONS)


def error(error_id: int, message: str) -> dict[str, object]:
    return {"error": [{"errorId": error_id, "domain": "X", "message": message, "parameter": []}]}


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(
    ("status", "error_id", "kind"),
    [
        (401, 1001, AccessTokenRefusedError),
        (403, 1100, MissingScopeError),
        (429, 2001, RateLimitedError),
        (500, 2003, UpstreamUnavailableError),
        (400, 1408, BadAnswerError),
    ],
)
def test_r32_errors_in_both_envelopes_keep_id_and_text(
    source: EbayPages,
    ebay: respx.MockRouter,
    status: int,
    error_id: int,
    kind: type[Exception],
    *,
    wrapped: bool,
) -> None:
    told = error(error_id, "Said by eBay")
    body = {"errorMessage": told} if wrapped else told
    ebay.get(path_of(RETURNS)).respond(status, json=body)

    with pytest.raises(kind, match=f"{status}, error {error_id}: Said by eBay") as caught:
        fetch(source, RETURNS)

    assert CANARY not in str(caught.value)
    assert getattr(caught.value, "facts").error_id == error_id  # noqa: B009  (each kind has its own)


def test_a_bad_scheme_is_no_reason_to_refresh_the_token(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    told = sample("postorder_error_401_bad_scheme")
    ebay.get(path_of(CASES)).respond(told["status"], json=told["body"])

    with pytest.raises(BadAnswerError, match="Bad scheme"):
        fetch(source, CASES)


def detail_of(source: EbayPages, api: PostOrderList, key: str) -> dict[str, bytes]:
    return dict(source.details(account(), api.stream, [key], TOKEN, timeout=5))


@DETAILED
def test_details_are_the_answer_for_one_id(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList
) -> None:
    body = {"inquiryId": "7", "summary": {"returnId": 7}, "detail": {"note": "Grüße"}}
    route = ebay.get(f"/post-order/v2{api.detail_path}/7").respond(200, json=body)

    found = detail_of(source, api, "7")

    assert json.loads(found["7"]) == body
    assert route.calls.last.request.headers["authorization"] == f"IAF {CANARY}"
    assert f"{api.detail_path}/{{{api.key_field}}}" in post_order()["paths"]


@DETAILED
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {}),
        (404, error(2002, "not found")),
        (500, error(2003, "internal")),
        (500, {"errorMessage": error(2003, "internal")}),
        (200, {}),
    ],
)
def test_a_row_without_details_is_left_out(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList, status: int, body: object
) -> None:
    ebay.get(f"/post-order/v2{api.detail_path}/7").respond(status, json=body)

    assert detail_of(source, api, "7") == {}


@DETAILED
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (500, "{}", UpstreamUnavailableError),
        (503, "busy", UpstreamUnavailableError),
        (200, "<html>", UpstreamUnavailableError),
        (200, '{"inquiryId": "8", "summary": {"returnId": 8}}', UpstreamUnavailableError),
        (200, "[1]", BadAnswerError),
        (401, "{}", AccessTokenRefusedError),
        (429, "{}", RateLimitedError),
    ],
)
def test_details_that_cannot_be_had_are_an_error(
    source: EbayPages,
    ebay: respx.MockRouter,
    api: PostOrderList,
    status: int,
    body: str,
    kind: type[Exception],
) -> None:
    ebay.get(f"/post-order/v2{api.detail_path}/7").respond(status, text=body)

    with pytest.raises(kind):
        detail_of(source, api, "7")


@DETAILED
def test_details_are_text_that_can_be_stored(
    source: EbayPages, ebay: respx.MockRouter, api: PostOrderList
) -> None:
    body = b'{"note": "\\ud83d \xff", "amount": 1e400, "summary": 5, "inquiryId": [1]}'
    ebay.get(f"/post-order/v2{api.detail_path}/7").respond(200, content=body)

    found = detail_of(source, api, "7")["7"].decode()

    assert "\\ud83d" not in found
    assert "1e400" in found
