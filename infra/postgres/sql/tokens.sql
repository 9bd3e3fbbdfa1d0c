-- Tokens, sealed. Lock order: account, token, sync states.
-- The right to refresh is a lease with a fence: it lives by clock_timestamp().

-- name: read
SELECT account.status = 'needs_reconnect' AS needs_reconnect, token.version, token.refresh_token, token.access_token,
       token.access_expires_at, token.refreshed_at, token.retry_at, clock_timestamp() AS read_at
  FROM ebay.tokens token
  JOIN ebay.accounts account ON account.id = token.account_id
 WHERE token.account_id = :account_id;

-- name: start
-- An abandoned run that wakes up refreshes nothing: whoever abandons it waits for this lock, and
-- then revokes what was taken before.
WITH alive AS MATERIALIZED (
  SELECT FROM ops.runs WHERE id = CAST(:run_id AS uuid) AND status = 'running' FOR SHARE
)
UPDATE ebay.tokens
   SET fence = fence + 1, leased_by = :run_id, leased_until = clock_timestamp() + make_interval(secs => :lease_s)
 WHERE account_id = :account_id AND version = :version
   AND (CAST(:run_id AS uuid) IS NULL OR EXISTS (SELECT FROM alive))
   AND (leased_until IS NULL OR leased_until <= clock_timestamp())
RETURNING fence, clock_timestamp() AS started_at, access_expires_at;

-- name: save
-- One end for each refresh: who writes it again, unsure of the COMMIT, finds it given back.
UPDATE ebay.tokens
   SET access_token = :access_token,
       access_expires_at = clock_timestamp() + make_interval(secs => :expires_in_s),
       refresh_token = COALESCE(CAST(:refresh_token AS text), refresh_token),
       refresh_expires_at = COALESCE(clock_timestamp() + make_interval(secs => CAST(:refresh_expires_in_s AS float8)),
                                     refresh_expires_at),
       warned_days = CASE WHEN CAST(:refresh_expires_in_s AS float8) IS NULL THEN warned_days END,
       refreshed_at = clock_timestamp(),
       retry_at = NULL,
       version = version + 1,
       leased_by = NULL, leased_until = NULL
 WHERE account_id = :account_id AND fence = :fence AND leased_until IS NOT NULL
RETURNING access_expires_at;

-- name: give_back
UPDATE ebay.tokens SET leased_by = NULL, leased_until = NULL, retry_at = CAST(:retry_at AS timestamptz)
 WHERE account_id = :account_id AND fence = :fence AND leased_until IS NOT NULL
RETURNING 1;

-- name: lock_account
-- NO KEY: a page that is being stored holds its state and needs the account's key for its rows.
SELECT 1 FROM ebay.accounts WHERE id = :account_id FOR NO KEY UPDATE;

-- name: revoke
WITH stopped AS (
  UPDATE ebay.accounts SET status = 'needs_reconnect', status_reason = :reason, updated_at = clock_timestamp()
   WHERE id = :account_id AND status = 'active'
  RETURNING id
)
UPDATE ebay.sync_states SET due_at = NULL WHERE account_id IN (SELECT id FROM stopped) RETURNING 1;

-- name: log
INSERT INTO ebay.token_refreshes (run_id, account_id, triggered_by, started_at, finished_at, success, error_code, error_message,
                                  old_expires_at, new_expires_at)
VALUES (:run_id, :account_id, :triggered_by, :started_at, clock_timestamp(), :success, :error_code, :error_message,
        :old_expires_at, :new_expires_at);

-- name: refreshes
SELECT started_at, triggered_by, success, error_code, error_message, new_expires_at
  FROM ebay.token_refreshes WHERE account_id = :account_id
 ORDER BY started_at DESC, id DESC LIMIT :most;

-- name: look
-- A lease that ran out is a try whose process died.
SELECT account.id, account.name, account.environment, account.status, token.version, token.access_expires_at,
       token.refreshed_at, token.retry_at, token.refresh_expires_at, token.warned_days,
       GREATEST(CASE WHEN NOT last.success AND last.finished_at > token.refreshed_at THEN last.finished_at END,
                CASE WHEN token.leased_until <= clock_timestamp() THEN token.leased_until END) AS failed_at
  FROM ebay.accounts account
  LEFT JOIN ebay.tokens token ON token.account_id = account.id
  LEFT JOIN LATERAL (
    SELECT success, finished_at FROM ebay.token_refreshes
     WHERE token_refreshes.account_id = account.id ORDER BY started_at DESC, id DESC LIMIT 1
  ) last ON true
 ORDER BY account.id;

-- name: standing
SELECT account.status,
       (SELECT bool_and(workers.enabled) FROM ops.workers WHERE workers.worker IN ('*', :worker)) AS workers_enabled,
       EXISTS (SELECT FROM ops.runs WHERE runs.id = :run_id AND runs.status = 'running') AS alive
  FROM ebay.accounts account WHERE account.id = :account_id;

-- name: warned
-- Noted with the run that tells it: once for each step, and never of an end that a new consent replaced.
WITH noted AS (
  UPDATE ebay.tokens SET warned_days = :days
   WHERE account_id = :account_id AND refresh_expires_at = CAST(:ends_at AS timestamptz)
     AND (warned_days IS NULL OR warned_days > :days)
  RETURNING account_id
)
INSERT INTO ops.run_events (run_id, at, level, event, account_id, stream, facts)
SELECT :run_id, clock_timestamp(), 'warning', 'token.expires_soon', account_id, 'token', CAST(:facts AS jsonb) FROM noted
RETURNING 1;
