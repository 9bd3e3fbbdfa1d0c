-- Jobs: enqueued, claimed, settled. Lock order: key rows by queue and key, then job rows.
-- Whatever changes a job that stands in the line of a key holds that key's row; `refresh_keys` ends such a
-- transaction: a key row says nothing that its head does not.

-- name: enqueue
-- A job with a key of its own that somebody has asked for already is not made. Drafts and staged jobs
-- stand in no line yet.
WITH wanted AS MATERIALIZED (
  SELECT gen_random_uuid() AS id, entry.*
    FROM ROWS FROM (jsonb_to_recordset(CAST(:jobs AS jsonb)) AS (
           queue text, kind text, status text, ordering_key text, priority smallint, run_at timestamptz,
           max_attempts integer, payload jsonb, idempotency_key text, dedupe_key text, origin uuid)
         ) WITH ORDINALITY AS entry (queue, kind, status, ordering_key, priority, run_at, max_attempts, payload,
                                     idempotency_key, dedupe_key, origin, place)
), made AS (
  INSERT INTO ops.jobs (id, seq, queue, kind, status, ordering_key, priority, run_at, max_attempts, payload,
                        idempotency_key, dedupe_key, origin, created_at, updated_at)
  SELECT id, CASE WHEN ordering_key IS NULL OR (status = 'pending' AND NOT CAST(:staged AS boolean)) THEN nextval('ops.job_seq') END,
         queue, kind, status, ordering_key, priority, COALESCE(run_at, clock_timestamp()), max_attempts, payload,
         idempotency_key, dedupe_key, origin, clock_timestamp(), clock_timestamp()
    FROM wanted
   ORDER BY place
  ON CONFLICT DO NOTHING
  RETURNING id
)
SELECT CAST((SELECT json_agg(id ORDER BY place) FROM wanted) AS text) AS wanted,
       CAST((SELECT CASE WHEN count(*) < :number THEN COALESCE(json_agg(id), '[]') END FROM made) AS text) AS made;

-- name: same
-- Which job stands where another one was not made. A new statement: it sees what was committed meanwhile.
SELECT wanted.place, found.id
  FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS wanted (
         place integer, queue text, idempotency_key text, dedupe_key text, origin uuid)
 CROSS JOIN LATERAL (
         SELECT id FROM ops.jobs WHERE jobs.idempotency_key = wanted.idempotency_key
         UNION ALL
         SELECT id FROM ops.jobs
          WHERE jobs.queue = wanted.queue AND jobs.dedupe_key = wanted.dedupe_key AND jobs.finished_at IS NULL
         UNION ALL
         SELECT id FROM ops.jobs WHERE jobs.origin = wanted.origin
         LIMIT 1) AS found;

-- name: stage
-- On a connection that does not say that it is ours the trigger has staged them already, in the same order.
INSERT INTO ops.job_staging (job_id, queue, ordering_key)
SELECT id, queue, ordering_key FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS staged (id, place)
  JOIN ops.jobs USING (id)
 WHERE jobs.ordering_key IS NOT NULL AND jobs.status = 'pending'
 ORDER BY place
ON CONFLICT (job_id) DO NOTHING;

-- name: lock_new_lines
-- One statement makes and locks: DO UPDATE locks the row even where WHERE lets nothing be written.
INSERT INTO ops.job_keys AS kept (queue, ordering_key)
SELECT queue, ordering_key
  FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (queue text, ordering_key text)
 ORDER BY queue COLLATE "C", ordering_key COLLATE "C"
ON CONFLICT (queue, ordering_key) DO UPDATE SET paused = kept.paused WHERE false;

-- name: lock_lines
-- One after the other, in order; LATERAL, or all keys there are may be read for a few.
SELECT 1
  FROM (SELECT queue, ordering_key
          FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (queue text, ordering_key text)
         ORDER BY queue COLLATE "C", ordering_key COLLATE "C") AS line
 CROSS JOIN LATERAL (
         SELECT FROM ops.job_keys
          WHERE job_keys.queue = line.queue AND job_keys.ordering_key = line.ordering_key
            FOR UPDATE) AS locked;

