-- Files of judgments. Lock order: the job, the file's hash, batches, then staged rows and judgments by case number.

-- name: lock_file
SELECT pg_advisory_xact_lock(ops.lock_key('intake/' || :file_hash));

-- name: batch
SELECT id, job_id, kind, status, file_path, file_hash, source_reference, layout, rows_surveyed, rows_read, total, staged,
       invalid, warnings, inserted, updated, duplicate, rejected, error_threshold_percent, rejection_reason, duplicate_of
  FROM intake.batches WHERE id = :id FOR UPDATE;

-- name: of_job
SELECT id, job_id, kind, status, file_path, file_hash, source_reference, layout, rows_surveyed, rows_read, total, staged,
       invalid, warnings, inserted, updated, duplicate, rejected, error_threshold_percent, rejection_reason, duplicate_of
  FROM intake.batches WHERE job_id = :job_id AND status <> 'failed' ORDER BY created_at DESC LIMIT 1;

-- name: taken_as
SELECT id FROM intake.batches
 WHERE file_hash = :file_hash AND status = 'completed' AND id <> :id
 ORDER BY created_at LIMIT 1;

-- name: at_work
-- `held`: a job is at it whose lease is good. Else it was left: its job waits for another try, or has ended.
SELECT batch.id, batch.job_id, batch.status = 'upserting' AND batch.file_hash = :file_hash AS staged, EXISTS (
         SELECT FROM ops.jobs job
          WHERE job.id = batch.job_id AND job.status = 'processing' AND job.leased_until > clock_timestamp()
       ) AS held
  FROM intake.batches batch
 WHERE batch.finished_at IS NULL AND (batch.id = :id OR batch.file_hash = :file_hash)
 ORDER BY batch.id
   FOR UPDATE OF batch;

-- name: begin
INSERT INTO intake.batches AS batch (id, job_id, kind, status, file_path, file_hash, source_reference, format, layout,
                                     rows_surveyed, error_threshold_percent, created_at, updated_at)
VALUES (:id, :job_id, :kind, 'staging', :file_path, :file_hash, :source_reference, :format, CAST(:layout AS jsonb),
        :rows_surveyed, :error_threshold_percent, clock_timestamp(), clock_timestamp())
ON CONFLICT (id) DO UPDATE
   SET job_id = EXCLUDED.job_id, kind = EXCLUDED.kind, status = 'staging', file_path = EXCLUDED.file_path,
       file_hash = EXCLUDED.file_hash, source_reference = EXCLUDED.source_reference, format = EXCLUDED.format,
       layout = EXCLUDED.layout, rows_surveyed = EXCLUDED.rows_surveyed, rows_read = 0, total = 0, staged = 0, invalid = 0,
       warnings = 0, inserted = 0, updated = 0, duplicate = 0, rejected = 0,
       error_threshold_percent = EXCLUDED.error_threshold_percent, rejection_reason = NULL, duplicate_of = NULL,
       updated_at = EXCLUDED.updated_at, finished_at = NULL
RETURNING id;

-- name: forget_errors
DELETE FROM intake.row_errors WHERE batch_id = :id;

-- name: note_duplicate
INSERT INTO intake.batches (id, job_id, kind, status, file_path, file_hash, source_reference, format, layout, rows_surveyed,
                            duplicate_of, created_at, updated_at, finished_at)
VALUES (:id, :job_id, :kind, 'duplicate', :file_path, :file_hash, :source_reference, :format, CAST(:layout AS jsonb),
        :rows_surveyed, :duplicate_of, clock_timestamp(), clock_timestamp(), clock_timestamp())
ON CONFLICT (id) DO UPDATE
   SET job_id = EXCLUDED.job_id, status = 'duplicate', duplicate_of = EXCLUDED.duplicate_of, rejection_reason = NULL,
       file_path = EXCLUDED.file_path, file_hash = EXCLUDED.file_hash, rows_read = 0, total = 0, staged = 0, invalid = 0,
       warnings = 0, inserted = 0, updated = 0, duplicate = 0, rejected = 0,
       updated_at = EXCLUDED.updated_at, finished_at = EXCLUDED.finished_at;

