"""What a seller has bought himself: at auctions or a fixed price, alone or several at once."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from infra.simulator import money
from infra.simulator.accounts import Account
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS

SHARED_PURCHASE = ("111222333", "987654")
_MOST_DAYS = 60


@dataclass(slots=True, kw_only=True)
class Purchase:
    """`order` is shared by what was paid for together, None where it was bought alone."""

    item_id: str
    transaction_id: str
    title: str
    seller: str
    cents: int
    currency: str
    quantity: int
    bought: int
    order: str | None
    number: int
    paid: int | None = None
    shipped: int | None = None


@dataclass(slots=True)
class Basket:
    """`purchases` are newest first, as the list has them."""

    currency: str
    offset: int
    rng: Random
    sellers: list[str]
    titles: list[str]
    purchases: list[Purchase] = field(default_factory=list)
    count: int = 0

    def buy(self, now: int) -> Purchase:
        number, rng = self.count, self.rng
        self.count += 1
        item_id = str(300_000_000_000 + (number * 61_803_399 + self.offset * 27_182_817) % 10**11)
        # At auctions eBay gives transactions no number of their own.
        transaction_id = "0" if number % 4 == 3 else str(900_000_000 + number * 7 + self.offset)
        purchase = Purchase(
            item_id=item_id,
            transaction_id=transaction_id,
            title=f"{self.titles[number % len(self.titles)]} [{number}]",
            seller=rng.choice(self.sellers),
            cents=rng.randrange(99, 29_999),
            currency=self.currency,
            quantity=1 + number % 3,
            bought=now,
            order=f"{self.offset:02d}-{number // 3:05d}-77777" if number % 6 < 3 else None,
            number=number,
        )
        self.purchases.insert(0, purchase)
        return purchase

    def mutate(self, now: int) -> None:
        """One is bought, paid for or shipped."""
        waiting = [each for each in self.purchases if each.paid is None or each.shipped is None]
        if not waiting or self.rng.randrange(3) == 0:
            self.buy(now)
            return
        purchase = self.rng.choice(waiting)
        if purchase.paid is None:
            purchase.paid = now
        else:
            purchase.shipped = now

    def won(self, now: int, days: int) -> list[list[Purchase]]:
        """Of the last `days`; what belongs to one order is one entry."""
        entries: dict[object, list[Purchase]] = {}
        for each in self.purchases:
            if each.bought >= now - min(days, _MOST_DAYS) * DAY_MS:
                entries.setdefault(each.order or id(each), []).append(each)
        return list(entries.values())


def basket_of(account: Account, seed: int, end: int) -> Basket:
    """One every other day for 80 days, the last one two days before `end`."""
    basket = Basket(
        currency=account.market.currency,
        offset=account.index,
        rng=Random(f"{seed}/{account.name}/basket"),
        sellers=[buyer.username for each in account.shop.buyers.values() for buyer in each],
        titles=[str(item.facts["title"]) for item in account.shop.items],
    )
    for nth in range(40, 0, -1):
        purchase = basket.buy(end - nth * 2 * DAY_MS)
        if nth % 5:
            purchase.paid = purchase.bought + DAY_MS // 24
        if nth % 5 > 1:
            purchase.shipped = purchase.bought + DAY_MS
    # eBay's ids are its own; that two accounts hold the same one is for our tables to bear.
    basket.purchases[0].item_id, basket.purchases[0].transaction_id = SHARED_PURCHASE
    return basket


def entry_fields(entry: list[Purchase], *, unknown: bool) -> dict[str, Any]:
    """The members of an `OrderTransaction`: an order of several, or a transaction by itself."""
    lines = [_transaction(each, unknown=unknown) for each in entry]
    if entry[0].order is None:
        return {"Transaction": lines[0]}
    return {"Order": {**_order(entry), "TransactionArray": {"Transaction": lines}}}


def rows_of(entry: list[Purchase], *, unknown: bool) -> list[tuple[Purchase, dict[str, Any]]]:
    """Each transaction as if it had come alone, beside its order."""
    about = {} if entry[0].order is None else {"Order": _order(entry)}
    return [(each, {**about, "Transaction": _transaction(each, unknown=unknown)}) for each in entry]


def _order(entry: list[Purchase]) -> dict[str, Any]:
    total = sum(each.cents * each.quantity for each in entry)
    return {
        "OrderID": entry[0].order,
        "Subtotal": {"value": money.text(total), "currencyID": entry[0].currency},
    }


def _transaction(each: Purchase, *, unknown: bool) -> dict[str, Any]:
    price = {"value": money.text(each.cents), "currencyID": each.currency}
    total = {"value": money.text(each.cents * each.quantity + 499), "currencyID": each.currency}
    fields: dict[str, Any] = {
        "CreatedDate": iso(each.bought),
        "Item": {
            "ItemID": each.item_id,
            "ListingDetails": {"EndTime": iso(each.bought)},
            "ListingType": "Chinese" if each.transaction_id == "0" else "FixedPriceItem",
            "Seller": {"UserID": each.seller},
            "SellingStatus": {"ConvertedCurrentPrice": price, "CurrentPrice": price},
            "Title": each.title,
        },
        "QuantityPurchased": str(each.quantity),
        "TransactionID": each.transaction_id,
        "BuyerPaidStatus": "NotPaid" if each.paid is None else "PaidWithPaisaPay",
        "TotalPrice": total,
        "OrderLineItemID": f"{each.item_id}-{each.transaction_id}",
    }
    if each.paid is not None:
        fields["PaidTime"] = iso(each.paid)
    if each.shipped is not None:
        fields["ShippedTime"] = iso(each.shipped)
    if unknown and each.number % 7 == 2:
        fields["DroneTracking"] = {"Drone": "7"}
    return fields
