-- What each drain makes of the schedules that are due. Lock order: schedule, then job.

-- name: anything_due
SELECT 1 FROM ops.schedules WHERE next_fire_at <= :now LIMIT 1;

-- name: scheduled
SELECT count(*) AS schedules, min(next_fire_at) AS next_fire_at FROM ops.schedules WHERE next_fire_at IS NOT NULL;

-- name: due
-- Others' are passed over: another drain fires those.
SELECT *
  FROM ops.schedules
 WHERE next_fire_at <= :now
 ORDER BY next_fire_at, id
 LIMIT :limit
   FOR UPDATE SKIP LOCKED;

-- name: disabled
SELECT queue FROM ops.queues WHERE NOT enabled;

-- name: unfinished
SELECT id FROM ops.jobs WHERE id = ANY (CAST(:ids AS uuid[])) AND finished_at IS NULL;

-- name: advance
UPDATE ops.schedules schedule
   SET next_fire_at = done.next_fire_at, last_fire_at = done.last_fire_at, last_outcome = done.outcome,
       last_reason = done.reason, last_job_id = COALESCE(done.job_id, schedule.last_job_id)
  FROM jsonb_to_recordset(CAST(:done AS jsonb))
       AS done (id uuid, next_fire_at timestamptz, last_fire_at timestamptz, outcome text, reason text, job_id uuid)
 WHERE schedule.id = done.id;
