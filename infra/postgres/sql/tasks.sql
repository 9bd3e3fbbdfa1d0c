-- Jobs as tasks. Lock order: the digest, then key row, job row, task row.

-- name: lock_same
-- Two of the same at once: the second one waits, and then sees the first.
SELECT pg_advisory_xact_lock(ops.lock_key('task/' || encode(CAST(:digest AS bytea), 'hex')));

-- name: same
-- What was given up or went wrong may be asked for again.
SELECT task.job_id
  FROM ops.tasks task JOIN ops.jobs job ON job.id = task.job_id
 WHERE task.digest = ops.task_digest(CAST(:digest AS bytea))
   AND task.created_at > clock_timestamp() - make_interval(secs => CAST(:within_s AS double precision))
   AND job.status NOT IN ('failed', 'dead', 'cancelled')
 ORDER BY task.created_at LIMIT 1;

-- name: keyed
-- What stands for a key that holds something personal.
SELECT encode(ops.task_digest(convert_to(CAST(:opaque AS text), 'UTF8')), 'hex') AS digest;

-- name: is_same
SELECT digest = ops.task_digest(CAST(:digest AS bytea)) AS same FROM ops.tasks WHERE job_id = :job_id;

-- name: insert_task
WITH marked AS (
  UPDATE ops.jobs SET is_task = true WHERE id = :job_id
)
INSERT INTO ops.tasks (job_id, domain, description, original_text, drift_score, event_tags, confidence, attributes, redacted,
                       tagging_error, digest, created_at, changed_at)
VALUES (:job_id, :domain, :description, :original_text, :drift_score, CAST(:event_tags AS text[]), :confidence,
        CAST(:attributes AS jsonb), CAST(:redacted AS jsonb), :tagging_error, ops.task_digest(CAST(:digest AS bytea)),
        clock_timestamp(), clock_timestamp());

-- name: between
SELECT job.id, job.kind, job.status, job.phase, job.outcome, job.error_code, job.error_detail, job.attempts, job.max_attempts,
       job.priority, job.run_at, job.ordering_key, job.cancel_asked_at, job.updated_at, job.started_at, job.finished_at,
       task.domain, task.drift_score, task.event_tags, task.confidence, task.attributes, task.redacted, task.tagging_error,
       task.created_at, task.changed_at,
       task.description, task.original_text, task.enrichment, task.enriched_at, job.payload AS params, job.result
  FROM ops.tasks task JOIN ops.jobs job ON job.id = task.job_id
 WHERE task.job_id BETWEEN :first AND :last
 ORDER BY task.job_id LIMIT :most;

-- name: list_tasks
SELECT job.id, job.kind, job.status, job.phase, job.outcome, job.error_code, job.error_detail, job.attempts, job.max_attempts,
       job.priority, job.run_at, job.ordering_key, job.cancel_asked_at, job.updated_at, job.started_at, job.finished_at,
       task.domain, task.drift_score, task.event_tags, task.confidence, task.attributes, task.redacted, task.tagging_error,
       task.created_at, task.changed_at, left(task.description, :longest) AS description
  FROM ops.tasks task JOIN ops.jobs job ON job.id = task.job_id
 WHERE (cardinality(CAST(:statuses AS text[])) = 0 OR job.status = ANY (CAST(:statuses AS text[])))
   AND (cardinality(CAST(:types AS text[])) = 0 OR job.kind = ANY (CAST(:types AS text[])))
   AND (CAST(:domain AS text) IS NULL OR task.domain = CAST(:domain AS text))
   AND (CAST(:since AS timestamptz) IS NULL OR task.created_at >= CAST(:since AS timestamptz))
   AND (CAST(:until AS timestamptz) IS NULL OR task.created_at <= CAST(:until AS timestamptz))
   AND (CAST(:search AS text) IS NULL
        OR strpos(lower(concat_ws(' ', CAST(job.id AS text), job.kind, task.description, CAST(job.result AS text))),
                  lower(CAST(:search AS text))) > 0)
   AND (CAST(:after_at AS timestamptz) IS NULL
        OR (task.created_at, task.job_id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
 ORDER BY task.created_at DESC, task.job_id DESC LIMIT :most;

-- name: count_tasks
-- LEFT, though each task has its job: so the planner leaves jobs out where no filter is about them. Between which
-- instants they are: a page of what is rare, read from the newest on, would otherwise go through everything again.
SELECT count(*) AS total, min(task.created_at) AS oldest, max(task.created_at) AS newest
  FROM ops.tasks task LEFT JOIN ops.jobs job ON job.id = task.job_id
 WHERE (cardinality(CAST(:statuses AS text[])) = 0 OR job.status = ANY (CAST(:statuses AS text[])))
   AND (cardinality(CAST(:types AS text[])) = 0 OR job.kind = ANY (CAST(:types AS text[])))
   AND (CAST(:domain AS text) IS NULL OR task.domain = CAST(:domain AS text))
   AND (CAST(:since AS timestamptz) IS NULL OR task.created_at >= CAST(:since AS timestamptz))
   AND (CAST(:search AS text) IS NULL
        OR strpos(lower(concat_ws(' ', CAST(job.id AS text), job.kind, task.description, CAST(job.result AS text))),
                  lower(CAST(:search AS text))) > 0);

-- name: changes
-- Not the last moments: a change that is not committed yet may be older than one that is.
SELECT job.id, job.kind, job.status, job.phase, job.outcome, job.error_code, job.error_detail, job.attempts, job.max_attempts,
       job.priority, job.run_at, job.ordering_key, job.cancel_asked_at, job.updated_at, job.started_at, job.finished_at,
       task.domain, task.drift_score, task.event_tags, task.confidence, task.attributes, task.redacted, task.tagging_error,
       task.created_at, task.changed_at, left(task.description, :longest) AS description
  FROM ops.tasks task JOIN ops.jobs job ON job.id = task.job_id
 WHERE (CAST(:after_at AS timestamptz) IS NULL
        OR (task.changed_at, task.job_id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
   AND task.changed_at <= clock_timestamp() - make_interval(secs => CAST(:late_s AS double precision))
 ORDER BY task.changed_at, task.job_id LIMIT :most;

-- name: events
SELECT id, at, event, code, detail FROM ops.job_events WHERE job_id = :job_id AND id > :after ORDER BY id LIMIT :most;

-- name: text_of_task
SELECT description FROM ops.tasks WHERE job_id = CAST(:job_id AS uuid) FOR UPDATE;

-- name: keep_enrichment
UPDATE ops.tasks
   SET enrichment = CAST(:enrichment AS jsonb),
       event_tags = event_tags || ARRAY(SELECT tag FROM unnest(CAST(:tags AS text[])) AS tag WHERE tag <> ALL (event_tags)),
       enriched_at = clock_timestamp(), changed_at = clock_timestamp()
 WHERE job_id = CAST(:job_id AS uuid)
RETURNING 1;
