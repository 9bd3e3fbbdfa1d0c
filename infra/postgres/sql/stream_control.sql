-- Streams as people see and switch them. Lock order: account, sync states by key, cursor changes.
-- A person's command belongs to no run, so it has no :now.

-- name: worker
SELECT clock_timestamp() AS at, everything.enabled AND worker.enabled AS enabled, worker.tripped_at IS NOT NULL AS tripped
  FROM ops.workers worker
 CROSS JOIN ops.workers everything
 WHERE worker.worker = :worker AND everything.worker = '*';

-- name: look
-- Of the passes over open rows as well.
SELECT state.*, account.name AS account, account.environment, account.status AS account_status,
       COALESCE(state.leased_until > clock_timestamp(), false) AS running
  FROM ebay.accounts account
  JOIN ebay.sync_states state ON state.account_id = account.id
 WHERE (CAST(:accounts AS text[]) IS NULL OR account.name = ANY (CAST(:accounts AS text[])))
   AND (CAST(:account_id AS bigint) IS NULL OR account.id = :account_id)
   AND state.stream = ANY (CAST(:streams AS text[]))
 ORDER BY account.id, array_position(CAST(:streams AS text[]), state.stream), state.pass;

-- name: rewinds
-- The latest of each unit: of more that follow each other, before the reading has caught up, only these can be undone.
SELECT change.id, unit.account_id, unit.stream, change.changed_at, change.via, change.reason, change.old_cursor_at,
       change.old_window_from, change.new_cursor_at, change.undone_at
  FROM (SELECT DISTINCT account_id, stream FROM ebay.cursor_changes
         WHERE account_id = ANY (CAST(:account_ids AS bigint[])) AND stream = ANY (CAST(:streams AS text[]))) AS unit
 CROSS JOIN LATERAL (
         SELECT * FROM ebay.cursor_changes
          WHERE (cursor_changes.account_id, cursor_changes.stream) = (unit.account_id, unit.stream)
          ORDER BY id DESC LIMIT 20) AS change
 ORDER BY unit.account_id, unit.stream, change.id DESC;

-- name: lock_accounts
-- An account that is being paused is waited for, or its units would be due all the same.
SELECT id FROM ebay.accounts
 WHERE CAST(:accounts AS text[]) IS NULL OR name = ANY (CAST(:accounts AS text[]))
 ORDER BY id FOR SHARE;

-- name: lock_account
SELECT id FROM ebay.accounts WHERE id = :account_id FOR SHARE;

-- name: lock_states
-- A page that is being stored is waited for.
SELECT account_id FROM ebay.sync_states
 WHERE account_id = ANY (CAST(:account_ids AS bigint[])) AND stream = ANY (CAST(:streams AS text[]))
 ORDER BY account_id, stream, pass FOR UPDATE;

-- name: pause
-- Who is reading sees it with the page that he stores next.
UPDATE ebay.sync_states
   SET enabled = false, due_at = NULL, switched_at = clock_timestamp(), switched_via = :via
 WHERE account_id = ANY (CAST(:account_ids AS bigint[])) AND stream = ANY (CAST(:streams AS text[])) AND enabled
RETURNING account_id, stream;

-- name: resume
-- Due now, or when the lease of whoever reads it ends: he makes it due himself when he is through.
UPDATE ebay.sync_states state
   SET enabled = true,
       due_at = CASE WHEN state.interval_s > 0 AND account.status = 'active'
                     THEN GREATEST(clock_timestamp(), state.leased_until) END,
       switched_at = CASE WHEN state.enabled THEN state.switched_at ELSE clock_timestamp() END,
       switched_via = CASE WHEN state.enabled THEN state.switched_via ELSE :via END
  FROM ebay.accounts account, ebay.sync_states before
 WHERE account.id = state.account_id
   AND (before.account_id, before.stream, before.pass) = (state.account_id, state.stream, state.pass)
   AND state.account_id = ANY (CAST(:account_ids AS bigint[])) AND state.stream = ANY (CAST(:streams AS text[]))
   AND (NOT state.enabled OR state.pass = 'new')
RETURNING state.account_id, state.stream, NOT before.enabled AS switched;

-- name: space
-- The pass over open rows decides itself how often it is due; it is only switched off with the other.
UPDATE ebay.sync_states state
   SET interval_s = spaced.interval_s,
       due_at = CASE WHEN state.enabled AND spaced.interval_s > 0 AND account.status = 'active'
                     THEN GREATEST(clock_timestamp(), state.leased_until) END,
       switched_at = clock_timestamp(), switched_via = :via
  FROM ebay.accounts account, ebay.sync_states before
 CROSS JOIN LATERAL (
         SELECT CASE WHEN before.pass = 'new' OR :interval_s = 0 THEN :interval_s
                     WHEN before.interval_s = 0 THEN CAST(:open_interval_s AS integer)
                     ELSE before.interval_s END AS interval_s) AS spaced
 WHERE account.id = state.account_id
   AND (before.account_id, before.stream, before.pass) = (state.account_id, state.stream, state.pass)
   AND state.account_id = ANY (CAST(:account_ids AS bigint[])) AND state.stream = ANY (CAST(:streams AS text[]))
   AND state.interval_s <> spaced.interval_s
RETURNING state.account_id, state.stream;

