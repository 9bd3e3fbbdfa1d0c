"""Payment disputes: how they arise from orders, end, and look in JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec

from infra.simulator import money
from infra.simulator.behaviour import Behaviour
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS, Order

SHARED_DISPUTE_ID = "5000000001"
REASONS = (
    "TRANSACTION_ISSUE", "FRAUD", "ITEM_NOT_RECEIVED", "SIGNIFICANTLY_NOT_AS_DESCRIBED",
    "CREDIT_NOT_PROCESSED", "COUNTERFEIT", "DUPLICATE_AMOUNT", "INCORRECT_AMOUNT", "CANCELLATION",
    "RETURN_REFUND_NOT_PROCESSED", "AUTHORIZATION_FAILED",
)  # fmt: skip
OPEN, ACTION_NEEDED, CLOSED = "OPEN", "ACTION_NEEDED", "CLOSED"
_ONE_ORDER_IN = 25
_CLOSED_AFTER_MS = 12 * DAY_MS


@dataclass(slots=True)
class Dispute:
    """`opened` never changes, the rest may."""

    dispute_id: str
    order_id: str
    buyer: str
    amount: int
    currency: str
    reason: str
    opened: int
    variety: int
    status: str = OPEN
    closed: int | None = None


def of_orders(orders: Sequence[Order], rng: Random, until: int) -> list[Dispute]:
    """In the order of their opening; the oldest has the same id for every seller."""
    disputed = [order for order in orders[::_ONE_ORDER_IN] if order.is_paid]
    made = [_dispute(order, rng, until) for order in disputed]
    made.sort(key=lambda dispute: dispute.opened)
    for number, dispute in enumerate(made):
        dispute.dispute_id = f"{int(SHARED_DISPUTE_ID) + number * 7}"
        _age(dispute, until)
    return made


def open_new(order: Order, number: int, now: int, variety: int) -> Dispute:
    """A buyer has disputed this order just now."""
    return Dispute(
        dispute_id=f"51{number:08d}",
        order_id=order.order_id,
        buyer=order.buyer.username,
        amount=order.total,
        currency=order.market.currency,
        reason=REASONS[variety % len(REASONS)],
        opened=now,
        variety=variety,
    )


def move_on(dispute: Dispute, now: int) -> None:
    """From open to asking for an action, then closed; it always differs from before."""
    match dispute.status:
        case "OPEN":
            dispute.status = ACTION_NEEDED
        case "CLOSED":
            dispute.status, dispute.closed = OPEN, None
        case _:
            dispute.status, dispute.closed = CLOSED, max(now, dispute.opened)


def _dispute(order: Order, rng: Random, until: int) -> Dispute:
    opened = min(until, order.created + int(rng.uniform(1, 20) * DAY_MS))
    return open_new(order, 0, opened, rng.getrandbits(32))


def _age(dispute: Dispute, until: int) -> None:
    """One in eight stays open whatever its age."""
    if dispute.variety % 8 == 1:
        dispute.status = ACTION_NEEDED if dispute.variety % 2 else OPEN
    elif dispute.opened + _CLOSED_AFTER_MS < until:
        dispute.status, dispute.closed = CLOSED, dispute.opened + _CLOSED_AFTER_MS
    elif dispute.variety % 3:
        dispute.status = ACTION_NEEDED


def render(dispute: Dispute, behaviour: Behaviour) -> bytes:
    return msgspec.json.encode(_body(dispute, behaviour))


def _body(dispute: Dispute, behaviour: Behaviour) -> dict[str, Any]:
    body: dict[str, Any] = {
        "paymentDisputeId": dispute.dispute_id,
        "paymentDisputeStatus": dispute.status,
        "reason": dispute.reason,
        "orderId": dispute.order_id,
        "buyerUsername": dispute.buyer,
        "amount": money.amount(dispute.amount, dispute.currency),
        "openDate": iso(dispute.opened),
    }
    if dispute.status == ACTION_NEEDED:
        body["respondByDate"] = iso(dispute.opened + 5 * DAY_MS)
    if dispute.closed is not None:
        body["closedDate"] = iso(dispute.closed)
    if behaviour.unknown_fields and dispute.variety % 5 == 2:
        body["sellerProtected"] = {"eligible": True, "program": None}
    if behaviour.unknown_enums and dispute.variety % 5 == 3:
        body["reason"] = "SUBSCRIPTION_CANCELED"
    return body
