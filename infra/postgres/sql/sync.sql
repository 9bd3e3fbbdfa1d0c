-- Units: taken, written to, released. Lock order: run, account, sync state, then the unit's own rows, by key.
-- Leases and fences live by clock_timestamp(); what is due is decided by the run's :now.

-- name: take_due
-- MATERIALIZED: a plain subquery may be evaluated again and take more rows than LIMIT.
-- Streams this release does not know stay where they are.
-- An abandoned run that wakes up takes nothing: whoever abandons it waits for this lock, and then
-- revokes what was taken before.
WITH alive AS MATERIALIZED (
  SELECT FROM ops.runs WHERE id = :run_id AND status = 'running' FOR SHARE
), due AS MATERIALIZED (
  SELECT state.account_id, state.stream, state.pass
    FROM ebay.sync_states state
    JOIN ebay.accounts account ON account.id = state.account_id AND account.status = 'active'
   WHERE EXISTS (SELECT FROM alive)
     AND state.due_at <= :now
     AND (state.leased_until IS NULL OR state.leased_until <= clock_timestamp())
     AND state.enabled AND state.interval_s > 0
     AND state.stream = ANY (CAST(:streams AS text[]))
     AND NOT CAST(:leave AS jsonb) @> jsonb_build_array(jsonb_build_array(state.account_id, state.stream, state.pass))
   ORDER BY state.due_at
   LIMIT :most
     FOR UPDATE OF state SKIP LOCKED
)
UPDATE ebay.sync_states state
   SET fence = state.fence + 1,
       leased_by = :run_id,
       leased_until = clock_timestamp() + make_interval(secs => :lease_s),
       due_at = clock_timestamp() + make_interval(secs => :lease_s),
       last_attempt_at = :now,
       failures = state.failures + 1
  FROM due
  JOIN ebay.accounts account ON account.id = due.account_id
 WHERE (state.account_id, state.stream, state.pass) = (due.account_id, due.stream, due.pass)
RETURNING state.*, account.name, account.environment, account.marketplace_ids, account.signed_because IS NOT NULL AS signs;

-- name: take
-- FOR SHARE: an account that is being paused or revoked is waited for. By the statement's own snapshot
-- it would still be active: of the rows it joins, only the unit's own is read again after a wait.
WITH alive AS MATERIALIZED (
  SELECT FROM ops.runs WHERE id = :run_id AND status = 'running' FOR SHARE
), account AS MATERIALIZED (
  SELECT id, name, environment, marketplace_ids, signed_because FROM ebay.accounts
   WHERE id = :account_id AND status = 'active' FOR SHARE
)
UPDATE ebay.sync_states state
   SET fence = state.fence + 1,
       leased_by = :run_id,
       leased_until = clock_timestamp() + make_interval(secs => :lease_s),
       due_at = clock_timestamp() + make_interval(secs => :lease_s),
       last_attempt_at = :now,
       failures = state.failures + 1
  FROM account
 WHERE account.id = state.account_id AND state.enabled
   AND EXISTS (SELECT FROM alive)
   AND (state.account_id, state.stream, state.pass) = (:account_id, :stream, :pass)
   AND (state.leased_until IS NULL OR state.leased_until <= clock_timestamp())
RETURNING state.*, account.name, account.environment, account.marketplace_ids, account.signed_because IS NOT NULL AS signs;

-- name: candidates
SELECT state.*, account.name, account.environment, account.marketplace_ids, account.status,
       account.signed_because IS NOT NULL AS signs,
       state.enabled AND state.interval_s > 0 AS switched_on,
       COALESCE(state.leased_until > clock_timestamp(), false) AS held
  FROM ebay.accounts account
  JOIN ebay.sync_states state ON state.account_id = account.id
 WHERE (CAST(:accounts AS text[]) IS NULL OR account.name = ANY (CAST(:accounts AS text[])))
   AND state.stream = ANY (CAST(:streams AS text[]))
 ORDER BY account.id, state.stream, state.pass;

-- name: unknown_accounts
SELECT wanted.name FROM unnest(CAST(:accounts AS text[])) AS wanted(name)
 WHERE NOT EXISTS (SELECT FROM ebay.accounts WHERE accounts.name = wanted.name);

-- name: missing_unit
SELECT account.name AS account, wanted.stream
  FROM ebay.accounts account
 CROSS JOIN unnest(CAST(:streams AS text[])) AS wanted (stream)
 WHERE (CAST(:accounts AS text[]) IS NULL OR account.name = ANY (CAST(:accounts AS text[])))
   AND NOT EXISTS (
         SELECT FROM ebay.sync_states state WHERE state.account_id = account.id AND state.stream = wanted.stream)
 ORDER BY account.id, wanted.stream
 LIMIT 1;

-- name: renew_units
-- A unit whose page is being stored is locked, and renews itself by that very page.
WITH held AS MATERIALIZED (
  SELECT account_id, stream, pass FROM ebay.sync_states
   WHERE leased_by = :run_id FOR UPDATE SKIP LOCKED
)
UPDATE ebay.sync_states state
   SET leased_until = clock_timestamp() + make_interval(secs => :lease_s),
       due_at = CASE WHEN state.due_at IS NOT NULL THEN clock_timestamp() + make_interval(secs => :lease_s) END
  FROM held
 WHERE (state.account_id, state.stream, state.pass) = (held.account_id, held.stream, held.pass)
