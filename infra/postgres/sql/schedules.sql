-- Schedules as people make and see them. A person's command belongs to no run, so it asks the clock.

-- name: clock
SELECT clock_timestamp() AS at;

-- name: page
SELECT *
  FROM ops.schedules
 WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)
   AND (CAST(:enabled AS boolean) IS NULL OR enabled = :enabled)
   AND (CAST(:after AS text) IS NULL OR name > :after)
 ORDER BY name
 LIMIT :limit;

-- name: total
SELECT count(*) AS total
  FROM ops.schedules
 WHERE (CAST(:kind AS text) IS NULL OR kind = :kind)
   AND (CAST(:enabled AS boolean) IS NULL OR enabled = :enabled);

-- name: find
SELECT *
  FROM ops.schedules
 WHERE name = :name;

-- name: lock
-- With the clock after the lock was had: who waited here for a drain reckons from when that had fired.
SELECT *
  FROM ops.schedules
 WHERE name = :name
   FOR UPDATE;

-- name: add
-- No row: somebody else has made one of this name meanwhile.
INSERT INTO ops.schedules (name, queue, kind, payload, ordering_key, priority, cron, zone, enabled, misfire, catch_up,
                           grace_s, overlap, next_fire_at, created_at, updated_at)
VALUES (:name, :queue, :kind, CAST(:payload AS jsonb), :ordering_key, :priority, :cron, :zone, :enabled, :misfire, :catch_up,
        :grace_s, :overlap, :next_fire_at, :at, :at)
ON CONFLICT (name) DO NOTHING
RETURNING *;

-- name: write
UPDATE ops.schedules
   SET queue = :queue, kind = :kind, payload = CAST(:payload AS jsonb), ordering_key = :ordering_key, priority = :priority,
       cron = :cron, zone = :zone, enabled = :enabled, misfire = :misfire, catch_up = :catch_up, grace_s = :grace_s,
       overlap = :overlap, next_fire_at = :next_fire_at, updated_at = :at
 WHERE id = :id
RETURNING *;

-- name: remove
DELETE FROM ops.schedules WHERE name = :name RETURNING 1;

-- name: ran
UPDATE ops.schedules
   SET last_fire_at = :at, last_outcome = 'fired', last_reason = NULL, last_job_id = :job_id
 WHERE id = :id;

-- name: run_before
SELECT id FROM ops.jobs WHERE idempotency_key = :key;
