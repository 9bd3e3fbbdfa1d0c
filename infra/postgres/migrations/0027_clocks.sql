-- A schedule whose instant went by is work that waits for a drain too.
CREATE OR REPLACE FUNCTION ops.work_waits(before timestamptz) RETURNS boolean
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
