"""Returns, inquiries, cases and cancellations as Post-Order writes them."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from infra.simulator import money
from infra.simulator.accounts import Account
from infra.simulator.behaviour import Behaviour
from infra.simulator.claims import Claim, Kind
from infra.simulator.clock import iso
from infra.simulator.orders import DAY_MS

Body = dict[str, Any]
IDS = {
    Kind.CASES: "caseId",
    Kind.INQUIRIES: "inquiryId",
    Kind.RETURNS: "returnId",
    Kind.CANCELLATIONS: "cancelId",
}
_REASONS = (
    ("ARRIVED_DAMAGED", "SNAD"), ("DOES_NOT_FIT", "REMORSE"), ("DEFECTIVE_ITEM", "SNAD"),
    ("NO_LONGER_NEED_ITEM", "REMORSE"),
)  # fmt: skip


def render(claim: Claim, account: Account, behaviour: Behaviour) -> bytes:
    """The row of the search."""
    body = _ROWS[claim.kind](claim, account, behaviour)
    if behaviour.unknown_fields and claim.variety % 10 == 4:
        body["sustainability"] = {"score": claim.variety % 100, "labels": ["kept", None]}
    return msgspec.json.encode(body)


def render_detail(claim: Claim, account: Account, behaviour: Behaviour) -> bytes:
    """The answer for one id."""
    return msgspec.json.encode(_DETAILS[claim.kind](claim, account, behaviour))


def _id(number: int, behaviour: Behaviour) -> int | str:
    return number if behaviour.post_order_integers else str(number)


def _date(at: int) -> Body:
    return {"value": iso(at)}


def _as_number(cents: int, claim: Claim) -> Body:
    return {"value": cents / 100, "currency": claim.order.market.currency}


def _as_text(cents: int, claim: Claim) -> Body:
    return {"currency": claim.order.market.currency, "value": money.text(cents)}


def _summary(claim: Claim, account: Account, behaviour: Behaviour, status: str) -> Body:
    """What cases and inquiries have in common. A settled one has nothing to be answered."""
    body: Body = {
        "buyer": claim.order.buyer.username,
        IDS[claim.kind]: _id(claim.claim_id, behaviour),
        status: claim.status,
        "claimAmount": _as_text(claim.order.total, claim),
        "creationDate": _date(claim.created),
        "itemId": _id(int(claim.order.lines[0].item.item_id), behaviour),
        "lastModifiedDate": _date(claim.modified),
        "seller": account.username,
        "transactionId": _id(8_000_000_000 + claim.order.number, behaviour),
    }
    if not claim.is_final:
        body["respondByDate"] = _date(claim.modified + 3 * DAY_MS)
    if behaviour.unknown_enums and claim.variety % 100 == 7:
        body[status] = "UNDER_REVIEW"
    return body


def _case(claim: Claim, account: Account, behaviour: Behaviour) -> Body:
    return _summary(claim, account, behaviour, "caseStatusEnum")


def _inquiry(claim: Claim, account: Account, behaviour: Behaviour) -> Body:
    return _summary(claim, account, behaviour, "inquiryStatusEnum")


def _inquiry_detail(claim: Claim, _account: Account, _behaviour: Behaviour) -> Body:
    order = claim.order
    inner: Body = {
        "creationDate": _date(claim.created),
        "expirationDate": _date(claim.created + 30 * DAY_MS),
        "totalAmount": _as_number(order.total, claim),
    }
    body: Body = {
        "claimAmount": _as_number(order.total, claim),
        "creationReason": "ITEM_NOT_RECEIVED",
        "initiator": "BUYER",
        "inquiryDetails": inner,
        "inquiryHistoryDetails": {"history": _history(claim)},
        "inquiryId": str(claim.claim_id),
        "inquiryQuantity": order.lines[0].quantity,
        "itemDetails": {"itemTitle": order.lines[0].item.facts["title"]},
        "itemId": order.lines[0].item.item_id,
        "sellerMakeItRightByDate": _date(claim.created + 3 * DAY_MS),
        "state": claim.state,
        "status": claim.status,
        "transactionId": str(8_000_000_000 + order.number),
    }
    if claim.is_escalated:
        inner["escalationDate"] = _date(claim.changes[0])
    if claim.is_final:
        body["inquiryClosureDate"] = _date(claim.modified)
    return body


def _history(claim: Claim) -> list[Body]:
    return [
        {"action": "BUYER_CREATED", "actor": "BUYER", "date": _date(claim.created),
         "description": "Wo bleibt mein Paket? 📦"},
        *(
            {"action": claim.path[number][1], "actor": "SYSTEM", "date": _date(at),
             "description": ""}
            for number, at in enumerate(claim.changes, 1)
        ),
    ]  # fmt: skip


def _return(claim: Claim, account: Account, behaviour: Behaviour) -> Body:
    order, kind = claim.order, "REPLACEMENT" if claim.variety % 3 == 0 else "MONEY_BACK"
    reason, reason_type = _REASONS[claim.variety % len(_REASONS)]
    eligible = {
        "eligible": True,
        "startTime": _date(claim.created),
        "endTime": _date(claim.created + 14 * DAY_MS),
    }
    body: Body = {
        "returnId": _id(claim.claim_id, behaviour),
        "currentType": kind,
        "state": claim.state,
        "status": claim.status,
        "creationInfo": {
            "creationDate": _date(claim.created),
            "item": {
                "itemId": order.lines[0].item.item_id,
                "transactionId": str(8_000_000_000 + order.number),
                "returnQuantity": 1,
            },
            "reason": reason,
            "reasonType": reason_type,
            "type": kind,
        },
        "buyerLoginName": order.buyer.username,
        "sellerLoginName": account.username,
        "orderId": order.order_id,
        "buyerTotalRefund": {"estimatedRefundAmount": _as_number(order.total, claim)},
        "sellerTotalRefund": {"estimatedRefundAmount": _as_number(order.total, claim)},
        "escalationInfo": {
            "buyerEscalationEligibilityInfo": eligible,
            "sellerEscalationEligibilityInfo": eligible,
        },
        "sellerAvailableOptions": [{"actionType": "SELLER_SEND_MESSAGE"}],
    }
    if claim.is_final:
        body["sellerTotalRefund"]["actualRefundAmount"] = _as_number(order.total, claim)
    else:
        body["sellerResponseDue"] = {
            "activityDue": "SELLER_APPROVE_REQUEST",
            "respondByDate": _date(claim.modified + 4 * DAY_MS),
        }
    return body


def _return_detail(claim: Claim, account: Account, behaviour: Behaviour) -> Body:
    detail: Body = {
        "buyerLoginName": claim.order.buyer.username,
        "marketplaceId": claim.order.market.marketplace_id,
        "itemDetail": {
            "itemId": claim.order.lines[0].item.item_id,
            "itemTitle": claim.order.lines[0].item.facts["title"],
            "itemPrice": _as_number(claim.order.lines[0].item.price, claim),
            "returnQuantity": 1,
        },
        "responseHistory": [
            {"activity": "BUYER_CREATE_RETURN", "author": "BUYER",
             "creationDate": _date(claim.created), "notes": "Passt leider nicht \u2028"},
            *(
                {"activity": "OTHER", "author": "SYSTEM", "creationDate": _date(at),
                 "fromState": claim.path[number][0], "toState": claim.path[number + 1][0]}
                for number, at in enumerate(claim.changes)
            ),
        ],
    }  # fmt: skip
    if claim.is_final:
        detail["closeInfo"] = {
            "returnCloseDate": _date(claim.modified),
            "returnCloseReason": "REFUND_ISSUED",
        }
    return {"summary": _return(claim, account, behaviour), "detail": detail}


def _cancellation(claim: Claim, _account: Account, _behaviour: Behaviour) -> Body:
    order = claim.order
    body: Body = {
        "cancelId": str(claim.claim_id),
        "marketplaceId": order.market.marketplace_id,
        "legacyOrderId": f"{order.lines[0].item.item_id}-{8_000_000_000 + order.number}",
        "requestorType": claim.requestor,
        "cancelState": claim.state,
        "cancelStatus": claim.status,
        "paymentStatus": "ONLINE_PAID",
        "requestRefundAmount": _as_number(order.total, claim),
        "cancelRequestDate": _date(claim.created),
    }
    if claim.requestor == "SELLER":
        body["cancelReason"] = "OUT_OF_STOCK_OR_CANNOT_FULFILL"
    if claim.is_final:
        body["cancelCloseReason"] = "FULL_REFUNDED"
        body["cancelCloseDate"] = _date(claim.modified)
    else:
        body["sellerResponseDueDate"] = _date(claim.created + 3 * DAY_MS)
    return body


def _cancellation_detail(claim: Claim, account: Account, behaviour: Behaviour) -> Body:
    return {"cancelDetail": _cancellation(claim, account, behaviour)}


_Write = Callable[[Claim, Account, Behaviour], Body]
_ROWS: Mapping[Kind, _Write] = {
    Kind.CASES: _case,
    Kind.INQUIRIES: _inquiry,
    Kind.RETURNS: _return,
    Kind.CANCELLATIONS: _cancellation,
}
_DETAILS: Mapping[Kind, _Write] = {
    Kind.CASES: _case,
    Kind.INQUIRIES: _inquiry_detail,
    Kind.RETURNS: _return_detail,
    Kind.CANCELLATIONS: _cancellation_detail,
}
