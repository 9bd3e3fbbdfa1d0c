import json
import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import respx
from hypothesis import given
from hypothesis import strategies as st

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    MissingScopeError,
    RateLimitedError,
    UpstreamUnavailableError,
)
from core.sync.model import Environment, Page, PageQuery, Walk
from core.sync.ports import PageSource
from infra.ebay.pages import read_page
from infra.ebay.rest import RestList
from infra.ebay.source import EbayPages
from tests.support.ebay import CANARY, NOW, TOKEN, account, answer, query
from tests.support.ebay_shared import contract, sample_body
from tests.support.stream_lists import REST_LISTS

ORDERS, TRANSACTIONS, PAYOUTS = (REST_LISTS[name] for name in ("orders", "transactions", "payouts"))
DISPUTES = REST_LISTS["disputes"]
EVERY = pytest.mark.parametrize("api", REST_LISTS.values(), ids=list(REST_LISTS))
SAMPLED = pytest.mark.parametrize(
    "api", [ORDERS, TRANSACTIONS, PAYOUTS], ids=["orders", "transactions", "payouts"]
)
DATED = "2026-02-25T10:00:00.000Z"


def fetch(source: PageSource, api: RestList, **how: Any) -> Page:
    return source.fetch(
        how.get("account", account()), api.stream, how.get("query", query()), TOKEN, timeout=5
    )


def read(api: RestList, body: bytes | str | object, **how: Any) -> Page:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_page(answer(200, raw), api.shape, how.get("query", query()))


def listed(api: RestList, *rows: object, **more: object) -> dict[str, object]:
    return {api.stream.list_field: list(rows), "total": len(rows), **more}


@EVERY
@pytest.mark.parametrize("environment", [Environment.PRODUCTION, Environment.SANDBOX])
def test_r49_a_request_is_what_the_contract_describes(
    source: EbayPages, ebay: respx.MockRouter, api: RestList, environment: Environment
) -> None:
    fulfillment = api.path.startswith("/sell/fulfillment")
    documented = contract("sell_fulfillment_v1" if fulfillment else "sell_finances_v1")
    base = documented["servers"][0]["variables"]["basePath"]["default"]
    of_path = documented["paths"][api.path.removeprefix(base)].get("servers")
    host = urlsplit((of_path or documented["servers"])[0]["url"]).netloc.removesuffix("{basePath}")
    sandbox = environment is Environment.SANDBOX
    route = ebay.get(host=host.replace(".", ".sandbox.", 1) if sandbox else host)
    route.respond(200, json=listed(api))

    fetch(source, api, account=account(environment, "EBAY_DE", "EBAY_GB"))

    request = route.calls.last.request
    parameters = {
        (parameter["in"], parameter["name"].lower()): parameter
        for parameter in documented["paths"][request.url.path.removeprefix(base)]["get"][
            "parameters"
        ]
    }
    sent = parse_qs(request.url.query.decode(), strict_parsing=True)
    assert {("query", name) for name in sent} <= set(parameters)
    required = {name for (place, name), p in parameters.items() if p["required"]}
    assert required <= {name.lower() for name in request.headers}
    assert request.url.scheme == "https"
    assert sent == {
        **window_of(api, "2026-02-19T12:00:00.000Z", "2026-03-01T12:00:00.000Z"),
        "limit": ["200"],
        "offset": ["0"],
    }
    assert request.headers["authorization"] == f"Bearer {CANARY}"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "gzip"
    assert request.headers.get("x-ebay-c-marketplace-id") == (None if fulfillment else "EBAY_DE")


def window_of(api: RestList, from_: str, to: str) -> dict[str, list[str]]:
    if api.ends is None:
        return {"filter": [f"{api.filter_name}:[{from_}..{to}]"]}
    return {api.ends[0]: [from_], api.ends[1]: [to]}


def test_the_range_of_disputes_is_two_parameters() -> None:
    assert DISPUTES.query_text(query(limit=200, offset=400)) == (
        "open_date_from=2026-02-19T12:00:00.000Z&open_date_to=2026-03-01T12:00:00.000Z"
        "&limit=200&offset=400"
    )


