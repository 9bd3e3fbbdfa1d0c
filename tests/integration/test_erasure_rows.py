"""What a deleted person leaves behind in rows that come by other ways than a page of orders."""

import json
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa

from core.notifications.model import Outcome
from core.notifications.read import read_notification
from infra.postgres.notifications import PostgresNotifications
from infra.postgres.transaction import Database

NAME, EIAS = "anna.b_42", "nY+sHZ2PrBmdj6wVnY+s=="
WROTE = f"<p>{NAME}: pay me. ({NAME.upper()})</p>"


@pytest.fixture
def account_id(database: Database) -> int:
    return int(
        one(
            database,
            "INSERT INTO ebay.accounts (name, environment) VALUES ('a', 'simulator') RETURNING id",
        )
    )


def one(database: Database, sql: str, **values: object) -> Any:
    with database.transaction() as connection:
        return connection.execute(sa.text(sql), values).scalar()


def do(database: Database, sql: str, **values: object) -> None:
    with database.transaction() as connection:
        connection.execute(sa.text(sql), values)


def delete(database: Database, username: str = NAME, notification_id: str = "n") -> Outcome | None:
    data = {"username": username, "userId": f"{username}-id", "eiasToken": EIAS}
    message = {
        "metadata": {"topic": "MARKETPLACE_ACCOUNT_DELETION"},
        "notification": {"notificationId": notification_id, "data": data},
    }
    told = read_notification(json.dumps(message).encode())
    return PostgresNotifications(database, "simulator").take(told).outcome


def add_message(database: Database, account_id: int, message_id: str, **columns: object) -> None:
    values = {"sender": "eBay", "recipient": "seller", "subject": "Sold", "text": ""} | columns
    raw = {"MessageID": message_id, "Sender": values["sender"], "Subject": values["subject"]}
    do(
        database,
        "INSERT INTO ebay.messages (account_id, message_id, direction, sender, recipient_user_id,"
        " subject, receive_date, raw, detail, content_hash, first_seen_at, updated_at) VALUES"
        " (:account_id, :message_id, 'INCOMING', :sender, :recipient, :subject, now(),"
        " CAST(:raw AS jsonb), jsonb_build_object('Text', CAST(:text AS text)), 1, now(), now())",
        account_id=account_id,
        message_id=message_id,
        raw=json.dumps(raw),
        **values,
    )


def message(database: Database, message_id: str) -> Mapping[str, Any]:
    with database.transaction() as connection:
        found = connection.execute(
            sa.text("SELECT * FROM ebay.messages WHERE message_id = :message_id"),
            {"message_id": message_id},
        )
        return dict(found.mappings().one())


def add_quarantine(database: Database, account_id: int, raw: str) -> None:
    do(
        database,
        "INSERT INTO ebay.quarantine (account_id, stream, row_hash, reason, sqlstate, raw, run_id,"
        " first_seen_at, last_seen_at) VALUES (:account_id, 'orders', md5(:raw), 'bad', '22007',"
        " :raw, gen_random_uuid(), now(), now())",
        account_id=account_id,
        raw=raw,
    )


