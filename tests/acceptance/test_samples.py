"""eBay's own answers, served over HTTP, arrive in the tables field by field."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest

from core.report import Outcome
from infra.simulator.faults import Kind
from tests.support.ebay_shared import sample
from tests.support.site import Site

Row = Mapping[str, Any]
Path = tuple[str | int, ...]


def text(value: Any) -> Any:
    return value


def number(value: Any) -> Any:
    return None if value is None else Decimal(value)


def instant(value: Any) -> Any:
    return None if value is None else datetime.fromisoformat(value)


def at(row: Any, path: Path) -> Any:
    try:
        return reduce(lambda inner, step: inner[step], path, row)
    except (KeyError, IndexError):
        return None


def money(column: str, *path: str | int) -> dict[str, tuple[Path, Callable[[Any], Any]]]:
    return {
        f"{column}_value": ((*path, "value"), number),
        f"{column}_currency": ((*path, "currency"), text),
    }


ORDER: dict[str, tuple[Path, Callable[[Any], Any]]] = {
    "order_id": (("orderId",), text),
    "legacy_order_id": (("legacyOrderId",), text),
    "creation_date": (("creationDate",), instant),
    "last_modified_date": (("lastModifiedDate",), instant),
    "order_fulfillment_status": (("orderFulfillmentStatus",), text),
    "order_payment_status": (("orderPaymentStatus",), text),
    "cancel_state": (("cancelStatus", "cancelState"), text),
    "seller_id": (("sellerId",), text),
    "buyer_username": (("buyer", "username"), text),
    "sales_record_reference": (("salesRecordReference",), text),
    "ship_to_country_code": (
        (
            "fulfillmentStartInstructions", 0, "shippingStep", "shipTo", "contactAddress",
            "countryCode",
        ),
        text,
    ),
    **money("total", "pricingSummary", "total"),
    **money("price_subtotal", "pricingSummary", "priceSubtotal"),
    **money("delivery_cost", "pricingSummary", "deliveryCost"),
    **money("total_due_seller", "paymentSummary", "totalDueSeller"),
    **money("total_marketplace_fee", "totalMarketplaceFee"),
}  # fmt: skip
LINE: dict[str, tuple[Path, Callable[[Any], Any]]] = {
    "line_item_id": (("lineItemId",), text),
    "legacy_item_id": (("legacyItemId",), text),
    "legacy_variation_id": (("legacyVariationId",), text),
    "sku": (("sku",), text),
    "title": (("title",), text),
    "quantity": (("quantity",), text),
    "line_item_fulfillment_status": (("lineItemFulfillmentStatus",), text),
    "listing_marketplace_id": (("listingMarketplaceId",), text),
    "purchase_marketplace_id": (("purchaseMarketplaceId",), text),
    "sold_format": (("soldFormat",), text),
    **money("line_item_cost", "lineItemCost"),
    **money("total", "total"),
}
TRANSACTION: dict[str, tuple[Path, Callable[[Any], Any]]] = {
    "transaction_id": (("transactionId",), text),
    "transaction_type": (("transactionType",), text),
    "transaction_date": (("transactionDate",), instant),
    "transaction_status": (("transactionStatus",), text),
    "booking_entry": (("bookingEntry",), text),
    "amount_currency": (("amount", "currency"), text),
    "order_id": (("orderId",), text),
    "payout_id": (("payoutId",), text),
    "fee_type": (("feeType",), text),
    "buyer_username": (("buyer", "username"), text),
    "sales_record_reference": (("salesRecordReference",), text),
    "transaction_memo": (("transactionMemo",), text),
    "payments_entity": (("paymentsEntity",), text),
    **money("total_fee_amount", "totalFeeAmount"),
    **money("total_fee_basis_amount", "totalFeeBasisAmount"),
}
FEE: dict[str, tuple[Path, Callable[[Any], Any]]] = {
    "fee_type": (("feeType",), text),
    **money("amount", "amount"),
}
PAYOUT: dict[str, tuple[Path, Callable[[Any], Any]]] = {
    "payout_id": (("payoutId",), text),
    "payout_date": (("payoutDate",), instant),
    "payout_status": (("payoutStatus",), text),
    "payout_status_description": (("payoutStatusDescription",), text),
    "transaction_count": (("transactionCount",), text),
    "payout_reference": (("payoutReference",), text),
    "last_attempted_payout_date": (("lastAttemptedPayoutDate",), instant),
    **money("amount", "amount"),
}
Columns = Mapping[str, tuple[Path, Callable[[Any], Any]]]


def expected(rows: Sequence[Row], columns: Columns) -> list[dict[str, Any]]:
    return [
        {name: read(at(row, path)) for name, (path, read) in columns.items()} | {"raw": row}
        for row in rows
    ]


def stored(site: Site, table: str, columns: Columns) -> list[dict[str, Any]]:
    names = [*columns, "raw"]
    found = site.sql(f"SELECT {', '.join(names)} FROM ebay.{table}")
    return [dict(zip(names, row, strict=True)) for row in found]


def same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    def order(row: dict[str, Any]) -> str:
        return json.dumps(row["raw"], sort_keys=True)

    assert sorted(ours, key=order) == sorted(theirs, key=order)


def serve(site: Site, name: str, operation: str, member: str) -> list[dict[str, Any]]:
    """The recorded rows, as a list that ends with them and lives at this address.

    The recording is one page of more; its `next` leads to eBay, where no test may go.
    """
    body = sample(name)["body"]
    rows: list[dict[str, Any]] = body[member]
    assert rows
    recorded = {key: value for key, value in body.items() if key not in {"next", "prev"}}
    if "total" in recorded:
        recorded["total"] = len(rows)
    site.simulator.faults.add(
        Kind.STATUS, status=200, body=json.dumps(recorded), operation=operation
    )
    return rows


def read(site: Site, stream: str) -> None:
    site.connect()
    report = site.run(streams=(stream,))
    assert report.outcome is Outcome.DONE, report.as_json()
    assert report.counts["quarantined"] == 0


def test_recorded_orders_arrive_field_by_field(site: Site) -> None:
    rows = serve(site, "fulfillment_getOrders_200", "getOrders", "orders")

    read(site, "orders")

    same(stored(site, "orders", ORDER), expected(rows, ORDER))
    lines = [line for row in rows for line in row["lineItems"]]
    same(stored(site, "order_lines", LINE), expected(lines, LINE))


def test_recorded_transactions_arrive_field_by_field(site: Site) -> None:
    rows = serve(site, "finances_getTransactions_200", "getTransactions", "transactions")

    read(site, "transactions")

    same(stored(site, "transactions", TRANSACTION), expected(rows, TRANSACTION))
    fees = [
        fee
        for row in rows
        for line in row.get("orderLineItems", [])
        for fee in line.get("marketplaceFees", [])
    ]
    same(stored(site, "transaction_fees", FEE), expected(fees, FEE))


def test_recorded_amounts_are_signed_by_their_booking_entry(site: Site) -> None:
    rows = serve(site, "finances_getTransactions_200", "getTransactions", "transactions")

    read(site, "transactions")

    signs = {"CREDIT": 1, "DEBIT": -1}
    amounts = {
        (row["transactionId"], row["transactionType"]): Decimal(row["amount"]["value"])
        * signs[row["bookingEntry"]]
        for row in rows
    }
    found = site.sql("SELECT transaction_id, transaction_type, amount_value FROM ebay.transactions")
    assert {(row[0], row[1]): row[2] for row in found} == amounts
    assert {value < 0 for value in amounts.values()} == {True, False}


def test_recorded_payouts_arrive_field_by_field(site: Site) -> None:
    rows = serve(site, "finances_getPayouts_200", "getPayouts", "payouts")

    read(site, "payouts")

    same(stored(site, "payouts", PAYOUT), expected(rows, PAYOUT))


@pytest.mark.parametrize(
    ("name", "operation", "stream"),
    [
        ("fulfillment_getOrders_empty", "getOrders", "orders"),
        ("finances_none_204", "getTransactions", "transactions"),
        ("finances_none_204", "getPayouts", "payouts"),
    ],
)
def test_r6_a_recorded_empty_answer_is_a_complete_one(
    site: Site, name: str, operation: str, stream: str
) -> None:
    recorded = sample(name)
    body = json.dumps(recorded["body"]) if recorded.get("body") else ""
    site.simulator.faults.add(
        Kind.STATUS, status=recorded["status"], body=body, operation=operation
    )

    read(site, stream)

    assert site.one(f"SELECT count(*) FROM ebay.{stream}") == 0
    where = f"stream = '{stream}' AND pass = 'new'"
    assert site.one(f"SELECT cursor_at IS NOT NULL FROM ebay.sync_states WHERE {where}")
