-- A worker that nobody calls is no starting one (design.md §8): accounts that have waited for its first run for twice its
-- interval are late. Runs of named units, and dry ones, do not do its work and stay no sign of life.

CREATE OR REPLACE VIEW ops.worker_heartbeats AS
SELECT w.worker AS worker_id,
       w.worker AS worker_type,
       CASE
         WHEN w.tripped_at IS NOT NULL THEN 'error'
         WHEN NOT w.enabled OR NOT everything.enabled THEN 'stopped'
         WHEN latest.id IS NULL AND EXISTS (
                SELECT FROM ebay.accounts
                 WHERE status = 'active' AND created_at < clock_timestamp() - 2 * make_interval(secs => w.interval_s))
         THEN 'degraded'
         WHEN latest.id IS NULL THEN 'starting'
         WHEN latest.status = 'running' AND latest.expires_at > clock_timestamp() THEN 'running'
         WHEN latest.status = 'running' OR latest.status = 'abandoned' THEN 'degraded'
         WHEN latest.outcome = 'failed' THEN 'error'
         WHEN latest.outcome = 'degraded' OR latest.reason = 'no_accounts' THEN 'degraded'
         WHEN latest.outcome = 'skipped' THEN 'stopped'
         WHEN latest.finished_at < clock_timestamp() - 2 * make_interval(secs => w.interval_s) THEN 'degraded'
         ELSE 'running'
       END AS status,
       CASE
         WHEN latest.status = 'finished'
          AND latest.outcome <> 'failed'
          AND latest.finished_at >= clock_timestamp() - 2 * make_interval(secs => w.interval_s)
         THEN clock_timestamp()
         WHEN latest.status = 'running' AND latest.expires_at > clock_timestamp() THEN clock_timestamp()
         ELSE COALESCE(latest.finished_at, latest.expires_at)
       END AS last_heartbeat_at,
       latest.id AS run_id,
       latest.outcome,
       latest.reason,
       latest.started_at,
       latest.finished_at,
       lease.expires_at AS leased_until,
       w.interval_s,
       latest.more
  FROM ops.workers w
 CROSS JOIN (SELECT enabled FROM ops.workers WHERE worker = '*') AS everything
  LEFT JOIN LATERAL (
         SELECT r.* FROM ops.runs r
          WHERE r.worker = w.worker
            -- A run that was refused is no sign of life, and one of named units or a dry one does not do the
            -- worker's work. One that began and found all accounts paused did.
            AND r.fence IS NOT NULL
          ORDER BY r.started_at DESC LIMIT 1
       ) AS latest ON true
  LEFT JOIN ops.leases lease ON lease.name = w.worker
 WHERE w.worker <> '*';
