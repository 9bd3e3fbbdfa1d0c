"""What becomes of GetBestOffers' answers, offers of several items and roles in one page."""

import json
from typing import Any

import pytest
import respx

from core.errors import AppError, BadAnswerError, RateLimitedError, UpstreamUnavailableError
from core.sync.model import Page
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.stream_api import Ebay
from infra.ebay.streams.best_offers import BEST_OFFERS
from infra.ebay.trading_xml import NAMESPACE
from tests.support.ebay import TOKEN, account, clock, query
from tests.support.ebay_shared import trading_sample

URL = "https://api.ebay.com/ws/api.dll"
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'


def answer(inside: str, ack: str = "Success", name: str = "GetBestOffersResponse") -> str:
    return f'<{name} xmlns="{NAMESPACE}"><Ack>{ack}</Ack>{inside}</{name}>'


def group(item: str, *offers: str, role: str = "Seller") -> str:
    told = "".join(
        f'<BestOffer><BestOfferID>{each}</BestOfferID><Price currencyID="EUR">9.5</Price>'
        "</BestOffer>"
        for each in offers
    )
    return (
        f"<ItemBestOffers><Role>{role}</Role><BestOfferArray>{told}</BestOfferArray>"
        f"<Item><ItemID>{item}</ItemID></Item></ItemBestOffers>"
    )


def grouped(*groups: str, pages: object = 1, entries: object = 0) -> str:
    return answer(
        f"<ItemBestOffersArray>{''.join(groups)}</ItemBestOffersArray><PaginationResult>"
        f"<TotalNumberOfPages>{pages}</TotalNumberOfPages>"
        f"<TotalNumberOfEntries>{entries}</TotalNumberOfEntries></PaginationResult>"
    )


def fetch(http: EbayHttp, **how: Any) -> Page:
    reach = Ebay(http=http, hosts=EbayHosts(), clock=clock())
    return BEST_OFFERS.fetch(reach, account(), query(**({"limit": 100} | how)), TOKEN, timeout=5)


def test_each_offer_is_a_row_with_its_item_and_the_sellers_role(
    http: EbayHttp, ebay: respx.MockRouter
) -> None:
    groups = group("7", "1", "2"), group("8", "3", role="Buyer")
    ebay.post(URL).respond(200, text=grouped(*groups))

    page = fetch(http)

    assert page.keys == ("7|1", "7|2", "8|3")
    assert [json.loads(row) for row in page.rows] == [
        {
            "BestOfferID": offer,
            "Price": {"value": "9.5", "currencyID": "EUR"},
            "Role": role,
            "Item": {"ItemID": item},
        }
        for offer, item, role in (("1", "7", "Seller"), ("2", "7", "Seller"), ("3", "8", "Buyer"))
    ]
    assert json.loads(page.text)["best_offers"] == [json.loads(row) for row in page.rows]


def test_active_offers_of_all_items_are_asked_for_page_by_page(
    http: EbayHttp, ebay: respx.MockRouter
) -> None:
    route = ebay.post(URL).respond(200, text=grouped(group("7", "1"), pages=3))

    fetch(http, offset=200)

    request = route.calls.last.request
    assert request.headers["x-ebay-api-call-name"] == "GetBestOffers"
    assert (
        "<DetailLevel>ReturnAll</DetailLevel><BestOfferStatus>Active</BestOfferStatus>"
        "<Pagination><EntriesPerPage>100</EntriesPerPage><PageNumber>3</PageNumber></Pagination>"
    ) in request.content.decode()
    assert b"ItemID" not in request.content


@pytest.mark.parametrize(
    ("pages", "entries", "total"),
    [(3, 12, 201), (1, 900, 1), (0, 0, 0), ("", 12, 12), ("many", "lots", None)],
)
def test_the_pages_decide_how_long_the_list_is(
    http: EbayHttp, ebay: respx.MockRouter, pages: object, entries: object, total: int | None
) -> None:
    ebay.post(URL).respond(200, text=grouped(group("7", "1"), pages=pages, entries=entries))

    assert fetch(http).total == total


@pytest.mark.parametrize(
    "empty",
    [
        "",
        "<ItemBestOffersArray/>",
        "<ItemBestOffersArray><ItemBestOffers/></ItemBestOffersArray>",
        f"<ItemBestOffersArray>{group('7')}</ItemBestOffersArray>",
        "<BestOfferArray/>",
    ],
)
def test_every_form_of_no_offers_is_empty(
    http: EbayHttp, ebay: respx.MockRouter, empty: str
) -> None:
    ebay.post(URL).respond(200, text=answer(empty))

    page = fetch(http)

    assert (page.rows, page.total) == ((), 0)


def test_an_offer_that_is_none_is_kept_for_quarantine(
    http: EbayHttp, ebay: respx.MockRouter
) -> None:
    odd = group("7", "1").replace("<BestOfferArray>", "<BestOfferArray><BestOffer>?</BestOffer>")
    ebay.post(URL).respond(200, text=grouped(odd))

    assert fetch(http).keys == ("7|", "7|1")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (answer("<Errors><ErrorCode>518</ErrorCode></Errors>", "Failure"), RateLimitedError),
        (answer("<Errors><ErrorCode>1</ErrorCode></Errors>", "PartialFailure"), BadAnswerError),
        (
            answer("<Errors><ErrorCode>10007</ErrorCode></Errors>", "Failure"),
            UpstreamUnavailableError,
        ),
        (answer("", name="GetItemResponse"), BadAnswerError),
        (BOMB + answer("&b;"), UpstreamUnavailableError),
        (answer("<ItemBestOffersArray>")[:-25], UpstreamUnavailableError),
    ],
    ids=["quota", "partial", "system", "root", "bomb", "truncated"],
)
def test_r28_r29_what_is_wrong_with_an_answer_fails_the_page(
    http: EbayHttp, ebay: respx.MockRouter, body: str, kind: type[AppError]
) -> None:
    ebay.post(URL).respond(200, text=body)

    with pytest.raises(kind):
        fetch(http)


def test_the_sample_of_one_item_is_read_too(http: EbayHttp, ebay: respx.MockRouter) -> None:
    ebay.post(URL).respond(200, content=trading_sample("GetBestOffers_one_item"))

    page = fetch(http)

    [row] = map(json.loads, page.rows)
    assert page.keys == ("110930437825|31267536",)
    assert row["Buyer"]["UserID"] == "testuser_b2"
    assert row["Price"] == {"value": "150.0", "currencyID": "EUR"}
    assert row["Item"]["BuyItNowPrice"] == {"value": "175.66", "currencyID": "EUR"}
