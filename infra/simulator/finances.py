"""Transactions and payouts, and how they follow from orders; positive cents, as eBay has them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from infra.simulator.orders import DAY_MS, HOUR_MS, SECOND_MS, Order, Refund

HOLD_MS = 2 * DAY_MS
CHARGE_FEES = (
    "INSERTION_FEE", "BOLD_FEE", "FINANCE_FEE", "CATEGORY_FEATURED_FEE", "NSFCHECK_FEE",
    "PROMOTIONAL_CREDIT", "GALLERY_FEE", "FEATURED_GALLERY_FEE", "RESERVE_PRICE_FEE",
    "IPIXPHOTO_FEE", "LARGE_PICTURE_FEE", "EBAY_STORE_SUBSCRIPTION_FEE", "BUY_IT_NOW_FEE",
    "SUBTITLE_FEE", "INTERNATIONAL_LISTING_FEE", "PRO_PACK_BUNDLE_FEE",
    "MARKETPLACE_RESEARCH_PRO_SUBSCRIPTION_FEE", "VEHICLE_LOCAL_SUBSCRIPTION_FEE",
    "VEHICLE_LOCAL_INSERTION_FEE", "VALUE_PACK_BUNDLE_FEE", "PRO_PACK_PLUS_BUNDLE_FEE",
    "GALLERY_PLUS_FEE", "EBAY_MOTORS_PRO_FEE", "PRIVATE_LISTING_FEE", "AUCTION_END_EARLY_FEE",
    "STORE_SUBSCRIPTION_EARLY_TERMINATION_FEE", "EBAY_PLUS_SUBSCRIPTION_FEE",
    "VEHICLE_SUBSCRIPTION_FEE", "CO_FUNDING_COUPON_FEE", "PAYMENT_DISPUTE_FEE",
    "PREMIUM_AD_FEES", "VEHICLES_BASIC_PACKAGE_FEE", "VEHICLES_PLUS_PACKAGE_FEE",
    "VEHICLES_PREMIUM_PACKAGE_FEE", "EXPRESS_PAYOUT_FEE", "TAX_DEDUCTION_AT_SOURCE",
    "INCOME_TAX_WITHHOLDING", "VAT_WITHHOLDING", "BANK_PAYOUT_FEE", "CHARITY_DONATION",
    "OTHER_FEES",
)  # fmt: skip
REFERENCES = (
    "CANCELLATION_ID", "CASE_ID", "INVOICE", "PAYMENTS_DISPUTE_ID", "REFUND_ID",
    "LOAN_REPAYMENT_ID", "RETURN_ID", "PAYOUT_ID",
)  # fmt: skip
_OCCASIONAL = (
    ("ADJUSTMENT", "CREDIT"),
    ("WITHDRAWAL", "DEBIT"),
    ("LOAN_REPAYMENT", "DEBIT"),
    ("PURCHASE", "DEBIT"),
    ("CREDIT", "CREDIT"),
    ("TRANSFER", "CREDIT"),
)
_UNKNOWN = ("CASHBACK", "CREDIT")
CREDIT, DEBIT = "CREDIT", "DEBIT"


@dataclass(slots=True)
class Transaction:
    """`amount` is net of `fee`; `booking` is its sign. `date` never changes, `status` does.

    `order` is set where the row names the order, `lines` where it lists the order's line items.
    """

    transaction_id: str
    kind: str
    booking: str
    amount: int
    currency: str
    date: int
    status: str = "FUNDS_PROCESSING"
    order: Order | None = None
    lines: bool = False
    basis: int = 0
    fee: int = 0
    fee_type: str | None = None
    memo: str | None = None
    references: tuple[tuple[str, str], ...] = ()
    payout_id: str | None = None
    variety: int = 0
    text: bytes | None = None

    @property
    def signed(self) -> int:
        return self.amount if self.booking == CREDIT else -self.amount

    def becomes(self, status: str, payout_id: str | None = None) -> None:
        self.status = status
        self.payout_id = payout_id
        self.text = None


@dataclass(slots=True)
class Payout:
    payout_id: str
    status: str
    date: int
    currency: str
    amount: int
    count: int
    reference: str
    variety: int
    text: bytes | None = None


def sale(order: Order, variety: int) -> Transaction:
    """Its id is the order's."""
    return Transaction(
        transaction_id=order.order_id,
        kind="SALE",
        booking=CREDIT,
        amount=order.total - order.fee,
        currency=order.market.currency,
        date=order.created + 2 * SECOND_MS,
        order=order,
        lines=True,
        basis=order.total,
        fee=order.fee,
        variety=variety,
    )


def refund(order: Order, entry: Refund, variety: int) -> Transaction:
    """One in five repeats the sale's id: only id and type together name a transaction."""
    credit = order.fee * entry.cents // max(1, order.total)
    return Transaction(
        transaction_id=order.order_id if _repeats_id(order, entry) else entry.refund_id,
        kind="REFUND",
        booking=DEBIT,
        amount=entry.cents - credit,
        currency=order.market.currency,
        date=entry.at,
        order=order,
        lines=True,
        basis=entry.cents,
        fee=credit,
        references=((entry.refund_id, "REFUND_ID"),),
        variety=variety,
    )


def _repeats_id(order: Order, entry: Refund) -> bool:
    return order.variety % 5 == 0 and entry is order.refunds[0]


