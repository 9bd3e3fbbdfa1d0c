"""What a page leaves in the tables, row by row and column by column."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.postgres.transaction import Database
from tests.support.shelf import READ_AT, Shelf

LATER = READ_AT + timedelta(minutes=5)
Row = dict[str, Any]


def money(value: str, currency: str = "EUR") -> Row:
    return {"value": value, "currency": currency}


def line(number: int, **more: Any) -> Row:
    return {
        "lineItemId": f"line-{number}",
        "legacyItemId": f"item-{number}",
        "sku": f"sku-{number}",
        "title": f"Title {number}",
        "quantity": number,
        "lineItemCost": money("10.50"),
        "total": money("12.34"),
        "lineItemFulfillmentStatus": "NOT_STARTED",
        "listingMarketplaceId": "EBAY_DE",
        "purchaseMarketplaceId": "EBAY_US",
        "soldFormat": "FIXED_PRICE",
        **more,
    }


def order(number: int = 1, minute: int = 0, **more: Any) -> Row:
    return {
        "orderId": f"order-{number}",
        "legacyOrderId": f"legacy-{number}",
        "creationDate": "2026-02-01T10:00:00.000Z",
        "lastModifiedDate": f"2026-02-01T10:{minute:02}:00.000Z",
        "orderFulfillmentStatus": "NOT_STARTED",
        "orderPaymentStatus": "PAID",
        "cancelStatus": {"cancelState": "NONE_REQUESTED"},
        "buyer": {"username": "somebody"},
        "pricingSummary": {"total": money("24.68"), "priceSubtotal": money("21.00")},
        "lineItems": [line(1), line(2)],
        **more,
    }


def transaction(number: int = 1, **more: Any) -> Row:
    return {
        "transactionId": f"transaction-{number}",
        "transactionType": "SALE",
        "transactionDate": "2026-02-01T10:00:00.000Z",
        "transactionStatus": "FUNDS_PROCESSING",
        "bookingEntry": "CREDIT",
        "amount": money("20.00"),
        "orderId": f"order-{number}",
        "orderLineItems": [
            {
                "lineItemId": "line-1",
                "marketplaceFees": [
                    {"feeType": "FINAL_VALUE_FEE", "amount": money("1.10")},
                    {"feeType": "INTERNATIONAL_FEE", "amount": money("0.25")},
                ],
            },
            {
                "lineItemId": "line-2",
                "marketplaceFees": [{"feeType": "AD_FEE", "amount": money("3")}],
            },
        ],
        **more,
    }


def payout(number: int = 1, **more: Any) -> Row:
    return {
        "payoutId": f"payout-{number}",
        "payoutDate": "2026-02-01T10:00:00.000Z",
        "payoutStatus": "INITIATED",
        "amount": money("99.99"),
        "transactionCount": 4,
        **more,
    }


# Stream, a row, what tells two contents of one row apart, its key column.
CASES: list[tuple[str, Callable[..., Row], str, str]] = [
    ("orders", order, "salesRecordReference", "order_id"),
    ("transactions", transaction, "transactionMemo", "transaction_id"),
    ("payouts", payout, "payoutReference", "payout_id"),
]
EVERY = pytest.mark.parametrize(
    ("stream", "make", "text", "key"), CASES, ids=[case[0] for case in CASES]
)


@EVERY
def test_of_repeated_keys_without_a_version_the_last_one_is_kept(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    last = make(1, **{text: "last"})

    saved = shelf.save(make(1), make(2), last)

    assert (saved.inserted, saved.updated) == (2, 0)
    if stream != "orders":
        assert shelf.column(f"SELECT raw FROM ebay.{stream} WHERE {key} LIKE '%-1'") == [last]


@EVERY
def test_a_row_that_is_already_there_is_not_written_again(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    shelf.save(make(1), make(2))
    details = {"orders": ["order_lines"], "transactions": ["transaction_fees"]}

    def versions() -> list[Any]:
        return [
            tuple(row)
            for table in [stream, *details.get(stream, [])]
            for row in shelf.sql(f"SELECT ctid::text, xmin::text FROM ebay.{table} ORDER BY 1")
        ]

    before = versions()

    saved = shelf.save(make(2), make(1), read_at=LATER)

    assert (saved.inserted, saved.updated) == (0, 0)
    assert versions() == before


@EVERY
def test_the_order_of_fields_and_the_white_space_are_no_change(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    shelf.save(make(1))

    saved = shelf.save(dict(reversed(make(1).items())), read_at=LATER)

    assert saved.updated == 0


@EVERY
@pytest.mark.parametrize("apart", [0, 15, 30, 31, 32, 63])
def test_two_values_that_change_alike_are_a_change(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str, apart: int
) -> None:
    shelf = Shelf(database, stream)
    between = list(range(apart))
    shelf.save(make(1, twins=["256.51", *between, "256.51"]))

    saved = shelf.save(make(1, twins=["999.99", *between, "999.99"]), read_at=LATER)

    assert saved.updated == 1


@EVERY
def test_the_shape_of_a_value_is_content(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    shelf.save(make(1, odd={"a": [["b"]]}))

    saved = shelf.save(make(1, odd={"a": "b"}), read_at=LATER)

    assert saved.updated == 1


@EVERY
def test_a_changed_row_keeps_when_it_was_first_seen(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    shelf.save(make(1))

    saved = shelf.save(make(1, **{text: "changed"}), read_at=LATER)

    seen = shelf.one(f"SELECT first_seen_at, updated_at, raw FROM ebay.{stream}")
    assert saved.updated == 1
    assert (seen["first_seen_at"], seen["updated_at"]) == (READ_AT, LATER)
    assert seen["raw"][text] == "changed"


@EVERY
def test_an_answer_asked_for_earlier_replaces_nothing(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    shelf.save(make(1, **{text: "later"}), read_at=LATER)

    saved = shelf.save(make(1, **{text: "earlier"}))

    assert saved.updated == 0
    assert shelf.one(f"SELECT raw FROM ebay.{stream}")["raw"][text] == "later"


@EVERY
def test_r17_two_accounts_share_an_id_and_nothing_else(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    first, second = Shelf(database, stream), Shelf(database, stream, account="other")
    first.save(make(1))
    second.save(make(1))

    saved = second.save(make(1, **{text: "changed"}), read_at=LATER)

    assert saved.updated == 1
    changed = first.column(f"SELECT raw ->> '{text}' FROM ebay.{stream} ORDER BY account_id")
    assert changed == [None, "changed"]


@EVERY
def test_fields_and_values_that_no_contract_knows_are_kept(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    status = {"orders": "orderPaymentStatus", "payouts": "payoutStatus"}.get(
        stream, "transactionStatus"
    )
    row = make(1, **{status: "INVENTED_IN_2027", "newField": {"deep": [1, None, True]}})

    saved = shelf.save(row)

    assert saved.inserted == 1
    assert shelf.one(f"SELECT raw FROM ebay.{stream}")["raw"] == row
    column = {"orders": "order_payment_status", "payouts": "payout_status"}.get(
        stream, "transaction_status"
    )
    assert shelf.column(f"SELECT {column} FROM ebay.{stream}") == ["INVENTED_IN_2027"]


@EVERY
def test_what_ebay_leaves_out_is_null(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)
    needed = {
        "orders": ("orderId", "creationDate", "lastModifiedDate"),
        "transactions": ("transactionId", "transactionType", "transactionDate"),
        "payouts": ("payoutId", "payoutDate"),
    }[stream]
    bare = {name: value for name, value in make(1).items() if name in needed}

    saved = shelf.save(bare)

    assert (saved.inserted, saved.quarantined) == (1, 0)


@pytest.mark.parametrize(
    ("stream", "row"),
    [
        ("orders", order(1, lineItems=None)),
        ("orders", order(1, fulfillmentStartInstructions=None, pricingSummary=None, buyer=None)),
        ("transactions", transaction(1, orderLineItems=None)),
        ("transactions", transaction(1, orderLineItems=[{"marketplaceFees": None}], amount=None)),
        ("payouts", payout(1, amount=None, transactionCount=None)),
    ],
)
def test_a_null_is_as_good_as_nothing(database: Database, stream: str, row: Row) -> None:
    shelf = Shelf(database, stream)

    saved = shelf.save(row)

    assert (saved.inserted, saved.quarantined) == (1, 0)


def test_an_order_whose_lines_became_null_has_none(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.save(order(1))

    shelf.save(order(1, minute=1, lineItems=None), read_at=LATER)

    assert shelf.column("SELECT count(*) FROM ebay.order_lines") == [0]


@EVERY
def test_a_page_without_rows_changes_nothing(
    database: Database, stream: str, make: Callable[..., Row], text: str, key: str
) -> None:
    shelf = Shelf(database, stream)

    saved = shelf.save()

    assert (saved.inserted, saved.updated, saved.quarantined) == (0, 0, 0)


def test_the_columns_of_an_order_are_ebays_fields(database: Database) -> None:
    shelf = Shelf(database, "orders")
    address = {"shippingStep": {"shipTo": {"contactAddress": {"countryCode": "AT"}}}}

    shelf.save(
        order(
            sellerId="seller",
            salesRecordReference="77",
            fulfillmentStartInstructions=[address],
            paymentSummary={"totalDueSeller": money("22.10")},
            totalMarketplaceFee=money("2.58"),
            pricingSummary={
                "total": money("24.68"),
                "priceSubtotal": money("21.00"),
                "deliveryCost": money("3.68", "USD"),
            },
        )
    )

    row = shelf.fields("ebay.orders")
    row.pop("raw")
    assert row == {
        "order_id": "order-1",
        "legacy_order_id": "legacy-1",
        "creation_date": datetime(2026, 2, 1, 10, 0, tzinfo=UTC),
        "last_modified_date": datetime(2026, 2, 1, 10, 0, tzinfo=UTC),
        "order_fulfillment_status": "NOT_STARTED",
        "order_payment_status": "PAID",
        "cancel_state": "NONE_REQUESTED",
        "seller_id": "seller",
        "buyer_username": "somebody",
        "sales_record_reference": "77",
        "ship_to_country_code": "AT",
        "total_value": Decimal("24.68"),
        "total_currency": "EUR",
        "price_subtotal_value": Decimal("21.00"),
        "price_subtotal_currency": "EUR",
        "delivery_cost_value": Decimal("3.68"),
        "delivery_cost_currency": "USD",
        "total_due_seller_value": Decimal("22.10"),
        "total_due_seller_currency": "EUR",
        "total_marketplace_fee_value": Decimal("2.58"),
        "total_marketplace_fee_currency": "EUR",
    }


def test_the_columns_of_a_line_are_ebays_fields(database: Database) -> None:
    shelf = Shelf(database, "orders")

    shelf.save(order(lineItems=[line(3, legacyVariationId="variation")]))

    row = shelf.fields("ebay.order_lines")
    row.pop("raw")
    assert row == {
        "order_id": "order-1",
        "line_item_id": "line-3",
        "legacy_item_id": "item-3",
        "legacy_variation_id": "variation",
        "sku": "sku-3",
        "title": "Title 3",
        "quantity": 3,
        "line_item_cost_value": Decimal("10.50"),
        "line_item_cost_currency": "EUR",
        "total_value": Decimal("12.34"),
        "total_currency": "EUR",
        "line_item_fulfillment_status": "NOT_STARTED",
        "listing_marketplace_id": "EBAY_DE",
        "purchase_marketplace_id": "EBAY_US",
        "sold_format": "FIXED_PRICE",
    }


def test_lines_come_change_and_go_with_their_order(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.save(order(1, lineItems=[line(1), line(2)]), order(2, lineItems=[line(1)]))

    shelf.save(order(1, minute=5, lineItems=[line(2, title="Renamed"), line(3)]), read_at=LATER)

    found = shelf.sql(
        "SELECT order_id, line_item_id, title, first_seen_at, updated_at FROM ebay.order_lines"
        " ORDER BY order_id, line_item_id"
    )
    assert [tuple(row) for row in found] == [
        ("order-1", "line-2", "Renamed", READ_AT, LATER),
        ("order-1", "line-3", "Title 3", LATER, LATER),
        ("order-2", "line-1", "Title 1", READ_AT, READ_AT),
    ]


def test_lines_that_did_not_change_with_their_order_are_not_written(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.save(order(1))

    shelf.save(order(1, minute=5), read_at=LATER)

    assert shelf.column("SELECT updated_at FROM ebay.order_lines") == [READ_AT, READ_AT]


def test_an_older_order_takes_no_line_with_it(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.save(order(1, minute=5))

    saved = shelf.save(order(1, lineItems=[line(9)]), read_at=LATER)

    assert saved.updated == 0
    lines = shelf.column("SELECT line_item_id FROM ebay.order_lines ORDER BY 1")
    assert lines == ["line-1", "line-2"]


def test_an_order_that_lost_all_its_lines_has_none(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.save(order(1))

    shelf.save(order(1, minute=1, lineItems=[]), read_at=LATER)

    assert shelf.column("SELECT count(*) FROM ebay.order_lines") == [0]


@pytest.mark.parametrize("gone", ["orders", "transactions", "accounts"])
def test_lines_and_fees_go_with_what_they_belong_to(database: Database, gone: str) -> None:
    shelf, money = Shelf(database, "orders"), Shelf(database, "transactions", account="other")
    shelf.save(order(1))
    money.save(transaction(1))

    shelf.sql(f"DELETE FROM ebay.{gone} RETURNING 1")

    left = "SELECT (SELECT count(*) FROM ebay.{}), (SELECT count(*) FROM ebay.{})"
    [counts] = shelf.sql(left.format("order_lines", "transaction_fees"))
    assert tuple(counts) == {"orders": (0, 3), "transactions": (2, 0), "accounts": (0, 0)}[gone]


def test_of_a_line_given_twice_the_last_one_is_kept(database: Database) -> None:
    shelf = Shelf(database, "orders")

    shelf.save(order(1, lineItems=[line(1), line(1, title="Last")]))

    assert shelf.column("SELECT title FROM ebay.order_lines") == ["Last"]


def test_the_fields_of_a_transaction_and_its_fees(database: Database) -> None:
    shelf = Shelf(database, "transactions")

    shelf.save(
        transaction(
            bookingEntry="DEBIT",
            payoutId="payout-9",
            feeType="AD_FEE",
            totalFeeAmount=money("4.35"),
            totalFeeBasisAmount=money("20.00", "USD"),
            buyer={"username": "somebody"},
            salesRecordReference="5",
            transactionMemo="memo",
            paymentsEntity="eBay S.à r.l.",
        )
    )

    row = shelf.fields("ebay.transactions")
    row.pop("raw")
    assert row == {
        "transaction_id": "transaction-1",
        "transaction_type": "SALE",
        "transaction_date": datetime(2026, 2, 1, 10, 0, tzinfo=UTC),
        "transaction_status": "FUNDS_PROCESSING",
        "booking_entry": "DEBIT",
        "amount_value": Decimal("-20.00"),
        "amount_currency": "EUR",
        "order_id": "order-1",
        "payout_id": "payout-9",
        "fee_type": "AD_FEE",
        "total_fee_amount_value": Decimal("4.35"),
        "total_fee_amount_currency": "EUR",
        "total_fee_basis_amount_value": Decimal("20.00"),
        "total_fee_basis_amount_currency": "USD",
        "buyer_username": "somebody",
        "sales_record_reference": "5",
        "transaction_memo": "memo",
        "payments_entity": "eBay S.à r.l.",
    }
    fees = shelf.sql(
        "SELECT fee_number, line_item_id, fee_type, amount_value, amount_currency"
        " FROM ebay.transaction_fees ORDER BY fee_number"
    )
    assert [tuple(fee) for fee in fees] == [
        (1, "line-1", "FINAL_VALUE_FEE", Decimal("1.10"), "EUR"),
        (2, "line-1", "INTERNATIONAL_FEE", Decimal("0.25"), "EUR"),
        (3, "line-2", "AD_FEE", Decimal(3), "EUR"),
    ]


@pytest.mark.parametrize(
    ("booking", "value"), [("CREDIT", "20.00"), ("DEBIT", "-20.00"), ("NEW_ONE", "20.00")]
)
def test_amounts_are_signed_by_the_booking_entry(
    database: Database, booking: str, value: str
) -> None:
    shelf = Shelf(database, "transactions")

    shelf.save(transaction(bookingEntry=booking))

    assert shelf.column("SELECT amount_value FROM ebay.transactions") == [Decimal(value)]


def test_one_transaction_id_under_two_types_is_two_rows(database: Database) -> None:
    shelf = Shelf(database, "transactions")

    saved = shelf.save(transaction(), transaction(transactionType="REFUND"))

    assert saved.inserted == 2


def test_fees_come_change_and_go_with_their_transaction(database: Database) -> None:
    shelf = Shelf(database, "transactions")
    shelf.save(transaction(1), transaction(2))
    fewer = [
        {
            "lineItemId": "line-1",
            "marketplaceFees": [
                {"feeType": "FINAL_VALUE_FEE", "amount": money("1.10")},
                {"feeType": "REGULATORY_FEE", "amount": money("0.25")},
            ],
        }
    ]

    shelf.save(transaction(1, orderLineItems=fewer), read_at=LATER)

    fees = shelf.sql(
        "SELECT fee_number, fee_type, updated_at FROM ebay.transaction_fees"
        " WHERE transaction_id = 'transaction-1' ORDER BY fee_number"
    )
    assert [tuple(fee) for fee in fees] == [
        (1, "FINAL_VALUE_FEE", READ_AT),
        (2, "REGULATORY_FEE", LATER),
    ]
    others = shelf.column(
        "SELECT fee_number FROM ebay.transaction_fees WHERE transaction_id = 'transaction-2'"
    )
    assert len(others) == 3


def test_a_fee_that_moves_to_another_line_follows(database: Database) -> None:
    shelf = Shelf(database, "transactions")
    fees = transaction()["orderLineItems"]
    shelf.save(transaction())

    moved = [fees[0] | {"lineItemId": "line-7"}, fees[1]]
    shelf.save(transaction(orderLineItems=moved), read_at=LATER)

    lines = shelf.column("SELECT line_item_id FROM ebay.transaction_fees ORDER BY fee_number")
    assert lines == ["line-7", "line-7", "line-2"]


def test_the_fields_of_a_payout(database: Database) -> None:
    shelf = Shelf(database, "payouts")

    shelf.save(
        payout(
            payoutStatusDescription="on its way",
            payoutReference="ref",
            lastAttemptedPayoutDate="2026-02-02T00:00:00.5Z",
        )
    )

    row = shelf.fields("ebay.payouts")
    row.pop("raw")
    assert row == {
        "payout_id": "payout-1",
        "payout_date": datetime(2026, 2, 1, 10, 0, tzinfo=UTC),
        "payout_status": "INITIATED",
        "payout_status_description": "on its way",
        "amount_value": Decimal("99.99"),
        "amount_currency": "EUR",
        "transaction_count": 4,
        "payout_reference": "ref",
        "last_attempted_payout_date": datetime(2026, 2, 2, 0, 0, 0, 500_000, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-02-01T10:00:00Z", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T10:00:00.123456789Z", datetime(2026, 2, 1, 10, 0, 0, 123457, tzinfo=UTC)),
        ("2026-02-01T11:30:00.000+01:30", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("2026-02-01T10:00:00", datetime(2026, 2, 1, 10, tzinfo=UTC)),
        ("1994-01-01T00:00:00.000Z", datetime(1994, 1, 1, tzinfo=UTC)),
    ],
)
def test_instants_are_stored_in_utc_however_they_are_written(
    database: Database, text: str, instant: datetime
) -> None:
    shelf = Shelf(database, "orders")

    shelf.save(order(creationDate=text))

    assert shelf.column("SELECT creation_date FROM ebay.orders") == [instant]


@pytest.mark.parametrize(
    "value", ["0", "0.1", "-3.50", "1e400", "123456789012345678901234567890.123456789", "1E-30"]
)
def test_money_keeps_every_digit(database: Database, value: str) -> None:
    shelf = Shelf(database, "orders")

    saved = shelf.save(order(pricingSummary={"total": money(value)}))

    assert saved.inserted == 1
    assert shelf.column("SELECT total_value FROM ebay.orders") == [Decimal(value)]


@pytest.mark.parametrize("number", ["1e400", "12345678901234567890123.4567890", "-0", "1E+2"])
def test_numbers_in_raw_keep_their_value(database: Database, number: str) -> None:
    shelf = Shelf(database, "payouts")
    text = f'{{"payoutId":"1","payoutDate":"2026-02-01T10:00:00Z","x":{number}}}'

    saved = shelf.save_text([text])

    assert saved.inserted == 1
    assert shelf.column("SELECT CAST(raw ->> 'x' AS numeric) FROM ebay.payouts") == [
        Decimal(number)
    ]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        (r"a\u0000b", "a�b"),
        (r"a\ud83db", "a�b"),
        (r"a\ude00b", "a�b"),
        (r"\ud83d\ude00", "😀"),
        (r"a\\u0000b", r"a\u0000b"),
        ("naïve — 漢字 😀", "naïve — 漢字 😀"),
    ],
)
def test_characters_that_postgresql_refuses_are_replaced_and_nothing_else(
    database: Database, written: str, stored: str
) -> None:
    shelf = Shelf(database, "orders")
    text = (
        '{"orderId":"1","creationDate":"2026-02-01T10:00:00Z",'
        '"lastModifiedDate":"2026-02-01T10:00:00Z",'
        f'"lineItems":[{{"lineItemId":"1","title":"{written}"}}]}}'
    )

    saved = shelf.save_text([text])

    assert (saved.inserted, saved.quarantined) == (1, 0)
    assert shelf.column("SELECT title FROM ebay.order_lines") == [stored]


@pytest.mark.parametrize("quoted", ["$1", "%(x)s", ":page", "'; DROP TABLE ebay.orders; --", "\\"])
def test_text_that_looks_like_sql_is_text(database: Database, quoted: str) -> None:
    shelf = Shelf(database, "orders")

    shelf.save(order(1, buyer={"username": quoted}))

    assert shelf.column("SELECT buyer_username FROM ebay.orders") == [quoted]


def test_open_transactions_span_a_range_and_old_ones_are_given_up(database: Database) -> None:
    shelf = Shelf(database, "transactions")
    shelf.save(
        transaction(1, transactionDate="2025-01-01T00:00:00Z"),
        transaction(2, transactionDate="2026-01-05T00:00:00Z", transactionStatus="FUNDS_ON_HOLD"),
        transaction(3, transactionDate="2026-02-07T00:00:00Z", transactionStatus="INVENTED"),
        transaction(4, transactionDate="2026-02-27T00:00:00Z", transactionStatus="PAYOUT"),
    )

    found = shelf.store.open_range(shelf.unit, READ_AT - timedelta(days=180))

    assert found.oldest == datetime(2026, 1, 5, tzinfo=UTC)
    assert found.newest == datetime(2026, 2, 7, tzinfo=UTC)
    assert found.given_up == 1


def test_open_payouts_are_those_that_are_not_final(database: Database) -> None:
    shelf = Shelf(database, "payouts")
    statuses = ["SUCCEEDED", "REVERSED", "TERMINAL_FAILED", "INITIATED", "RETRYABLE_FAILED", "NEW"]
    for number, status in enumerate(statuses):
        date = f"2026-02-{number + 1:02}T00:00:00Z"
        shelf.save(payout(number, payoutDate=date, payoutStatus=status))

    found = shelf.store.open_range(shelf.unit, READ_AT - timedelta(days=180))

    assert (found.oldest, found.newest) == (
        datetime(2026, 2, 4, tzinfo=UTC),
        datetime(2026, 2, 6, tzinfo=UTC),
    )