-- name: depths
SELECT line.queue, line.ordering_key,
       (SELECT count(*) FROM (
          SELECT FROM ops.jobs
           WHERE jobs.queue = line.queue AND jobs.ordering_key = line.ordering_key
             AND seq IS NOT NULL AND due_at IS NOT NULL
           LIMIT :most) AS unfinished) AS depth,
       (SELECT count(*) FROM (
          SELECT FROM ops.job_staging staged
           WHERE staged.queue = line.queue AND staged.ordering_key = line.ordering_key
           LIMIT :most) AS staged) AS staged
  FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (queue text, ordering_key text);

-- name: staged_lines
-- From one line to the next by the index: a deep one hides no other.
WITH RECURSIVE line (queue, ordering_key) AS (
  (SELECT queue, ordering_key FROM ops.job_staging ORDER BY queue, ordering_key LIMIT 1)
  UNION ALL
  SELECT next.queue, next.ordering_key
    FROM line
   CROSS JOIN LATERAL (
           SELECT staged.queue, staged.ordering_key FROM ops.job_staging staged
            WHERE (staged.queue, staged.ordering_key) > (line.queue, line.ordering_key)
            ORDER BY staged.queue, staged.ordering_key LIMIT 1) AS next
)
SELECT queue, ordering_key FROM line LIMIT :most;

-- name: make_lines
INSERT INTO ops.job_keys (queue, ordering_key)
SELECT queue, ordering_key
  FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (queue text, ordering_key text)
 ORDER BY queue COLLATE "C", ordering_key COLLATE "C"
ON CONFLICT (queue, ordering_key) DO NOTHING;

-- name: lock_free_lines
-- Those that nobody holds: an effect that takes its time holds the line of its job.
SELECT line.queue, line.ordering_key
  FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (queue text, ordering_key text)
 CROSS JOIN LATERAL (
         SELECT FROM ops.job_keys
          WHERE job_keys.queue = line.queue AND job_keys.ordering_key = line.ordering_key
            FOR UPDATE SKIP LOCKED) AS locked;

-- name: place_staged
-- Into their lines, whose key rows are locked, in the order in which they were asked for; :each of a line at most,
-- and of each up to the first that somebody is changing. What stands in line was changed there by hand: it keeps its
-- place.
WITH oldest AS MATERIALIZED (
  SELECT line.queue, line.ordering_key, staged.seq, staged.job_id
    FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (queue text, ordering_key text)
   CROSS JOIN LATERAL (
           SELECT seq, job_id FROM ops.job_staging
            WHERE (job_staging.queue, job_staging.ordering_key) = (line.queue, line.ordering_key)
            ORDER BY seq LIMIT CAST(:each AS bigint)) AS staged
), free AS MATERIALIZED (
  SELECT oldest.seq FROM oldest JOIN ops.jobs job ON job.id = ANY (ARRAY[oldest.job_id])
     FOR UPDATE OF job SKIP LOCKED
), ready AS (
  SELECT seq, bool_and(seq IN (SELECT seq FROM free)) OVER (PARTITION BY queue, ordering_key ORDER BY seq) AS all_before
    FROM oldest
), gone AS (
  DELETE FROM ops.job_staging WHERE seq = ANY (ARRAY(SELECT seq FROM ready WHERE all_before))
  RETURNING job_id, seq
), numbered AS MATERIALIZED (
  SELECT job_id, nextval('ops.job_seq') AS place FROM (SELECT job_id FROM gone ORDER BY seq) AS ordered
)
UPDATE ops.jobs job SET seq = numbered.place
  FROM numbered
 WHERE job.id = ANY (ARRAY[numbered.job_id]) AND job.finished_at IS NULL AND job.seq IS NULL
RETURNING 1;

