"""Transactions and payouts as the Finances API writes them."""

from typing import Any

import msgspec

from infra.simulator import money
from infra.simulator.behaviour import Behaviour
from infra.simulator.clock import iso
from infra.simulator.finances import CREDIT, Payout, Transaction
from infra.simulator.orders import DAY_MS, Line, Order

_ENTITIES = {"EUR": "eBay S.à r.l.", "USD": "eBay Commerce Inc."}
_STATUS_TEXTS = {
    "INITIATED": "Payout initiated",
    "SUCCEEDED": "Funds sent",
    "REVERSED": "Payout reversed",
    "RETRYABLE_FAILED": "Payout failed",
    "TERMINAL_FAILED": "Payout failed for good",
}


def render_transaction(row: Transaction, behaviour: Behaviour) -> bytes:
    """The row's JSON, kept until the row changes."""
    if row.text is None:
        row.text = msgspec.json.encode(transaction_body(row, behaviour))
    return row.text


def transaction_body(row: Transaction, behaviour: Behaviour) -> dict[str, Any]:
    body: dict[str, Any] = {"transactionId": row.transaction_id}
    if row.order:
        body["orderId"] = row.order.order_id
    if row.payout_id:
        body["payoutId"] = row.payout_id
        body["payoutDetails"] = {"payoutIds": [row.payout_id]}
    body["salesRecordReference"] = str(row.order.number) if row.order else "0"
    if row.order:
        body["buyer"] = {"username": row.order.buyer.username}
    body["transactionType"] = row.kind
    body["amount"] = money.amount(row.amount, row.currency)
    if row.order and row.lines:
        _add_lines(row, row.order, body)
    body["bookingEntry"] = row.booking
    body["transactionDate"] = iso(row.date)
    body["transactionStatus"] = row.status
    body["paymentsEntity"] = _ENTITIES[row.currency]
    _add_details(row, body)
    _add_rarities(row, body, behaviour)
    return body


def _add_lines(row: Transaction, order: Order, body: dict[str, Any]) -> None:
    body["totalFeeBasisAmount"] = money.amount(row.basis, row.currency)
    body["totalFeeAmount"] = money.amount(row.fee, row.currency)
    if row.booking == CREDIT:
        body["orderLineItems"] = [_line(line, row) for line in order.lines]
        return
    # A refund gives fees back: one entry, on the first line.
    body["orderLineItems"] = [
        {
            "lineItemId": order.lines[0].line_id,
            "feeBasisAmount": money.amount(row.basis, row.currency),
            "marketplaceFees": [
                {"feeType": "FINAL_VALUE_FEE", "amount": money.amount(row.fee, row.currency)}
            ],
        }
    ]


def _line(line: Line, row: Transaction) -> dict[str, Any]:
    return {
        "lineItemId": line.line_id,
        "feeBasisAmount": money.amount(line.total, row.currency),
        "marketplaceFees": [_fee(kind, cents, line, row) for kind, cents in line.fees],
    }


def _fee(kind: str, cents: int, line: Line, row: Transaction) -> dict[str, Any]:
    fee: dict[str, Any] = {"feeType": kind, "amount": money.amount(cents, row.currency)}
    if kind == "INTERNATIONAL_FEE":
        final = money.text(line.total)
        fee["feeMemo"] = (
            f"Charged because the delivery address is in United States. Final amount: {final}."
        )
        fee["feeJurisdiction"] = {"regionName": "US", "regionType": "COUNTRY"}
    return fee


def _add_details(row: Transaction, body: dict[str, Any]) -> None:
    if row.references:
        body["references"] = [
            {"referenceId": reference, "referenceType": kind} for reference, kind in row.references
        ]
    if row.fee_type:
        body["feeType"] = row.fee_type
    if row.memo:
        body["transactionMemo"] = row.memo


def _add_rarities(row: Transaction, body: dict[str, Any], behaviour: Behaviour) -> None:
    if row.variety % 50 == 1:
        body["taxes"] = [{"taxType": "VAT", "amount": money.amount(19, row.currency)}]
        body["eBayCollectedTaxAmount"] = money.amount(462, row.currency)
    if row.variety % 50 == 2 and row.kind == "NON_SALE_CHARGE":
        body["feeJurisdiction"] = {"regionName": "Oregon", "regionType": "STATE_OR_PROVINCE"}
    if row.variety % 50 == 3:
        body["amount"] |= {
            "convertedFromValue": money.text(row.amount * 9 // 8),
            "convertedFromCurrency": "GBP",
            "exchangeRate": "0.8888",
        }
    if behaviour.unknown_fields and row.variety % 10 == 4:
        # Real answers carried this spelling, which the contract lacks.
        body["ebayCollectedTaxAmount"] = money.amount(462, row.currency)
    if behaviour.unknown_enums and row.variety % 100 == 5:
        body["references"] = [
            *body.get("references", []),
            {"referenceId": "1", "referenceType": "CARBON_OFFSET_ID"},
        ]


def render_payout(row: Payout, behaviour: Behaviour) -> bytes:
    if row.text is None:
        row.text = msgspec.json.encode(payout_body(row, behaviour))
    return row.text


def payout_body(row: Payout, behaviour: Behaviour) -> dict[str, Any]:
    amount = money.amount(row.amount, row.currency)
    body: dict[str, Any] = {
        "payoutId": row.payout_id,
        "payoutStatus": row.status,
        "payoutStatusDescription": _STATUS_TEXTS[row.status],
        "amount": amount,
        "payoutDate": iso(row.date),
        "transactionCount": row.count,
        "payoutInstrument": {
            "instrumentType": "BANK",
            "nickname": "Sparkasse Köln",
            "accountLastFourDigits": f"{row.variety % 10_000:04d}",
            "payoutPercentage": "100",
        },
        "payoutReference": row.reference,
        "totalAmount": amount,
        "totalFee": money.amount(0, row.currency),
    }
    if row.status == "SUCCEEDED":
        body["bankReference"] = f"B{row.reference}"
    if row.status == "RETRYABLE_FAILED":
        body["lastAttemptedPayoutDate"] = iso(row.date + DAY_MS)
    if behaviour.unknown_fields and row.variety % 10 == 4:
        body["instantPayout"] = {"eligible": False, "fee": None}
    return body
