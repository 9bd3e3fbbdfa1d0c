-- Queues: what is in them, switched on and off, tripped by faults of ours.

-- name: look
-- From one queue to the next by the indexes: whatever lies in one of them is not read. Of an open queue only whether
-- anything is due is asked, of a closed one how much, up to :most.
WITH RECURSIVE moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
free (queue) AS (
  (SELECT queue FROM ops.jobs WHERE ordering_key IS NULL AND due_at IS NOT NULL ORDER BY queue LIMIT 1)
  UNION ALL
  SELECT (SELECT jobs.queue FROM ops.jobs
           WHERE jobs.ordering_key IS NULL AND jobs.due_at IS NOT NULL AND jobs.queue > free.queue
           ORDER BY jobs.queue LIMIT 1)
    FROM free WHERE free.queue IS NOT NULL
), keyed (queue) AS (
  (SELECT queue FROM ops.job_keys WHERE visible_at IS NOT NULL AND NOT paused ORDER BY queue LIMIT 1)
  UNION ALL
  SELECT (SELECT job_keys.queue FROM ops.job_keys
           WHERE job_keys.visible_at IS NOT NULL AND NOT job_keys.paused AND job_keys.queue > keyed.queue
           ORDER BY job_keys.queue LIMIT 1)
    FROM keyed WHERE keyed.queue IS NOT NULL
), staged AS MATERIALIZED (
  SELECT DISTINCT queue FROM (SELECT queue FROM ops.job_staging ORDER BY seq LIMIT 1000) AS oldest
), named AS (
  SELECT queue FROM free UNION SELECT queue FROM keyed UNION SELECT queue FROM staged UNION SELECT queue FROM ops.queues
  -- Where there are sessions, each drain tells of them, also of those with nothing in their lines.
  UNION SELECT 'chat' WHERE EXISTS (SELECT FROM ops.chats) OR EXISTS (SELECT FROM ops.chat_tasks WHERE ending = 'untold')
)
SELECT named.queue,
       COALESCE(lane.enabled, true) AS enabled,
       COALESCE(lane.faults, 0) AS faults,
       lane.tripped_at IS NOT NULL AS tripped,
       COALESCE(lane.probe_at <= now, false) AS probe,
       (SELECT count(*) FROM (
          SELECT FROM staged WHERE staged.queue = named.queue
          UNION ALL
          SELECT FROM (VALUES (20), (10), (5), (1)) AS probed (priority)
           CROSS JOIN LATERAL (SELECT FROM ops.jobs
                                WHERE jobs.queue = named.queue AND jobs.priority = probed.priority
                                  AND ordering_key IS NULL AND due_at <= now
                                LIMIT CASE WHEN lane.enabled IS NOT FALSE AND lane.tripped_at IS NULL THEN 1 ELSE :most END) AS due
          UNION ALL
          SELECT FROM (VALUES (20), (10), (5), (1)) AS probed (priority)
           CROSS JOIN LATERAL (SELECT FROM ops.job_keys
                                WHERE job_keys.queue = named.queue AND job_keys.priority = probed.priority
                                  AND visible_at <= now AND NOT paused
                                LIMIT CASE WHEN lane.enabled IS NOT FALSE AND lane.tripped_at IS NULL THEN 1 ELSE :most END) AS due
          LIMIT CASE WHEN lane.enabled IS NOT FALSE AND lane.tripped_at IS NULL THEN 1 ELSE :most END) AS counted) AS due
  FROM named
 CROSS JOIN moment
  LEFT JOIN ops.queues lane ON lane.queue = named.queue
 WHERE named.queue IS NOT NULL
 ORDER BY named.queue;

-- name: begin_probe
UPDATE ops.queues SET probe_at = clock_timestamp() + make_interval(secs => :probe_s)
 WHERE queue = :queue AND probe_at <= clock_timestamp()
RETURNING 1;