-- name: refresh_keys
-- The rows are locked, so that their ctids stay; by these, or all keys there are may be read for a few.
UPDATE ops.job_keys kept
   SET visible_at = head.due_at,
       kind = COALESCE(head.kind, kept.kind),
       priority = COALESCE(head.priority, kept.priority),
       locked_by = head.locked_by,
       fence = GREATEST(kept.fence, head.fence)
  FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS line (queue text, ordering_key text)
 CROSS JOIN LATERAL (
         SELECT ctid AS tid FROM ops.job_keys
          WHERE job_keys.queue = line.queue AND job_keys.ordering_key = line.ordering_key
          LIMIT 1) AS found
  LEFT JOIN LATERAL (
         SELECT jobs.due_at, jobs.kind, jobs.priority, jobs.locked_by, jobs.fence FROM ops.jobs
          WHERE jobs.queue = line.queue AND jobs.ordering_key = line.ordering_key
            AND jobs.seq IS NOT NULL AND jobs.due_at IS NOT NULL
          ORDER BY jobs.seq LIMIT 1) AS head ON true
 WHERE kept.ctid = found.tid
   AND (kept.visible_at, kept.kind, kept.priority, kept.locked_by)
       IS DISTINCT FROM (head.due_at, COALESCE(head.kind, kept.kind), COALESCE(head.priority, kept.priority), head.locked_by);

-- name: look
-- How many of what is due are claimed together: without keys, and keys; nothing is locked yet. What goes alone
-- ends the batch before it, or is all of it. A priority after the other: PostgreSQL before 17 would read a whole
-- index for several at once.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
keyless AS (
  SELECT 0 AS source, job.priority, job.due_at, job.seq, job.alone
    FROM (VALUES (20), (10), (5), (1)) AS probed (priority)
   CROSS JOIN LATERAL (
           SELECT priority, due_at, seq,
                  (status = 'processing' OR max_attempts = 1 OR kind = ANY (CAST(:alone AS text[])))
                  AND attempts < max_attempts AND cancel_asked_at IS NULL AS alone
             FROM ops.jobs
            WHERE queue = :queue AND priority = probed.priority AND ordering_key IS NULL
              AND due_at <= (SELECT now FROM moment)
              AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (CAST(:kinds AS text[])))
            ORDER BY due_at, seq
            LIMIT :most) AS job
   LIMIT :most
), keyed AS (
  SELECT 1 AS source, found.priority, found.visible_at AS due_at, 0 AS seq,
         found.locked_by IS NOT NULL OR found.kind = ANY (CAST(:alone AS text[])) AS alone
    FROM (VALUES (20), (10), (5), (1)) AS probed (priority)
   CROSS JOIN LATERAL (
           SELECT priority, visible_at, locked_by, kind
             FROM ops.job_keys
            WHERE queue = :queue AND priority = probed.priority AND NOT paused
              AND visible_at <= (SELECT now FROM moment)
              AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (CAST(:kinds AS text[])))
              AND ordering_key <> ALL (CAST(:without AS text[]))
            ORDER BY visible_at
            LIMIT :most) AS found
   LIMIT :most
), placed AS (
  SELECT source, alone, row_number() OVER (ORDER BY priority DESC, due_at, source, seq) AS place
    FROM (SELECT * FROM keyless UNION ALL SELECT * FROM keyed) AS both_kinds
), room AS (
  SELECT LEAST(:most, COALESCE(min(CASE place WHEN 1 THEN 1 ELSE place - 1 END) FILTER (WHERE alone), :most)) AS places FROM placed
)
SELECT count(*) FILTER (WHERE source = 0 AND place <= places) AS keyless,
       count(*) FILTER (WHERE source = 1 AND place <= places) AS keyed,
       count(*) AS seen,
       COALESCE(bool_or(source = 1) FILTER (WHERE place = 1), false) AS keyed_first
  FROM placed CROSS JOIN room;

