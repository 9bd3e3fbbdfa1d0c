-- Jobs as people read them.

-- name: page
SELECT id, queue, kind, status, phase, ordering_key, priority, run_at, attempts, max_attempts, outcome, error_code,
       error_detail, origin, created_at, updated_at, started_at, finished_at
  FROM ops.jobs
 WHERE (CAST(:statuses AS text[]) IS NULL OR status = ANY (CAST(:statuses AS text[])))
   AND (CAST(:queues AS text[]) IS NULL OR queue = ANY (CAST(:queues AS text[])))
   AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (CAST(:kinds AS text[])))
   AND (CAST(:ordering_key AS text) IS NULL OR ordering_key = :ordering_key)
   AND (CAST(:error_code AS text) IS NULL OR error_code = :error_code)
   AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
   AND (CAST(:search AS text) IS NULL
        OR strpos(lower(concat_ws(' ', kind, ordering_key, CAST(payload AS text))), lower(:search)) > 0)
   AND (CAST(:at AS timestamptz) IS NULL OR (created_at, id) < (:at, CAST(:id AS uuid)))
 ORDER BY created_at DESC, id DESC
 LIMIT :most;

-- name: total
SELECT count(*) AS total
  FROM ops.jobs
 WHERE (CAST(:statuses AS text[]) IS NULL OR status = ANY (CAST(:statuses AS text[])))
   AND (CAST(:queues AS text[]) IS NULL OR queue = ANY (CAST(:queues AS text[])))
   AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (CAST(:kinds AS text[])))
   AND (CAST(:ordering_key AS text) IS NULL OR ordering_key = :ordering_key)
   AND (CAST(:error_code AS text) IS NULL OR error_code = :error_code)
   AND (CAST(:since AS timestamptz) IS NULL OR created_at >= :since)
   AND (CAST(:search AS text) IS NULL
        OR strpos(lower(concat_ws(' ', kind, ordering_key, CAST(payload AS text))), lower(:search)) > 0);

-- name: between
SELECT id, queue, kind, status, phase, ordering_key, priority, run_at, attempts, max_attempts, outcome, error_code,
       error_detail, origin, created_at, updated_at, started_at, finished_at, payload, result
  FROM ops.jobs
 WHERE id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)
 ORDER BY id
 LIMIT :most;

-- name: events
SELECT at, event, run_id, code, detail, data
  FROM (SELECT 0 AS place, created_at AS at, 'created' AS event, CAST(NULL AS uuid) AS run_id,
               CAST(NULL AS text) AS code, CAST(NULL AS text) AS detail, CAST(NULL AS jsonb) AS data
          FROM ops.jobs WHERE id = :id
        UNION ALL
        SELECT 1, started_at, 'started', NULL, NULL, NULL, NULL FROM ops.jobs WHERE id = :id AND started_at IS NOT NULL
        UNION ALL
        SELECT 2, at, event, run_id, code, detail, data FROM ops.job_events WHERE job_id = :id
        UNION ALL
        SELECT 3, finished_at, status, NULL, error_code, error_detail, NULL
          FROM ops.jobs WHERE id = :id AND finished_at IS NOT NULL AND status <> 'cancelled') AS told
 ORDER BY at, place;

-- name: dead
-- What the newest one says is read for itself: of a hundred thousand that is no small thing to sort.
SELECT alike.*, newest.id AS newest, newest.error_detail AS detail
  FROM (SELECT queue, kind, error_code, count(*) AS jobs, min(finished_at) AS oldest_at, max(finished_at) AS newest_at
          FROM ops.jobs dead
         WHERE status = 'dead'
           AND (CAST(:queue AS text) IS NULL OR queue = :queue)
           AND (CAST(:kind AS text) IS NULL OR kind = :kind)
           AND (CAST(:error_code AS text) IS NULL OR error_code = :error_code)
           AND (CAST(:since AS timestamptz) IS NULL OR finished_at >= :since)
           AND (CAST(:until AS timestamptz) IS NULL OR finished_at <= :until)
           AND outcome IS DISTINCT FROM 'discarded'
           AND NOT EXISTS (SELECT FROM ops.jobs later WHERE later.origin = dead.id)
         GROUP BY queue, kind, error_code) AS alike
 CROSS JOIN LATERAL (
         SELECT id, error_detail FROM ops.jobs dead
          WHERE status = 'dead' AND dead.queue = alike.queue AND dead.kind = alike.kind AND dead.error_code = alike.error_code
            AND dead.finished_at = alike.newest_at
            AND outcome IS DISTINCT FROM 'discarded'
            AND NOT EXISTS (SELECT FROM ops.jobs later WHERE later.origin = dead.id)
          LIMIT 1) AS newest
 ORDER BY jobs DESC, queue, kind, error_code;
