"""What messages and Best Offers leave in their tables."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.sync.model import Page
from core.sync.ports import Progress, Saved
from infra.ebay.trading_xml import Shape, read_answer
from infra.postgres.transaction import Database
from tests.support.ebay_shared import trading_sample
from tests.support.shelf import READ_AT, Shelf, page_of_text

LATER = READ_AT + timedelta(minutes=5)
Row = dict[str, Any]


def header(number: int = 1, **more: Any) -> Row:
    return {
        "Sender": "buyer",
        "RecipientUserID": "shop",
        "SendToName": "shop",
        "Subject": "Is it there?",
        "MessageID": f"message-{number}",
        "ExternalMessageID": f"external-{number}",
        "Flagged": "false",
        "Read": "false",
        "ReceiveDate": "2026-02-01T10:00:00.000Z",
        "ExpirationDate": "2027-02-01T10:00:00.000Z",
        "ItemID": "110",
        "ResponseDetails": {"ResponseEnabled": "true"},
        "Folder": {"FolderID": "0"},
        "MessageType": "AskSellerQuestion",
        "Replied": "false",
        "ItemEndTime": "2026-03-01T10:00:00.000Z",
        "ItemTitle": "A thing",
        **more,
    }


def row(summary: Any, text: str | None = "Hello") -> Row:
    detail = None if text is None else summary | {"Text": f"<p>{text}</p>", "Content": text}
    return {"summary": summary, "detail": detail}


def offer(number: int = 1, **more: Any) -> Row:
    return {
        "BestOfferID": f"offer-{number}",
        "ExpirationTime": "2026-02-03T10:00:00.000Z",
        "Buyer": {"UserID": "buyer"},
        "Price": {"value": "150.0", "currencyID": "EUR"},
        "Status": "Pending",
        "Quantity": "2",
        "BuyerMessage": "Please",
        "BestOfferCodeType": "BuyerBestOffer",
        "Role": "Seller",
        "Item": {
            "ItemID": f"item-{number}",
            "Title": "A thing",
            "BuyItNowPrice": {"value": "175.66", "currencyID": "EUR"},
            "ListingDetails": {"EndTime": "2026-04-01T10:00:00.000Z"},
        },
        **more,
    }


@pytest.fixture
def mail(database: Database) -> Shelf:
    return Shelf(database, "messages")


@pytest.fixture
def offers(database: Database) -> Shelf:
    return Shelf(database, "best_offers")


def lacking(shelf: Shelf, *headers: Row) -> set[str]:
    """What is asked for of a page of headers."""
    page = page_of_text(shelf.stream, [json.dumps(each) for each in headers])
    return set(shelf.store.lacking_details(shelf.unit, page))


def test_every_column_of_a_message_comes_from_its_header(mail: Shelf) -> None:
    mail.save(row(header()))

    stored = mail.one("SELECT * FROM ebay.messages")

    assert stored.pop("content_hash") is not None
    assert stored.pop("account_id") == mail.unit.account.id
    assert stored == {
        "message_id": "message-1",
        "external_message_id": "external-1",
        "direction": "INCOMING",
        "folder_id": "0",
        "sender": "buyer",
        "recipient_user_id": "shop",
        "send_to_name": "shop",
        "subject": "Is it there?",
        "message_type": "AskSellerQuestion",
        "question_type": None,
        "item_id": "110",
        "item_title": "A thing",
        "item_end_time": datetime(2026, 3, 1, 10, tzinfo=UTC),
        "receive_date": datetime(2026, 2, 1, 10, tzinfo=UTC),
        "expiration_date": datetime(2027, 2, 1, 10, tzinfo=UTC),
        "read": False,
        "flagged": False,
        "replied": False,
        "high_priority": None,
        "response_enabled": True,
        "raw": header(),
        "detail": row(header())["detail"],
        "first_seen_at": READ_AT,
        "updated_at": READ_AT,
        "erased_at": None,
        "note": None,
        "tags": [],
    }


def test_the_sample_is_stored_field_by_field(mail: Shelf) -> None:
    sample = trading_sample("GetMyMessages_ReturnHeaders")
    rows = read_answer(sample, Shape(rows="Messages/Message")).rows

    mail.save(*(row(each) for each in rows))

    assert mail.sql(
        "SELECT message_id, direction, sender, recipient_user_id, external_message_id, item_id,"
        " read, message_type, receive_date, detail ->> 'Content'"
        " FROM ebay.messages ORDER BY message_id"
    ) == [
        (
            f"588211{number}", "INCOMING", "testuser_buyer", "testuser_seller",
            f"113708101{number}", "110164967546", read, "ContactTransactionPartner",
            datetime(2026, 1, 14, 14, 14, 29, tzinfo=UTC), "Hello",
        )
        for number, read in ((0, False), (1, True))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "direction"), [("0", "INCOMING"), ("1", "OUTGOING"), ("2", "INCOMING")]
)
def test_r55_sent_messages_are_outgoing(mail: Shelf, folder: str, direction: str) -> None:
    mail.save(row(header(Folder={"FolderID": folder})))

    assert mail.column("SELECT direction FROM ebay.messages") == [direction]


def test_r55_every_message_of_a_batch_is_stored(mail: Shelf) -> None:
    saved = mail.save(*(row(header(number), f"text {number}") for number in range(10)))

    assert saved == Saved(inserted=10, updated=0, quarantined=0, switched_off=None)
    texts = mail.column("SELECT detail ->> 'Content' FROM ebay.messages ORDER BY message_id")
    assert texts == [f"text {number}" for number in range(10)]


def test_a_flag_that_changes_keeps_the_text_and_asks_for_none(mail: Shelf) -> None:
    mail.save(row(header()))
    changed = header(Read="true", Folder={"FolderID": "2"})

    assert lacking(mail, changed) == set()
    saved = mail.save(row(changed, None), read_at=LATER)

    assert (saved.inserted, saved.updated) == (0, 1)
    stored = mail.one("SELECT read, folder_id, detail, raw FROM ebay.messages")
    assert stored == {
        "read": True, "folder_id": "2", "detail": row(header())["detail"], "raw": changed,
    }  # fmt: skip


def test_texts_are_asked_for_until_they_are_there(mail: Shelf) -> None:
    mail.save(row(header(1)), row(header(2), None))

    wanted = lacking(mail, header(1), header(2), header(3), header(3), {"Subject": "without id"})

    assert wanted == {"message-2", "message-3"}


def test_a_text_that_comes_later_is_added(mail: Shelf) -> None:
    mail.save(row(header(), None))

    saved = mail.save(row(header()), read_at=LATER)

    assert saved.updated == 1
    assert mail.column("SELECT detail ->> 'Content' FROM ebay.messages") == ["Hello"]


def test_the_same_page_again_changes_nothing(mail: Shelf) -> None:
    mail.save(row(header()))

    assert mail.save(row(header(), None), read_at=LATER) == Saved(
        inserted=0, updated=0, quarantined=0, switched_off=None
    )
    assert mail.column("SELECT updated_at FROM ebay.messages") == [READ_AT]


@pytest.mark.parametrize("stream", ["messages", "best_offers"])
def test_what_belongs_to_the_user_is_never_written(database: Database, stream: str) -> None:
    shelf = Shelf(database, stream)
    first, second = (
        (row(header()), row(header(Read="true")))
        if stream == "messages"
        else (offer(), offer(Status="Countered"))
    )
    shelf.save(first)
    shelf.sql(f"UPDATE ebay.{stream} SET note = 'mine', tags = '{{a,b}}' RETURNING 1")

    assert shelf.save(second, read_at=LATER).updated == 1

    assert shelf.one(f"SELECT note, tags FROM ebay.{stream}") == {
        "note": "mine",
        "tags": ["a", "b"],
    }


@pytest.mark.parametrize(
    "odd",
    [
        header(MessageID=""),
        {"Subject": "no id"},
        "text",
        header(ReceiveDate="2026-13-45"),
        header(ReceiveDate="infinity"),
        header(ReceiveDate=None),
        header(Read="maybe"),
    ],
    ids=["empty id", "no id", "no object", "no date", "infinity", "null", "no flag"],
)
def test_a_message_that_cannot_be_stored_costs_itself_only(mail: Shelf, odd: Any) -> None:
    saved = mail.save({"summary": odd, "detail": None}, row(header(2)))

    assert (saved.inserted, saved.quarantined) == (1, 1)
    assert mail.column("SELECT message_id FROM ebay.messages") == ["message-2"]


def test_empty_elements_are_nothing(mail: Shelf) -> None:
    nothing: Row = dict.fromkeys(
        ("ItemID", "ItemEndTime", "ExpirationDate", "Flagged", "Replied"), ""
    )

    mail.save(row(header(**nothing)))

    assert mail.one(
        "SELECT item_id, item_end_time, expiration_date, flagged, replied FROM ebay.messages"
    ) == dict.fromkeys(("item_id", "item_end_time", "expiration_date", "flagged", "replied"))


def test_r17_two_accounts_may_share_a_message_id(mail: Shelf, database: Database) -> None:
    other = Shelf(database, "messages", account="other")

    mail.save(row(header(), "mine"))
    other.save(row(header(), "theirs"))

    texts = mail.column("SELECT detail ->> 'Content' FROM ebay.messages ORDER BY account_id")
    assert texts == ["mine", "theirs"]


def test_every_column_of_an_offer_comes_from_it_and_its_item(offers: Shelf) -> None:
    offers.save(offer())

    stored = offers.one("SELECT * FROM ebay.best_offers")

    assert stored.pop("content_hash") is not None
    assert stored.pop("account_id") == offers.unit.account.id
    assert stored == {
        "item_id": "item-1",
        "best_offer_id": "offer-1",
        "role": "Seller",
        "status": "Pending",
        "best_offer_code_type": "BuyerBestOffer",
        "price_value": Decimal("150.0"),
        "price_currency": "EUR",
        "quantity": 2,
        "buyer_user_id": "buyer",
        "expiration_time": datetime(2026, 2, 3, 10, tzinfo=UTC),
        "buyer_message": "Please",
        "seller_message": None,
        "item_title": "A thing",
        "buy_it_now_price_value": Decimal("175.66"),
        "buy_it_now_price_currency": "EUR",
        "item_end_time": datetime(2026, 4, 1, 10, tzinfo=UTC),
        "raw": offer(),
        "first_seen_at": READ_AT,
        "updated_at": READ_AT,
        "erased_at": None,
        "ended_at": None,
        "note": None,
        "tags": [],
    }


@pytest.mark.parametrize(
    "odd",
    [
        offer(BestOfferID=""),
        offer(Item={}),
        offer(Price={"value": "12,5x"}),
        offer(Price={"value": "NaN"}),
        offer(ExpirationTime="infinity"),
        offer(Quantity="many"),
    ],
    ids=["no id", "no item", "no price", "nan", "infinity", "no number"],
)
def test_an_offer_that_cannot_be_stored_costs_itself_only(offers: Shelf, odd: Row) -> None:
    saved = offers.save(odd, offer(2))

    assert (saved.inserted, saved.quarantined) == (1, 1)


def keyed(shelf: Shelf, *numbers: int) -> Page:
    page = page_of_text(shelf.stream, [json.dumps(offer(number)) for number in numbers])
    keys = tuple(f"item-{number}|offer-{number}" for number in numbers)
    return Page(text=page.text, rows=page.rows, total=page.total, next_offset=None, keys=keys)


def test_r11_an_offer_ends_when_two_snapshots_no_longer_show_it(offers: Shelf) -> None:
    def snapshot(minute: int, *numbers: int) -> int:
        at = READ_AT + timedelta(minutes=minute)
        progress = Progress(window=None, cursor_at=at, snapshot=at)
        page = keyed(offers, *numbers)
        saved = offers.store.save_page(
            offers.run_id, "ebay-cycle", offers.unit, page, read_at=at, progress=progress
        )
        [cursor] = offers.column("SELECT cursor_at FROM ebay.sync_states")
        offers.unit = replace(offers.unit, cursor_at=cursor)
        return saved.ended

    ended = [snapshot(0, 1, 2), snapshot(10, 1), snapshot(20, 1), snapshot(30, 1, 2)]

    assert ended == [0, 0, 1, 0]
    rows = offers.sql("SELECT best_offer_id, ended_at FROM ebay.best_offers ORDER BY 1")
    assert rows == [("offer-1", None), ("offer-2", None)], "an offer that is shown again lives"