def test_messages_of_both_directions_keep_no_text(database: Database, account_id: int) -> None:
    add_message(database, account_id, "in", sender=NAME, subject=f"{NAME} asks", text="Hello")
    add_message(database, account_id, "out", sender="seller", recipient=NAME.upper(), text="Yes")

    assert delete(database) is Outcome.ERASED

    for each in (message(database, "in"), message(database, "out")):
        assert (each["subject"], each["detail"]) == (None, {})
        assert each["raw"] == {"MessageID": each["message_id"]}
        assert each["erased_at"] is not None
    assert message(database, "in")["recipient_user_id"] == "seller"
    assert message(database, "out")["sender"] == "seller"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_message_that_names_the_person_keeps_no_text(
    database: Database, account_id: int, when: str
) -> None:
    if when == "after":
        delete(database)
    add_message(database, account_id, "m", text=WROTE)
    add_message(database, account_id, "other", text=f"<p>not {NAME}7 and not x{NAME}</p>")
    if when == "before":
        delete(database)

    assert message(database, "m")["detail"] == {}
    assert message(database, "m")["sender"] == "eBay"
    if when == "after":
        assert message(database, "other")["detail"] != {}


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_could_not_be_stored_of_the_person_is_not_kept(
    database: Database, account_id: int, when: str
) -> None:
    if when == "after":
        delete(database)
    add_quarantine(database, account_id, f'{{"orderId": 7, "buyer": {{"username": "{NAME}"}}')
    for other in (f"{NAME}7", f"x{NAME}"):
        add_quarantine(database, account_id, f'{{"buyer": {{"username": "{other}"}}}}')
    if when == "before":
        assert delete(database) is Outcome.ERASED

    assert one(database, "SELECT count(*) FROM ebay.quarantine") == 2


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_beginning_of_an_answer_that_names_the_person_is_not_kept(
    database: Database, when: str
) -> None:
    do(
        database,
        "INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)"
        " VALUES (gen_random_uuid(), 'w', 'running', 'cli', '', now(), now())",
    )
    if when == "after":
        delete(database)
    do(
        database,
        "INSERT INTO ops.run_events (run_id, at, level, event, facts)"
        " SELECT id, now(), 'warning', 'ebay.called', CAST(:facts AS jsonb) FROM ops.runs",
        facts=json.dumps({"status": 200, "body": f'{{"orders":[{{"username":"{NAME}","s'}),
    )
    if when == "before":
        assert delete(database) is Outcome.ERASED

    assert one(database, "SELECT facts FROM ops.run_events") == {"status": 200}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_bidder_is_taken_out_of_a_listing(database: Database, account_id: int, when: str) -> None:
    bidder = {"UserID": NAME, "Email": "a@b.example"}
    raw = {"ItemID": "1", "SellingStatus": {"HighBidder": bidder, "BidCount": "3"}}
    if when == "after":
        delete(database)
    do(
        database,
        "INSERT INTO ebay.listings (account_id, item_id, sku, raw, content_hash, first_seen_at,"
        " updated_at) VALUES (:account_id, '1', '', CAST(:raw AS jsonb), 1, now(), now())",
        account_id=account_id,
        raw=json.dumps(raw),
    )
    if when == "before":
        assert delete(database) is Outcome.ERASED

    kept = one(database, "SELECT raw -> 'SellingStatus' FROM ebay.listings")
    assert kept == {"HighBidder": {"UserID": None, "Email": None}, "BidCount": "3"}


def test_a_memo_of_a_transaction_goes_and_its_amount_stays(
    database: Database, account_id: int
) -> None:
    raw = {"buyer": {"username": NAME}, "transactionMemo": f"for {NAME}", "amount": {"value": "1"}}
    do(
        database,
        "INSERT INTO ebay.transactions (account_id, transaction_id, transaction_type,"
        " transaction_date, buyer_username, transaction_memo, amount_value, raw, content_hash,"
        " first_seen_at, updated_at) VALUES (:account_id, 't', 'SALE', now(), :name, :memo, 1,"
        " CAST(:raw AS jsonb), 1, now(), now())",
        account_id=account_id,
        name=NAME,
        memo=f"for {NAME}",
        raw=json.dumps(raw),
    )

    delete(database)

    row = "SELECT buyer_username IS NULL AND transaction_memo IS NULL AND amount_value = 1"
    assert one(database, f"{row} FROM ebay.transactions") is True
    kept = {"buyer": {"username": None}, "transactionMemo": None, "amount": {"value": "1"}}
    assert one(database, "SELECT raw FROM ebay.transactions") == kept


def test_hashes_are_kept_and_no_name(database: Database) -> None:
    delete(database)

    assert one(database, "SELECT count(*) FROM ebay.erased_people") == 3
    assert one(database, "SELECT count(DISTINCT length(person)) FROM ebay.erased_people") == 1
    assert one(database, "SELECT ebay.is_erased(upper(:name))", name=NAME) is True
    assert one(database, "SELECT ebay.is_erased('somebody')") is False


def test_hashes_of_unknown_people_and_old_notifications_are_forgotten_in_time(
    database: Database, account_id: int
) -> None:
    add_message(database, account_id, "m", sender="known_person")
    delete(database, "known_person", "n-1")
    delete(database, "unknown_person", "n-2")
    do(database, "UPDATE ebay.notifications SET received_at = now() - interval '91 days'")
    do(database, "UPDATE ebay.erased_people SET keep_until = now() - interval '1 day'"
                 " WHERE keep_until IS NOT NULL")  # fmt: skip

    delete(database, "a_third_one", "n-3")

    assert one(database, "SELECT string_agg(notification_id, ' ') FROM ebay.notifications") == "n-3"
    assert one(database, "SELECT ebay.is_erased('known_person')") is True
    assert one(database, "SELECT ebay.is_erased('unknown_person')") is False