def test_finances_are_asked_for_the_us_where_no_marketplace_is_known(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    route = ebay.get(host="apiz.ebay.com").respond(204)

    fetch(source, PAYOUTS)

    assert route.calls.last.request.headers["x-ebay-c-marketplace-id"] == "EBAY_US"


def test_r49_brackets_are_percent_encoded_and_colons_are_not() -> None:
    text = ORDERS.query_text(query(limit=200, offset=400))

    assert text == (
        "filter=lastmodifieddate:%5B2026-02-19T12:00:00.000Z..2026-03-01T12:00:00.000Z%5D"
        "&limit=200&offset=400"
    )


@given(
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=3650)),
    st.integers(min_value=-720, max_value=720),
)
def test_both_ends_are_cut_to_milliseconds_in_utc(ago: timedelta, zone: int) -> None:
    at = NOW - ago
    local = at.astimezone(timezone(timedelta(minutes=zone)))

    sent = parse_qs(ORDERS.query_text(PageQuery(from_=local, to=local, limit=1, offset=0)))

    text = sent["filter"][0].partition("[")[2].removesuffix("]").split("..")[0]
    assert text.endswith("Z")
    assert len(text) == len("2026-01-01T00:00:00.000Z")
    assert timedelta(0) <= at - datetime.fromisoformat(text) < timedelta(milliseconds=1)


@SAMPLED
def test_samples_are_read_row_by_row_as_they_came(api: RestList) -> None:
    family = "fulfillment" if api is ORDERS else "finances"
    body = sample_body(f"{family}_{api.operation}_200")
    parsed = json.loads(body)
    body = body.replace(b"https://apiz.ebay.com", b"https://api.ebay.com")

    page = read(api, body)

    assert page.text == body.decode()
    assert [json.loads(row) for row in page.rows] == parsed[api.stream.list_field]
    assert page.total == parsed.get("total")
    assert page.next_offset == {"orders": 5, "transactions": 20, "payouts": None}[api.stream.name]
    assert len(page.keys) == len(page.instants) == (0 if api is ORDERS else len(page.rows))


def test_an_empty_sample_is_an_empty_page() -> None:
    page = read(ORDERS, sample_body("fulfillment_getOrders_empty"))

    assert (page.rows, page.total, page.next_offset) == ((), 0, None)


@pytest.mark.parametrize("api", [TRANSACTIONS, PAYOUTS], ids=["transactions", "payouts"])
def test_r57_a_204_is_an_empty_page_of_finances(
    source: EbayPages, ebay: respx.MockRouter, api: RestList
) -> None:
    ebay.get(host="apiz.ebay.com").respond(204)

    page = fetch(source, api)

    assert (page.rows, page.total, page.next_offset, page.keys) == ((), 0, None, ())
    assert json.loads(page.text) == {}


def test_a_204_of_getOrders_is_an_outage(  # noqa: N802  (its name)
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    ebay.get(host="api.ebay.com").respond(204)

    with pytest.raises(UpstreamUnavailableError, match="204"):
        fetch(source, ORDERS)


@EVERY
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<!DOCTYPE html><html>Sorry</html>",
        b"{",
        b'{"total":1,"%s":[{"a":1}',
        b'{"total":1,"%s":[{"a":1}]',
        b'{"total":1,"%s":[{"a":"x',
        b'{"total":1,"%s":[]} x',
        b'{"total":1,"%s":[]}{"total":1}',
        b'{"total":1,"%s":[{"a":NaN}]}',
        b'{"total":1,"%s":[{"a":-Infinity}]}',
        b'{"total":1,"%s":[{"a":01}]}',
        b'{"total":1,"%s":[{"a":1,}]}',
        b'{"total":1,"%s":[{"a":tru}]}',
        b"{'total':1}",
        b"\x1f\x8b\x08",
        b"\x00\x00",
    ],
)
def test_a_200_that_is_no_whole_json_is_an_outage(
    source: EbayPages, ebay: respx.MockRouter, api: RestList, body: bytes
) -> None:
    ebay.get().respond(200, content=body.replace(b"%s", api.stream.list_field.encode()))

    with pytest.raises(UpstreamUnavailableError, match="unreadable"):
        fetch(source, api)