-- name: claim
-- What has no key; unless :mixed, only where no key is due. By ctid: a join by id may be planned as reading the whole table, for nobody knows how many are found. A row that
-- changed between snapshot and lock is left for the next claim, because its ctid is not in the snapshot.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
keyed AS MATERIALIZED (
  SELECT
    FROM (VALUES (20), (10), (5), (1)) AS probed (priority)
   CROSS JOIN LATERAL (
           SELECT FROM ops.job_keys
            WHERE queue = :queue AND priority = probed.priority AND NOT paused
              AND visible_at <= (SELECT now FROM moment)
              AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (CAST(:kinds AS text[])))
            LIMIT 1) AS due
   WHERE NOT :mixed
   LIMIT 1
), found AS MATERIALIZED (
  SELECT job.*
    FROM (VALUES (20), (10), (5), (1)) AS probed (priority)
   CROSS JOIN LATERAL (
           SELECT ctid AS tid, id, priority, due_at, seq, status = 'processing' AS returned,
                  (status = 'processing' OR max_attempts = 1 OR kind = ANY (CAST(:alone AS text[])))
                  AND attempts < max_attempts AND cancel_asked_at IS NULL AS alone
             FROM ops.jobs
            WHERE queue = :queue AND priority = probed.priority AND ordering_key IS NULL
              AND due_at <= (SELECT now FROM moment)
              AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (CAST(:kinds AS text[])))
            ORDER BY due_at, seq
            LIMIT :most
              FOR UPDATE SKIP LOCKED) AS job
   WHERE NOT EXISTS (SELECT FROM keyed)
   LIMIT :most
), placed AS (
  SELECT found.*, row_number() OVER (ORDER BY priority DESC, due_at, seq) AS place FROM found
), taken AS MATERIALIZED (
  SELECT tid, id, returned FROM placed
   WHERE place <= COALESCE((SELECT min(CASE place WHEN 1 THEN 1 ELSE place - 1 END) FROM placed WHERE alone), :most)
), told AS (
  INSERT INTO ops.job_events (job_id, run_id, at, event)
  SELECT id, CAST(:run_id AS uuid), now, 'lease_expired' FROM taken CROSS JOIN moment WHERE returned
), claimed AS (
  UPDATE ops.jobs job
     SET status = CASE WHEN cancel_asked_at IS NOT NULL THEN 'cancelled' WHEN attempts >= max_attempts THEN 'dead' ELSE 'processing' END,
         attempts = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN attempts + 1 ELSE attempts END,
         fence = fence + 1,
         locked_by = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN CAST(:run_id AS uuid) END,
         locked_at = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN moment.now END,
         leased_until = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN moment.now + make_interval(secs => :lease_s) END,
         signal = CASE WHEN status = 'waiting' THEN jsonb_build_object('name', wait_name, 'timed_out', true) ELSE signal END,
         wait_name = NULL, wait_until = NULL,
         error_code = CASE WHEN cancel_asked_at IS NULL AND attempts >= max_attempts THEN :exhausted ELSE error_code END,
         error_detail = CASE WHEN cancel_asked_at IS NULL AND attempts >= max_attempts THEN :last_lease ELSE error_detail END,
         started_at = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN COALESCE(started_at, moment.now) ELSE started_at END,
         finished_at = CASE WHEN cancel_asked_at IS NOT NULL OR attempts >= max_attempts THEN moment.now END,
         updated_at = moment.now
    FROM moment
   WHERE job.ctid = ANY (ARRAY(SELECT tid FROM taken))
  RETURNING job.id, job.fence, kind, payload, ordering_key, priority, phase, attempts, max_attempts, idempotency_key,
            created_at, started_at, leased_until, signal, origin, run_at, seq, status
)
SELECT CAST(json_agg(json_build_array(id, fence, kind, payload, ordering_key, priority, phase, attempts, max_attempts,
                                      idempotency_key, created_at, started_at, signal, origin)
                     ORDER BY priority DESC, run_at, seq) FILTER (WHERE status = 'processing') AS text) AS jobs,
       max(leased_until) AS leased_until,
       count(*) FILTER (WHERE status = 'dead') AS dead,
       count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
       (SELECT bool_or(returned) FROM taken) AS returned,
       (SELECT count(*) FROM found) AS seen,
       EXISTS (SELECT FROM keyed) AS keyed
  FROM claimed;