RETURNING 1;

-- name: fence_page
-- The fence, the lease, the progress and the switches in one statement; no row: somebody else's.
UPDATE ebay.sync_states state
   SET leased_until = clock_timestamp() + make_interval(secs => :lease_s),
       due_at = CASE WHEN state.due_at IS NOT NULL THEN clock_timestamp() + make_interval(secs => :lease_s) END,
       window_from = :window_from, window_to = :window_to, window_goal = :window_goal,
       window_limit = :window_limit, window_offset = :window_offset, window_total = :window_total,
       window_pass = :window_pass,
       cursor_at = CASE WHEN :replace_cursor THEN CAST(:cursor_at AS timestamptz)
                        ELSE GREATEST(state.cursor_at, CAST(:cursor_at AS timestamptz)) END
  FROM ebay.accounts account
 WHERE account.id = state.account_id
   AND (state.account_id, state.stream, state.pass) = (:account_id, :stream, :pass)
   AND state.fence = :fence AND state.leased_by = :run_id
RETURNING account.status AS account_status, state.enabled,
          (SELECT bool_and(workers.enabled) FROM ops.workers WHERE workers.worker IN ('*', :worker)) AS workers_enabled;

-- name: fence_extra_page
-- A page of an extra window: window and cursor stay.
UPDATE ebay.sync_states state
   SET leased_until = clock_timestamp() + make_interval(secs => :lease_s),
       due_at = CASE WHEN state.due_at IS NOT NULL THEN clock_timestamp() + make_interval(secs => :lease_s) END
  FROM ebay.accounts account
 WHERE account.id = state.account_id
   AND (state.account_id, state.stream, state.pass) = (:account_id, :stream, :pass)
   AND state.fence = :fence AND state.leased_by = :run_id
RETURNING account.status AS account_status, state.enabled,
          (SELECT bool_and(workers.enabled) FROM ops.workers WHERE workers.worker IN ('*', :worker)) AS workers_enabled;

-- name: sign_from_now_on
UPDATE ebay.accounts SET signed_because = 'demanded', updated_at = clock_timestamp()
 WHERE id = :account_id AND signed_because IS NULL
RETURNING 1;

-- name: note_seen
-- Never in the rows themselves: an unchanged one is not written.
INSERT INTO ebay.snapshot_seen AS seen (account_id, stream, key, seen_at)
SELECT :account_id, :stream, key, CAST(:seen_at AS timestamptz)
  FROM (SELECT DISTINCT unnest(CAST(:keys AS text[])) AS key) AS page
 ORDER BY key
ON CONFLICT (account_id, stream, key) DO UPDATE SET seen_at = EXCLUDED.seen_at
 WHERE seen.seen_at < EXCLUDED.seen_at
RETURNING 1;

-- name: forget_unseen
DELETE FROM ebay.snapshot_seen
 WHERE account_id = :account_id AND stream = :stream AND seen_at < CAST(:since AS timestamptz)
RETURNING 1;

-- name: finish_unit
-- Due again at :due_at, unless it was switched off meanwhile. An attempt that neither succeeded nor
-- gave up is given back. FOR SHARE: an account that is being paused or revoked is waited for; by the
-- statement's own snapshot it would still be active, and the unit due again.
WITH account AS MATERIALIZED (SELECT status FROM ebay.accounts WHERE id = :account_id FOR SHARE)
UPDATE ebay.sync_states state
   SET leased_by = NULL, leased_until = NULL,
       due_at = CASE WHEN NOT state.enabled OR state.interval_s = 0 OR account.status <> 'active' THEN NULL
                     -- eBay told of a change that this reading, which ended two minutes before it began, has not seen.
                     WHEN :succeeded AND state.hinted_at > state.last_attempt_at - make_interval(mins => 2)
                     THEN LEAST(CAST(:due_at AS timestamptz), state.hinted_at + make_interval(mins => 2))
                     ELSE CAST(:due_at AS timestamptz) END,
       last_success_at = CASE WHEN :succeeded THEN CAST(:now AS timestamptz) ELSE state.last_success_at END,
       failures = CASE WHEN :succeeded THEN 0 WHEN :gave_up THEN state.failures
                       ELSE GREATEST(state.failures - 1, 0) END,
       last_reason = :reason,
       last_error = :error
  FROM account
 WHERE (state.account_id, state.stream, state.pass) = (:account_id, :stream, :pass)
   AND state.fence = :fence AND state.leased_by = :run_id
RETURNING 1;

-- name: is_recorded
SELECT 1 FROM ops.run_units
 WHERE run_id = :run_id AND (account_id, stream, pass, started_at) = (:account_id, :stream, :pass, :started_at);

-- name: record_units
INSERT INTO ops.run_units (run_id, account_id, stream, pass, outcome, reason, fetched, inserted, updated, unchanged,
                           quarantined, pages, calls, window_from, window_to, cursor_before, cursor_after,
                           started_at, finished_at, error)
