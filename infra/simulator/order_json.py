"""An order as getOrders and getOrder write it."""

from typing import Any

import msgspec

from infra.simulator import money, rarities
from infra.simulator.behaviour import Behaviour
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS, HOUR_MS, Line, Order

_HREF = "https://api.ebay.com/sell/fulfillment/v1/order/{}/shipping_fulfillment/{}"


def render(order: Order, seller: str, behaviour: Behaviour) -> bytes:
    """The order's JSON as lists give it, kept until the order changes."""
    if order.text is None:
        order.text = msgspec.json.encode(body_of(order, seller, behaviour))
    return order.text


def render_in_full(order: Order, seller: str, behaviour: Behaviour, *, tax: bool) -> bytes:
    """As getOrder gives it: with cancel requests, and taxes where they are asked for."""
    body = body_of(order, seller, behaviour)
    if order.cancel_state != "NONE_REQUESTED":
        body["cancelStatus"]["cancelRequests"] = [_cancel_request(order)]
    if tax:
        add_taxes(order, body)
    return msgspec.json.encode(body)


def render_with_taxes(order: Order, seller: str, behaviour: Behaviour) -> bytes:
    body = body_of(order, seller, behaviour)
    add_taxes(order, body)
    return msgspec.json.encode(body)


def add_taxes(order: Order, body: dict[str, Any]) -> None:
    """What `fieldGroups=TAX_BREAKDOWN` adds, to orders of marketplaces with a sales tax."""
    if order.market.country != "US":
        return
    currency, total = order.market.currency, 0
    for nth, (line, written) in enumerate(zip(order.lines, body["lineItems"], strict=True)):
        tax = line.cost * 7 // 100
        total += tax
        kind = rarities.TAX_TYPES[nth % len(rarities.TAX_TYPES)]
        written["taxes"] = [{"taxType": kind, "amount": money.amount(tax, currency)}]
    body["pricingSummary"]["tax"] = money.amount(total, currency)


def body_of(order: Order, seller: str, behaviour: Behaviour) -> dict[str, Any]:
    currency = order.market.currency
    body: dict[str, Any] = {
        "orderId": order.order_id,
        "legacyOrderId": order.order_id,
        "creationDate": iso(order.created),
        "lastModifiedDate": iso(order.modified),
        "orderFulfillmentStatus": order.fulfillment_status,
        "orderPaymentStatus": order.payment_status,
        "sellerId": seller,
        "buyer": order.buyer.buyer,
        "pricingSummary": _pricing(order),
        "cancelStatus": _cancel_status(order),
        "paymentSummary": _payment(order),
        "fulfillmentStartInstructions": [_start_instruction(order)],
        "fulfillmentHrefs": [
            _HREF.format(order.order_id, order.number * 16 + nth) for nth in range(order.shipments)
        ],
        "lineItems": [_line(order, line) for line in order.lines],
        "salesRecordReference": str(order.number),
        "totalFeeBasisAmount": money.amount(order.total, currency),
        "totalMarketplaceFee": money.amount(order.fee, currency),
    }
    rarities.add(order, body, fields=behaviour.unknown_fields, enums=behaviour.unknown_enums)
    if order.revision:
        body["buyerCheckoutNotes"] = f"Revision {order.revision}"
    return body


def _pricing(order: Order) -> dict[str, Any]:
    currency = order.market.currency
    discount = sum(line.discount for line in order.lines)
    shipping = sum(line.shipping for line in order.lines)
    pricing = {"priceSubtotal": money.amount(sum(line.cost for line in order.lines), currency)}
    if discount:
        pricing["priceDiscount"] = money.amount(-discount, currency)
        # What the buyer pays for delivery is `deliveryCost` plus this negative amount.
        pricing["deliveryCost"] = money.amount(shipping + 1485, currency)
        pricing["deliveryDiscount"] = money.amount(-1485, currency)
    else:
        pricing["deliveryCost"] = money.amount(shipping, currency)
    pricing["total"] = money.amount(order.total, currency)
    return pricing


def _cancel_status(order: Order) -> dict[str, Any]:
    status: dict[str, Any] = {"cancelState": order.cancel_state, "cancelRequests": []}
    if order.cancel_state == "CANCELED":
        status["cancelledDate"] = iso(order.modified)
    return status


