"""Rows that cannot be stored: kept with their reason, and never in the way of the others."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import LeaseLostError, QuarantineLimitError
from core.sync.ports import Progress
from infra.clean import clean_json_text
from infra.postgres.transaction import Database
from tests.support.shelf import READ_AT, Shelf

LATER = READ_AT + timedelta(minutes=5)
KEPT = "SELECT reason, sqlstate, raw, times, first_seen_at, last_seen_at FROM ebay.quarantine"


def order(number: int, **more: Any) -> dict[str, Any]:
    return {
        "orderId": f"order-{number}",
        "creationDate": "2026-02-01T10:00:00Z",
        "lastModifiedDate": "2026-02-01T10:00:00Z",
        "lineItems": [{"lineItemId": "1", "quantity": 1}],
        **more,
    }


BAD = {
    "money that is no number": {"pricingSummary": {"total": {"value": "12,5x"}}},
    "an impossible date": {"creationDate": "2026-13-45T99:99:99.000Z"},
    "a date without end": {"creationDate": "infinity"},
    "money that is not a number": {"pricingSummary": {"total": {"value": "NaN"}}},
    "money without end": {"totalMarketplaceFee": {"value": "-Infinity"}},
    "no date": {"lastModifiedDate": None},
    "no id": {"orderId": None},
    "a quantity beyond reach": {"lineItems": [{"lineItemId": "1", "quantity": 10**12}]},
    "a line without an id": {"lineItems": [{"quantity": 1}]},
    "lines that are no list": {"lineItems": {"lineItemId": "1"}},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_one_bad_row_of_two_hundred_is_kept_aside_and_the_others_are_stored(
    database: Database, bad: dict[str, Any]
) -> None:
    shelf = Shelf(database, "orders")
    rows = [order(number) for number in range(200)]
    rows[137] |= bad

    saved = shelf.save(*rows, progress=Progress(window=None, cursor_at=READ_AT))

    assert (saved.inserted, saved.updated, saved.quarantined) == (199, 0, 1)
    kept = shelf.one(KEPT)
    assert json.loads(kept["raw"]) == rows[137]
    assert kept["reason"].startswith("PostgreSQL refuses the content: ")
    assert len(kept["sqlstate"]) == 5
    assert (kept["times"], kept["first_seen_at"]) == (1, READ_AT)
    assert shelf.column("SELECT cursor_at FROM ebay.sync_states") == [READ_AT]


@pytest.mark.parametrize("row", ["null", "1", '"text"', "[]", "{}", "true"])
def test_what_is_no_order_at_all_is_kept_aside(database: Database, row: str) -> None:
    shelf = Shelf(database, "orders")

    saved = shelf.save_text([json.dumps(order(1)), row, row])

    assert (saved.inserted, saved.quarantined) == (1, 2)
    assert shelf.one(KEPT)["times"] == 2


@pytest.mark.parametrize("stream", ["transactions", "payouts"])
def test_every_stream_keeps_bad_rows_aside(database: Database, stream: str) -> None:
    shelf = Shelf(database, stream)
    good = {
        "transactionId": "1",
        "transactionType": "SALE",
        "transactionDate": "2026-02-01T10:00:00Z",
        "payoutId": "1",
        "payoutDate": "2026-02-01T10:00:00Z",
    }

    bad = good | {"payoutId": "2", "transactionId": "2", "amount": {"value": "?"}}
    saved = shelf.save(good, bad)

    assert (saved.inserted, saved.quarantined) == (1, 1)
    assert shelf.column("SELECT stream FROM ebay.quarantine") == [stream]


def test_the_same_bad_row_read_again_is_counted(database: Database) -> None:
    shelf = Shelf(database, "orders")
    bad = order(1, creationDate="never")
    shelf.save(bad, order(2))

    shelf.save(bad, order(2), read_at=LATER)

    kept = shelf.one(KEPT)
    assert (kept["times"], kept["first_seen_at"], kept["last_seen_at"]) == (2, READ_AT, LATER)


def test_a_row_that_is_well_again_is_stored(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.save(order(1, creationDate="never"))

    saved = shelf.save(order(1), read_at=LATER)

    assert (saved.inserted, saved.quarantined) == (1, 0)


@pytest.mark.parametrize(
    ("bad", "rows", "refused"),
    [(10, 10, False), (11, 12, True), (11, 219, True), (11, 220, False), (50, 999, True)],
)
def test_more_than_five_percent_and_more_than_ten_are_too_many(
    database: Database, bad: int, rows: int, refused: bool
) -> None:
    shelf = Shelf(database, "orders")
    page = [order(number) for number in range(rows - bad)]
    page += [order(number, creationDate=f"never {number}") for number in range(bad)]
    progress = Progress(window=None, cursor_at=READ_AT)

    if refused:
        with pytest.raises(QuarantineLimitError, match=f"{bad} of {rows} rows"):
            shelf.save(*page, progress=progress)
    else:
        shelf.save(*page, progress=progress)

    stored = 0 if refused else rows - bad
    assert shelf.column("SELECT count(*) FROM ebay.orders") == [stored]
    assert shelf.column("SELECT count(*) FROM ebay.quarantine") == [0 if refused else bad]
    assert shelf.column("SELECT cursor_at FROM ebay.sync_states") == [None if refused else READ_AT]


def test_a_bad_page_under_a_stale_fence_keeps_nothing_aside(database: Database) -> None:
    shelf = Shelf(database, "orders")
    shelf.sql("UPDATE ebay.sync_states SET fence = fence + 1 RETURNING 1")

    with pytest.raises(LeaseLostError):
        shelf.save(order(1), order(2, creationDate="never"))

    assert shelf.column("SELECT count(*) FROM ebay.orders") == [0]
    assert shelf.column("SELECT count(*) FROM ebay.quarantine") == [0]


def test_a_reason_repeats_no_value(database: Database) -> None:
    shelf = Shelf(database, "orders")

    shelf.save(order(1, pricingSummary={"total": {"value": "canary-value"}}))

    assert "canary-value" not in shelf.one(KEPT)["reason"]


def test_connections_are_whole_after_pages_that_were_refused(database: Database) -> None:
    shelf = Shelf(database, "orders")

    for number in range(8):
        shelf.save_text([json.dumps(order(number)), '{"orderId":"\\u0000\\ud83d"}'])

    assert shelf.column("SELECT count(*) FROM ebay.orders") == [8]


CHARACTERS = st.characters(codec="utf-8") | st.sampled_from(["\x00", "\x1f", "\x7f", "\ufffe"])
TEXTS = st.text(CHARACTERS, max_size=30)
ESCAPES = st.lists(
    st.sampled_from([r"\u0000", r"\ud83d", r"\ude00", r"\\", r"\"", r"\u00e9", "x", r"\n", "😀"]),
    max_size=12,
).map("".join)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(value=VALUES, escapes=ESCAPES, key=ESCAPES)
def test_whatever_json_holds_once_cleaned_it_is_jsonb(
    database: Database, value: Any, escapes: str, key: str
) -> None:
    shelf = Shelf(database, "orders", account=f"shop-{uuid4()}")
    row = json.dumps(order(1, anything=value))[:-1] + f',"{key}_":"{escapes}"}}'

    saved = shelf.save_text([row])

    stored = shelf.one(
        "SELECT raw, raw = CAST(:expected AS jsonb) AS same FROM ebay.orders"
        " WHERE account_id = :account_id",
        expected=clean_json_text(row),
        account_id=shelf.unit.account.id,
    )
    assert (saved.inserted, saved.quarantined) == (1, 0)
    assert stored["same"]
