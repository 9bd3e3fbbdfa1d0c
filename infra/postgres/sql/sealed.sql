-- Sealed values and the canary. Lock order: account, token, sync states; signing keys by themselves.

-- name: canary
SELECT sealed FROM ops.key_canary;

-- name: make_canary
-- Two first starts at once: one makes it, and the other asks whether it opens.
INSERT INTO ops.key_canary (sealed, updated_at) VALUES (:sealed, clock_timestamp()) ON CONFLICT DO NOTHING;

-- name: replace_canary
INSERT INTO ops.key_canary AS canary (sealed, updated_at) VALUES (:sealed, clock_timestamp())
ON CONFLICT (only_row) DO UPDATE SET sealed = EXCLUDED.sealed, updated_at = EXCLUDED.updated_at;

-- name: replace_unused
UPDATE ops.key_canary SET sealed = :sealed, updated_at = clock_timestamp()
 WHERE NOT EXISTS (SELECT FROM ebay.tokens)
   AND NOT EXISTS (SELECT FROM ebay.signing_keys WHERE private_key IS NOT NULL)
RETURNING 1;

-- name: batch
SELECT token.account_id, account.name, token.refresh_token, token.access_token
  FROM ebay.tokens token
  JOIN ebay.accounts account ON account.id = token.account_id
 WHERE token.account_id > :after
 ORDER BY token.account_id
 LIMIT :most;

-- name: reseal
-- Compared and set: a refresh that was saved meanwhile stands. SKIP LOCKED: a dead run's refreshes
-- are revoked several at once and in another order, and neither may wait for the other.
WITH change AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:changes AS jsonb)) AS change (
           account_id bigint, old_refresh text, old_access text, new_refresh text, new_access text)
), free AS MATERIALIZED (
  SELECT token.account_id
    FROM ebay.tokens token
    JOIN change ON change.account_id = token.account_id
   WHERE token.refresh_token = change.old_refresh
     AND token.access_token IS NOT DISTINCT FROM change.old_access
   ORDER BY token.account_id
     FOR NO KEY UPDATE OF token SKIP LOCKED
)
UPDATE ebay.tokens token
   SET refresh_token = change.new_refresh, access_token = change.new_access
  FROM free
  JOIN change ON change.account_id = free.account_id
 WHERE token.account_id = free.account_id
RETURNING 1;

-- name: lock_account
SELECT 1 FROM ebay.accounts WHERE id = :account_id FOR NO KEY UPDATE;

-- name: discard
DELETE FROM ebay.tokens
 WHERE account_id = :account_id AND refresh_token = :refresh_token
   AND access_token IS NOT DISTINCT FROM CAST(:access_token AS text)
RETURNING 1;

-- name: ask_owner
WITH stopped AS (
  UPDATE ebay.accounts SET status = 'needs_reconnect', status_reason = :reason, updated_at = clock_timestamp()
   WHERE id = :account_id AND status = 'active'
  RETURNING id
)
UPDATE ebay.sync_states SET due_at = NULL WHERE account_id IN (SELECT id FROM stopped) RETURNING 1;

-- name: signing_keys
SELECT environment, client_id, private_key FROM ebay.signing_keys WHERE private_key IS NOT NULL
 ORDER BY environment, client_id;

-- name: reseal_signing_key
UPDATE ebay.signing_keys SET private_key = :new
 WHERE (environment, client_id) = (:environment, :client_id) AND private_key = :old
RETURNING 1;

-- name: discard_signing_key
-- Another one is made when it is needed.
UPDATE ebay.signing_keys
   SET key_id = NULL, cipher = NULL, jwe = NULL, private_key = NULL, created_at = NULL, expires_at = NULL,
       version = version + 1
 WHERE (environment, client_id) = (:environment, :client_id) AND private_key = :old
RETURNING 1;

-- name: earlier_runs
-- They passed their own test of the keys when another one was the newest.
SELECT count(*) FROM ops.runs, ops.key_canary
 WHERE runs.status = 'running' AND runs.expires_at > clock_timestamp()
   AND runs.started_at <= key_canary.updated_at;