-- name: stage
-- A case that stood further up in the file is put together with what is said of it here.
WITH entry AS MATERIALIZED (
  SELECT * FROM json_to_recordset(CAST(:rows AS json)) AS entry (
           case_number text, row_number integer, plaintiff text, defendant text, amount numeric, filing_date date,
           judgment_date date, county text, court text)
), staged AS (
  INSERT INTO intake.staged_rows AS before (batch_id, case_number, row_number, plaintiff, defendant, amount, filing_date,
                                            judgment_date, county, court)
  SELECT :batch_id, case_number, row_number, plaintiff, defendant, amount, filing_date, judgment_date, county, court
    FROM entry
  ON CONFLICT (batch_id, case_number) DO UPDATE
     SET row_number = EXCLUDED.row_number,
         plaintiff = COALESCE(EXCLUDED.plaintiff, before.plaintiff),
         defendant = COALESCE(EXCLUDED.defendant, before.defendant),
         amount = COALESCE(EXCLUDED.amount, before.amount),
         filing_date = COALESCE(EXCLUDED.filing_date, before.filing_date),
         judgment_date = COALESCE(EXCLUDED.judgment_date, before.judgment_date),
         county = COALESCE(EXCLUDED.county, before.county),
         court = COALESCE(EXCLUDED.court, before.court)
  RETURNING before.xmax = 0 AS new
)
SELECT count(*) FILTER (WHERE new) AS staged, count(*) FILTER (WHERE NOT new) AS repeated FROM staged;

-- name: keep_errors
INSERT INTO intake.row_errors (batch_id, row_number, severity, column_name, code, value)
SELECT :batch_id, row_number, severity, column_name, code, value
  FROM json_to_recordset(CAST(:errors AS json)) AS error (
         row_number integer, severity text, column_name text, code text, value text)
ON CONFLICT DO NOTHING;

-- name: advance
-- The place it came from is asked for: what overtook this one has moved it.
UPDATE intake.batches
   SET rows_read = :rows_read, staged = staged + :staged, duplicate = duplicate + :repeated, invalid = invalid + :invalid,
       rejected = rejected + :invalid, warnings = warnings + :warnings, updated_at = clock_timestamp()
 WHERE id = :id AND job_id = :job_id AND status = 'staging' AND rows_read = :before
RETURNING id, job_id, kind, status, file_path, file_hash, source_reference, layout, rows_surveyed, rows_read, total, staged,
          invalid, warnings, inserted, updated, duplicate, rejected, error_threshold_percent, rejection_reason, duplicate_of;

-- name: seal
UPDATE intake.batches SET status = 'upserting', total = rows_surveyed, updated_at = clock_timestamp()
 WHERE id = :id AND job_id = :job_id AND status = 'staging'
RETURNING id, job_id, kind, status, file_path, file_hash, source_reference, layout, rows_surveyed, rows_read, total, staged,
          invalid, warnings, inserted, updated, duplicate, rejected, error_threshold_percent, rejection_reason, duplicate_of;

-- name: hold
-- For the length of a transaction: nobody gives it up meanwhile.
SELECT 1 FROM intake.batches WHERE id = :id AND job_id = :job_id AND status = :status FOR UPDATE;

-- name: next_cases
-- From where this try has come: rows that were moved may stand in the index for as long as somebody reads elsewhere.
SELECT max(case_number) AS last, count(*) AS cases
  FROM (SELECT case_number FROM intake.staged_rows
         WHERE batch_id = :batch_id AND case_number > :after ORDER BY case_number LIMIT :most) AS next;

-- name: cases
SELECT case_number FROM intake.staged_rows
 WHERE batch_id = :batch_id AND case_number > :after AND case_number <= :last ORDER BY case_number;

-- name: move
-- Blank is not 0, and says nothing: what is known stays.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
taken AS MATERIALIZED (
  DELETE FROM intake.staged_rows WHERE batch_id = :batch_id AND case_number BETWEEN :first AND :last
  RETURNING *
), moved AS (
  INSERT INTO intake.judgments AS stored (case_number, plaintiff, defendant, amount, filing_date, judgment_date, county, court,
                                          source_reference, batch_id, created_at, updated_at)
  SELECT case_number, COALESCE(plaintiff, :unknown_plaintiff), COALESCE(defendant, :unknown_defendant), amount, filing_date,
         judgment_date, county, court, CAST(:source_reference AS text), :batch_id, moment.now, moment.now
    FROM taken CROSS JOIN moment
   ORDER BY case_number
  ON CONFLICT (case_number) DO UPDATE
     SET plaintiff = COALESCE(NULLIF(EXCLUDED.plaintiff, :unknown_plaintiff), stored.plaintiff),
         defendant = COALESCE(NULLIF(EXCLUDED.defendant, :unknown_defendant), stored.defendant),
         amount = COALESCE(EXCLUDED.amount, stored.amount),
         filing_date = COALESCE(EXCLUDED.filing_date, stored.filing_date),
         judgment_date = COALESCE(EXCLUDED.judgment_date, stored.judgment_date),
         county = COALESCE(EXCLUDED.county, stored.county),
         court = COALESCE(EXCLUDED.court, stored.court),
         source_reference = COALESCE(EXCLUDED.source_reference, stored.source_reference),
         batch_id = EXCLUDED.batch_id, updated_at = EXCLUDED.updated_at
   WHERE (stored.plaintiff, stored.defendant, stored.amount, stored.filing_date, stored.judgment_date, stored.county,
          stored.court)
         IS DISTINCT FROM
         (COALESCE(NULLIF(EXCLUDED.plaintiff, :unknown_plaintiff), stored.plaintiff),
          COALESCE(NULLIF(EXCLUDED.defendant, :unknown_defendant), stored.defendant),
          COALESCE(EXCLUDED.amount, stored.amount), COALESCE(EXCLUDED.filing_date, stored.filing_date),
          COALESCE(EXCLUDED.judgment_date, stored.judgment_date), COALESCE(EXCLUDED.county, stored.county),
          COALESCE(EXCLUDED.court, stored.court))
  RETURNING stored.xmax = 0 AS new
)
SELECT (SELECT count(*) FROM taken) AS taken,
       (SELECT count(*) FROM moved WHERE new) AS inserted,
       (SELECT count(*) FROM moved WHERE NOT new) AS updated;

