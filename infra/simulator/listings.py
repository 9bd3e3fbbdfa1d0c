"""What a seller offers now: listings that are sold from, repriced, ended, brought back and made."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from infra.simulator import money
from infra.simulator.accounts import Account
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS, HOUR_MS

SHARED_ITEM_ID = "110011001100"
_FEWEST, _MOST = 20, 400
_MONTH_MS = 30 * DAY_MS
_COLOURS = ("Red", "Blue", "Grün", "Schwarz & Weiß")


@dataclass(slots=True, kw_only=True)
class Variation:
    """`sku` None: the seller gave none."""

    sku: str | None
    name: str
    cents: int
    quantity: int
    sold: int = 0


@dataclass(slots=True, kw_only=True)
class Listing:
    """`cents` is the price now; of an auction it rises from `start_cents`."""

    item_id: str
    sku: str | None
    title: str
    cents: int
    start_cents: int
    currency: str
    started: int
    number: int
    quantity: int = 1
    sold: int = 0
    bids: int = 0
    watchers: int = 0
    is_auction: bool = False
    variations: list[Variation] = field(default_factory=list)


@dataclass(slots=True)
class Stock:
    """`active` are oldest first; what has ended waits in `ended` until it comes back."""

    market: str
    currency: str
    offset: int
    rng: Random
    titles: list[str]
    active: list[Listing] = field(default_factory=list)
    ended: list[Listing] = field(default_factory=list)
    count: int = 0

    def add(self, started: int) -> Listing:
        number, rng = self.count, self.rng
        self.count += 1
        cents = rng.randrange(199, 49_999)
        listing = Listing(
            item_id=self._item_id(number),
            sku=None if number % 11 == 5 else f"{self.market[-2:]}-{number:05d}",
            title=f"{self.titles[number % len(self.titles)]} ({number})",
            cents=cents,
            start_cents=cents,
            currency=self.currency if number % 17 else "GBP",
            started=started,
            number=number,
            quantity=1 + rng.randrange(9),
            watchers=rng.randrange(6),
            is_auction=number % 9 == 4,
        )
        if listing.is_auction:
            listing.quantity, listing.start_cents, listing.bids = 1, 100, rng.randrange(5)
        elif number % 7 == 3:
            listing.variations = self._variations(number, cents)
            listing.sku = None
        self.active.append(listing)
        return listing

    def mutate(self, now: int) -> None:
        """One is sold from, repriced, ended, brought back or made."""
        what = self.rng.randrange(10)
        if what < 2 or not self.active:
            self.add(now)
        elif what == 2 and self.ended:
            self.bring_back(self.ended[0])
        elif what == 3:
            self.end(self.rng.choice(self.active))
        else:
            self._change(self.rng.choice(self.active))

    def end(self, listing: Listing) -> None:
        self.active.remove(listing)
        self.ended.append(listing)

    def bring_back(self, listing: Listing) -> None:
        """Under the same number, as eBay does when it takes an ending back."""
        self.ended.remove(listing)
        self.active.append(listing)
        self.active.sort(key=lambda each: each.started)

    def find(self, item_id: str) -> Listing:
        return next(each for each in (*self.active, *self.ended) if each.item_id == item_id)

    def _change(self, listing: Listing) -> None:
        listing.watchers += 1
        if listing.is_auction:
            listing.bids += 1
            listing.cents += 50
        elif listing.variations:
            variation = self.rng.choice(listing.variations)
            variation.cents += 10
            variation.sold = min(variation.sold + 1, variation.quantity)
        else:
            listing.cents += 10
            listing.sold = min(listing.sold + 1, listing.quantity)

    def _variations(self, number: int, cents: int) -> list[Variation]:
        count = 1 + number % 4
        return [
            Variation(
                # Two of them without: eBay then tells them apart by what they are made of.
                sku=None if number % 28 == 3 and nth < 2 else f"V-{number:05d}-{nth}",
                name=_COLOURS[nth],
                cents=cents + 100 * nth,
                quantity=3 + nth,
            )
            for nth in range(count)
        ]

    def _item_id(self, number: int) -> str:
        if number == 0:
            return SHARED_ITEM_ID
        return str(200_000_000_000 + (number * 61_803_399 + self.offset * 27_182_817) % 10**11)


def stock_of(account: Account, seed: int, end: int, *, count: int | None) -> Stock:
    """`count` listings, else as many as the shop has things; all begun before `end`."""
    stock = Stock(
        market=account.market.marketplace_id,
        currency=account.market.currency,
        offset=account.index,
        rng=Random(f"{seed}/{account.name}/stock"),
        titles=[str(item.facts["title"]) for item in account.shop.items],
    )
    size = min(_MOST, max(_FEWEST, len(account.shop.items))) if count is None else count
    for nth in range(size):
        stock.add(end - (size - nth) * HOUR_MS // 4)
    return stock


def item_fields(listing: Listing, now: int, *, unknown: bool) -> dict[str, Any]:
    """The members of an `Item` of the ActiveList."""
    price = _amount(listing.cents, listing.currency)
    status: dict[str, Any] = {"CurrentPrice": price}
    if listing.is_auction:
        status = {"BidCount": str(listing.bids), **status, "ReserveMet": "true"}
    fields: dict[str, Any] = {
        "ItemID": listing.item_id,
        "ListingDetails": {
            "StartTime": iso(listing.started),
            "ViewItemURL": f"https://www.ebay.com/itm/{listing.item_id}?a=1&b=2",
        },
        "ListingDuration": "Days_10" if listing.is_auction else "GTC",
        "ListingType": "Chinese" if listing.is_auction else "FixedPriceItem",
        "Quantity": str(_quantity(listing)),
        "SellingStatus": status,
        "TimeLeft": _time_left(listing, now),
        "Title": listing.title,
        "QuantityAvailable": str(_available(listing)),
        "PictureDetails": {"GalleryURL": f"https://i.ebayimg.com/{listing.item_id}.jpg"},
    }
    return _with_options(fields, listing, price, unknown=unknown)


def _with_options(
    fields: dict[str, Any], listing: Listing, price: dict[str, str], *, unknown: bool
) -> dict[str, Any]:
    if listing.is_auction:
        fields["StartPrice"] = _amount(listing.start_cents, listing.currency)
    else:
        fields = {"BuyItNowPrice": price, **fields}
    if listing.watchers:
        fields["WatchCount"] = str(listing.watchers)
    if listing.sku is not None:
        fields["SKU"] = listing.sku
    if listing.variations:
        shown = [_variation(each, listing) for each in listing.variations]
        fields["Variations"] = {"Variation": shown}
    if unknown and listing.number % 13 == 6:
        fields["GiftIcon"] = "0"
        fields["HandlingOfTheFuture"] = {"Zone": ["1", "2"]}
    return fields


def rows_of(listing: Listing, *, unknown: bool) -> list[tuple[str, dict[str, Any]]]:
    """(SKU, row) of each SKU: the item with the variations of that SKU only.

    Without `TimeLeft`, which differs at each reading. Variations without a SKU are one row.
    """
    fields = item_fields(listing, 0, unknown=unknown)
    del fields["TimeLeft"]
    if not listing.variations:
        return [(listing.sku or "", fields)]
    by_sku: dict[str, list[dict[str, Any]]] = {}
    for each in listing.variations:
        by_sku.setdefault(each.sku or "", []).append(_variation(each, listing))
    return [
        (sku, {**fields, "Variations": {"Variation": found if len(found) > 1 else found[0]}})
        for sku, found in by_sku.items()
    ]


def _variation(each: Variation, listing: Listing) -> dict[str, Any]:
    named = {"NameValueList": {"Name": "Color", "Value": each.name}}
    return ({} if each.sku is None else {"SKU": each.sku}) | {
        "StartPrice": _amount(each.cents, listing.currency),
        "Quantity": str(each.quantity),
        "VariationSpecifics": named,
        "SellingStatus": {"QuantitySold": str(each.sold)},
        "VariationTitle": f"{listing.title} [{each.name}]",
    }


def _quantity(listing: Listing) -> int:
    return sum(each.quantity for each in listing.variations) or listing.quantity


def _available(listing: Listing) -> int:
    sold = sum(each.sold for each in listing.variations) or listing.sold
    return _quantity(listing) - sold


def _amount(cents: int, currency: str) -> dict[str, str]:
    return {"value": money.text(cents), "currencyID": currency}


def _time_left(listing: Listing, now: int) -> str:
    """Until the end, or until a listing without an end is prolonged."""
    seconds = (listing.started - now) % _MONTH_MS // 1000
    days, rest = divmod(seconds, 86_400)
    return f"P{days}DT{rest // 3600}H{rest % 3600 // 60}M{rest % 60}S"
