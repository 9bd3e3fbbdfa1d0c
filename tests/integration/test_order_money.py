"""`ebay.order_money`: what each order has brought and cost, and that nothing is lost or doubled."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from infra.postgres.transaction import Database
from infra.simulator import truth
from infra.simulator.world import World
from tests.support.ebay_shared import sample
from tests.support.shelf import READ_AT, Shelf

Row = dict[str, Any]
AT = "2026-02-01T10:00:00.000Z"
PARTS = ("gross", "fees", "refunds", "shipping_labels", "disputes", "other")


def money(value: str, currency: str = "EUR") -> Row:
    return {"value": value, "currency": currency}


def booked(number: int, kind: str, value: str, booking: str = "CREDIT", **more: Any) -> Row:
    return {
        "transactionId": f"t-{number}",
        "transactionType": kind,
        "transactionDate": AT,
        "transactionStatus": "FUNDS_PROCESSING",
        "bookingEntry": booking,
        "amount": money(value),
        **more,
    }


SALE = booked(1, "SALE", "90.00", orderId="o-1", totalFeeAmount=money("10.00"))
REFUND = booked(
    2, "REFUND", "18.00", "DEBIT", orderId="o-1", totalFeeAmount=money("2.00")
)  # fmt: skip
AD_FEE = booked(
    3,
    "NON_SALE_CHARGE",
    "3.50",
    "DEBIT",
    feeType="AD_FEE",
    references=[
        {"referenceId": "77", "referenceType": "ITEM_ID"},
        {"referenceId": "o-1", "referenceType": "ORDER_ID"},
    ],
)
AD_FEE_BACK = AD_FEE | {"transactionId": "t-4", "amount": money("0.50"), "bookingEntry": "CREDIT"}
LABEL = booked(5, "SHIPPING_LABEL", "4.99", "DEBIT", orderId="o-1")
HELD = booked(6, "DISPUTE", "90.00", "DEBIT", orderId="o-1", transactionId="DISPUTE_HOLD-6")
RELEASED = booked(7, "CREDIT", "90.00", orderId="o-1", transactionId="DISPUTE_HOLD_REVERSE-6-1")
COMPENSATION = booked(8, "CREDIT", "1.00", orderId="o-1")
STORE = booked(9, "NON_SALE_CHARGE", "24.95", "DEBIT", feeType="EBAY_STORE_SUBSCRIPTION_FEE")
TRANSFER = booked(10, "TRANSFER", "5.00")


def view(shelf: Shelf, order_id: str | None = "o-1") -> list[Row]:
    rows = shelf.sql(
        "SELECT order_id, currency, gross, fees, refunds, net, payout, shipping_labels, disputes,"
        " other FROM ebay.order_money WHERE order_id IS NOT DISTINCT FROM :order_id"
        " ORDER BY account_id, currency",
        order_id=order_id,
    )
    return [dict(row._mapping) for row in rows]


def amounts(**given: str) -> dict[str, Decimal]:
    names = (*PARTS, "net", "payout")
    return {name: Decimal(given.get(name, "0")) for name in names}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([SALE], amounts(gross="100", fees="10", net="90")),
        ([REFUND], amounts(refunds="20", fees="-2", net="-18")),
        ([SALE, REFUND], amounts(gross="100", fees="8", refunds="20", net="72")),
        ([AD_FEE], amounts(fees="3.50", net="-3.50")),
        ([AD_FEE, AD_FEE_BACK], amounts(fees="3.00", net="-3.00")),
        ([LABEL], amounts(shipping_labels="4.99", net="-4.99")),
        ([HELD], amounts(disputes="90", net="-90")),
        ([HELD, RELEASED], amounts()),
        ([COMPENSATION], amounts(other="1", net="1")),
        (
            [SALE, REFUND, AD_FEE, LABEL, HELD, COMPENSATION],
            amounts(
                gross="100", fees="11.50", refunds="20", shipping_labels="4.99", disputes="90",
                other="1", net="-25.49",
            ),
        ),
    ],
    ids=lambda value: "+".join(row["transactionId"] for row in value)
    if isinstance(value, list)
    else "",
)  # fmt: skip
def test_each_kind_of_transaction_counts_where_it_belongs(
    database: Database, rows: Sequence[Row], expected: Mapping[str, Decimal]
) -> None:
    shelf = Shelf(database, "transactions")

    shelf.save(*rows)

    assert view(shelf) == [{"order_id": "o-1", "currency": "EUR", **expected}]


def test_what_belongs_to_no_order_stands_in_a_row_of_its_own(database: Database) -> None:
    shelf = Shelf(database, "transactions")

    shelf.save(SALE, STORE, TRANSFER)

    [row] = view(shelf, None)
    assert row == {
        "order_id": None,
        "currency": "EUR",
        **amounts(fees="24.95", other="5", net="-19.95"),
    }
    assert len(view(shelf)) == 1


def test_what_was_paid_out_is_told(database: Database) -> None:
    shelf = Shelf(database, "transactions")

    shelf.save(SALE | {"transactionStatus": "PAYOUT", "payoutId": "p-1"}, AD_FEE)

    [row] = view(shelf)
    assert (row["net"], row["payout"]) == (Decimal("86.50"), Decimal(90))


def test_the_newest_transaction_of_an_order_is_told(database: Database) -> None:
    shelf = Shelf(database, "transactions")
    later = "2026-02-09T10:00:00.000Z"
    shelf.save(SALE, AD_FEE | {"transactionDate": later})

    shelf.save(SALE | {"transactionStatus": "PAYOUT"}, read_at=READ_AT + timedelta(days=1))

    [row] = shelf.sql("SELECT last_transaction_date, updated_at FROM ebay.order_money")
    assert tuple(row) == (datetime.fromisoformat(later), READ_AT + timedelta(days=1))


def test_sums_never_cross_currencies(database: Database) -> None:
    shelf = Shelf(database, "transactions")

    shelf.save(
        SALE,
        LABEL | {"amount": money("4.99", "USD")},
        booked(11, "SALE", "9", orderId="o-2", totalFeeAmount=money("1", "GBP")),
    )

    assert [(row["currency"], row["net"]) for row in view(shelf)] == [
        ("EUR", Decimal(90)),
        ("USD", Decimal("-4.99")),
    ]
    assert [
        (row["currency"], row["gross"], row["fees"], row["net"]) for row in view(shelf, "o-2")
    ] == [("EUR", 9, 0, 9), ("GBP", 1, 1, 0)]


def test_two_accounts_share_an_order_id_and_no_money(database: Database) -> None:
    first, second = (Shelf(database, "transactions", account=name) for name in ("one", "two"))
    first.save(SALE)
    second.save(SALE, REFUND)

    assert [row["net"] for row in view(first)] == [90, 72]


def test_a_sale_without_a_fee_is_all_gross(database: Database) -> None:
    shelf = Shelf(database, "transactions")

    shelf.save(booked(1, "SALE", "90.00", orderId="o-1"))

    assert view(shelf) == [
        {"order_id": "o-1", "currency": "EUR", **amounts(gross="90", net="90")}
    ]  # fmt: skip


@pytest.mark.parametrize(
    "references",
    [None, "x", {}, [], [None, 7, {}], [{"referenceType": "ORDER_ID"}], [{"referenceId": "o-1"}]],
)
def test_references_that_name_no_order_belong_to_none(
    database: Database, references: object
) -> None:
    shelf = Shelf(database, "transactions")

    saved = shelf.save(AD_FEE | {"references": references})

    assert saved.inserted == 1
    assert (view(shelf), len(view(shelf, None))) == ([], 1)


def equals_the_transactions(shelf: Shelf, rows: Iterable[Row]) -> None:
    """The view against eBay's own rows, added up here: totals, each order, and its own columns."""
    net: dict[tuple[str | None, str], Decimal] = defaultdict(Decimal)
    fees: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        sign = -1 if row["bookingEntry"] == "DEBIT" else 1
        currency = row["amount"]["currency"]
        net[_order_of(row), currency] += sign * Decimal(row["amount"]["value"])
        if row["transactionType"] == "NON_SALE_CHARGE":
            fees[currency] -= sign * Decimal(row["amount"]["value"])
        elif row["transactionType"] in {"SALE", "REFUND"}:
            fees[currency] += sign * Decimal(row["totalFeeAmount"]["value"])
    found = shelf.sql("SELECT * FROM ebay.order_money")
    assert {(row.order_id, row.currency): row.net for row in found} == net
    assert _sums(shelf, "fees", "order_money") == fees
    assert _sums(shelf, "net", "order_money") == _sums(
        shelf, "amount_value", "transactions", "amount_currency"
    )
    for row in found:
        costs = row.fees + row.refunds + row.shipping_labels + row.disputes
        assert row.net == row.gross - costs + row.other


