-- name: store
-- One page of getPayouts. eBay gives these rows no version: of two answers the later one is true.
-- Why stored hashes are made and looked up like this: see orders.sql.
WITH entry AS MATERIALIZED (
  SELECT DISTINCT ON (payout_id) payout_id, raw, hashtextextended(CAST(raw AS text), 0) AS content_hash
    FROM (SELECT raw ->> 'payoutId' AS payout_id, raw, place
            FROM jsonb_array_elements(CAST(:page AS jsonb) -> 'payouts') WITH ORDINALITY AS element (raw, place)) AS page
   ORDER BY payout_id, place DESC
), fresh AS MATERIALIZED (
  SELECT entry.*
    FROM entry
   WHERE entry.content_hash IS DISTINCT FROM (
           SELECT stored.content_hash FROM ebay.payouts stored
            WHERE stored.account_id = :account_id AND stored.payout_id = entry.payout_id)
), changed AS (
  INSERT INTO ebay.payouts AS stored (
         account_id, payout_id, payout_date, payout_status, payout_status_description, amount_value, amount_currency,
         transaction_count, payout_reference, last_attempted_payout_date, raw, content_hash, first_seen_at, updated_at)
  SELECT :account_id, payout_id, CAST(raw ->> 'payoutDate' AS timestamptz), raw ->> 'payoutStatus',
         raw ->> 'payoutStatusDescription', CAST(raw #>> '{amount,value}' AS numeric), raw #>> '{amount,currency}',
         CAST(raw ->> 'transactionCount' AS integer), raw ->> 'payoutReference',
         CAST(raw ->> 'lastAttemptedPayoutDate' AS timestamptz), raw, content_hash, :read_at, :read_at
    FROM fresh
   ORDER BY payout_id
  ON CONFLICT (account_id, payout_id) DO UPDATE
     SET payout_date = EXCLUDED.payout_date,
         payout_status = EXCLUDED.payout_status,
         payout_status_description = EXCLUDED.payout_status_description,
         amount_value = EXCLUDED.amount_value,
         amount_currency = EXCLUDED.amount_currency,
         transaction_count = EXCLUDED.transaction_count,
         payout_reference = EXCLUDED.payout_reference,
         last_attempted_payout_date = EXCLUDED.last_attempted_payout_date,
         raw = EXCLUDED.raw,
         content_hash = EXCLUDED.content_hash,
         updated_at = EXCLUDED.updated_at
   WHERE stored.updated_at <= EXCLUDED.updated_at AND stored.content_hash <> EXCLUDED.content_hash
  RETURNING stored.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE inserted) AS inserted, count(*) FILTER (WHERE NOT inserted) AS updated FROM changed;

-- name: open_range
SELECT min(payout_date) FILTER (WHERE payout_date >= :since) AS oldest,
       max(payout_date) FILTER (WHERE payout_date >= :since) AS newest,
       count(*) FILTER (WHERE payout_date < :since) AS given_up
  FROM ebay.payouts
 WHERE account_id = :account_id
   AND (payout_status IS NULL OR payout_status NOT IN ('SUCCEEDED', 'REVERSED', 'TERMINAL_FAILED'));
