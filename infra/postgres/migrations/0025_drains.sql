-- Several drains share the work and take no lease, and each does its worker's whole work: a sign of life all the same.

ALTER TABLE ops.runs ADD COLUMN whole boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN ops.runs.whole IS 'It did its worker''s whole work, beside others of its kind: no named units, not dry.';
CREATE INDEX runs_whole ON ops.runs (worker, started_at DESC) WHERE fence IS NOT NULL OR whole;
DROP INDEX ops.runs_of_the_worker;

-- Whether a job could have been claimed before that instant, and still can (in an open queue, of a key that is not
-- paused and not held), or a schedule's instant went by. From queue to queue and priority to priority, for a backlog of
-- what is due later may be deep.
CREATE FUNCTION ops.work_waits(before timestamptz) RETURNS boolean
  LANGUAGE sql STABLE STRICT
  RETURN (
    WITH RECURSIVE plain AS (
      (SELECT queue, priority FROM ops.jobs
        WHERE ordering_key IS NULL AND due_at IS NOT NULL ORDER BY queue, priority LIMIT 1)
      UNION ALL
      SELECT following.queue, following.priority
        FROM plain
       CROSS JOIN LATERAL (
              SELECT queue, priority FROM ops.jobs
               WHERE ordering_key IS NULL AND due_at IS NOT NULL
                 AND (queue, priority) > (plain.queue, plain.priority)
               ORDER BY queue, priority LIMIT 1
            ) AS following
    ), keyed AS (
      (SELECT queue, priority FROM ops.job_keys
        WHERE visible_at IS NOT NULL AND NOT paused ORDER BY queue, priority LIMIT 1)
      UNION ALL
      SELECT following.queue, following.priority
        FROM keyed
       CROSS JOIN LATERAL (
              SELECT queue, priority FROM ops.job_keys
               WHERE visible_at IS NOT NULL AND NOT paused
                 AND (queue, priority) > (keyed.queue, keyed.priority)
               ORDER BY queue, priority LIMIT 1
            ) AS following
    )
    SELECT EXISTS (
             SELECT FROM plain
              WHERE NOT EXISTS (SELECT FROM ops.queues
                                 WHERE queue = plain.queue AND (NOT enabled OR tripped_at IS NOT NULL))
                AND EXISTS (SELECT FROM ops.jobs
                             WHERE ordering_key IS NULL AND queue = plain.queue AND priority = plain.priority
                               AND due_at < before))
        OR EXISTS (
             SELECT FROM keyed
              WHERE NOT EXISTS (SELECT FROM ops.queues
                                 WHERE queue = keyed.queue AND (NOT enabled OR tripped_at IS NOT NULL))
                AND EXISTS (SELECT FROM ops.job_keys
                             WHERE queue = keyed.queue AND priority = keyed.priority AND NOT paused
                               AND visible_at < before))
        OR EXISTS (SELECT FROM ops.schedules WHERE next_fire_at < before)
  );

-- Keys at rest are forgotten with each drain.
CREATE INDEX job_keys_quiet ON ops.job_keys (queue) WHERE visible_at IS NULL AND NOT paused;

-- A drain is late only where work waits for it: who has no jobs need not call it. One that is called and takes nothing
-- of what waits is not well either.
CREATE OR REPLACE VIEW ops.worker_heartbeats AS
SELECT w.worker AS worker_id,
       w.worker AS worker_type,
       CASE
         WHEN w.tripped_at IS NOT NULL THEN 'error'
         WHEN NOT w.enabled OR NOT everything.enabled THEN 'stopped'
         WHEN w.worker = 'queue-drain' AND EXISTS (SELECT FROM ops.queues WHERE tripped_at IS NOT NULL) THEN 'error'
         WHEN latest.id IS NULL AND work.waits THEN 'degraded'
         WHEN latest.id IS NULL THEN 'starting'
         WHEN latest.status = 'running' AND latest.expires_at > clock_timestamp() THEN 'running'
         WHEN latest.status = 'running' OR latest.status = 'abandoned' THEN 'degraded'
         WHEN latest.outcome = 'failed' THEN 'error'
         WHEN latest.outcome = 'degraded' OR latest.reason = 'no_accounts' THEN 'degraded'
         WHEN latest.outcome = 'skipped' THEN 'stopped'
         WHEN latest.finished_at < clock_timestamp() - 2 * make_interval(secs => w.interval_s)
         THEN CASE WHEN work.waits THEN 'degraded' ELSE 'stopped' END
         WHEN w.worker = 'queue-drain' AND latest.counts @> '{"claimed": 0}' AND work.waits THEN 'degraded'
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
            AND (r.fence IS NOT NULL OR r.whole)
          ORDER BY r.started_at DESC LIMIT 1
       ) AS latest ON true
 CROSS JOIN LATERAL (
         SELECT CASE
                  WHEN w.worker = 'queue-drain'
                  THEN ops.work_waits(clock_timestamp() - 2 * make_interval(secs => w.interval_s))
                  WHEN latest.id IS NULL
                  THEN EXISTS (SELECT FROM ebay.accounts
                                WHERE status = 'active'
                                  AND created_at < clock_timestamp() - 2 * make_interval(secs => w.interval_s))
                  ELSE true
                END AS waits
       ) AS work
  LEFT JOIN ops.leases lease ON lease.name = w.worker
 WHERE w.worker <> '*';