@SAMPLED
def test_a_sample_cut_anywhere_is_never_a_page(api: RestList) -> None:
    family = "fulfillment" if api is ORDERS else "finances"
    body = sample_body(f"{family}_{api.operation}_200").strip()

    for length in range(0, len(body), 7):
        with pytest.raises(UpstreamUnavailableError):
            read(api, body[:length])


@EVERY
@pytest.mark.parametrize(
    "body",
    [
        [],
        "orders",
        None,
        {},
        {"total": 0},
        {"%s": None, "total": 0},
        {"%s": {"a": {}}, "total": 1},
        {"%s": [1, 2, 3], "total": 3},
        {"%s": ["x"], "total": 1},
        {"%s": [], "total": "0"},
        {"%s": [], "total": -1},
        {"%s": [], "total": 1.5},
        {"%s": [], "total": 2**31},
        {"%s": [], "total": True},
        {"%s": [], "total": 0, "next": 7},
        {"%s": [], "total": 0, "next": "https://evil.test/order?offset=200"},
        {"%s": [], "total": 0, "next": "https://api.ebay.com:444/order?offset=200"},
        {"%s": [], "total": 0, "next": "//evil.test/order?offset=200"},
        {"%s": [], "total": 0, "next": "https://api.ebay.com@evil.test/?offset=200"},
        {"%s": [], "total": 0, "next": "https://api.ebay.com/order"},
        {"%s": [], "total": 0, "next": "https://api.ebay.com/order?offset=x"},
        {"%s": [], "total": 0, "next": "https://api.ebay.com/order?offset=-200"},
        {"%s": [], "total": 0, "next": "https://api.ebay.com/order?offset=9999999999"},
        {"%s": [], "total": 0, "next": "http://[::1/order?offset=200"},
        {"errors": [{"errorId": 30500, "message": "no"}]},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_json_that_the_contract_does_not_know_is_a_bad_answer(api: RestList, body: Any) -> None:
    text = json.dumps(body).replace("%s", api.stream.list_field)

    with pytest.raises(BadAnswerError, match="contract") as caught:
        read(api, text.encode())

    assert caught.value.facts.body == text


def test_a_moving_list_without_its_total_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswerError, match="`total` is missing"):
        read(ORDERS, {"orders": []})


def test_a_fixed_list_may_leave_its_total_out() -> None:
    assert read(TRANSACTIONS, {"transactions": []}).total is None


@pytest.mark.parametrize(
    "link",
    [
        "https://api.ebay.com/sell/fulfillment/v1/order?limit=200&offset=200",
        "https://API.ebay.com:443/sell/fulfillment/v1/order?offset=200&limit=200",
        "/sell/fulfillment/v1/order?offset=200",
        "?offset=200",
    ],
)
def test_the_next_offset_is_that_of_a_link_to_the_same_host(link: str) -> None:
    assert read(ORDERS, listed(ORDERS, next=link)).next_offset == 200


@pytest.mark.parametrize("link", [None, ""])
def test_no_next_link_is_no_next_offset(link: str | None) -> None:
    assert read(ORDERS, listed(ORDERS, next=link)).next_offset is None


@EVERY
def test_another_page_than_the_one_asked_for_is_an_outage(api: RestList) -> None:
    with pytest.raises(UpstreamUnavailableError, match="offset 0 where 400 was asked for"):
        read(api, listed(api, {"a": 1}, offset=0), query=query(offset=400))


@EVERY
@pytest.mark.parametrize("offset", [400, None, "400"])
def test_a_page_that_does_not_name_another_offset_is_read(api: RestList, offset: object) -> None:
    page = read(api, listed(api, {"a": 1}, offset=offset), query=query(offset=400))

    assert len(page.rows) == 1


@EVERY
def test_an_empty_page_beyond_the_end_may_name_any_offset(api: RestList) -> None:
    assert read(api, listed(api, offset=0), query=query(offset=400)).rows == ()


def test_keys_and_instants_of_a_fixed_list_are_read() -> None:
    page = read(
        TRANSACTIONS,
        listed(
            TRANSACTIONS,
            {"transactionId": "1", "transactionType": "SALE", "transactionDate": DATED},
            {
                "transactionId": "1",
                "transactionType": "REFUND",
                "transactionDate": "2026-02-24T10:00:00.500+01:00",
            },
        ),
    )

    assert page.keys == ("1|SALE", "1|REFUND")
    assert page.instants == (
        datetime(2026, 2, 25, 10, tzinfo=UTC),
        datetime(2026, 2, 24, 9, 0, 0, 500_000, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "date",
    [
        None,
        7,
        "",
        "yesterday",
        "2026-02-25T10:00:00",
        "2026-13-45T10:00:00.000Z",
        "0001-01-01T00:00:00+23:59",
        "2020-01-01T00:00:00.000Z",
        "2030-01-01T00:00:00.000Z",
    ],
)
def test_a_row_with_an_odd_instant_takes_that_of_the_row_before_it(date: object) -> None:
    odd = {"payoutId": "odd", "payoutDate": date}
    sound = {"payoutId": "sound", "payoutDate": DATED}

    first = read(PAYOUTS, listed(PAYOUTS, odd, sound))
    second = read(PAYOUTS, listed(PAYOUTS, sound, odd))

    assert first.keys == ("odd", "sound")
    assert first.instants == (NOW, datetime(2026, 2, 25, 10, tzinfo=UTC))
    assert second.instants == (datetime(2026, 2, 25, 10, tzinfo=UTC),) * 2


def test_instants_at_both_ends_of_the_window_are_sound() -> None:
    asked = PageQuery(
        from_=NOW - timedelta(days=1) + timedelta(microseconds=900), to=NOW, limit=9, offset=0
    )
    dates = ["2026-03-01T12:00:00.000Z", "2026-02-28T12:00:00.000Z"]

    page = read(
        PAYOUTS,
        listed(PAYOUTS, *({"payoutId": date, "payoutDate": date} for date in dates)),
        query=asked,
    )

    assert page.instants == tuple(datetime.fromisoformat(date) for date in dates)


@pytest.mark.parametrize(
    "row",
    [b"null", b"1", b"{}", b'{"payoutId": null}', b'{"payoutId": {}}', b'{"payoutId": true}'],
)
def test_a_row_without_a_key_is_known_by_its_bytes_and_still_arrives(row: bytes) -> None:
    sound = b'{"payoutId": "1", "payoutDate": "%s"}' % DATED.encode()
    body = b'{"total": 3, "payouts": [%s, %s, {"payoutId": []}]}' % (sound, row)

    page = read(PAYOUTS, body)
    again = read(PAYOUTS, body)

    assert page.rows[1] == row
    assert len(set(page.keys)) == 3
    assert page.keys == again.keys


def test_a_number_is_a_key_too() -> None:
    assert read(PAYOUTS, listed(PAYOUTS, {"payoutId": 12})).keys == ("12",)


@EVERY
@pytest.mark.parametrize(
    "title",
    [rb"\ud83d", rb"\udc00 x", rb"\ud83d\u0041", rb"\u0000\ud83dA", b"raw\x00nul", b"\x01"],
)
def test_a_title_that_is_no_text_costs_its_row_nothing_but_the_character(
    api: RestList, title: bytes
) -> None:
    body = b'{"total": 1, "%s": [{"title": "a %s z"}]}' % (api.stream.list_field.encode(), title)

    page = read(api, body)

    cleaned = json.loads(page.rows[0])["title"]
    assert cleaned.startswith("a ")
    assert "\ufffd" in cleaned
    assert json.loads(page.text)[api.stream.list_field] == [{"title": cleaned}]


def test_text_with_nul_escapes_alone_is_left_to_the_store() -> None:
    body = rb'{"total": 1, "orders": [{"title": "a\u0000"}]}'

    assert read(ORDERS, body).text == body.decode()


@EVERY
def test_bytes_that_are_no_utf8_are_replaced_in_text_and_rows_alike(api: RestList) -> None:
    body = b'\xef\xbb\xbf{"total": 1, "%s": [{"title": "a\xff"}]}' % api.stream.list_field.encode()

    page = read(api, body)

    assert json.loads(page.rows[0]) == {"title": "a\ufffd"}
    assert json.loads(page.text)[api.stream.list_field] == [{"title": "a\ufffd"}]


@EVERY
def test_unknown_fields_values_and_huge_numbers_stay(api: RestList) -> None:
    row = b'{"new": {"x": [1e400, 1.10]}, "status": "NOT_YET_INVENTED",  "a": 1, "a": 2}'
    body = b'{"total": 1, "more": {"y": []}, "%s": [%s]}' % (api.stream.list_field.encode(), row)

    page = read(api, body)

    assert page.rows == (row,)
    assert page.text == body.decode()


@EVERY
@pytest.mark.parametrize("place", ["in a row", "beside the rows"])
def test_nesting_without_end_is_a_bad_answer(api: RestList, place: str) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    inside, beside = (b'{"a":%s}' % deep, b"1") if place == "in a row" else (b"{}", deep)
    body = b'{"total":1,"%s":[%s],"x":%s}' % (api.stream.list_field.encode(), inside, beside)

    with pytest.raises(BadAnswerError):
        read(api, body)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"errors": [{"errorId": 1001}]}, AccessTokenRefusedError),
        (403, {"errors": [{"errorId": 1100}]}, MissingScopeError),
        (429, {"errors": [{"errorId": 2001}]}, RateLimitedError),
        (400, {"errors": [{"errorId": 30850}]}, BadAnswerError),
        (503, {}, UpstreamUnavailableError),
    ],
)
@EVERY
def test_refusals_become_errors_that_name_scope_and_instant(
    source: EbayPages,
    ebay: respx.MockRouter,
    api: RestList,
    status: int,
    body: object,
    kind: type[AppError],
) -> None:
    ebay.get().respond(status, json=body, headers={"Retry-After": "90"})

    with pytest.raises(kind) as caught:
        fetch(source, api)

    if kind is MissingScopeError:
        assert api.scope in str(caught.value)
    if isinstance(caught.value, RateLimitedError):
        assert caught.value.retry_at is not None
        assert abs(caught.value.retry_at - NOW - timedelta(seconds=90)) < timedelta(seconds=60)