JOB = (
    "INSERT INTO ops.jobs (queue, kind, status, run_at, max_attempts, payload, result, outcome,"
    " error_code, error_detail, signal, created_at, updated_at, finished_at)"
    " VALUES ('q', :kind, 'dead', now(), 1, CAST(:said AS jsonb), CAST(:said AS jsonb), :text,"
    " 'code', :text, CAST(:said AS jsonb), now(), now(), now())"
)


@pytest.mark.parametrize("kind", ["notify.telegram", "echo"])
def test_a_word_that_no_index_takes_keeps_no_row_out_and_hides_nobody(
    database: Database, kind: str
) -> None:
    """A key in hex, say; an eBay's answer may hold one as well."""
    hexadecimal = Random(1).randbytes(6_000).hex()
    text = f"{hexadecimal} of {NAME}"

    do(database, JOB, kind=kind, said=json.dumps({"text": text}), text=text[:100])

    assert delete(database) is Outcome.ERASED
    kept = one(database, "SELECT payload ->> 'text' FROM ops.jobs")
    assert kept == f"{hexadecimal} of erased"


def test_a_person_is_taken_out_of_what_chats_keep(database: Database) -> None:
    """What was asked, what is planned, what was told, and why a chat refuses."""
    text = f"tell {NAME} that it was sent"
    do(database, JOB, kind="chat", said=json.dumps({"text": text}), text=text)
    do(
        database,
        "INSERT INTO ops.chat_tasks (job_id, ordering_key, made_at, plan, steps, answer_by, reply)"
        " SELECT id, 'http:1', now(), error_detail, payload, now(), error_detail FROM ops.jobs",
    )
    do(
        database,
        "INSERT INTO ops.chats (source, chat_id, last_message_at, blocked_at, blocked_reason)"
        " SELECT 'http', '1', now(), now(), error_detail FROM ops.jobs",
    )

    assert delete(database) is Outcome.ERASED

    for table in ("jobs", "chat_tasks", "chats"):
        kept = one(database, f"SELECT CAST(to_jsonb(said) AS text) FROM ops.{table} AS said")
        assert NAME not in kept, table
        assert "tell erased that it was sent" in kept, table


def test_a_plan_that_is_a_person_s_name_alone_is_erased_and_stays_a_plan(
    database: Database,
) -> None:
    do(database, JOB, kind="chat", said=json.dumps({"text": NAME}), text=NAME)
    do(
        database,
        "INSERT INTO ops.chat_tasks (job_id, ordering_key, made_at, plan, steps, answer_by, reply)"
        " SELECT id, 'http:1', now(), error_detail, payload, now(), error_detail FROM ops.jobs",
    )

    assert delete(database) is Outcome.ERASED

    assert one(database, "SELECT plan FROM ops.chat_tasks") == "erased"


@pytest.mark.parametrize("kind", ["notify.telegram", "echo"])
def test_a_person_is_taken_out_of_what_jobs_say(database: Database, kind: str) -> None:
    """Also who is known by nothing else."""
    text = f"tell {NAME} that it was sent"
    do(database, JOB, kind=kind, said=json.dumps({"text": text, "n": 1}), text=text)
    do(
        database,
        "INSERT INTO ops.job_events (job_id, at, event, detail, data)"
        " SELECT id, now(), 'retried', error_detail, payload FROM ops.jobs",
    )
    do(
        database,
        "INSERT INTO ops.job_signals (job_id, name, data, received_at)"
        " SELECT id, 'go', payload, now() FROM ops.jobs",
    )

    assert delete(database) is Outcome.ERASED

    assert (
        one(database, "SELECT count(*) FROM ops.job_words WHERE :name = ANY (words)", name=NAME)
        == 0
    )
    for table in ("jobs", "job_events", "job_signals"):
        kept = one(database, f"SELECT CAST(to_jsonb(said) AS text) FROM ops.{table} AS said")
        assert NAME not in kept, table
        assert "tell erased that it was sent" in kept, table
