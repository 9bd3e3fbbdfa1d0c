"""Offers of the Inventory API, against eBay's contract and its oddities."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import respx

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    MissingScopeError,
    RateLimitedError,
    UpstreamUnavailableError,
)
from core.sync.model import Environment, Page
from infra.ebay.source import EbayPages
from infra.ebay.streams.inventory_offers import INVENTORY_OFFERS, offers_text, page_text
from tests.support.ebay import CANARY, TOKEN, account, query
from tests.support.ebay_shared import contract, sample

STREAM = INVENTORY_OFFERS.stream
ITEMS, OFFERS = INVENTORY_OFFERS.path, INVENTORY_OFFERS.offers_path
CONTRACT = "sell_inventory_v1"


def fetch(source: EbayPages, offset: int = 0) -> Page:
    asked = query(limit=STREAM.page_size, offset=offset)
    return source.fetch(account(), STREAM, asked, TOKEN, timeout=5)


def unfold(source: EbayPages, sku: str = "A-1") -> Page:
    return source.unfold(account(), STREAM, sku, TOKEN, timeout=5)


def items(*skus: object, **more: object) -> dict[str, object]:
    return {"inventoryItems": [{"sku": sku} for sku in skus], "total": len(skus), **more}


def offers(*ids: object, **more: object) -> dict[str, object]:
    return {"offers": [{"offerId": each} for each in ids], "total": len(ids), **more}


def refused(error_id: int, message: str = "no") -> dict[str, object]:
    return {"errors": [{"errorId": error_id, "message": message}]}


def test_it_calls_the_operations_of_its_contract() -> None:
    document = contract(CONTRACT)
    base = document["servers"][0]["variables"]["basePath"]["default"]
    listed, offered = (
        document["paths"][path.removeprefix(base)]["get"] for path in (ITEMS, OFFERS)
    )

    assert (listed["operationId"], offered["operationId"]) == ("getInventoryItems", "getOffers")
    for operation in (listed, offered):
        assert INVENTORY_OFFERS.scope in [
            scope for way in operation["security"] for scope in way["api_auth"]
        ]
        text = {each["name"]: each["description"] for each in operation["parameters"]}
        assert "page number" in text["offset"]
        assert "has a value of <code>0</code>" in text["offset"]
    schemas = document["components"]["schemas"]
    assert {"offers", "total"} <= set(schemas["Offers"]["properties"])
    assert {"inventoryItems", "total"} <= set(schemas["InventoryItems"]["properties"])


def test_offset_is_the_number_of_a_page() -> None:
    texts = [page_text(query(limit=5, offset=offset)) for offset in (0, 5, 10, 995)]

    assert texts == [f"limit=5&offset={number}" for number in (0, 1, 2, 199)]


@pytest.mark.parametrize("environment", [Environment.PRODUCTION, Environment.SANDBOX])
def test_r50_offers_are_asked_for_by_their_sku(
    source: EbayPages, ebay: respx.MockRouter, environment: Environment
) -> None:
    route = ebay.get().respond(200, json=offers("1"))

    source.unfold(account(environment), STREAM, "Größe 7&b=+/ü", TOKEN, timeout=5)

    request = route.calls.last.request
    sandbox = ".sandbox" if environment is Environment.SANDBOX else ""
    assert str(request.url).startswith(f"https://api{sandbox}.ebay.com{OFFERS}?")
    assert parse_qs(request.url.query.decode()) == {
        "sku": ["Größe 7&b=+/ü"], "limit": ["100"], "offset": ["0"],
    }  # fmt: skip
    assert request.headers["authorization"] == f"Bearer {CANARY}"
    parameters = {
        each["name"] for each in contract(CONTRACT)["paths"]["/offer"]["get"]["parameters"]
    }
    assert set(parse_qs(urlsplit(f"?{offers_text('x')}").query)) <= parameters


def test_each_call_names_a_language(source: EbayPages, ebay: respx.MockRouter) -> None:
    """Without it eBay refuses (25709)."""
    ebay.get(path=ITEMS).respond(200, json=items("A-1"))
    ebay.get(path=OFFERS).respond(200, json=offers("1"))

    fetch(source)
    unfold(source)

    assert [call.request.headers["accept-language"] for call in ebay.calls] == ["en-US"] * 2


def test_the_entries_of_a_page_are_its_skus(source: EbayPages, ebay: respx.MockRouter) -> None:
    ebay.get(path=ITEMS).respond(200, json=items("A-1", 7, None, {}, total=99))

    page = fetch(source)

    assert (page.keys, page.total, len(page.rows)) == (("A-1", "7", "", ""), 99, 4)


@pytest.mark.parametrize(
    "body",
    [
        {"inventoryItems": [], "total": 0, "size": 0, "limit": 5},
        {"total": 0},
        {"total": 0, "inventoryItems": None},
    ],
)
def test_an_empty_inventory_is_an_empty_page(
    source: EbayPages, ebay: respx.MockRouter, body: object
) -> None:
    ebay.get(path=ITEMS).respond(200, json=body)

    page = fetch(source)

    assert (page.rows, page.keys, page.total) == ((), (), 0)


@pytest.mark.parametrize(
    "body",
    [
        [],
        None,
        {},
        {"inventoryItems": []},
        {"inventoryItems": [{"sku": "A"}]},
        {"total": 3},
        {"total": 3, "inventoryItems": None},
        {"total": -1, "inventoryItems": []},
        {"total": "1", "inventoryItems": []},
        {"total": 1, "inventoryItems": {"sku": "A"}},
        {"total": 2, "inventoryItems": [1, "x"]},
    ],
    ids=json.dumps,
)
@pytest.mark.parametrize("folded", [False, True], ids=["items", "offers"])
def test_json_that_the_contract_does_not_know_is_a_bad_answer(
    source: EbayPages, ebay: respx.MockRouter, body: object, folded: bool
) -> None:
    """A page without its total would end the snapshot, and end what it did not show."""
    text = json.dumps(body)
    ebay.get().respond(200, text=text.replace("inventoryItems", "offers") if folded else text)

    with pytest.raises(BadAnswerError, match="contract"):
        unfold(source) if folded else fetch(source)


@pytest.mark.parametrize("status", [200, 204])
@pytest.mark.parametrize("folded", [False, True], ids=["items", "offers"])
def test_no_body_is_an_outage_and_not_nothing(
    source: EbayPages, ebay: respx.MockRouter, status: int, folded: bool
) -> None:
    ebay.get().respond(status)

    with pytest.raises(UpstreamUnavailableError):
        unfold(source) if folded else fetch(source)


def test_offers_are_known_by_their_ids(source: EbayPages, ebay: respx.MockRouter) -> None:
    ebay.get().respond(200, json=offers("1", 2, None))

    page = unfold(source)

    assert page.keys[:2] == ("1", "2")
    assert page.keys[2].startswith("sha256:")
    assert [json.loads(row) for row in page.rows] == [
        {"offerId": "1"}, {"offerId": 2}, {"offerId": None},
    ]  # fmt: skip


@pytest.mark.parametrize("error_id", [25713, 25702, 25710])
def test_a_sku_without_offers_has_none(
    source: EbayPages, ebay: respx.MockRouter, error_id: int
) -> None:
    ebay.get().respond(404, json=refused(error_id))

    assert unfold(source).rows == ()


def test_a_sku_whose_list_is_empty_has_none(source: EbayPages, ebay: respx.MockRouter) -> None:
    ebay.get().respond(200, json=offers())

    assert unfold(source).rows == ()


@pytest.mark.parametrize("body", [b"", b"{}", json.dumps(refused(2002)).encode()])
def test_any_other_404_is_not_nothing(
    source: EbayPages, ebay: respx.MockRouter, body: bytes
) -> None:
    ebay.get().respond(404, content=body)

    with pytest.raises(BadAnswerError, match="404"):
        unfold(source)


def test_offers_that_do_not_fit_into_one_page_are_an_outage(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    """eBay documents at most 25 for a SKU: a longer list is a mistake, and must not lose any."""
    ebay.get().respond(200, json=offers("1", total=101))

    with pytest.raises(UpstreamUnavailableError, match="1 offers of 101"):
        unfold(source)


def test_a_sku_that_the_api_cannot_be_asked_for_is_a_row_for_quarantine(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    ebay.get().respond(400, json=refused(25707, f"This is an invalid SKU: Bearer {CANARY}"))

    page = unfold(source, "a sku")

    [row] = map(json.loads, page.rows)
    assert (row["sku"], row["errorId"]) == ("a sku", 25707)
    assert row["message"].startswith("This is an invalid SKU")
    assert "offerId" not in row
    assert "canary" not in str(page)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, refused(1001), AccessTokenRefusedError),
        (403, refused(1100), MissingScopeError),
        (429, refused(2001), RateLimitedError),
        (400, refused(25706), BadAnswerError),
        (500, refused(25001), UpstreamUnavailableError),
    ],
)
@pytest.mark.parametrize("folded", [False, True], ids=["items", "offers"])
def test_refusals_become_errors_that_name_the_scope(
    source: EbayPages,
    ebay: respx.MockRouter,
    *,
    status: int,
    body: Any,
    kind: type[AppError],
    folded: bool,
) -> None:
    ebay.get().respond(status, json=body)

    with pytest.raises(kind) as caught:
        unfold(source) if folded else fetch(source)

    assert type(caught.value) is kind
    assert kind is not MissingScopeError or INVENTORY_OFFERS.scope in str(caught.value)


def test_a_language_that_ebay_refuses_is_a_bad_answer(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    recorded = sample("error_400_25709_accept_language")
    ebay.get().respond(recorded["status"], json=recorded["body"])

    with pytest.raises(BadAnswerError, match="25709"):
        unfold(source)


def test_a_sku_that_is_no_text_costs_nothing_but_the_character(
    source: EbayPages, ebay: respx.MockRouter
) -> None:
    ebay.get().respond(200, content=rb'{"total":1,"inventoryItems":[{"sku":"a\ud83dz"}]}')

    [key] = fetch(source).keys

    assert (key[0], key[-1]) == ("a", "z")
    assert offers_text(key).startswith("sku=a%EF%BF%BD")


def test_a_snapshot_of_offers_is_taken_every_six_hours_and_ends_what_is_gone() -> None:
    assert (STREAM.interval, STREAM.ends_unseen) == (timedelta(hours=6), True)
    assert (STREAM.folded, STREAM.list_field) == (True, "offers")
