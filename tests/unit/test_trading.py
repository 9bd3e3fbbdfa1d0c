import json
import traceback
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
import respx

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    RateLimitedError,
    UpstreamUnavailableError,
)
from core.sync.model import Environment, Page, Stream, Walk
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.stream_api import Ebay
from infra.ebay.trading import SITE_IDS, TradingList, total_of
from infra.ebay.trading_xml import NAMESPACE, Json, text_at
from tests.support.ebay import CANARY, NOW, TOKEN, account, clock, query
from tests.support.ebay_shared import FOLDER, trading_sample

LISTINGS = TradingList(
    stream=Stream(
        name="listings",
        api="GetMyeBaySelling",
        list_field="Item",
        interval=timedelta(hours=1),
        walk=Walk.SNAPSHOT,
        page_size=200,
    ),
    operation="GetMyeBaySelling",
    container="ActiveList",
    rows="ItemArray/Item",
    key=lambda row: text_at(row, "ItemID"),
    options={"Sort": "ItemID"},
    fields={"HideVariations": False},
)


def root(inside: str, name: str = "GetMyeBaySellingResponse") -> str:
    return f'<?xml version="1.0"?><{name} xmlns="{NAMESPACE}">{inside}</{name}>'


def listed(*ids: str, entries: object = None, pages: object = 1, ack: str = "Success") -> str:
    items = "".join(f"<Item><ItemID>{each}</ItemID></Item>" for each in ids)
    count = len(ids) if entries is None else entries
    return root(
        f"<Ack>{ack}</Ack><ActiveList><ItemArray>{items}</ItemArray><PaginationResult>"
        f"<TotalNumberOfPages>{pages}</TotalNumberOfPages>"
        f"<TotalNumberOfEntries>{count}</TotalNumberOfEntries>"
        "</PaginationResult></ActiveList>"
    )


def failed(code: object, *, ack: str = "Failure", more: str = "", severity: str = "Error") -> str:
    return root(
        f"<Ack>{ack}</Ack><Errors><ShortMessage>Short.</ShortMessage>"
        f"<LongMessage>Long words. </LongMessage><ErrorCode>{code}</ErrorCode>"
        f"<SeverityCode>{severity}</SeverityCode>"
        "<ErrorClassification>RequestError</ErrorClassification></Errors>" + more
    )


def fetch(http: EbayHttp, **how: Any) -> Page:
    ebay = Ebay(http=http, hosts=EbayHosts(), clock=clock())
    asked = how.get("query", query())
    return LISTINGS.fetch(ebay, how.get("account", account()), asked, TOKEN, timeout=5)


def raised(http: EbayHttp, kind: type[AppError]) -> AppError:
    with pytest.raises(kind) as caught:
        fetch(http)
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert CANARY not in shown
    return caught.value


@pytest.mark.parametrize(
    ("environment", "host"),
    [
        (Environment.PRODUCTION, "api.ebay.com"),
        (Environment.SANDBOX, "api.sandbox.ebay.com"),
    ],
)
def test_r58_a_call_is_for_the_account_its_host_and_its_site(
    http: EbayHttp, ebay: respx.MockRouter, environment: Environment, host: str
) -> None:
    route = ebay.post(f"https://{host}/ws/api.dll").respond(200, text=listed("1"))

    fetch(http, account=account(environment, "EBAY_DE", "EBAY_GB"))

    headers = route.calls.last.request.headers
    assert {name: headers[f"x-ebay-api-{name}"] for name in ("call-name", "siteid")} == {
        "call-name": "GetMyeBaySelling",
        "siteid": "77",
    }
    assert headers["x-ebay-api-compatibility-level"] == "1423"
    assert headers["content-type"] == "text/xml"


def test_r58_the_token_goes_into_the_iaf_header_and_nowhere_else(
    http: EbayHttp, ebay: respx.MockRouter
) -> None:
    route = ebay.post(host="api.ebay.com").respond(200, text=listed("1"))

    fetch(http)

    request = route.calls.last.request
    assert request.headers["x-ebay-api-iaf-token"] == CANARY
    assert "authorization" not in request.headers
    assert b"RequesterCredentials" not in request.content
    assert CANARY.encode() not in request.content


