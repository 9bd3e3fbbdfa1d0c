-- Runs, leases and switches. Lock order: advisory lock, lease, run, tokens, units, worker.
-- Leases live by clock_timestamp(): a transaction's now() is old when it commits late.

-- name: look
-- One look at the switches and at an earlier run of the same delivery (running, or worked within a day).
SELECT clock_timestamp() AS at,
       everything.enabled AND worker.enabled AS enabled,
       worker.tripped_at IS NOT NULL AND worker.probe_at > clock_timestamp() AS tripped,
       worker.tripped_at IS NOT NULL AS probing,
       earlier.id AS earlier_id,
       earlier.status AS earlier_status,
       earlier.report AS earlier_report,
       earlier.request_hash AS earlier_hash,
       earlier.started_at AS earlier_started_at,
       earlier.expires_at AS earlier_expires_at
  FROM ops.workers worker
 CROSS JOIN ops.workers everything
  LEFT JOIN LATERAL (
         SELECT * FROM ops.runs
          WHERE runs.worker = :worker
            AND runs.delivery_id = CAST(:delivery_id AS text)
            AND (runs.status = 'running' AND runs.expires_at > clock_timestamp()
                 OR runs.outcome IN ('done', 'partial', 'degraded')
                    AND runs.finished_at > clock_timestamp() - make_interval(hours => 24))
          ORDER BY runs.status = 'running' DESC, runs.started_at DESC
          LIMIT 1
       ) earlier ON true
 WHERE worker.worker = :worker AND everything.worker = '*';

-- name: release
UPDATE ops.leases SET run_id = NULL, acquired_at = NULL, expires_at = NULL WHERE name = :worker
RETURNING 1;

-- name: lock
SELECT pg_advisory_xact_lock(ops.lock_key(:name));

-- name: holder
SELECT run_id, acquired_at, expires_at, expires_at <= clock_timestamp() AS expired
  FROM ops.leases WHERE name = :worker AND run_id IS NOT NULL;

-- name: acquire
INSERT INTO ops.leases AS lease (name, fence, run_id, acquired_at, expires_at)
VALUES (:worker, 1, :run_id, clock_timestamp(), clock_timestamp() + make_interval(secs => :lease_s))
ON CONFLICT (name) DO UPDATE
   SET fence = lease.fence + 1,
       run_id = EXCLUDED.run_id,
       acquired_at = EXCLUDED.acquired_at,
       expires_at = EXCLUDED.expires_at
RETURNING fence;

-- name: abandon
-- The run whose lease was taken over, and every run whose own time is over. Whoever takes over on
-- purpose ends the runs of named units too, which hold no lease of the worker but those units'.
UPDATE ops.runs
   SET status = 'abandoned', finished_at = clock_timestamp()
 WHERE worker = :worker AND status = 'running'
   AND (id = CAST(:old_run_id AS uuid) OR expires_at <= clock_timestamp()
        OR :take_over AND EXISTS (SELECT FROM ebay.sync_states WHERE leased_by = runs.id))
RETURNING id;

-- name: revoke_refreshes
-- A dead run's right to refresh a token would hold its account up for half a minute.
UPDATE ebay.tokens SET fence = fence + 1, leased_by = NULL, leased_until = NULL
 WHERE leased_by = ANY (CAST(:run_ids AS uuid[]))
RETURNING 1;

-- name: revoke
-- Raising the fence is what stops a frozen process from writing when it wakes. After `abandon`, not
-- within it: that one may have waited for a run just taking units, which its snapshot does not show.
UPDATE ebay.sync_states
   SET fence = fence + 1,
       leased_by = NULL,
       leased_until = NULL,
       due_at = CASE WHEN due_at IS NOT NULL THEN clock_timestamp() END
 WHERE leased_by = ANY (CAST(:run_ids AS uuid[]))
RETURNING 1;

-- name: count_faults
-- A tripped worker that fails its hourly probe stays tripped; its next probe is in an hour.
UPDATE ops.workers
   SET faults = faults + :faults,
       tripped_at = CASE WHEN faults + :faults >= :trip_after THEN COALESCE(tripped_at, clock_timestamp()) END,
       probe_at = CASE WHEN faults + :faults >= :trip_after THEN clock_timestamp() + make_interval(secs => :probe_s) END
 WHERE worker = :worker
RETURNING tripped_at IS NOT NULL AS tripped;

-- name: count_sound
UPDATE ops.workers SET faults = 0, tripped_at = NULL, probe_at = NULL
 WHERE worker = :worker AND faults > 0
RETURNING 1;

-- name: delay_probe
UPDATE ops.workers SET probe_at = clock_timestamp() + make_interval(secs => :probe_s)
 WHERE worker = :worker AND tripped_at IS NOT NULL
RETURNING 1;

-- name: start_run
-- The unique index over running deliveries decides between two calls of one delivery.
INSERT INTO ops.runs (id, worker, status, via, delivery_id, request_hash, parameters, fence, whole, started_at, expires_at)
VALUES (:run_id, :worker, 'running', :via, :delivery_id, :request_hash, CAST(:parameters AS jsonb), :fence, :whole,
        clock_timestamp(), clock_timestamp() + make_interval(secs => :lease_s))