-- name: lock_due_keys
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now)
SELECT found.ordering_key
  FROM (VALUES (20), (10), (5), (1)) AS probed (priority)
 CROSS JOIN LATERAL (
         SELECT ordering_key
           FROM ops.job_keys
          WHERE queue = :queue AND priority = probed.priority AND NOT paused
            AND visible_at <= (SELECT now FROM moment)
            AND (CAST(:kinds AS text[]) IS NULL OR kind = ANY (CAST(:kinds AS text[])))
            AND ordering_key <> ALL (CAST(:without AS text[]))
          ORDER BY visible_at
          LIMIT :most
            FOR UPDATE SKIP LOCKED) AS found
 LIMIT :most;

-- name: heads
-- A statement of its own, after the keys are locked: it sees all that their last holders committed. One that somebody
-- is changing by hand is left, with its line.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now)
SELECT head.id, head.returned, head.due, head.alone
  FROM unnest(CAST(:keys AS text[])) AS wanted (ordering_key)
 CROSS JOIN LATERAL (
         SELECT ctid AS tid, id, status = 'processing' AS returned, due_at <= (SELECT now FROM moment) AS due,
                (status = 'processing' OR max_attempts = 1 OR kind = ANY (CAST(:alone AS text[])))
                AND attempts < max_attempts AND cancel_asked_at IS NULL AS alone, priority, due_at, seq
           FROM ops.jobs
          WHERE queue = :queue AND jobs.ordering_key = wanted.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
          ORDER BY seq LIMIT 1) AS head
 CROSS JOIN LATERAL (SELECT FROM ops.jobs WHERE jobs.ctid = head.tid FOR UPDATE SKIP LOCKED) AS free
 ORDER BY head.priority DESC, head.due_at, head.seq;

-- name: take
-- Jobs whose rows, or those of their keys, are locked. A keyed one takes over the fence of its key, which rises
-- with it.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
told AS (
  INSERT INTO ops.job_events (job_id, run_id, at, event)
  SELECT id, CAST(:run_id AS uuid), now, 'lease_expired'
    FROM ops.jobs CROSS JOIN moment WHERE id = ANY (CAST(:ids AS uuid[])) AND status = 'processing'
), claimed AS (
  UPDATE ops.jobs job
     SET status = CASE WHEN cancel_asked_at IS NOT NULL THEN 'cancelled' WHEN attempts >= max_attempts THEN 'dead' ELSE 'processing' END,
         attempts = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN attempts + 1 ELSE attempts END,
         fence = 1 + GREATEST(job.fence, (SELECT kept.fence FROM ops.job_keys kept
                                           WHERE kept.queue = job.queue AND kept.ordering_key = job.ordering_key)),
         locked_by = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN CAST(:run_id AS uuid) END,
         locked_at = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN moment.now END,
         leased_until = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN moment.now + make_interval(secs => :lease_s) END,
         signal = CASE WHEN status = 'waiting' THEN jsonb_build_object('name', wait_name, 'timed_out', true) ELSE signal END,
         wait_name = NULL, wait_until = NULL,
         error_code = CASE WHEN cancel_asked_at IS NULL AND attempts >= max_attempts THEN :exhausted ELSE error_code END,
         error_detail = CASE WHEN cancel_asked_at IS NULL AND attempts >= max_attempts THEN :last_lease ELSE error_detail END,
         started_at = CASE WHEN cancel_asked_at IS NULL AND attempts < max_attempts THEN COALESCE(started_at, moment.now) ELSE started_at END,
         finished_at = CASE WHEN cancel_asked_at IS NOT NULL OR attempts >= max_attempts THEN moment.now END,
         updated_at = moment.now
    FROM moment
   WHERE job.id = ANY (CAST(:ids AS uuid[])) AND job.due_at <= moment.now
  RETURNING job.id, job.fence, kind, payload, ordering_key, priority, phase, attempts, max_attempts, idempotency_key,
            created_at, started_at, leased_until, signal, origin, run_at, seq, status
)
SELECT CAST(json_agg(json_build_array(id, fence, kind, payload, ordering_key, priority, phase, attempts, max_attempts,
                                      idempotency_key, created_at, started_at, signal, origin)
                     ORDER BY priority DESC, run_at, seq) FILTER (WHERE status = 'processing') AS text) AS jobs,
       max(leased_until) AS leased_until,
       count(*) FILTER (WHERE status = 'dead') AS dead,
       count(*) FILTER (WHERE status = 'cancelled') AS cancelled
  FROM claimed;