def of_order(order: Order, rng: Random, until: int) -> Iterator[Transaction]:
    """Everything that an order has caused up to `until`."""
    if not order.is_paid:
        return
    yield sale(order, rng.getrandbits(32))
    for entry in order.refunds:
        if entry.status != "FAILED":
            yield refund(order, entry, rng.getrandbits(32))
    for row in _side_effects(order, rng):
        if row.date <= until:
            yield row


def _side_effects(order: Order, rng: Random) -> Iterator[Transaction]:
    chance = rng.random()
    if chance < 0.3:
        yield _ad_fee(order)
    if 0.2 < chance < 0.4:
        yield _shipping_label(order)
    if chance > 0.99:
        yield from _dispute(order)


def _ad_fee(order: Order) -> Transaction:
    return Transaction(
        transaction_id=f"FEE-{7_000_000_000_000 + order.number}_11",
        kind="NON_SALE_CHARGE",
        booking=DEBIT,
        amount=order.total // 30 + 1,
        currency=order.market.currency,
        date=order.created + 4 * SECOND_MS,
        fee_type="AD_FEE",
        references=((order.lines[0].item.item_id, "ITEM_ID"), (order.order_id, "ORDER_ID")),
        variety=order.variety,
    )


def _shipping_label(order: Order) -> Transaction:
    return Transaction(
        transaction_id=f"SL-{order.variety:010d}-{order.number}",
        kind="SHIPPING_LABEL",
        booking=DEBIT,
        amount=389,
        currency=order.market.currency,
        date=order.created + 8 * HOUR_MS,
        order=order,
        memo="Label DPD Classic",
        variety=order.variety,
    )


def _dispute(order: Order) -> Iterator[Transaction]:
    case = ((f"{order.variety:010d}", "CASE_ID"),)
    for prefix, kind, booking, days in (
        ("DISPUTE_HOLD", "DISPUTE", DEBIT, 6),
        ("DISPUTE_HOLD_REVERSE", "CREDIT", CREDIT, 9),
    ):
        yield Transaction(
            transaction_id=f"{prefix}-{order.variety:010d}-{order.number}",
            kind=kind,
            booking=booking,
            amount=order.total,
            currency=order.market.currency,
            date=order.created + days * DAY_MS,
            order=order,
            references=case,
            variety=order.variety,
        )


def occasional(
    rng: Random, nth: int, currency: str, date: int, *, unknown: bool = False
) -> Transaction:
    """What an account meets now and then besides its orders: every kind and fee in turn.

    `unknown`: so is a kind that no contract names.
    """
    reference = ((str(rng.randrange(10**9, 10**10)), REFERENCES[nth % len(REFERENCES)]),)
    if nth % 3:
        fee_type = CHARGE_FEES[(nth - nth // 3 - 1) % len(CHARGE_FEES)]
        return Transaction(
            transaction_id=f"INVOICE-{rng.randrange(10**12, 10**13)}_11",
            kind="NON_SALE_CHARGE",
            booking=CREDIT if fee_type == "PROMOTIONAL_CREDIT" else DEBIT,
            amount=rng.randrange(99, 4_999),
            currency=currency,
            date=date,
            fee_type=fee_type,
            memo="Monthly invoice",
            references=reference,
            variety=nth,
        )
    kinds = (*_OCCASIONAL, _UNKNOWN) if unknown else _OCCASIONAL
    kind, booking = kinds[nth // 3 % len(kinds)]
    return Transaction(
        transaction_id=str(rng.randrange(10**10, 10**11)),
        kind=kind,
        booking=booking,
        amount=rng.randrange(99, 4_999),
        currency=currency,
        date=date,
        memo="TRANSFER_FROM" if kind == "TRANSFER" else None,
        references=reference,
        variety=nth,
    )


def status_at(row: Transaction, now: int) -> str:
    """Of a transaction that is not paid out. A few never will be."""
    if row.variety % 397 == 5:
        return "FAILED"
    if row.variety % 397 == 6:
        return "COMPLETED"
    if row.variety % 61 == 7:
        return "FUNDS_ON_HOLD"
    return "FUNDS_PROCESSING" if row.date > now - HOLD_MS else "FUNDS_AVAILABLE_FOR_PAYOUT"


def can_be_paid_out(row: Transaction, now: int) -> bool:
    return status_at(row, now) == "FUNDS_AVAILABLE_FOR_PAYOUT"


def pay_out(rng: Random, rows: Sequence[Transaction], at: int) -> Payout | None:
    """One payout of all `rows` (of one currency); None while they sum to nothing or less."""
    amount = sum(row.signed for row in rows)
    if amount <= 0:
        return None
    payout = Payout(
        payout_id=str(rng.randrange(10**9, 10**10)),
        status="INITIATED",
        date=at,
        currency=rows[0].currency,
        amount=amount,
        count=len(rows),
        reference=str(rng.randrange(10**12, 10**13)),
        variety=rng.getrandbits(32),
    )
    for row in rows:
        row.becomes("PAYOUT", payout.payout_id)
    return payout


def settled_status(payout: Payout) -> str:
    """What becomes of a payout once its bank has answered."""
    rare = {0: "RETRYABLE_FAILED", 1: "TERMINAL_FAILED", 2: "REVERSED"}
    return rare.get(payout.variety % 29, "SUCCEEDED")