def _order_of(row: Row) -> str | None:
    named = [
        each["referenceId"]
        for each in row.get("references", [])
        if each["referenceType"] == "ORDER_ID"
    ]
    order_id: str | None = row.get("orderId") or next(iter(named), None)
    return order_id


def _sums(shelf: Shelf, column: str, table: str, currency: str = "currency") -> dict[str, Decimal]:
    rows = shelf.sql(f"SELECT {currency} AS currency, sum({column}) AS sum FROM ebay.{table}"
                     " GROUP BY 1")  # fmt: skip
    return {row.currency: row.sum for row in rows}


def test_the_sums_equal_the_recorded_transactions(database: Database) -> None:
    rows = sample("finances_getTransactions_200")["body"]["transactions"]
    shelf = Shelf(database, "transactions")

    shelf.save(*rows)

    equals_the_transactions(shelf, rows)
    # The sale itself is older than the recording; the fee for advertising came back.
    assert view(shelf, "83-06334-29998") == [
        {
            "order_id": "83-06334-29998",
            "currency": "USD",
            **amounts(refunds="143.98", fees="-25.08", net="-118.90", payout="-118.90"),
        }
    ]


def test_the_sums_equal_the_simulated_transactions(database: Database) -> None:
    world = World(seed=5, accounts=1, orders=1200)
    shelf = Shelf(database, "transactions")
    rows = _rows_of(world)

    for start in range(0, len(rows), 1000):
        shelf.save(*rows[start : start + 1000])

    equals_the_transactions(shelf, rows)
    assert {row["amount"]["currency"] for row in rows} == {"EUR", "USD"}


