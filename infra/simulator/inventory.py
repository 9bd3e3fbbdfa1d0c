"""The inventory model: SKUs, their offers on eBay's marketplaces, and how both look in JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import msgspec

from infra.simulator import money
from infra.simulator.behaviour import Behaviour
from infra.simulator.catalog import Item, Market
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS, Shop

SHARED_OFFER_ID = "8000000001"
LISTING_STATUSES = ("ACTIVE", "OUT_OF_STOCK", "INACTIVE", "ENDED", "EBAY_ENDED", "NOT_LISTED")
_START_MS = 20_000 * DAY_MS


@dataclass(slots=True)
class Offer:
    """`listing_id` None: it was never published."""

    offer_id: str
    sku: str
    market: Market
    form: str
    price: int
    quantity: int
    listing_id: str | None
    listing_status: str
    variety: int
    sold: int = 0

    @property
    def title(self) -> str:
        return f"<p>Angebot {self.offer_id} für {self.sku} “neu” & geprüft</p>"


@dataclass(slots=True)
class Stock:
    sku: str
    title: str
    quantity: int
    variety: int
    offers: list[Offer] = field(default_factory=list)


def of_shop(shop: Shop, rng: Random) -> list[Stock]:
    """A SKU of each item that has one; the first offer has the same id for every seller."""
    found = [_stock(number, item, shop, rng) for number, item in enumerate(_with_skus(shop.items))]
    _number(offer for stock in found for offer in stock.offers)
    return found


def add(stock: Sequence[Stock], shop: Shop, rng: Random) -> Stock:
    """A new SKU with its offers."""
    number = len(stock)
    item = shop.items[number % len(shop.items)]
    new = _stock(number, item, shop, rng)
    new.sku = f"NEW.{rng.randrange(10**12)}"
    for place, offer in enumerate(new.offers):
        offer.sku, offer.offer_id = new.sku, f"81{rng.randrange(10**7):07d}{place}"
    return new


def change(stock: Stock, rng: Random) -> None:
    """Another price and quantity of what it offers."""
    for offer in stock.offers:
        offer.price += 1 + rng.randrange(99)
        offer.quantity = rng.randrange(50)


def _with_skus(items: Iterable[Item]) -> Iterable[Item]:
    return {item.facts["sku"]: item for item in items if "sku" in item.facts}.values()


def _stock(number: int, item: Item, shop: Shop, rng: Random) -> Stock:
    """One SKU in six has no offers, one has an auction beside, one is on two marketplaces."""
    variety = rng.getrandbits(32)
    made = Stock(item.facts.get("sku", ""), item.facts["title"], variety % 40, variety)
    shapes = {
        0: (),
        1: ((shop.home, "FIXED_PRICE"), (shop.home, "AUCTION")),
        2: ((shop.home, "FIXED_PRICE"), (shop.abroad, "FIXED_PRICE")),
    }
    for market, form in shapes.get(number % 6, ((shop.home, "FIXED_PRICE"),)):
        made.offers.append(_offer(made, item, market, form, rng.getrandbits(32)))
    return made


def _offer(stock: Stock, item: Item, market: Market, form: str, variety: int) -> Offer:
    """One in five was not published yet."""
    published = variety % 5 != 1
    status = "NOT_LISTED" if not published else LISTING_STATUSES[variety // 5 % 11 % 5]
    return Offer(
        offer_id="",
        sku=stock.sku,
        market=market,
        form=form,
        price=item.price,
        quantity=stock.quantity,
        listing_id=str(300_000_000_000 + variety % 10**11) if published else None,
        listing_status=status,
        variety=variety,
        sold=variety % 17,
    )


def _number(offers: Iterable[Offer]) -> None:
    for number, offer in enumerate(offers):
        offer.offer_id = str(int(SHARED_OFFER_ID) + number * 13)


def render_item(stock: Stock, behaviour: Behaviour) -> bytes:
    body: dict[str, Any] = {
        "sku": stock.sku,
        "locale": "de_DE",
        "product": {"title": stock.title, "brand": "Markenlos", "imageUrls": []},
        "condition": "NEW",
        "availability": {"shipToLocationAvailability": {"quantity": stock.quantity}},
    }
    if stock.variety % 7 == 3:
        body["groupIds"] = body["inventoryItemGroupKeys"] = [f"G-{stock.variety}"]
    if behaviour.unknown_fields and stock.variety % 7 == 4:
        body["sustainability"] = {"score": 3}
    return msgspec.json.encode(body)


def render_offer(offer: Offer, behaviour: Behaviour) -> bytes:
    body = _offer_body(offer)
    if offer.form == "AUCTION":
        prices = body["pricingSummary"]
        prices["auctionStartPrice"] = money.amount(offer.price // 2, offer.market.currency)
        prices["auctionReservePrice"] = money.amount(offer.price - 1, offer.market.currency)
    _add_rarities(offer, body)
    if behaviour.unknown_fields and offer.variety % 9 == 4:
        body["promotedListing"] = {"rate": "2.5", "campaigns": [None]}
    if behaviour.unknown_enums and offer.variety % 9 == 5 and "listing" in body:
        body["listing"]["listingStatus"] = "UNDER_REVIEW"
    return msgspec.json.encode(body)


def _offer_body(offer: Offer) -> dict[str, Any]:
    body: dict[str, Any] = {
        "offerId": offer.offer_id,
        "sku": offer.sku,
        "marketplaceId": offer.market.marketplace_id,
        "format": offer.form,
        "listingDescription": offer.title,
        "availableQuantity": offer.quantity,
        "pricingSummary": {"price": money.amount(offer.price, offer.market.currency)},
        "listingPolicies": {
            "paymentPolicyId": "6196932000",
            "returnPolicyId": "6196947000",
            "fulfillmentPolicyId": f"61969440{offer.variety % 10}0",
            "eBayPlusIfEligible": False,
        },
        "categoryId": str(9355 + offer.variety % 50),
        "merchantLocationKey": f"warehouse-{offer.variety % 3}",
        "tax": {"applyTax": False},
        "listingDuration": "GTC" if offer.form == "FIXED_PRICE" else "DAYS_7",
        "includeCatalogProductDetails": True,
        "hideBuyerDetails": offer.variety % 4 == 0,
        "status": "PUBLISHED" if offer.listing_id else "UNPUBLISHED",
    }
    if offer.listing_id:
        body["listing"] = {
            "listingId": offer.listing_id,
            "listingStatus": offer.listing_status,
            "soldQuantity": offer.sold,
            "listingOnHold": offer.variety % 13 == 6,
        }
    return body


def _add_rarities(offer: Offer, body: dict[str, Any]) -> None:
    rare: tuple[dict[str, Any], ...] = (
        {"quantityLimitPerBuyer": 1 + offer.variety % 5},
        {"lotSize": 10, "secondaryCategoryId": "123"},
        {"tax": {"applyTax": True, "vatPercentage": 19.5}},
        {"listingStartDate": iso(_START_MS + offer.variety % 10**9)},
        {"storeCategoryNames": ["/Zubehör/Klein"], "charity": {"charityId": "1"}},
        {"regulatory": {"repairScore": 7.5}, "extendedProducerResponsibility": {}},
    )
    if offer.variety % 3 == 0:
        body |= rare[offer.variety // 3 % len(rare)]
    if not offer.listing_id and offer.variety % 4 == 2:
        # A price is needed to publish, not before.
        body["pricingSummary"] = {}
