-- What people ask of single jobs. Lock order: the key's row, then the job's.

-- name: line_of
SELECT queue, ordering_key, status FROM ops.jobs WHERE id = :id;

-- name: cancel
-- What is being performed ends when its run sees that; a line that it stands in is locked.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
changed AS (
  UPDATE ops.jobs job
     SET status = CASE status WHEN 'processing' THEN status ELSE 'cancelled' END,
         cancel_asked_at = now,
         wait_name = NULL, wait_until = NULL,
         finished_at = CASE status WHEN 'processing' THEN NULL ELSE now END,
         updated_at = now
    FROM moment
   WHERE job.id = :id AND finished_at IS NULL AND (status <> 'processing' OR cancel_asked_at IS NULL)
  RETURNING job.id, job.status
)
INSERT INTO ops.job_events (job_id, at, event)
SELECT id, now, CASE status WHEN 'cancelled' THEN 'cancelled' ELSE 'cancel_asked' END FROM changed CROSS JOIN moment
RETURNING 1;

-- name: run_now
-- A draft joins the end of its line now, under the key's lock.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
draft AS MATERIALIZED (SELECT id FROM ops.jobs WHERE id = :id AND status = 'draft' FOR UPDATE),
told AS (
  INSERT INTO ops.job_events (job_id, at, event) SELECT id, now, 'released' FROM draft CROSS JOIN moment
)
UPDATE ops.jobs job
   SET status = 'pending',
       seq = CASE status WHEN 'draft' THEN nextval('ops.job_seq') ELSE seq END,
       run_at = CASE status WHEN 'draft' THEN now ELSE LEAST(run_at, now) END,
       updated_at = now
  FROM moment
 WHERE job.id = :id AND (status = 'draft' OR (status = 'pending' AND run_at > now))
RETURNING 1;

-- name: again
SELECT id, queue, kind, status, ordering_key, priority, max_attempts, dedupe_key, CAST(payload AS text) AS payload
  FROM ops.jobs WHERE id = :id;

-- name: dead
-- Not those that somebody tried again or discarded, nor those for which another job stands under the same dedupe key.
SELECT id, queue, kind, status, ordering_key, priority, max_attempts, dedupe_key, CAST(payload AS text) AS payload
  FROM ops.jobs dead
 WHERE status = 'dead'
   AND (CAST(:queue AS text) IS NULL OR queue = :queue)
   AND (CAST(:kind AS text) IS NULL OR kind = :kind)
   AND (CAST(:error_code AS text) IS NULL OR error_code = :error_code)
   AND (CAST(:since AS timestamptz) IS NULL OR finished_at >= :since)
   AND (CAST(:until AS timestamptz) IS NULL OR finished_at <= :until)
   AND outcome IS DISTINCT FROM 'discarded'
   AND NOT EXISTS (SELECT FROM ops.jobs later WHERE later.origin = dead.id)
   AND NOT EXISTS (SELECT FROM ops.jobs same
                    WHERE same.queue = dead.queue AND same.dedupe_key = dead.dedupe_key AND same.finished_at IS NULL)
 ORDER BY finished_at, id
 LIMIT :most;

-- name: discard
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
changed AS (
  UPDATE ops.jobs job SET outcome = :outcome, updated_at = now FROM moment
   WHERE job.id = :id AND status = 'dead' AND outcome IS DISTINCT FROM :outcome
  RETURNING job.id
)
INSERT INTO ops.job_events (job_id, at, event, detail)
SELECT id, now, 'discarded', :reason FROM changed CROSS JOIN moment
RETURNING 1;

-- name: lock_job
SELECT status FROM ops.jobs WHERE id = :id FOR UPDATE;

-- name: keep_signal
INSERT INTO ops.job_signals (job_id, name, key, data, received_at)
VALUES (:id, :name, :key, CAST(:data AS jsonb), clock_timestamp())
ON CONFLICT (job_id, name, key) DO NOTHING
RETURNING 1;

-- name: tell_signal
INSERT INTO ops.job_events (job_id, at, event, detail)
VALUES (:id, clock_timestamp(), 'signalled', :name);

-- name: pause_key
UPDATE ops.job_keys SET paused = :paused WHERE queue = :queue AND ordering_key = :ordering_key RETURNING 1;

-- name: forget
-- The oldest first, by the index of the newest: what is old and unfinished is read again, and is little. A key that
-- nobody uses is made again by the next job of it.
WITH ended AS (
  DELETE FROM ops.jobs
   WHERE id = ANY (ARRAY(
           SELECT id FROM ops.jobs
            WHERE created_at < CAST(:before AS timestamptz) AND finished_at < CAST(:before AS timestamptz)
            ORDER BY created_at, jobs.id
            LIMIT :most
              FOR UPDATE SKIP LOCKED))
  RETURNING 1
), quiet AS (
  DELETE FROM ops.job_keys
   WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM ops.job_keys WHERE visible_at IS NULL AND NOT paused
            ORDER BY queue LIMIT :most FOR UPDATE SKIP LOCKED))
  RETURNING 1
), sent AS (
  -- Few at once, for each may be large. The jobs that read them tell people to send them again.
  DELETE FROM intake.uploads
   WHERE id = ANY (ARRAY(
           SELECT id FROM intake.uploads WHERE sent_at < CAST(:before AS timestamptz)
            ORDER BY sent_at LIMIT 10 FOR UPDATE SKIP LOCKED))
  RETURNING 1
), silent AS (
  -- Chats of which nothing is left but that they wrote once.
  DELETE FROM ops.chats
   WHERE ctid = ANY (ARRAY(
           SELECT ctid FROM ops.chats
            WHERE last_message_at < CAST(:before AS timestamptz)
              AND NOT EXISTS (SELECT FROM ops.chat_tasks WHERE chat_tasks.ordering_key = chats.ordering_key)
            ORDER BY last_message_at LIMIT :most FOR UPDATE SKIP LOCKED))
  RETURNING 1
)
SELECT (SELECT count(*) FROM ended) + (SELECT count(*) FROM quiet) + (SELECT count(*) FROM sent)
       + (SELECT count(*) FROM silent) AS forgotten;
