"""Best Offers that are waiting for an answer: on a seller's listings, and what he bid himself."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from infra.simulator import money
from infra.simulator.catalog import Item
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS, Shop

SHARED_OFFER_ID = "31267536"
_CODES = ("BuyerBestOffer", "BuyerCounterOffer", "SellerCounterOffer")
_UNKNOWN_CODE = "OfferFromTheFuture"
_FEWEST, _MOST = 12, 400


@dataclass(slots=True, kw_only=True)
class Offer:
    """`cents` may change (a counter offer); the listing never does."""

    offer_id: str
    item: Item
    other: str
    cents: int
    quantity: int
    code: str
    status: str
    expires: int
    as_buyer: bool
    variety: int


@dataclass(slots=True)
class OfferBook:
    """`offers` are the active ones, in the order in which they came."""

    currency: str
    offset: int
    shop: Shop
    rng: Random
    unknown: bool
    offers: list[Offer] = field(default_factory=list)
    count: int = 0

    def add(self, now: int) -> Offer:
        rng, number = self.rng, self.count
        self.count += 1
        # Few listings, so that several have more than one offer.
        item = self.shop.items[rng.randrange(min(number // 2 + 1, len(self.shop.items)))]
        buyers = self.shop.buyers[rng.choice(sorted(self.shop.buyers))]
        variety = rng.getrandbits(32)
        offer = Offer(
            offer_id=self._offer_id(number),
            item=item,
            other=rng.choice(buyers).username,
            cents=item.price * (50 + variety % 45) // 100 + 1,
            quantity=1 + variety % 3,
            code=_UNKNOWN_CODE if self.unknown and number % 19 == 18 else _CODES[0],
            status="Pending",
            expires=now + 2 * DAY_MS,
            as_buyer=number % 8 == 7,
            variety=variety,
        )
        self.offers.append(offer)
        return offer

    def end(self, offer_id: str) -> None:
        """Accepted, declined or expired: active no more."""
        self.offers = [offer for offer in self.offers if offer.offer_id != offer_id]

    def mutate(self, now: int) -> None:
        """One comes, one is countered, or one is answered."""
        what = self.rng.randrange(3)
        if what == 0 or not self.offers:
            self.add(now)
            return
        offer = self.rng.choice(self.offers)
        if what == 1:
            offer.cents += 100
            offer.code, offer.status = _CODES[offer.cents % 3], "Countered"
            offer.expires = now + 2 * DAY_MS
        else:
            self.end(offer.offer_id)

    def by_item(self) -> list[list[Offer]]:
        """As the answer groups them."""
        groups: dict[tuple[str, bool], list[Offer]] = {}
        for offer in self.offers:
            groups.setdefault((offer.item.item_id, offer.as_buyer), []).append(offer)
        return list(groups.values())

    def _offer_id(self, number: int) -> str:
        if number == 0:
            return SHARED_OFFER_ID
        return str(40_000_000 + (number * 61_803_399 + self.offset * 27_182_818) % 10**9)


def fill(book: OfferBook, orders: int, end: int) -> None:
    """About one offer for each forty orders, made within a day before `end`."""
    count = min(_MOST, max(_FEWEST, orders // 40))
    for nth in range(count):
        book.add(end - nth * DAY_MS // count)


def offer_fields(offer: Offer, currency: str, *, unknown: bool) -> dict[str, Any]:
    """What an offer's element holds, as JSON has it."""
    fields: dict[str, Any] = {
        "BestOfferID": offer.offer_id,
        "ExpirationTime": iso(offer.expires),
        "Buyer": {
            "FeedbackScore": str(offer.variety % 5000),
            "RegistrationDate": "2009-10-23T17:01:26.000Z",
            "UserID": offer.other,
        },
        "Price": amount(offer.cents, currency),
        "Status": offer.status,
        "Quantity": str(offer.quantity),
    }
    if offer.variety % 4 == 1:
        fields["BuyerMessage"] = "Would you take this? It's for my mother & her <garden>."
    if offer.code == "SellerCounterOffer":
        fields["SellerMessage"] = "Best I can do."
    fields["BestOfferCodeType"] = offer.code
    if unknown and offer.variety % 5 == 3:
        fields["OfferScore"] = {"value": "7", "scale": "10"}
    return fields


def item_fields(offer: Offer, currency: str) -> dict[str, Any]:
    return {
        "BuyItNowPrice": amount(offer.item.price, currency),
        "ItemID": offer.item.item_id,
        "ListingDetails": {"EndTime": "2027-02-01T01:03:51.000Z"},
        "Location": "Köln",
        "Title": offer.item.facts["title"],
        "ConditionID": "1000",
        "ConditionDisplayName": "New",
    }


def row(offer: Offer, currency: str, *, unknown: bool) -> dict[str, Any]:
    """What a perfect reader stores of it."""
    return offer_fields(offer, currency, unknown=unknown) | {
        "Role": role(offer),
        "Item": item_fields(offer, currency),
    }


def role(offer: Offer) -> str:
    return "Buyer" if offer.as_buyer else "Seller"


def amount(cents: int, currency: str) -> dict[str, str]:
    return {"value": money.text(cents), "currencyID": currency}