def _rows_of(world: World) -> list[Row]:
    return [json.loads(text) for *_, text in truth.rows(world, world.accounts[0], "transactions")]


def test_the_money_of_one_order_is_found_by_its_indexes(database: Database) -> None:
    shelf = Shelf(database, "transactions")
    for start in range(0, 20_000, 1000):
        shelf.save(*(_pair(number) for number in range(start, start + 1000)))
    with database.transaction() as connection:
        connection.execute(sa.text("ANALYZE ebay.transactions"))
        plan = connection.execute(
            sa.text(
                "EXPLAIN (FORMAT TEXT) SELECT * FROM ebay.order_money"
                " WHERE account_id = :account_id AND order_id = 'o-77'"
            ),
            {"account_id": shelf.unit.account.id},
        )
        text = "\n".join(row[0] for row in plan)

    assert "Seq Scan" not in text
    assert "transactions_by_order" in text
    assert "transactions_by_referenced_order" in text


def _pair(number: int) -> Row:
    order_id = f"o-{number // 2}"
    if number % 2:
        return booked(number, "SALE", "9", orderId=order_id, totalFeeAmount=money("1"))
    reference = {"referenceId": order_id, "referenceType": "ORDER_ID"}
    return booked(number, "NON_SALE_CHARGE", "1", "DEBIT", references=[reference])
