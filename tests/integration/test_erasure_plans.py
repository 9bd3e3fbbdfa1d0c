"""Whether somebody is known here costs the same, however much is stored."""

import pytest
import sqlalchemy as sa

from infra.postgres.queries import load
from infra.postgres.transaction import Database
from tests.support.plans import rows_scanned

STORED = 5_000
LARGE = {"orders", "transactions", "messages", "run_events", "jobs", "job_words"}
FILL = f"""
INSERT INTO ebay.accounts (name, environment) VALUES ('a', 'simulator');
INSERT INTO ebay.orders (account_id, order_id, creation_date, last_modified_date, buyer_username, raw, content_hash, first_seen_at, updated_at)
SELECT id, n, now(), now(), 'buyer_' || n, '{{}}', n, now(), now() FROM ebay.accounts, generate_series(1, {STORED}) AS n;
INSERT INTO ebay.transactions (account_id, transaction_id, transaction_type, transaction_date, buyer_username, raw, content_hash, first_seen_at, updated_at)
SELECT id, n, 'SALE', now(), 'buyer_' || n, '{{}}', n, now(), now() FROM ebay.accounts, generate_series(1, {STORED}) AS n;
INSERT INTO ebay.messages (account_id, message_id, direction, sender, recipient_user_id, send_to_name, subject, receive_date, raw, detail, content_hash, first_seen_at, updated_at)
SELECT id, n, 'INCOMING', 'buyer_' || n, 'seller', 'seller', 'buyer_' || n || ' asks', now(), '{{}}',
       jsonb_build_object('Text', 'It is word ' || n || ' of many'), n, now(), now() FROM ebay.accounts, generate_series(1, {STORED}) AS n;
INSERT INTO ops.jobs (queue, kind, status, run_at, max_attempts, payload, created_at, updated_at)
SELECT 'q', CASE n % 2 WHEN 0 THEN 'notify.email' ELSE 'echo' END, 'pending', now(), 1, jsonb_build_object('text', 'of buyer_' || n), now(), now()
  FROM generate_series(1, {STORED}) AS n;
INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at) VALUES (gen_random_uuid(), 'w', 'running', 'cli', '', now(), now());
INSERT INTO ops.run_events (run_id, at, level, event, facts)
SELECT id, now(), CASE n % 5 WHEN 0 THEN 'warning' ELSE 'info' END, 'ebay.called', jsonb_build_object('body', 'of buyer_' || n)
  FROM ops.runs, generate_series(1, {STORED}) AS n;
"""  # noqa: E501 -- a table is read across


@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
@pytest.mark.parametrize(("word", "most"), [("nobody_of_ours", 0), ("buyer_4711", 8)])
def test_looking_for_a_person_reads_that_persons_rows(
    database: Database, word: str, most: int, analysed: bool
) -> None:
    with database.transaction() as connection:
        for statement in FILL.strip().split(";\n"):
            connection.execute(sa.text(statement.removesuffix(";")))
        if analysed:
            connection.execute(sa.text("ANALYZE"))
    values = {"words": [word, "an_id_of_ebay"], "own": []}

    with database.transaction() as connection:
        explained = sa.text("EXPLAIN (ANALYZE, FORMAT JSON) " + load("erasure")["look"].text)
        plan = connection.execute(explained, values).scalar_one()[0]["Plan"]

    assert rows_scanned(plan, LARGE) <= most
