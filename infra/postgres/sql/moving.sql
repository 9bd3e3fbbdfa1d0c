-- Accounts moved over from the old connector. Lock order: account, token, sync states.

-- name: now
SELECT clock_timestamp() AS now;

-- name: accounts
-- Untouched: paused, never read, and each stream as it was written when it came.
SELECT account.id, account.name, account.environment, account.ebay_user_id, account.username,
       moved.old_account_id, moved.states,
       moved.account_id IS NOT NULL AND account.status = 'paused' AND NOT EXISTS (
         SELECT FROM ebay.sync_states state
           LEFT JOIN jsonb_to_recordset(moved.states) AS written (stream text, cursor_at timestamptz, enabled boolean)
                  ON written.stream = state.stream
          WHERE state.account_id = account.id
            AND (state.last_attempt_at IS NOT NULL OR state.fence > 0
                 OR state.enabled IS DISTINCT FROM COALESCE(written.enabled, true)
                 OR (state.pass = 'new' AND state.cursor_at IS DISTINCT FROM written.cursor_at))) AS untouched
  FROM ebay.accounts account
  LEFT JOIN ebay.moved_accounts moved ON moved.account_id = account.id
 WHERE CAST(:account_id AS bigint) IS NULL OR account.id = :account_id
 ORDER BY account.id;

-- name: insert
INSERT INTO ebay.accounts (name, environment, ebay_user_id, username, marketplace_ids, status)
VALUES (:name, :environment, :ebay_user_id, :username, CAST(:marketplace_ids AS text[]), 'paused')
ON CONFLICT DO NOTHING
RETURNING id;

-- name: remember
INSERT INTO ebay.moved_accounts (account_id, old_account_id, states, moved_at)
VALUES (:account_id, :old_id, CAST(:states AS jsonb), clock_timestamp())
ON CONFLICT DO NOTHING
RETURNING 1;

-- name: lock
SELECT 1 FROM ebay.accounts WHERE id = :account_id FOR NO KEY UPDATE;

-- name: remember_again
UPDATE ebay.moved_accounts SET states = CAST(:states AS jsonb), moved_at = clock_timestamp()
 WHERE account_id = :account_id
RETURNING 1;

-- name: write_states
-- The account is paused: nothing of it is due.
UPDATE ebay.sync_states state
   SET enabled = written.enabled,
       switched_at = CASE WHEN state.enabled = written.enabled THEN state.switched_at ELSE clock_timestamp() END,
       switched_via = CASE WHEN state.enabled = written.enabled THEN state.switched_via ELSE 'accounts import' END,
       cursor_at = CASE state.pass WHEN 'new' THEN written.cursor_at ELSE state.cursor_at END
  FROM jsonb_to_recordset(CAST(:states AS jsonb)) AS written (stream text, cursor_at timestamptz, enabled boolean)
 WHERE state.account_id = :account_id AND state.stream = written.stream
RETURNING 1;
