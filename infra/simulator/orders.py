"""What an order is and how one comes into being; money in cents, instants in milliseconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from infra.simulator.catalog import Buyer, Item, Market

SECOND_MS = 1000
HOUR_MS = 3600 * SECOND_MS
DAY_MS = 24 * HOUR_MS

# Every documented fee appears now and then, as the extra one of a line.
LINE_FEES = (
    "INTERNATIONAL_FEE",
    "BELOW_STANDARD_FEE",
    "BELOW_STANDARD_SHIPPING_FEE",
    "HIGH_ITEM_NOT_AS_DESCRIBED_FEE",
    "HIGH_ITEM_NOT_AS_DESCRIBED_SHIPPING_FEE",
    "PAYMENT_PROCESSING_FEE",
    "FINAL_VALUE_SHIPPING_FEE",
    "REGULATORY_OPERATING_FEE",
    "DEPOSIT_PROCESSING_FEE",
)


@dataclass(frozen=True, slots=True)
class Line:
    """`shipping` and `discount` are for the whole line; `fees` are (type, cents)."""

    line_id: str
    item: Item
    quantity: int
    cost: int
    discount: int
    shipping: int
    fees: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return self.cost - self.discount + self.shipping

    @property
    def fee(self) -> int:
        return sum(cents for _, cents in self.fees)


@dataclass(frozen=True, slots=True)
class Refund:
    refund_id: str
    at: int
    cents: int
    status: str


@dataclass(slots=True)
class Order:
    """`variety` decides, for ever, which rare members this order carries.

    `text` is its JSON as a list gives it, None until it is asked for or after a change.
    """

    order_id: str
    number: int
    created: int
    modified: int
    market: Market
    buyer: Buyer
    lines: tuple[Line, ...]
    variety: int
    payment_status: str = "PAID"
    fulfillment_status: str = "NOT_STARTED"
    cancel_state: str = "NONE_REQUESTED"
    shipments: int = 0
    revision: int = 0
    refunds: list[Refund] = field(default_factory=list)
    text: bytes | None = None

    @property
    def total(self) -> int:
        return sum(line.total for line in self.lines)

    @property
    def fee(self) -> int:
        return sum(line.fee for line in self.lines)

    @property
    def refunded(self) -> int:
        return sum(refund.cents for refund in self.refunds if refund.status != "FAILED")

    @property
    def is_paid(self) -> bool:
        return self.payment_status not in {"PENDING", "FAILED"}


@dataclass(frozen=True, slots=True)
class Shop:
    """What new orders of one account are drawn from."""

    items: Sequence[Item]
    buyers: Mapping[str, Sequence[Buyer]]
    home: Market
    abroad: Market


def new_order(rng: Random, shop: Shop, *, order_id: str, number: int, created: int) -> Order:
    """An unshipped order, paid unless its payment is still open or failed."""
    market = shop.home if rng.random() < 0.85 else shop.abroad
    crosses = rng.random() < 0.05
    country = (shop.abroad if market is shop.home else shop.home).country if crosses else None
    buyers = shop.buyers[country or market.country]
    chance = rng.random()
    return Order(
        order_id=order_id,
        number=number,
        created=created,
        modified=created + int(rng.random() * 5 * SECOND_MS),
        market=market,
        buyer=buyers[int(rng.random() * len(buyers))],
        lines=_new_lines(rng, shop),
        variety=rng.getrandbits(32),
        payment_status="FAILED" if chance < 0.01 else "PENDING" if chance < 0.03 else "PAID",
    )


def _new_lines(rng: Random, shop: Shop) -> tuple[Line, ...]:
    chance = rng.random()
    count = 1 if chance < 0.25 else 2 if chance < 0.6 else 3 if chance < 0.85 else 4
    return tuple(_new_line(rng, shop, first=place == 0) for place in range(count))


def _new_line(rng: Random, shop: Shop, *, first: bool) -> Line:
    item = shop.items[int(rng.random() * len(shop.items))]
    quantity = 1 + int(rng.random() * rng.random() * 5)
    cost = item.price * quantity
    discount = cost // 20 if rng.random() < 0.1 else 0
    shipping = 495 if first else 0
    fees = [("FINAL_VALUE_FEE", (cost - discount + shipping) * 12 // 100)]
    if first:
        fees.insert(0, ("FINAL_VALUE_FEE_FIXED_PER_ORDER", 35))
    chance = rng.random()
    if chance < 0.08:
        fees.append((LINE_FEES[int(chance * 10_000) % len(LINE_FEES)], 1 + cost * 165 // 10_000))
    line_id = str(10**13 + int(rng.random() * 9 * 10**13))
    return Line(line_id, item, quantity, cost, discount, shipping, tuple(fees))


def age_order(rng: Random, order: Order, now: int) -> None:
    """Give an order of the past the history that it would have by `now`."""
    age = now - order.created
    if not order.is_paid:
        return
    chance = rng.random()
    if chance < 0.04:
        order.cancel_state = "IN_PROGRESS" if age < DAY_MS else "CANCELED"
        _touch_within(rng, order, 2 * DAY_MS, now)
        if order.cancel_state == "CANCELED":
            refund(order, order.total, order.modified)
        return
    if age > int(rng.random() * 2 * DAY_MS):
        ship(order, at_once=chance < 0.9)
        _touch_within(rng, order, 3 * DAY_MS, now)
    if chance > 0.94 and age > DAY_MS:
        _touch_within(rng, order, 20 * DAY_MS, now)
        whole = chance > 0.97
        refund(order, order.total if whole else order.lines[0].total // 2 + 1, order.modified)


def _touch_within(rng: Random, order: Order, span: int, now: int) -> None:
    room = min(span, now - order.modified)
    order.modified += int(rng.random() * max(0, room))


def ship(order: Order, *, at_once: bool) -> None:
    order.shipments += 1
    order.fulfillment_status = "FULFILLED" if at_once else "IN_PROGRESS"


def refund(order: Order, cents: int, at: int) -> Refund:
    """Book a refund of at most what is left; the order's status follows the sum of all."""
    cents = min(cents, order.total - order.refunded)
    entry = Refund(
        refund_id=str(5_000_000_000 + order.number * 8 + len(order.refunds)),
        at=at,
        cents=cents,
        status=_refund_status(order.variety),
    )
    order.refunds.append(entry)
    if order.refunded:
        whole = order.refunded >= order.total
        order.payment_status = "FULLY_REFUNDED" if whole else "PARTIALLY_REFUNDED"
    return entry


def _refund_status(variety: int) -> str:
    if variety % 13 == 0:
        return "PENDING"
    return "FAILED" if variety % 13 == 1 else "REFUNDED"