-- name: note_rewind
INSERT INTO ebay.cursor_changes (account_id, stream, pass, changed_at, via, reason, calls_expected, old_cursor_at, old_window_from,
                                 old_window_to, old_window_goal, old_window_limit, old_window_offset, old_window_total,
                                 old_window_pass, new_cursor_at)
SELECT account_id, stream, pass, clock_timestamp(), :via, :reason, :calls, cursor_at, window_from, window_to, window_goal,
       window_limit, window_offset, window_total, window_pass, CAST(:to AS timestamptz)
  FROM ebay.sync_states
 WHERE (account_id, stream, pass) = (:account_id, :stream, 'new')
RETURNING id;

-- name: rewind
-- The fence rises: whoever is reading writes nothing more, and the attempt is not counted against the unit.
UPDATE ebay.sync_states state
   SET cursor_at = :to,
       window_from = NULL, window_to = NULL, window_goal = NULL, window_limit = NULL, window_offset = NULL,
       window_total = NULL, window_pass = NULL,
       fence = state.fence + 1,
       failures = CASE WHEN state.leased_by IS NULL THEN state.failures ELSE GREATEST(state.failures - 1, 0) END,
       leased_by = NULL, leased_until = NULL,
       due_at = CASE WHEN state.enabled AND state.interval_s > 0 AND account.status = 'active' THEN clock_timestamp() END
  FROM ebay.accounts account
 WHERE account.id = state.account_id AND (state.account_id, state.stream, state.pass) = (:account_id, :stream, 'new')
RETURNING 1;

-- name: restore
-- Fenced like a rewind. The window is resumed as after a kill: its progress was that of stored pages.
UPDATE ebay.sync_states state
   SET cursor_at = change.old_cursor_at,
       window_from = change.old_window_from, window_to = change.old_window_to, window_goal = change.old_window_goal,
       window_limit = change.old_window_limit, window_offset = change.old_window_offset,
       window_total = change.old_window_total, window_pass = change.old_window_pass,
       fence = state.fence + 1,
       failures = CASE WHEN state.leased_by IS NULL THEN state.failures ELSE GREATEST(state.failures - 1, 0) END,
       leased_by = NULL, leased_until = NULL,
       due_at = CASE WHEN state.enabled AND state.interval_s > 0 AND account.status = 'active' THEN clock_timestamp() END
  FROM ebay.accounts account, ebay.cursor_changes change
 WHERE account.id = state.account_id AND change.id = :id
   AND (state.account_id, state.stream, state.pass) = (change.account_id, change.stream, change.pass)
   AND (change.account_id, change.stream) = (:account_id, :stream)
RETURNING 1;

-- name: mark_undone
UPDATE ebay.cursor_changes SET undone_at = clock_timestamp(), undone_via = :via
 WHERE id = ANY (CAST(:ids AS bigint[])) AND undone_at IS NULL;

-- name: stored
-- Rows by the instant that their list is filtered by. Only the one subquery is run.
SELECT CASE CAST(:stream AS text)
         WHEN 'orders' THEN (SELECT count(*) FROM ebay.orders
                              WHERE account_id = :account_id AND last_modified_date >= :since)
         WHEN 'transactions' THEN (SELECT count(*) FROM ebay.transactions
                                    WHERE account_id = :account_id AND transaction_date >= :since)
         WHEN 'payouts' THEN (SELECT count(*) FROM ebay.payouts
                               WHERE account_id = :account_id AND payout_date >= :since)
         WHEN 'disputes' THEN (SELECT count(*) FROM ebay.disputes
                                WHERE account_id = :account_id AND open_date >= :since)
         WHEN 'messages' THEN (SELECT count(*) FROM ebay.messages
                                WHERE account_id = :account_id AND receive_date >= :since)
         WHEN 'cases' THEN (SELECT count(*) FROM ebay.cases
                             WHERE account_id = :account_id AND creation_date >= :since)
         WHEN 'inquiries' THEN (SELECT count(*) FROM ebay.inquiries
                                 WHERE account_id = :account_id AND creation_date >= :since)
         WHEN 'returns' THEN (SELECT count(*) FROM ebay.returns
                               WHERE account_id = :account_id AND creation_date >= :since)
         WHEN 'cancellations' THEN (SELECT count(*) FROM ebay.cancellations
                                     WHERE account_id = :account_id AND cancel_request_date >= :since)
         ELSE 0
       END AS rows;

-- name: readings
-- What the last readings of this stretch brought. A window that several runs read, one after the other, is one.
SELECT COALESCE(sum(fetched), 0) AS fetched, COALESCE(sum(extract(epoch FROM until - window_from)), 0) AS span_s
  FROM (SELECT window_from, max(window_to) AS until, sum(fetched) AS fetched
          FROM (SELECT window_from, window_to, fetched FROM ops.run_units
                 WHERE account_id = :account_id AND stream = :stream AND pass = 'new' AND window_to > :since
                   AND (fetched > 0 OR outcome = 'done')
                 ORDER BY started_at DESC LIMIT 1000) AS recent
         GROUP BY window_from) AS windows;

-- name: budget
SELECT used, call_limit, reset_at, blocked_until FROM ebay.api_budgets
 WHERE environment = :environment AND api = :api;
