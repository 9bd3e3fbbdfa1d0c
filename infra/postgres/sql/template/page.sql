-- How a page is stored whose rows have no children. `<<…>>` is the stream's own: see infra/postgres/page_statements.py.

-- name: store
-- Of two answers the later one is true; where eBay gives a version, an older one never replaces a newer one.
-- Why stored hashes are made and looked up like this: see orders.sql.
-- A row that was read by its key comes without `summary`: what was listed of it stays.
WITH page AS (
  SELECT CASE WHEN <<detailed>>
              THEN COALESCE(entry -> 'summary', (
                     SELECT stored.raw FROM <<table>> stored
                      WHERE stored.account_id = :account_id AND <<stored_key_text>> = entry ->> 'key'))
              ELSE entry END AS raw, <<detail>> AS detail, place
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
     SET <<settings>>, raw = EXCLUDED.raw, content_hash = EXCLUDED.content_hash, updated_at = EXCLUDED.updated_at
   WHERE <<not_older>>
     AND (stored.content_hash <> EXCLUDED.content_hash OR <<differs>>)
  RETURNING stored.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE inserted) AS inserted, count(*) FILTER (WHERE NOT inserted) AS updated FROM changed;

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