-- name: one
SELECT job.queue, job.kind, job.status, job.ordering_key, job.seq, job.due_at <= clock_timestamp() AS due,
       COALESCE(lane.enabled AND lane.tripped_at IS NULL, true) AS open,
       COALESCE(kept.paused, false) AS paused,
       EXISTS (SELECT FROM ops.jobs earlier
                WHERE earlier.queue = job.queue AND earlier.ordering_key = job.ordering_key
                  AND earlier.seq IS NOT NULL AND earlier.due_at IS NOT NULL
                  AND (earlier.seq < job.seq OR job.seq IS NULL) AND earlier.id <> job.id) AS behind
  FROM ops.jobs job
  LEFT JOIN ops.queues lane ON lane.queue = job.queue
  LEFT JOIN ops.job_keys kept ON kept.queue = job.queue AND kept.ordering_key = job.ordering_key
 WHERE job.id = :id;

-- name: lock_one
SELECT 1 FROM ops.jobs WHERE id = :id FOR UPDATE SKIP LOCKED;

-- name: lock_line_if_free
SELECT 1 FROM ops.job_keys WHERE queue = :queue AND ordering_key = :ordering_key FOR UPDATE SKIP LOCKED;

-- name: settle
-- An id is looked up as an array of one: by `=` PostgreSQL may also go through the whole index and join, which seems
-- cheap in a table that was empty when it was last analysed, as queues are.
-- Each by its own fence: what another run has taken over stays as it is. Whoever asked for its end gets it,
-- whatever the job came to.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
change AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:changes AS jsonb)) AS change (
           id uuid, fence bigint, status text, run_at timestamptz, wait_name text, wait_until timestamptz, phase text,
           result jsonb, outcome text, error_code text, error_detail text, back integer, told text, detail text)
), settled AS (
  UPDATE ops.jobs job
     SET status = CASE WHEN cancel_asked_at IS NULL THEN change.status ELSE 'cancelled' END,
         run_at = COALESCE(change.run_at, job.run_at),
         attempts = GREATEST(job.attempts - COALESCE(change.back, 0), 0),
         locked_by = NULL, locked_at = NULL, leased_until = NULL,
         wait_name = CASE WHEN cancel_asked_at IS NULL THEN change.wait_name END,
         wait_until = CASE WHEN cancel_asked_at IS NULL THEN change.wait_until END,
         signal = CASE WHEN change.status = 'pending' THEN job.signal END,
         phase = COALESCE(change.phase, job.phase),
         result = CASE WHEN cancel_asked_at IS NULL THEN change.result END,
         outcome = CASE WHEN cancel_asked_at IS NULL THEN change.outcome END,
         error_code = CASE WHEN change.status = 'completed' THEN NULL ELSE COALESCE(change.error_code, job.error_code) END,
         error_detail = CASE WHEN change.status = 'completed' THEN NULL WHEN change.error_code IS NULL THEN job.error_detail ELSE change.error_detail END,
         finished_at = CASE WHEN cancel_asked_at IS NOT NULL OR change.status IN ('completed', 'failed', 'dead', 'cancelled') THEN moment.now END,
         updated_at = moment.now
    FROM change CROSS JOIN moment
   WHERE job.id = ANY (ARRAY[change.id]) AND job.fence = change.fence AND job.status = 'processing'
  RETURNING job.id, job.cancel_asked_at IS NOT NULL AS cancelled, change.told, change.error_code, change.detail
), told AS (
  INSERT INTO ops.job_events (job_id, run_id, at, event, code, detail)
  SELECT id, CAST(:run_id AS uuid), now, CASE WHEN cancelled THEN 'cancelled' ELSE told END,
         CASE WHEN NOT cancelled THEN error_code END, CASE WHEN NOT cancelled THEN detail END
    FROM settled CROSS JOIN moment WHERE cancelled OR told IS NOT NULL
)
SELECT CASE WHEN count(*) < :number THEN CAST(json_agg(id) AS text) END AS held,
       count(*) AS settled,
       CAST(json_agg(id) FILTER (WHERE cancelled) AS text) AS cancelled
  FROM settled;

