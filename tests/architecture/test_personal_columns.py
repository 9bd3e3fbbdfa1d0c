"""Every column that can hold a text: erased with a person, or known to hold nobody.

A new table or column: erase a person in it (a trigger `erase_new`, `erase_again` of its table, or a
statement of sql/erasure.sql), or say here why there is nobody in it.
"""

from infra.postgres.queries import load
from infra.postgres.transaction import Database

PERSONAL = {
    "ebay.orders": {"buyer_username", "raw"},
    "ebay.order_lines": {"raw"},
    "ebay.transactions": {"buyer_username", "transaction_memo", "raw"},
    "ebay.disputes": {"buyer_username", "raw", "note", "tags"},
    "ebay.cases": {"buyer", "seller", "raw", "note", "tags"},
    "ebay.inquiries": {"buyer", "seller", "raw", "detail", "note", "tags"},
    "ebay.returns": {"buyer_login_name", "seller_login_name", "raw", "detail", "note", "tags"},
    "ebay.cancellations": {"buyer_login_name", "seller_login_name", "raw", "note", "tags"},
    "ebay.messages": {
        "sender", "recipient_user_id", "send_to_name", "subject", "raw", "detail", "note", "tags",
    },
    "ebay.best_offers": {"buyer_user_id", "buyer_message", "seller_message", "raw", "note", "tags"},
    "ebay.purchases": {"seller_user_id", "raw", "note", "tags"},
    "ebay.listings": {"raw", "note", "tags"},
    "ebay.inventory_offers": {"note"},
    "ebay.quarantine": {"raw", "reason"},
    "ebay.accounts": {"ebay_user_id", "username"},
    "ebay.tokens": {"refresh_token", "access_token"},
    "ebay.sync_states": {"last_error"},
    "ebay.connect_events": {"reason", "detail"},
    "ops.jobs": {"payload", "result", "signal", "outcome", "error_detail"},
    "ops.job_events": {"detail", "data"},
    "ops.job_words": {"words"},
    "ops.job_signals": {"data"},
    "ops.chats": {"blocked_reason"},
    "ops.chat_tasks": {"plan", "steps", "reply"},
    "ops.schedules": {"name", "payload", "ordering_key"},
    "ops.tasks": {"description", "original_text", "domain", "enrichment"},
    "ops.run_events": {"facts"},
    "ops.run_units": {"error"},
    "ops.runs": {"detail", "report"},
}  # fmt: skip
OTHERS = {
    "intake.judgments": {"case_number", "plaintiff", "defendant", "source_reference"},
    "intake.staged_rows": {"case_number", "plaintiff", "defendant"},
    "intake.row_errors": {"value"},
    "intake.uploads": {"name"},
    "intake.upload_chunks": {"content"},
    "intake.seen_contents": {"path"},
    "intake.seen_files": {"path"},
    "enforcement.intelligence": {"employer", "income", "bank"},
    "intake.batches": {"file_path", "source_reference", "layout", "rejection_reason"},
}
"""People whom courts have judged, not eBay's: a notice of eBay's erases nobody there. Who keeps
such a register answers for it: docs/intake.md says how somebody is erased.
"""
NOBODY = {
    "ebay.api_breakers": "names of ours",
    "ebay.api_budgets": "names of ours",
    "ebay.connect_states": "names that an owner gave an account, digests and scopes",
    "ebay.cursor_changes": "an operator's reasons",
    "ebay.erased_people": "hashes",
    "ebay.erasure_key": "a key",
    "ebay.inventory_offers": "what is offered",
    "ebay.moved_accounts": "ids and cursors of the old system",
    "ebay.notifications": "topics, ids of notifications, counts",
    "ebay.payouts": "the seller's own money",
    "ebay.signing_keys": "keys of the application",
    "ebay.snapshot_seen": "ids of offers and articles",
    "ebay.token_refreshes": "what eBay's token endpoint said of a token",
    "ebay.transaction_fees": "eBay's fees",
    "ops.chat_messages": "ids of chats and of messages, and what became of those",
    "ops.chat_tasks": "what is said about a task beside its texts",
    "ops.chats": "ids of chats of the seller's own people",
    "enforcement.plans": "words of ours",
    "enforcement.actions": "words of ours",
    "ops.job_keys": "names of keys, which are ids of things",
    "ops.job_staging": "names of keys, which are ids of things",
    "ops.key_canary": "a word of ours",
    "ops.leases": "names of ours",
    "ops.queues": "names of ours",
    "ops.schema_migrations": "names of ours",
    "ops.tasks": "what is said about a text beside the text",
    "ops.workers": "names of ours",
}
IDENTIFIERS = """
account_name address_id best_offer_code_type best_offer_id booking_entry buyer_paid_status
cancel_close_reason cancel_id cancel_reason cancel_state cancel_status case_id case_status_enum
checksum code column_name country county court counts creation_reason cron current_type dedupe_key
delivery_id direction environment error_code event external_message_id fee_type file_hash folder_id
format idempotency_key initiator inquiry_id inquiry_status_enum item_id item_title key kind
last_outcome last_reason legacy_item_id legacy_order_id legacy_variation_id level
line_item_fulfillment_status line_item_id listing_duration listing_marketplace_id listing_type
marketplace_id marketplace_ids message_id message_type misfire name order_fulfillment_status
order_id order_line_item_id order_payment_status ordering_key outcome parameters pass
payment_dispute_id payment_dispute_status payment_status payments_entity payout_id phase
purchase_marketplace_id question_type queue reason reason_type registration_marketplace_id
request_hash requestor_type return_close_reason return_id role row_hash sales_record_reference
scopes seller_activity_due seller_id severity sha256 ship_to_country_code signed_because sku
sold_format
sqlstate state status status_reason step stream switched_via title transaction_id transaction_status
transaction_type variation_title via view_item_url wait_name worker zone
"""
"""Words of eBay's lists, ids of things, articles, and names of ours."""