@pytest.mark.parametrize(
    ("marketplace", "site"),
    [("EBAY_US", 0), ("EBAY_GB", 3), ("EBAY_DE", 77), ("EBAY_FR", 71), ("EBAY_ATLANTIS", 0)],
)
def test_r58_the_site_is_that_of_the_accounts_marketplace(
    http: EbayHttp, ebay: respx.MockRouter, marketplace: str, site: int
) -> None:
    route = ebay.post(host="api.ebay.com").respond(200, text=listed("1"))

    fetch(http, account=account(Environment.PRODUCTION, marketplace))

    assert route.calls.last.request.headers["x-ebay-api-siteid"] == str(site)


def test_every_marketplace_with_a_site_is_one_of_ebays() -> None:
    if not FOLDER.is_dir():
        pytest.skip(f"{FOLDER} is not there")
    known = json.loads((FOLDER / "contracts" / "ENUMS.json").read_text())

    assert all(f'"{name}"' in json.dumps(known) for name in SITE_IDS)


def test_a_page_is_asked_for_by_its_number(http: EbayHttp, ebay: respx.MockRouter) -> None:
    route = ebay.post(host="api.ebay.com").respond(200, text=listed("1"))

    fetch(http, query=query(limit=200, offset=400))

    sent = ET.fromstring(route.calls.last.request.content)
    names = {"e": NAMESPACE}
    assert sent.tag == f"{{{NAMESPACE}}}GetMyeBaySellingRequest"
    assert [child.tag.rpartition("}")[2] for child in sent] == ["ActiveList", "HideVariations"]
    assert sent.findtext("e:ActiveList/e:Include", None, names) == "true"
    assert sent.findtext("e:ActiveList/e:Sort", None, names) == "ItemID"
    assert sent.findtext("e:ActiveList/e:Pagination/e:EntriesPerPage", None, names) == "200"
    assert sent.findtext("e:ActiveList/e:Pagination/e:PageNumber", None, names) == "3"


def test_a_page_is_json_that_the_store_takes(http: EbayHttp, ebay: respx.MockRouter) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=listed("1", "2", entries=402, pages=3))

    page = fetch(http)

    assert json.loads(page.text) == {"Item": [{"ItemID": "1"}, {"ItemID": "2"}]}
    assert [json.loads(row) for row in page.rows] == [{"ItemID": "1"}, {"ItemID": "2"}]
    assert (page.keys, page.total, page.next_offset) == (("1", "2"), 402, None)


@pytest.mark.parametrize(
    "body",
    [
        root("<Ack>Success</Ack>"),
        root("<Ack>Success</Ack><ActiveList/>"),
        root("<Ack>Success</Ack><ActiveList><ItemArray/></ActiveList>"),
        root("<Ack>Warning</Ack><SoldList><ItemArray><Item/></ItemArray></SoldList>"),
        listed(entries=0, pages=0),
        listed(entries=" 0\n", pages=""),
    ],
)
def test_every_form_of_an_empty_list_is_empty(
    http: EbayHttp, ebay: respx.MockRouter, body: str
) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=body)

    page = fetch(http)

    assert (page.rows, page.keys, page.total) == ((), (), 0)


def test_a_warning_carries_data(http: EbayHttp, ebay: respx.MockRouter) -> None:
    body = listed("1", ack="Warning").replace(
        "<ActiveList>",
        "<Errors><ErrorCode>21927</ErrorCode><SeverityCode>Warning</SeverityCode></Errors>"
        "<ActiveList>",
    )
    ebay.post(host="api.ebay.com").respond(200, text=body)

    assert fetch(http).keys == ("1",)