-- name: drop_row
DELETE FROM intake.staged_rows WHERE batch_id = :batch_id AND case_number = :case_number RETURNING row_number;

-- name: count_moved
UPDATE intake.batches
   SET inserted = inserted + :inserted, updated = updated + :updated, duplicate = duplicate + :unchanged,
       invalid = invalid + :refused, rejected = rejected + :refused, updated_at = clock_timestamp(),
       status = CASE WHEN :done THEN 'completed' ELSE status END,
       finished_at = CASE WHEN :done THEN clock_timestamp() END
 WHERE id = :id AND job_id = :job_id AND status = 'upserting'
RETURNING id, job_id, kind, status, file_path, file_hash, source_reference, layout, rows_surveyed, rows_read, total, staged,
          invalid, warnings, inserted, updated, duplicate, rejected, error_threshold_percent, rejection_reason, duplicate_of;

-- name: fail
-- What is in stays in; all the rest of the file was rejected.
UPDATE intake.batches
   SET status = 'failed', rejection_reason = :reason, total = rows_surveyed, invalid = COALESCE(:invalid, invalid),
       duplicate = CASE WHEN status = 'staging' THEN 0 ELSE duplicate END,
       rejected = rows_surveyed - inserted - updated - CASE WHEN status = 'staging' THEN 0 ELSE duplicate END,
       updated_at = clock_timestamp(), finished_at = clock_timestamp()
 WHERE id = :id AND finished_at IS NULL
RETURNING id;

-- name: keep_first_errors
DELETE FROM intake.row_errors
 WHERE batch_id = :id AND severity = 'error' AND row_number > (
         SELECT max(row_number) FROM (
           SELECT row_number FROM intake.row_errors
            WHERE batch_id = :id AND severity = 'error'
            ORDER BY row_number, column_name LIMIT :most) AS first);

-- name: adopt
-- All that was checked is there still: whoever comes after one who died goes on with it, and counts on.
UPDATE intake.batches SET job_id = :job_id, updated_at = clock_timestamp() WHERE id = :id AND status = 'upserting'
RETURNING id, job_id, kind, status, file_path, file_hash, source_reference, layout, rows_surveyed, rows_read, total, staged,
          invalid, warnings, inserted, updated, duplicate, rejected, error_threshold_percent, rejection_reason, duplicate_of;

-- name: abandoned
-- Half-staged by jobs that have ended since; staged by jobs that were cancelled, or are forgotten.
SELECT id FROM intake.batches batch
 WHERE finished_at IS NULL
   AND NOT EXISTS (
         SELECT FROM ops.jobs
          WHERE id = batch.job_id
            AND (finished_at IS NULL OR (batch.status = 'upserting' AND ops.jobs.status <> 'cancelled')));

-- name: strewn
-- Batches at their end that have staged rows. From batch to batch, however many rows they have.
WITH RECURSIVE there AS (
  (SELECT batch_id FROM intake.staged_rows ORDER BY batch_id LIMIT 1)
  UNION ALL
  SELECT (SELECT batch_id FROM intake.staged_rows WHERE batch_id > there.batch_id ORDER BY batch_id LIMIT 1)
    FROM there WHERE there.batch_id IS NOT NULL
)
SELECT id FROM there JOIN intake.batches ON id = batch_id WHERE finished_at IS NOT NULL;

-- name: discard
-- Of a batch that is given up only, so that it needs no fence.
WITH discarded AS (
  DELETE FROM intake.staged_rows
   WHERE batch_id = :batch_id
     AND case_number <= (SELECT max(case_number) FROM (
           SELECT case_number FROM intake.staged_rows WHERE batch_id = :batch_id ORDER BY case_number LIMIT :most) AS next)
     AND EXISTS (SELECT FROM intake.batches WHERE id = :batch_id AND finished_at IS NOT NULL)
  RETURNING 1
)
SELECT count(*) AS discarded FROM discarded;
