-- Taking a person out of everything. Lock order: the erasure, then the rows of one table after the other.
-- How a row is erased says the trigger `erase_again` of its table; rows are found here, and marked.
-- Rows of :own accounts, whose seller the person is, stay: they are his books.

-- name: lock
-- Whoever stores rows holds it shared (ebay.is_erased): waited for, and then waiting.
SELECT pg_advisory_xact_lock(ops.lock_key('erasure'));

-- name: look
-- Keeps the person's hash, and tells which tables hold rows. By the indexes alone:
-- counted, because PostgreSQL reads a table in order where it believes that one of its first rows will do.
WITH person AS (
  INSERT INTO ebay.erased_people AS kept (person, erased_at, keep_until)
  SELECT DISTINCT ebay.person_hash(word), clock_timestamp(), clock_timestamp() + make_interval(days => 180)
    FROM unnest(CAST(:words AS text[])) AS word
  ON CONFLICT (person) DO UPDATE SET keep_until = GREATEST(kept.keep_until, EXCLUDED.keep_until) WHERE kept.keep_until IS NOT NULL
)
SELECT 'orders' AS found WHERE 0 < (SELECT count(*) FROM ebay.orders WHERE (lower(buyer_username COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'transactions' AS found WHERE 0 < (SELECT count(*) FROM ebay.transactions WHERE (lower(buyer_username COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'disputes' AS found WHERE 0 < (SELECT count(*) FROM ebay.disputes WHERE (lower(buyer_username COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'cases' AS found WHERE 0 < (SELECT count(*) FROM ebay.cases WHERE (lower(buyer COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'inquiries' AS found WHERE 0 < (SELECT count(*) FROM ebay.inquiries WHERE (lower(buyer COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'returns' AS found WHERE 0 < (SELECT count(*) FROM ebay.returns WHERE (lower(buyer_login_name COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller_login_name COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'cancellations' AS found WHERE 0 < (SELECT count(*) FROM ebay.cancellations WHERE (lower(buyer_login_name COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller_login_name COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'messages' AS found WHERE 0 < (SELECT count(*) FROM ebay.messages WHERE (lower(sender COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(recipient_user_id COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(send_to_name COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'best_offers' AS found WHERE 0 < (SELECT count(*) FROM ebay.best_offers WHERE (lower(buyer_user_id COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'purchases' AS found WHERE 0 < (SELECT count(*) FROM ebay.purchases WHERE (lower(seller_user_id COLLATE "C") = ANY (CAST(:words AS text[]))) AND account_id <> ALL (CAST(:own AS bigint[])))
UNION ALL SELECT 'listings' WHERE 0 < (SELECT count(*) FROM ebay.listings WHERE lower((raw #>> '{SellingStatus,HighBidder,UserID}') COLLATE "C") = ANY (CAST(:words AS text[])))
UNION ALL SELECT 'mentions' WHERE 0 < (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word
                JOIN ebay.messages message ON ebay.words(COALESCE(subject, '') || ' ' || COALESCE(CAST(detail AS text), '')) @> ebay.words(word) AND strpos(lower(COALESCE(subject, '') || ' ' || COALESCE(CAST(detail AS text), '') COLLATE "C"), word) > 0 AND message.erased_at IS NULL)
UNION ALL SELECT 'quarantine' WHERE 0 < (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word
                JOIN ebay.quarantine bad ON ebay.words(raw) @> ebay.words(word) AND strpos(lower(raw COLLATE "C"), word) > 0)
UNION ALL SELECT 'run_events' WHERE 0 < (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word
                JOIN ops.run_events event ON ebay.words(CAST(facts AS text)) @> ebay.words(word) AND strpos(lower(CAST(facts AS text) COLLATE "C"), word) > 0 AND level <> 'info')
UNION ALL SELECT 'run_units' WHERE 0 < (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word
                JOIN ops.run_units unit ON ebay.words(error) @> ebay.words(word) AND strpos(lower(error COLLATE "C"), word) > 0 AND error IS NOT NULL)
UNION ALL SELECT 'tasks' WHERE 0 < (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word
                JOIN ops.tasks task ON ebay.words(ops.task_text(description, original_text, domain, enrichment)) @> ebay.words(word)
                 AND strpos(lower(ops.task_text(description, original_text, domain, enrichment) COLLATE "C"), word) > 0)
UNION ALL SELECT 'jobs' WHERE 0 < (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word
                JOIN ops.jobs job ON (kind LIKE 'notify.%' OR kind = 'http_request')
                 AND ebay.words(ops.job_text(payload, result, error_detail)) @> ebay.words(word)
                 AND strpos(lower(ops.job_text(payload, result, error_detail) COLLATE "C"), word) > 0)
UNION ALL SELECT 'jobs' WHERE 0 < (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word
                JOIN ops.job_words told ON told.words @> ebay.words(word)
               CROSS JOIN LATERAL (SELECT payload FROM ops.jobs WHERE jobs.id = ANY (ARRAY[told.job_id])) AS job
               WHERE strpos(lower(CAST(job.payload AS text) COLLATE "C"), word) > 0)
UNION ALL SELECT 'notes' WHERE 0 <
         (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.disputes noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.cases noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.inquiries noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.returns noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.cancellations noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.messages noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.best_offers noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.listings noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.purchases noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0)
       + (SELECT count(*) FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.inventory_offers noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0);

-- name: keep
-- Of a person who had rows here, for good.
UPDATE ebay.erased_people SET keep_until = NULL
 WHERE person = ANY (ARRAY(SELECT ebay.person_hash(word) FROM unnest(CAST(:words AS text[])) AS word));

-- name: also_known_as
-- How orders call the person beside the names that eBay told; short ones would be found in any text.
SELECT DISTINCT btrim(said #>> '{}') AS name
  FROM ebay.orders
 CROSS JOIN unnest(ARRAY['fullName', 'email', 'phoneNumber', 'addressLine1', 'addressLine2']) AS member
 CROSS JOIN LATERAL jsonb_path_query(
         jsonb_build_array(raw -> 'buyer', raw -> 'fulfillmentStartInstructions'), CAST('$.**.' || member AS jsonpath)) AS said
 WHERE lower(buyer_username COLLATE "C") = ANY (CAST(:words AS text[])) AND account_id <> ALL (CAST(:own AS bigint[]))
   AND jsonb_typeof(said) = 'string' AND length(btrim(said #>> '{}')) > 4;

-- name: set_names
-- For the triggers, in this transaction.
SELECT set_config('cronshot.erasing', :names, true);


-- name: erase_order_lines
-- Before their orders, by which they are found. Later they come from the order, which is erased then.
UPDATE ebay.order_lines line
   SET erased_at = clock_timestamp(), raw = ebay.without_person(line.raw, '{giftDetails}', CAST(:named AS text[]))
  FROM ebay.orders
 WHERE (line.account_id, line.order_id) = (orders.account_id, orders.order_id)
   AND lower(orders.buyer_username COLLATE "C") = ANY (CAST(:words AS text[])) AND orders.account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_orders
UPDATE ebay.orders SET erased_at = clock_timestamp()
 WHERE (lower(buyer_username COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_transactions
UPDATE ebay.transactions SET erased_at = clock_timestamp()
 WHERE (lower(buyer_username COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_disputes
UPDATE ebay.disputes SET erased_at = clock_timestamp()
 WHERE (lower(buyer_username COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_cases
UPDATE ebay.cases SET erased_at = clock_timestamp()
 WHERE (lower(buyer COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_inquiries
UPDATE ebay.inquiries SET erased_at = clock_timestamp()
 WHERE (lower(buyer COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_returns
UPDATE ebay.returns SET erased_at = clock_timestamp()
 WHERE (lower(buyer_login_name COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller_login_name COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_cancellations
UPDATE ebay.cancellations SET erased_at = clock_timestamp()
 WHERE (lower(buyer_login_name COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(seller_login_name COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_messages
UPDATE ebay.messages SET erased_at = clock_timestamp()
 WHERE (lower(sender COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(recipient_user_id COLLATE "C") = ANY (CAST(:words AS text[])) OR lower(send_to_name COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_best_offers
UPDATE ebay.best_offers SET erased_at = clock_timestamp()
 WHERE (lower(buyer_user_id COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_purchases
UPDATE ebay.purchases SET erased_at = clock_timestamp()
 WHERE (lower(seller_user_id COLLATE "C") = ANY (CAST(:words AS text[])))
   AND account_id <> ALL (CAST(:own AS bigint[]))
RETURNING 1;

-- name: erase_listings
UPDATE ebay.listings SET erased_at = clock_timestamp()
 WHERE lower((raw #>> '{SellingStatus,HighBidder,UserID}') COLLATE "C") = ANY (CAST(:words AS text[]))
RETURNING 1;

-- name: erase_mentions
-- Messages of others that name the person.
UPDATE ebay.messages SET erased_at = clock_timestamp()
 WHERE erased_at IS NULL
   AND (account_id, message_id) IN (
         SELECT message.account_id, message.message_id
           FROM unnest(CAST(:words AS text[])) AS word
           JOIN ebay.messages message
             ON ebay.words(COALESCE(message.subject, '') || ' ' || COALESCE(CAST(message.detail AS text), '')) @> ebay.words(word)
            AND strpos(lower(COALESCE(message.subject, '') || ' ' || COALESCE(CAST(message.detail AS text), '') COLLATE "C"), word) > 0)
RETURNING 1;

-- name: erase_quarantine
DELETE FROM ebay.quarantine
 WHERE id = ANY (ARRAY(
         SELECT bad.id FROM unnest(CAST(:named AS text[])) AS word
           JOIN ebay.quarantine bad
             ON ebay.words(bad.raw) @> ebay.words(word) AND strpos(lower(bad.raw COLLATE "C"), lower(word COLLATE "C")) > 0))
RETURNING 1;

-- name: erase_run_events
-- The beginning of an answer that could not be used goes as a whole.
UPDATE ops.run_events SET facts = ebay.without_person(facts - 'body', '{}', CAST(:named AS text[]))
 WHERE level <> 'info'
   AND id = ANY (ARRAY(
         SELECT event.id FROM unnest(CAST(:named AS text[])) AS word
           JOIN ops.run_events event
             ON ebay.words(CAST(event.facts AS text)) @> ebay.words(word) AND event.level <> 'info'
            AND strpos(lower(CAST(event.facts AS text) COLLATE "C"), lower(word COLLATE "C")) > 0))
RETURNING 1;

-- name: erase_tasks
UPDATE ops.tasks
   SET description = COALESCE(ebay.without_names(description, CAST(:named AS text[])), 'erased'),
       original_text = ebay.without_names(original_text, CAST(:named AS text[])),
       domain = ebay.without_names(domain, CAST(:named AS text[])),
       enrichment = ebay.without_person(enrichment, '{}', CAST(:named AS text[])),
       changed_at = clock_timestamp()
 WHERE job_id = ANY (ARRAY(
         SELECT task.job_id FROM unnest(CAST(:named AS text[])) AS word
           JOIN ops.tasks task
             ON ebay.words(ops.task_text(description, original_text, domain, enrichment)) @> ebay.words(word)
            AND strpos(lower(ops.task_text(description, original_text, domain, enrichment) COLLATE "C"), lower(word COLLATE "C")) > 0))
RETURNING 1;

-- name: erase_jobs
-- Read from end to end, and for a person only who is known here, if only by what was sent: an index over what all
-- jobs say would be written anew with each claim. Jobs live for days. Their words are written anew with the payloads.
WITH told AS MATERIALIZED (
  SELECT job.id FROM ops.jobs job
   WHERE EXISTS (
           SELECT FROM unnest(CAST(:named AS text[])) AS word
            WHERE strpos(lower(concat_ws(' ', CAST(payload AS text), CAST(result AS text), CAST(signal AS text), outcome, error_detail) COLLATE "C"),
                         lower(word COLLATE "C")) > 0)
), words AS (
  DELETE FROM ops.job_words WHERE job_id IN (SELECT id FROM told)
), events AS (
  UPDATE ops.job_events SET detail = ebay.without_names(detail, CAST(:named AS text[])),
                            data = ebay.without_person(data, '{}', CAST(:named AS text[]))
   WHERE EXISTS (SELECT FROM unnest(CAST(:named AS text[])) AS word
                  WHERE strpos(lower(concat_ws(' ', detail, CAST(data AS text)) COLLATE "C"), lower(word COLLATE "C")) > 0)
  RETURNING 1
), signals AS (
  UPDATE ops.job_signals SET data = ebay.without_person(data, '{}', CAST(:named AS text[]))
   WHERE EXISTS (SELECT FROM unnest(CAST(:named AS text[])) AS word
                  WHERE strpos(lower(CAST(data AS text) COLLATE "C"), lower(word COLLATE "C")) > 0)
  RETURNING 1
), chats AS (
  UPDATE ops.chat_tasks
     SET plan = CASE WHEN plan IS NOT NULL THEN COALESCE(ebay.without_names(plan, CAST(:named AS text[])), 'erased') END,
         steps = CASE WHEN steps IS NOT NULL THEN COALESCE(ebay.without_person(steps, '{}', CAST(:named AS text[])), '{}') END,
         reply = ebay.without_names(reply, CAST(:named AS text[]))
   WHERE EXISTS (SELECT FROM unnest(CAST(:named AS text[])) AS word
                  WHERE strpos(lower(concat_ws(' ', plan, CAST(steps AS text), reply) COLLATE "C"), lower(word COLLATE "C")) > 0)
  RETURNING 1
), refusals AS (
  UPDATE ops.chats SET blocked_reason = COALESCE(ebay.without_names(blocked_reason, CAST(:named AS text[])), 'erased')
   WHERE EXISTS (SELECT FROM unnest(CAST(:named AS text[])) AS word
                  WHERE strpos(lower(blocked_reason COLLATE "C"), lower(word COLLATE "C")) > 0)
  RETURNING 1
), jobs AS (
  UPDATE ops.jobs
     SET payload = ebay.without_person(payload, '{}', CAST(:named AS text[])),
         result = ebay.without_person(result, '{}', CAST(:named AS text[])),
         signal = ebay.without_person(signal, '{}', CAST(:named AS text[])),
         outcome = ebay.without_names(outcome, CAST(:named AS text[])),
         error_detail = ebay.without_names(error_detail, CAST(:named AS text[]))
   WHERE id IN (SELECT id FROM told)
  RETURNING 1
)
SELECT 1 FROM jobs UNION ALL SELECT 1 FROM events UNION ALL SELECT 1 FROM signals
UNION ALL SELECT 1 FROM chats UNION ALL SELECT 1 FROM refusals;

-- name: erase_schedules
-- What is left of one does not come any more: it would do something to somebody else.
UPDATE ops.schedules
   SET name = CASE WHEN ebay.without_names(name, CAST(:named AS text[])) IS DISTINCT FROM name THEN 'erased ' || id ELSE name END,
       payload = ebay.without_person(payload, '{}', CAST(:named AS text[])),
       ordering_key = NULLIF(ebay.without_names(ordering_key, CAST(:named AS text[])), ''),
       enabled = false, next_fire_at = NULL, updated_at = clock_timestamp()
 WHERE EXISTS (
         SELECT FROM unnest(CAST(:named AS text[])) AS word
          WHERE strpos(lower(concat_ws(' ', name, ordering_key, CAST(payload AS text)) COLLATE "C"), lower(word COLLATE "C")) > 0)
RETURNING 1;

-- name: erase_connect_events
UPDATE ebay.connect_events
   SET reason = COALESCE(ebay.without_names(reason, CAST(:named AS text[])), 'erased'),
       detail = ebay.without_names(detail, CAST(:named AS text[]))
 WHERE EXISTS (
         SELECT FROM unnest(CAST(:words AS text[])) AS word
          WHERE strpos(lower(COALESCE(reason, '') || ' ' || COALESCE(detail, '') COLLATE "C"), word) > 0)
RETURNING 1;

-- name: erase_run_units
-- The report of a run repeats what its units say, and a unit's state the last of it.
WITH told AS (
  SELECT DISTINCT unit.id, unit.run_id, unit.account_id, unit.stream, unit.pass
    FROM unnest(CAST(:named AS text[])) AS word
    JOIN ops.run_units unit
      ON ebay.words(unit.error) @> ebay.words(word) AND unit.error IS NOT NULL
     AND strpos(lower(unit.error COLLATE "C"), lower(word COLLATE "C")) > 0
), reports AS (
  UPDATE ops.runs
     SET detail = ebay.without_names(detail, CAST(:named AS text[])),
         report = ebay.without_person(report, '{}', CAST(:named AS text[]))
   WHERE id IN (SELECT run_id FROM told)
), states AS (
  UPDATE ebay.sync_states state
     SET last_error = ebay.without_names(last_error, CAST(:named AS text[]))
   WHERE (account_id, stream, pass) IN (SELECT account_id, stream, pass FROM told)
)
UPDATE ops.run_units SET error = ebay.without_names(error, CAST(:named AS text[]))
 WHERE id IN (SELECT id FROM told)
RETURNING 1;

-- name: erase_notes
-- Those that name the person on rows of others.
WITH disputes AS (
  UPDATE ebay.disputes SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.disputes noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     cases AS (
  UPDATE ebay.cases SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.cases noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     inquiries AS (
  UPDATE ebay.inquiries SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.inquiries noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     returns AS (
  UPDATE ebay.returns SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.returns noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     cancellations AS (
  UPDATE ebay.cancellations SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.cancellations noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     messages AS (
  UPDATE ebay.messages SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.messages noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     best_offers AS (
  UPDATE ebay.best_offers SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.best_offers noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     listings AS (
  UPDATE ebay.listings SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.listings noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     purchases AS (
  UPDATE ebay.purchases SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.purchases noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
),
     inventory_offers AS (
  UPDATE ebay.inventory_offers SET note = ebay.without_names(note, CAST(:named AS text[]))
   WHERE ctid = ANY (ARRAY(
           SELECT noted.ctid FROM unnest(CAST(:words AS text[])) AS word JOIN ebay.inventory_offers noted ON ebay.words(noted.note) @> ebay.words(word)
              AND noted.note IS NOT NULL AND strpos(lower(noted.note COLLATE "C"), word) > 0 FOR UPDATE OF noted))
  RETURNING 1
)
SELECT 1 FROM disputes
UNION ALL SELECT 1 FROM cases
UNION ALL SELECT 1 FROM inquiries
UNION ALL SELECT 1 FROM returns
UNION ALL SELECT 1 FROM cancellations
UNION ALL SELECT 1 FROM messages
UNION ALL SELECT 1 FROM best_offers
UNION ALL SELECT 1 FROM listings
UNION ALL SELECT 1 FROM purchases
UNION ALL SELECT 1 FROM inventory_offers;
