-- How a page is stored whose rows have no children. `<<…>>` is the stream's own: see infra/postgres/page_statements.py.

-- name: store
-- Of two answers the later one is true; where eBay gives a version, an older one never replaces a newer one.
-- Why stored hashes are made and looked up like this: see orders.sql.
WITH page AS (
  SELECT <<raw>> AS raw, <<detail>> AS detail, place
    FROM jsonb_array_elements(CAST(:page AS jsonb) -> '<<list_field>>') WITH ORDINALITY AS element (entry, place)
), entry AS MATERIALIZED (
  SELECT DISTINCT ON (<<key>>) own.*, raw, detail, hashtextextended(CAST(raw AS text), 0) AS content_hash
    FROM page CROSS JOIN LATERAL (<<rows>>) AS own
   ORDER BY <<key>>, <<newest>> place DESC
), fresh AS MATERIALIZED (
  SELECT entry.*
    FROM entry
   WHERE detail IS NOT NULL AND detail IS DISTINCT FROM (
           SELECT <<stored_detail>> FROM <<table>> stored
            WHERE stored.account_id = :account_id AND <<same_key>>)
      OR entry.content_hash IS DISTINCT FROM (
           SELECT stored.content_hash FROM <<table>> stored
            WHERE stored.account_id = :account_id AND <<same_key>> AND <<alive>>)
), changed AS (
  INSERT INTO <<table>> AS stored (account_id, <<columns>>, raw, content_hash, first_seen_at, updated_at)
  SELECT :account_id, <<columns>>, raw, content_hash, CAST(:read_at AS timestamptz), CAST(:read_at AS timestamptz)
    FROM fresh
   ORDER BY <<key>>
  ON CONFLICT (account_id, <<key>>) DO UPDATE
     SET <<settings>>, raw = EXCLUDED.raw, content_hash = EXCLUDED.content_hash,
         updated_at = GREATEST(stored.updated_at, EXCLUDED.updated_at)
   WHERE <<not_older>>
     AND (stored.content_hash <> EXCLUDED.content_hash OR <<differs>>)
  RETURNING stored.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE inserted) AS inserted, count(*) FILTER (WHERE NOT inserted) AS updated FROM changed;

-- name: store_again
-- Rows that were read by their keys. What was listed of them stays: only the list brings a later `raw`.
-- Locked by key, like the rows of a page: locked in any other order, the two could wait for each other.
WITH page AS (
  SELECT entry ->> 'key' AS key, entry -> 'detail' AS detail
    FROM jsonb_array_elements(CAST(:page AS jsonb) -> '<<list_field>>') AS element (entry)
), known AS MATERIALIZED (
  SELECT stored.raw, page.detail
    FROM <<table>> stored JOIN page ON <<stored_key_text>> = page.key
   WHERE stored.account_id = :account_id AND stored.updated_at <= :read_at AND stored.detail IS DISTINCT FROM page.detail
   ORDER BY <<stored_key>>
     FOR UPDATE OF stored
), entry AS MATERIALIZED (
  SELECT own.*, detail FROM known CROSS JOIN LATERAL (<<rows>>) AS own
), changed AS (
  UPDATE <<table>> stored SET <<again>>, updated_at = :read_at
    FROM entry
   WHERE stored.account_id = :account_id AND <<same_key>>
  RETURNING 1
)
SELECT 0 AS inserted, count(*) AS updated FROM changed;

-- name: lacking_details
-- Rows that are new, or have changed since their details were asked for.
WITH page AS (
  SELECT entry AS raw, CAST(NULL AS jsonb) AS detail, place
    FROM jsonb_array_elements(CAST(:page AS jsonb) -> '<<list_field>>') WITH ORDINALITY AS element (entry, place)
), entry AS (
  SELECT own.*, raw FROM page CROSS JOIN LATERAL (<<rows>>) AS own
)
SELECT DISTINCT <<key_text>> AS key
  FROM entry
 WHERE hashtextextended(CAST(raw AS text), 0) IS DISTINCT FROM (
         SELECT stored.content_hash FROM <<table>> stored
          WHERE stored.account_id = :account_id AND <<same_key>> AND stored.detail IS NOT NULL);

-- name: end_unseen
-- What came after the first of the two snapshots began has not been missed twice.
UPDATE <<table>> stored SET ended_at = CAST(:read_at AS timestamptz), updated_at = CAST(:read_at AS timestamptz)
 WHERE stored.account_id = :account_id AND stored.ended_at IS NULL AND stored.first_seen_at < CAST(:since AS timestamptz)
   AND NOT EXISTS (
         SELECT FROM ebay.snapshot_seen seen
          WHERE seen.account_id = :account_id AND seen.stream = :stream AND seen.key = <<stored_key_text>>
            AND seen.seen_at >= CAST(:since AS timestamptz));