@EVERY
def test_no_error_shows_the_token(source: EbayPages, ebay: respx.MockRouter, api: RestList) -> None:
    echoes = [
        httpx.Response(status, text=f"{prefix}{CANARY}{suffix}", headers={"rlogid": CANARY})
        for status in (200, 302, 400, 401, 403, 404, 429, 500)
        for prefix, suffix in (("", ""), ('{"errors":[{"errorId":1,"message":"', '"}]}'))
    ]
    failures = [kind(f"Bearer {CANARY}") for kind in (httpx.ReadTimeout, httpx.ConnectError)]
    ebay.get().side_effect = [*echoes, *failures]

    for _ in range(len(echoes) + len(failures)):
        with pytest.raises(AppError) as caught:
            fetch(source, api)

        own = repr(caught.value) + repr(getattr(caught.value, "facts", ""))
        assert "canary" not in own
        assert "filter" not in str(caught.value)


def test_moving_lists_have_no_keys_read() -> None:
    assert ORDERS.stream.walk is Walk.MOVING
    assert read(ORDERS, listed(ORDERS, {"orderId": "1"})).keys == ()


def test_a_traceback_of_an_unreadable_body_does_not_show_it() -> None:
    with pytest.raises(UpstreamUnavailableError) as caught:
        read(ORDERS, f'{{"orders": ["{CANARY}'.encode())

    assert "canary" not in "".join(traceback.format_exception(caught.value))