-- name: complete
-- As `settle`, for those of which there is nothing else to say but what they left.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
settled AS (
  UPDATE ops.jobs job
     SET status = CASE WHEN cancel_asked_at IS NULL THEN 'completed' ELSE 'cancelled' END,
         locked_by = NULL, locked_at = NULL, leased_until = NULL, signal = NULL, error_code = NULL, error_detail = NULL,
         result = CASE WHEN cancel_asked_at IS NULL THEN NULLIF(change.result, 'null') END,
         finished_at = moment.now, updated_at = moment.now
    FROM ROWS FROM (unnest(CAST(:ids AS uuid[])), unnest(CAST(:fences AS bigint[])),
                    jsonb_array_elements(CAST(:results AS jsonb))) AS change (id, fence, result)
   CROSS JOIN moment
   WHERE job.id = ANY (ARRAY[change.id]) AND job.fence = change.fence AND job.status = 'processing'
  RETURNING job.id, job.cancel_asked_at IS NOT NULL AS cancelled
), told AS (
  INSERT INTO ops.job_events (job_id, run_id, at, event)
  SELECT id, CAST(:run_id AS uuid), now, 'cancelled' FROM settled CROSS JOIN moment WHERE cancelled
)
SELECT CASE WHEN count(*) < :number THEN CAST(json_agg(id) AS text) END AS held,
       count(*) AS settled,
       CAST(json_agg(id) FILTER (WHERE cancelled) AS text) AS cancelled
  FROM settled;

-- name: fence
SELECT cancel_asked_at IS NOT NULL AS cancelled
  FROM ops.jobs WHERE id = :id AND fence = :fence AND status = 'processing'
   FOR UPDATE;

-- name: wake
-- The job rows are locked: a signal that is not seen here finds its job waiting.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
next AS MATERIALIZED (
  SELECT DISTINCT ON (job.id) job.id, given.seq, given.name, given.data
    FROM ops.jobs job
    JOIN ops.job_signals given ON given.job_id = job.id AND given.name = job.wait_name AND given.consumed_at IS NULL
   WHERE job.id = ANY (CAST(:ids AS uuid[])) AND job.status = 'waiting'
   ORDER BY job.id, given.seq
), used AS (
  UPDATE ops.job_signals given SET consumed_at = now
    FROM next CROSS JOIN moment WHERE (given.job_id, given.seq) = (next.id, next.seq)
)
UPDATE ops.jobs job
   SET status = 'pending', run_at = now, wait_name = NULL, wait_until = NULL, updated_at = now,
       signal = jsonb_build_object('name', next.name, 'data', next.data)
  FROM next CROSS JOIN moment
 WHERE job.id = next.id
RETURNING job.id;