ON CONFLICT (worker, delivery_id) WHERE delivery_id IS NOT NULL AND status = 'running' DO NOTHING
RETURNING started_at;

-- name: renew
-- A run that was called abandoned, by one of named units too, must not keep the lease from others.
WITH held AS (
  UPDATE ops.leases SET expires_at = clock_timestamp() + make_interval(secs => :lease_s)
   WHERE name = :worker AND fence = CAST(:fence AS bigint) AND run_id = :run_id
     AND EXISTS (SELECT FROM ops.runs WHERE id = :run_id AND status = 'running')
  RETURNING 1
)
UPDATE ops.runs SET expires_at = clock_timestamp() + make_interval(secs => :lease_s)
 WHERE id = :run_id AND status = 'running'
   AND (CAST(:fence AS bigint) IS NULL OR EXISTS (SELECT FROM held))
RETURNING 1;

-- name: finish_run
WITH held AS (
  UPDATE ops.leases SET run_id = NULL, acquired_at = NULL, expires_at = NULL
   WHERE name = :worker AND fence = CAST(:fence AS bigint)
  RETURNING 1
)
UPDATE ops.runs
   SET status = 'finished',
       outcome = :outcome,
       reason = :reason,
       detail = :detail,
       more = :more,
       counts = CAST(:counts AS jsonb),
       report = CAST(:report AS jsonb),
       finished_at = clock_timestamp()
 WHERE id = :run_id AND status = 'running'
   AND (CAST(:fence AS bigint) IS NULL OR EXISTS (SELECT FROM held))
RETURNING 1;

-- name: is_finished
-- Only a run itself finishes its row: it did so before, in a COMMIT whose answer was lost.
SELECT 1 FROM ops.runs WHERE id = :run_id AND status = 'finished';

-- name: refuse_run
INSERT INTO ops.runs (id, worker, status, outcome, reason, detail, report, via, delivery_id, request_hash, parameters,
                      started_at, expires_at, finished_at)
VALUES (:run_id, :worker, 'finished', :outcome, :reason, :detail, CAST(:report AS jsonb), :via, :delivery_id,
        :request_hash, CAST(:parameters AS jsonb), clock_timestamp(), clock_timestamp(), clock_timestamp())
RETURNING 1;

-- name: switch_worker
-- Resuming forgives: the count of faults starts anew.
UPDATE ops.workers
   SET enabled = :enabled,
       faults = CASE WHEN :enabled THEN 0 ELSE faults END,
       tripped_at = CASE WHEN NOT :enabled THEN tripped_at END,
       probe_at = CASE WHEN NOT :enabled THEN probe_at END
 WHERE worker = :worker
RETURNING worker;

-- name: list_workers
SELECT heartbeat.worker_id, workers.enabled, everything.enabled AS all_enabled, heartbeat.interval_s,
       heartbeat.status, heartbeat.last_heartbeat_at, heartbeat.outcome, heartbeat.reason, heartbeat.finished_at,
       heartbeat.started_at IS NULL OR heartbeat.more
         OR heartbeat.started_at <= clock_timestamp() - 0.9 * make_interval(secs => heartbeat.interval_s) AS due
  FROM ops.worker_heartbeats heartbeat
  JOIN ops.workers ON workers.worker = heartbeat.worker_id
 CROSS JOIN ops.workers everything
 WHERE everything.worker = '*'
 ORDER BY heartbeat.worker_id;

-- name: list_runs
SELECT id, worker, status, outcome, reason, detail, more, counts, via, started_at, finished_at
  FROM ops.runs
 WHERE (CAST(:worker AS text) IS NULL OR worker = :worker)
   AND (CAST(:outcome AS text) IS NULL OR outcome = :outcome)
   AND (CAST(:since AS timestamptz) IS NULL OR started_at >= :since)
 ORDER BY started_at DESC
 LIMIT :most;

-- name: show_run
SELECT id, worker, status, outcome, reason, detail, more, counts, via, delivery_id, parameters, started_at, expires_at, finished_at
  FROM ops.runs WHERE CAST(id AS text) LIKE :prefix
 ORDER BY started_at DESC LIMIT 2;

-- name: show_units
SELECT accounts.name AS account, unit.stream, unit.pass, unit.outcome, unit.reason, unit.fetched, unit.inserted, unit.updated,
       unit.unchanged, unit.quarantined, unit.pages, unit.calls, unit.window_from, unit.window_to, unit.cursor_before,
       unit.cursor_after, unit.started_at, unit.finished_at, unit.error
  FROM ops.run_units unit
  LEFT JOIN ebay.accounts ON accounts.id = unit.account_id
 WHERE unit.run_id = :run_id ORDER BY unit.id;

-- name: show_events
SELECT event.at, event.level, event.event, accounts.name AS account, event.stream, event.facts
  FROM ops.run_events event
  LEFT JOIN ebay.accounts ON accounts.id = event.account_id
 WHERE event.run_id = :run_id ORDER BY event.at, event.id;