-- name: note_fault
-- A row to lock: two that count the first fault at once would both begin at none.
INSERT INTO ops.queues (queue) VALUES (:queue) ON CONFLICT (queue) DO NOTHING;

-- name: judge
-- A queue that never had a fault needs no row. A probe that works out forgives what was counted before.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
heard AS MATERIALIZED (
  SELECT CAST(:queue AS text) AS queue, CAST(:before AS integer) AS before, CAST(:after AS integer) AS after,
         CAST(:longest AS integer) AS longest, CAST(:sound AS boolean) AS sound, CAST(:trip_after AS integer) AS most,
         now, now + make_interval(secs => :probe_s) AS probe_at
    FROM moment
), known AS MATERIALIZED (
  SELECT faults, tripped_at FROM ops.queues WHERE queue = :queue FOR UPDATE
), counted AS (
  SELECT heard.*, known.tripped_at,
         CASE WHEN sound THEN after ELSE COALESCE(known.faults, 0) + before END AS faults,
         longest >= most
         OR (before > 0 AND before + COALESCE(known.faults, 0) >= most) AS trips
    FROM heard LEFT JOIN known ON true
)
INSERT INTO ops.queues AS lane (queue, faults, tripped_at, probe_at)
SELECT queue, CASE WHEN trips THEN GREATEST(faults, most) ELSE faults END,
       CASE WHEN trips THEN COALESCE(tripped_at, now) WHEN NOT sound THEN tripped_at END,
       CASE WHEN trips OR (tripped_at IS NOT NULL AND NOT sound) THEN probe_at END
  FROM counted
 WHERE longest > 0 OR EXISTS (SELECT FROM known WHERE known.faults > 0)
ON CONFLICT (queue) DO UPDATE
   SET faults = EXCLUDED.faults,
       tripped_at = EXCLUDED.tripped_at,
       probe_at = CASE WHEN EXCLUDED.probe_at IS NOT NULL THEN COALESCE(lane.probe_at, EXCLUDED.probe_at) END
RETURNING COALESCE(tripped_at = (SELECT now FROM moment), false) AS just;

-- name: known
SELECT EXISTS (SELECT FROM ops.queues WHERE queue = :queue)
       OR EXISTS (SELECT FROM ops.jobs WHERE queue = :queue AND ordering_key IS NULL AND due_at IS NOT NULL)
       OR EXISTS (SELECT FROM ops.jobs WHERE queue = :queue AND status = 'dead')
       OR EXISTS (SELECT FROM ops.job_keys WHERE queue = :queue) AS known;

-- name: switch
-- Resumed, its faults are forgiven.
INSERT INTO ops.queues AS lane (queue, enabled) VALUES (:queue, :enabled)
ON CONFLICT (queue) DO UPDATE
   SET enabled = EXCLUDED.enabled,
       faults = CASE WHEN EXCLUDED.enabled THEN 0 ELSE lane.faults END,
       tripped_at = CASE WHEN NOT EXCLUDED.enabled THEN lane.tripped_at END,
       probe_at = CASE WHEN NOT EXCLUDED.enabled THEN lane.probe_at END;