@pytest.mark.parametrize(
    ("entries", "pages", "total"),
    [
        ("201", "2", 201),
        # Pages shorter than was asked for: there are more of them than the entries would fill.
        ("250", "3", 401),
        # eBay counts entries that it does not show.
        ("450", "1", 450),
        ("0", "0", 0),
        ("", "3", 401),
        ("", "0", 0),
        ("7", "", 7),
        ("x", "-1", None),
        ("99999999999", "1", 1),
    ],
)
def test_the_total_is_never_less_than_the_pages_hold(
    entries: str, pages: str, total: int | None
) -> None:
    result = {"TotalNumberOfEntries": entries, "TotalNumberOfPages": pages}

    assert total_of(result, 200) == total


@pytest.mark.parametrize(
    "told", ["", "<PaginationResult/>", "<PaginationResult><Other>1</Other></PaginationResult>"]
)
def test_a_list_that_does_not_say_how_long_it_is_is_bad(
    http: EbayHttp, ebay: respx.MockRouter, told: str
) -> None:
    items = "<ItemArray><Item><ItemID>1</ItemID></Item></ItemArray>"
    inside = f"<Ack>Success</Ack><ActiveList>{items}{told}</ActiveList>"
    ebay.post(host="api.ebay.com").respond(200, text=root(inside))

    assert "how long" in str(raised(http, BadAnswerError))


@pytest.mark.parametrize("ack", ["Failure", "PartialFailure"])
def test_r7_r28_a_failure_in_a_200_is_no_empty_list(
    http: EbayHttp, ebay: respx.MockRouter, ack: str
) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=failed(10009, ack=ack))

    error = raised(http, BadAnswerError)

    assert str(error).startswith(f"eBay answered {ack}, error 10009: Long words.")


def test_r7_a_partial_failure_with_rows_is_a_failure(
    http: EbayHttp, ebay: respx.MockRouter
) -> None:
    rows = "<ActiveList><ItemArray><Item><ItemID>1</ItemID></Item></ItemArray></ActiveList>"
    ebay.post(host="api.ebay.com").respond(200, text=failed(21919, ack="PartialFailure", more=rows))

    raised(http, BadAnswerError)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (931, AccessTokenRefusedError),
        (932, AccessTokenRefusedError),
        (16110, AccessTokenRefusedError),
        (17470, AccessTokenRefusedError),
        (21916984, AccessTokenRefusedError),
        (21917053, AccessTokenRefusedError),
        (518, RateLimitedError),
        (10007, UpstreamUnavailableError),
        (17, BadAnswerError),
        ("", BadAnswerError),
    ],
)
def test_r28_an_error_is_known_by_its_code(
    http: EbayHttp, ebay: respx.MockRouter, code: object, kind: type[AppError]
) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=failed(code))

    error = raised(http, kind)

    assert "Long words." in str(error)
    assert "POST https://api.ebay.com/ws/api.dll" in str(error)


@pytest.mark.parametrize(
    ("sample", "kind", "code"),
    [
        ("error_931_auth_token_invalid", AccessTokenRefusedError, 931),
        ("error_932_hard_expired", AccessTokenRefusedError, 932),
        ("error_21916984_invalid_iaf", AccessTokenRefusedError, 21916984),
        ("error_21917053_expired_iaf", AccessTokenRefusedError, 21917053),
        ("error_10007_internal", UpstreamUnavailableError, 10007),
        ("error_17_item_unavailable", BadAnswerError, 17),
    ],
)
def test_r28_the_samples_of_errors_are_errors_whatever_call_they_answer(
    http: EbayHttp,
    ebay: respx.MockRouter,
    sample: str,
    kind: type[UpstreamUnavailableError | AccessTokenRefusedError | BadAnswerError],
    code: int,
) -> None:
    ebay.post(host="api.ebay.com").respond(200, content=trading_sample(sample))

    error = raised(http, kind)

    assert isinstance(error, kind)
    assert (error.facts.status, error.facts.error_id) == (200, code)


def test_a_system_error_is_worth_another_try(http: EbayHttp, ebay: respx.MockRouter) -> None:
    body = failed(16100).replace("RequestError", "SystemError")
    ebay.post(host="api.ebay.com").respond(200, text=body)

    raised(http, UpstreamUnavailableError)