def _cancel_request(order: Order) -> dict[str, Any]:
    state = "COMPLETED" if order.cancel_state == "CANCELED" else "REQUESTED"
    request = {
        "cancelRequestId": str(6_000_000_000 + order.number),
        "cancelRequestState": state,
        "cancelInitiator": ("BUYER", "SELLER")[order.variety % 2],
        "cancelReason": "BUYER_ASKED_CANCEL",
        "cancelRequestedDate": iso(order.created + HOUR_MS),
    }
    if state == "COMPLETED":
        request["cancelCompletedDate"] = iso(order.modified)
    return request


def _payment(order: Order) -> dict[str, Any]:
    due = money.amount(order.total - order.fee, order.market.currency)
    status = order.payment_status if not order.is_paid else "PAID"
    payment = {
        "paymentMethod": "EBAY",
        "paymentReferenceId": f"{420_000 + order.number}_S",
        "amount": due,
        "paymentStatus": status,
    }
    if order.is_paid:
        payment["paymentDate"] = iso(order.created + 583)
    return {
        "totalDueSeller": due,
        "refunds": [
            {
                "refundId": refund.refund_id,
                "refundDate": iso(refund.at),
                "amount": money.amount(refund.cents, order.market.currency),
                "refundStatus": refund.status,
                "refundReferenceId": f"R{refund.refund_id}",
            }
            for refund in order.refunds
        ],
        "payments": [payment],
    }


def _delivery_dates(order: Order) -> dict[str, str]:
    day = order.created // DAY_MS * DAY_MS + 22 * HOUR_MS
    return {
        "minEstimatedDeliveryDate": iso(day + DAY_MS),
        "maxEstimatedDeliveryDate": iso(day + 3 * DAY_MS),
    }


def _start_instruction(order: Order) -> dict[str, Any]:
    return {
        "fulfillmentInstructionsType": "SHIP_TO",
        **_delivery_dates(order),
        "ebaySupportedFulfillment": False,
        "shippingStep": {
            "shipTo": order.buyer.ship_to,
            "shippingCarrierCode": order.market.carrier,
            "shippingServiceCode": order.market.service,
        },
    }


def _line(order: Order, line: Line) -> dict[str, Any]:
    currency = order.market.currency
    cost = money.amount(line.cost, currency)
    written: dict[str, Any] = {
        "lineItemId": line.line_id,
        **line.item.facts,
        "lineItemCost": cost,
        "quantity": line.quantity,
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": order.market.marketplace_id,
        "purchaseMarketplaceId": order.market.marketplace_id,
        "lineItemFulfillmentStatus": order.fulfillment_status,
        "total": money.amount(line.total, currency),
        "deliveryCost": {"shippingCost": money.amount(line.shipping, currency)},
        "appliedPromotions": [],
        "taxes": [],
        "properties": {"buyerProtection": True},
        "lineItemFulfillmentInstructions": {
            **_delivery_dates(order),
            "shipByDate": iso(order.created + 2 * DAY_MS),
            "guaranteedDelivery": False,
        },
        "itemLocation": {"location": "Köln", "countryCode": "DE", "postalCode": "50667"},
    }
    if line.discount:
        _add_promotion(line, written, currency)
    if order.refunds and line is order.lines[0]:
        written["refunds"] = _line_refunds(order)
    return written


def _add_promotion(line: Line, written: dict[str, Any], currency: str) -> None:
    off = money.amount(line.discount, currency)
    written["discountedLineItemCost"] = money.amount(line.cost - line.discount, currency)
    written["deliveryCost"]["discountAmount"] = money.amount(1485, currency)
    written["appliedPromotions"] = [
        {
            "discountAmount": off,
            "promotionId": "75573520101",
            "description": "Sparen Sie bis zu 5% mit Multi-Rabatt",
        }
    ]


def _line_refunds(order: Order) -> list[dict[str, Any]]:
    return [
        {
            "refundId": refund.refund_id,
            "refundDate": iso(refund.at),
            "amount": money.amount(refund.cents, order.market.currency),
            "refundReferenceId": f"R{refund.refund_id}",
        }
        for refund in order.refunds
    ]