def text_columns(database: Database) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    with database.transaction() as connection:
        rows = connection.exec_driver_sql(
            "SELECT table_schema || '.' || table_name, column_name"
            " FROM information_schema.columns"
            " JOIN information_schema.tables USING (table_catalog, table_schema, table_name)"
            " WHERE table_schema IN ('ebay', 'ops', 'intake', 'enforcement')"
            " AND table_type = 'BASE TABLE'"
            " AND data_type IN ('text', 'jsonb', 'ARRAY', 'bytea', 'character varying', 'json')"
        )
        for table, column in rows:
            found.setdefault(table, set()).add(column)
    return found


def harmless(table: str, column: str) -> bool:
    return table in NOBODY or column in IDENTIFIERS.split() or column.endswith("_currency")


def test_every_column_that_can_hold_a_person_is_erased_or_holds_nobody(database: Database) -> None:
    unknown = {
        f"{table}.{column}"
        for table, columns in text_columns(database).items()
        for column in columns - PERSONAL.get(table, set()) - OTHERS.get(table, set())
        if not harmless(table, column)
    }

    assert unknown == set()


def test_nothing_is_declared_that_is_not_there(database: Database) -> None:
    there = text_columns(database)

    assert set(PERSONAL) | set(OTHERS) | set(NOBODY) <= set(there)
    for table, columns in [*PERSONAL.items(), *OTHERS.items()]:
        assert columns <= there[table], table


def test_every_declared_table_is_one_that_erasing_writes_to() -> None:
    statements = " ".join(
        statement.text
        for feature in ("erasure", "notifications")
        for statement in load(feature).values()
    )

    missing = [
        table
        for table in PERSONAL
        if not any(f"{verb} {table}" in statements for verb in ("UPDATE", "DELETE FROM"))
    ]

    assert missing == []