def test_a_warning_beside_an_error_does_not_decide(http: EbayHttp, ebay: respx.MockRouter) -> None:
    warning = "<Errors><ErrorCode>931</ErrorCode><SeverityCode>Warning</SeverityCode></Errors>"
    ebay.post(host="api.ebay.com").respond(200, text=failed(10009, more=warning))

    raised(http, BadAnswerError)


def test_a_failure_that_only_warns_is_a_failure(http: EbayHttp, ebay: respx.MockRouter) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=failed(21927, severity="Warning"))

    assert "21927" in str(raised(http, BadAnswerError))


def test_a_spent_quota_names_ebays_own_instant(http: EbayHttp, ebay: respx.MockRouter) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=failed(518), headers={"Retry-After": "120"})

    error = raised(http, RateLimitedError)

    assert isinstance(error, RateLimitedError)
    assert error.quota
    assert error.retry_at is not None
    assert timedelta(0) <= error.retry_at - NOW - timedelta(seconds=120) < timedelta(seconds=30)


@pytest.mark.parametrize(
    "inside", ["<Ack>Failure</Ack>", "<Ack>CustomCode</Ack>", "", "<Ack/>", "<Ack>success</Ack>"]
)
def test_r28_an_answer_without_success_and_reason_is_bad(
    http: EbayHttp, ebay: respx.MockRouter, inside: str
) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=root(inside))

    raised(http, BadAnswerError)


def test_the_answer_of_another_call_is_bad(http: EbayHttp, ebay: respx.MockRouter) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=root("<Ack>Success</Ack>", "GetItemResponse"))

    assert "`GetItemResponse`" in str(raised(http, BadAnswerError))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!DOCTYPE html><html><body>We'll be right back</body></html>",
        "<html><body>We'll be right back</body></html>",
        listed("1")[:-30],
        '{"errors": []}',
        f"<!DOCTYPE x [<!ENTITY a 'aaa'>]>{root('<Ack>&a;</Ack>')}",
    ],
)
def test_r29_an_answer_that_is_no_xml_of_ebays_is_worth_another_try(
    http: EbayHttp, ebay: respx.MockRouter, body: str
) -> None:
    ebay.post(host="api.ebay.com").respond(200, text=body)

    assert "unreadable" in str(raised(http, UpstreamUnavailableError))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AccessTokenRefusedError),
        (429, RateLimitedError),
        (404, BadAnswerError),
        (500, UpstreamUnavailableError),
        (503, UpstreamUnavailableError),
    ],
)
def test_another_status_than_200_counts_too(
    http: EbayHttp, ebay: respx.MockRouter, status: int, kind: type[AppError]
) -> None:
    ebay.post(host="api.ebay.com").respond(status, text=listed("1"))

    raised(http, kind)


def test_a_connection_that_breaks_is_worth_another_try(
    http: EbayHttp, ebay: respx.MockRouter
) -> None:
    ebay.post(host="api.ebay.com").mock(side_effect=httpx.ReadError)

    raised(http, UpstreamUnavailableError)


def test_no_token_is_told_where_ebay_repeats_it(http: EbayHttp, ebay: respx.MockRouter) -> None:
    body = failed(931).replace("Long words.", f"token {CANARY} is bad")
    ebay.post(host="api.ebay.com").respond(200, text=body)

    raised(http, AccessTokenRefusedError)


def test_an_element_may_be_several_rows(http: EbayHttp, ebay: respx.MockRouter) -> None:
    def twice(element: Json) -> list[Json]:
        return [element, {**element, "SKU": "b"}]

    ebay.post(host="api.ebay.com").respond(200, text=listed("1", entries=1))
    several = TradingList(
        stream=LISTINGS.stream,
        operation=LISTINGS.operation,
        container="ActiveList",
        rows="ItemArray/Item",
        key=lambda row: f"{text_at(row, 'ItemID')}|{text_at(row, 'SKU')}",
        apart=twice,
    )

    page = several.fetch(
        Ebay(http=http, hosts=EbayHosts(), clock=clock()), account(), query(), TOKEN, timeout=5
    )

    assert (page.keys, page.total) == (("1|", "1|b"), 1)