-- name: overview
-- Each count stops at :most.
WITH RECURSIVE moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
free (queue) AS (
  (SELECT queue FROM ops.jobs WHERE ordering_key IS NULL AND due_at IS NOT NULL ORDER BY queue LIMIT 1)
  UNION ALL
  SELECT (SELECT jobs.queue FROM ops.jobs
           WHERE jobs.ordering_key IS NULL AND jobs.due_at IS NOT NULL AND jobs.queue > free.queue
           ORDER BY jobs.queue LIMIT 1)
    FROM free WHERE free.queue IS NOT NULL
), keyed (queue) AS (
  (SELECT queue FROM ops.job_keys ORDER BY queue LIMIT 1)
  UNION ALL
  SELECT (SELECT job_keys.queue FROM ops.job_keys WHERE job_keys.queue > keyed.queue ORDER BY job_keys.queue LIMIT 1)
    FROM keyed WHERE keyed.queue IS NOT NULL
), buried (queue) AS (
  (SELECT queue FROM ops.jobs WHERE status = 'dead' ORDER BY queue LIMIT 1)
  UNION ALL
  SELECT (SELECT jobs.queue FROM ops.jobs WHERE jobs.status = 'dead' AND jobs.queue > buried.queue ORDER BY jobs.queue LIMIT 1)
    FROM buried WHERE buried.queue IS NOT NULL
), named AS MATERIALIZED (
  SELECT queue FROM free UNION SELECT queue FROM keyed UNION SELECT queue FROM buried
  UNION SELECT queue FROM ops.queues UNION SELECT unnest(CAST(:known AS text[]))
), counted AS MATERIALIZED (
  SELECT named.queue, job.status, job.due_at <= now AS due, job.due_at
    FROM named CROSS JOIN moment
   CROSS JOIN (VALUES (20), (10), (5), (1)) AS probed (priority)
   CROSS JOIN LATERAL (
           (SELECT status, due_at FROM ops.jobs
             WHERE jobs.queue = named.queue AND jobs.priority = probed.priority AND ordering_key IS NULL AND due_at <= now
             ORDER BY due_at LIMIT :most)
           UNION ALL
           (SELECT status, due_at FROM ops.jobs
             WHERE jobs.queue = named.queue AND jobs.priority = probed.priority AND ordering_key IS NULL AND due_at > now
             ORDER BY due_at LIMIT :most)) AS job
  UNION ALL
  SELECT named.queue, head.status, head.due_at <= now, head.due_at
    FROM named CROSS JOIN moment
   CROSS JOIN LATERAL (
           SELECT ordering_key FROM ops.job_keys
            WHERE job_keys.queue = named.queue AND visible_at IS NOT NULL AND NOT paused LIMIT :most) AS kept
   CROSS JOIN LATERAL (
           SELECT status, due_at FROM ops.jobs
            WHERE jobs.queue = named.queue AND jobs.ordering_key = kept.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
            ORDER BY seq LIMIT 1) AS head
)
SELECT named.queue,
       COALESCE(lane.enabled, true) AS enabled,
       COALESCE(lane.faults, 0) AS faults,
       lane.tripped_at, lane.probe_at,
       LEAST(sums.due, :most) AS due,
       LEAST(sums.later, :most) AS later,
       LEAST(sums.processing, :most) AS processing,
       LEAST(sums.waiting, :most) AS waiting,
       sums.oldest_due_at,
       (SELECT count(*) FROM (
          SELECT FROM ops.jobs dead
           WHERE dead.queue = named.queue AND dead.status = 'dead' AND dead.outcome IS DISTINCT FROM 'discarded'
             AND NOT EXISTS (SELECT FROM ops.jobs later WHERE later.origin = dead.id)
           LIMIT :most) AS buried) AS dead,
       (SELECT count(*) FROM (
          SELECT FROM ops.job_keys WHERE job_keys.queue = named.queue AND visible_at IS NOT NULL LIMIT :most) AS busy) AS keys,
       (SELECT count(*) FROM (
          SELECT FROM ops.job_keys WHERE job_keys.queue = named.queue AND paused LIMIT :most) AS stopped) AS paused_keys
  FROM named
  LEFT JOIN ops.queues lane ON lane.queue = named.queue
 CROSS JOIN LATERAL (
         SELECT count(*) FILTER (WHERE due AND status <> 'processing') AS due,
                count(*) FILTER (WHERE NOT due AND status = 'pending') AS later,
                count(*) FILTER (WHERE status = 'processing') AS processing,
                count(*) FILTER (WHERE NOT due AND status = 'waiting') AS waiting,
                min(due_at) FILTER (WHERE due) AS oldest_due_at
           FROM counted WHERE counted.queue = named.queue) AS sums
 WHERE named.queue IS NOT NULL
 ORDER BY named.queue;