SELECT :run_id, unit.*
  FROM jsonb_to_recordset(CAST(:units AS jsonb)) AS unit (
         account_id bigint, stream text, pass text, outcome text, reason text, fetched bigint, inserted bigint,
         updated bigint, unchanged bigint, quarantined bigint, pages integer, calls integer,
         window_from timestamptz, window_to timestamptz, cursor_before timestamptz, cursor_after timestamptz,
         started_at timestamptz, finished_at timestamptz, error text);

-- name: record_events
INSERT INTO ops.run_events (run_id, at, level, event, account_id, stream, facts)
SELECT :run_id, event.*
  FROM jsonb_to_recordset(CAST(:events AS jsonb)) AS event (
         at timestamptz, level text, event text, account_id bigint, stream text, facts jsonb);

-- name: quarantine
-- The same bad row read again in the overlap, or standing twice on its page, is one row, seen more often;
-- the same page stored again, for nobody saw its COMMIT, shows nothing more often.
INSERT INTO ebay.quarantine AS kept (account_id, stream, row_hash, reason, sqlstate, raw, run_id, times, first_seen_at, last_seen_at)
SELECT :account_id, :stream, encode(sha256(convert_to(bad.raw, 'UTF8')), 'hex'), min(bad.reason), min(bad.sqlstate), bad.raw,
       :run_id, count(*), :read_at, :read_at
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS bad (raw text, reason text, sqlstate text)
 GROUP BY bad.raw
ON CONFLICT (account_id, stream, row_hash) DO UPDATE
   SET times = kept.times + CASE WHEN (kept.run_id, kept.last_seen_at) = (EXCLUDED.run_id, EXCLUDED.last_seen_at)
                                 THEN 0 ELSE EXCLUDED.times END,
       last_seen_at = EXCLUDED.last_seen_at, run_id = EXCLUDED.run_id;

-- name: blocked_until
SELECT blocked_until FROM ebay.api_budgets
 WHERE environment = :environment AND api = :api AND blocked_until IS NOT NULL;

-- name: block
INSERT INTO ebay.api_budgets (environment, api, remaining, reset_at, blocked_until, learned_at)
VALUES (:environment, :api, :remaining, :reset_at, :until, :now)
ON CONFLICT (environment, api) DO UPDATE
   SET remaining = EXCLUDED.remaining, reset_at = COALESCE(EXCLUDED.reset_at, api_budgets.reset_at),
       blocked_until = EXCLUDED.blocked_until, learned_at = EXCLUDED.learned_at;

-- name: summary
-- By existence, never by counting: a run with nothing due costs the same for any number of accounts.
SELECT EXISTS (SELECT FROM ebay.accounts WHERE status = 'active') AS active,
       EXISTS (SELECT FROM ebay.accounts WHERE status = 'paused') AS paused,
       EXISTS (SELECT FROM ebay.accounts WHERE status = 'needs_reconnect') AS needs_reconnect,
       (SELECT min(due_at) FROM ebay.sync_states WHERE due_at IS NOT NULL) AS next_due_at;

-- name: stored
SELECT account.name AS account, state.stream, state.cursor_at, state.due_at,
       CASE state.stream
         WHEN 'orders' THEN (SELECT count(*) FROM ebay.orders WHERE orders.account_id = account.id)
         WHEN 'transactions' THEN (SELECT count(*) FROM ebay.transactions WHERE transactions.account_id = account.id)
         WHEN 'payouts' THEN (SELECT count(*) FROM ebay.payouts WHERE payouts.account_id = account.id)
         WHEN 'inventory_offers' THEN (SELECT count(*) FROM ebay.inventory_offers offers WHERE offers.account_id = account.id)
         WHEN 'disputes' THEN (SELECT count(*) FROM ebay.disputes WHERE disputes.account_id = account.id)
         WHEN 'messages' THEN (SELECT count(*) FROM ebay.messages WHERE messages.account_id = account.id)
         WHEN 'best_offers' THEN (SELECT count(*) FROM ebay.best_offers WHERE best_offers.account_id = account.id AND ended_at IS NULL)
         WHEN 'active_inventory' THEN (SELECT count(*) FROM ebay.listings WHERE listings.account_id = account.id AND ended_at IS NULL)
         WHEN 'buyer' THEN (SELECT count(*) FROM ebay.purchases WHERE purchases.account_id = account.id)
         WHEN 'cases' THEN (SELECT count(*) FROM ebay.cases WHERE cases.account_id = account.id)
         WHEN 'inquiries' THEN (SELECT count(*) FROM ebay.inquiries WHERE inquiries.account_id = account.id)
         WHEN 'returns' THEN (SELECT count(*) FROM ebay.returns WHERE returns.account_id = account.id)
         WHEN 'cancellations' THEN (SELECT count(*) FROM ebay.cancellations WHERE cancellations.account_id = account.id)
       END AS rows
  FROM ebay.sync_states state
  JOIN ebay.accounts account ON account.id = state.account_id
 WHERE state.pass = 'new'
 ORDER BY account.id, state.stream;