-- name: renew
-- A row that is being settled is locked, and needs no renewal; one whose lease is over is being taken over.
-- :free are those whose lines nobody holds: nobody waits here, for the leases of others would run out.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
asked AS MATERIALIZED (
  SELECT job.id, job.fence, job.leased_until, job.cancel_asked_at IS NOT NULL AS cancelled
    FROM jsonb_to_recordset(CAST(:held AS jsonb)) AS held (id uuid, fence bigint)
    JOIN ops.jobs job ON job.id = held.id AND job.fence = held.fence AND job.status = 'processing'
   WHERE job.id = ANY (CAST(:ids AS uuid[]))
), free AS MATERIALIZED (
  SELECT job.id
    FROM asked JOIN ops.jobs job ON job.id = asked.id AND job.fence = asked.fence AND job.status = 'processing'
   WHERE job.id = ANY (CAST(:free AS uuid[]))
     FOR UPDATE OF job SKIP LOCKED
), renewed AS (
  UPDATE ops.jobs job
     SET locked_at = now, leased_until = now + make_interval(secs => :lease_s)
    FROM free CROSS JOIN moment
   WHERE job.id = ANY (CAST(:ids AS uuid[])) AND job.id = free.id
)
SELECT id, cancelled
  FROM asked CROSS JOIN moment
 WHERE leased_until > now OR id IN (SELECT id FROM free);

-- name: release
-- GREATEST: somebody may have set the attempts back by hand meanwhile.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now)
UPDATE ops.jobs job
   SET status = CASE WHEN cancel_asked_at IS NULL THEN 'pending' ELSE 'cancelled' END,
       attempts = GREATEST(job.attempts - 1, 0),
       locked_by = NULL, locked_at = NULL, leased_until = NULL,
       finished_at = CASE WHEN cancel_asked_at IS NOT NULL THEN now END,
       updated_at = now
  FROM jsonb_to_recordset(CAST(:held AS jsonb)) AS held (id uuid, fence bigint) CROSS JOIN moment
 WHERE job.id = ANY (CAST(:ids AS uuid[]))
   AND job.id = held.id AND job.fence = held.fence AND job.status = 'processing'
RETURNING job.id;

-- name: blocked
-- Why what is there is not claimable now; each of the reasons counted up to :most.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
head AS MATERIALIZED (
  SELECT kept.queue, kept.ordering_key, kept.visible_at, kept.paused, head.status, head.seq
    FROM (SELECT * FROM ops.job_keys
           WHERE queue = ANY (CAST(:queues AS text[])) AND visible_at IS NOT NULL LIMIT :most) AS kept
   CROSS JOIN LATERAL (
           SELECT status, seq FROM ops.jobs
            WHERE jobs.queue = kept.queue AND jobs.ordering_key = kept.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
            ORDER BY seq LIMIT 1) AS head
)
SELECT 'key_busy' AS reason, count(*) AS jobs
  FROM (SELECT FROM head CROSS JOIN LATERAL (
                 SELECT FROM ops.jobs
                  WHERE jobs.queue = head.queue AND jobs.ordering_key = head.ordering_key
                    AND seq > head.seq AND due_at IS NOT NULL
                  LIMIT :most) AS behind
         LIMIT :most) AS counted
UNION ALL
SELECT reason, LEAST(count(*), :most)
  FROM (SELECT CASE WHEN paused THEN 'paused' WHEN status = 'pending' THEN 'not_due'
                    WHEN status = 'waiting' THEN 'waiting' ELSE 'running' END AS reason
          FROM head CROSS JOIN moment WHERE paused OR visible_at > now
        UNION ALL
        SELECT CASE status WHEN 'pending' THEN 'not_due' WHEN 'waiting' THEN 'waiting' ELSE 'running' END
          FROM unnest(CAST(:queues AS text[])) AS wanted (queue)
         CROSS JOIN (VALUES (20), (10), (5), (1)) AS probed (priority)
         CROSS JOIN LATERAL (
                 SELECT status FROM ops.jobs
                  WHERE jobs.queue = wanted.queue AND jobs.priority = probed.priority AND ordering_key IS NULL
                    AND due_at > (SELECT now FROM moment)
                  ORDER BY due_at LIMIT :most) AS later) AS later
 GROUP BY reason;
