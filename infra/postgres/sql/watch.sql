-- Folders that are watched. Lock order: the job's row, contents, files.

-- name: unchanged
SELECT seen.path
  FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS found (path text, size bigint, changed_ns bigint)
  JOIN intake.seen_files seen ON seen.kind = :kind AND seen.path = found.path
 WHERE (seen.size, seen.changed_ns) = (found.size, found.changed_ns);

-- name: handed
SELECT sha256 FROM intake.seen_contents WHERE kind = :kind AND sha256 = ANY (CAST(:contents AS text[]));

-- name: mark
-- In one order: two passes over two folders may hold the same.
WITH found AS MATERIALIZED (
  SELECT * FROM jsonb_to_recordset(CAST(:files AS jsonb)) AS found (path text, size bigint, changed_ns bigint, sha256 text)
), contents AS (
  INSERT INTO intake.seen_contents (kind, sha256, path, job_id, seen_at)
  SELECT DISTINCT ON (sha256) :kind, sha256, path, CAST(:job_id AS uuid), CAST(:now AS timestamptz)
    FROM found ORDER BY sha256, path
  ON CONFLICT (kind, sha256) DO NOTHING
)
INSERT INTO intake.seen_files (kind, path, size, changed_ns, sha256, seen_at)
SELECT :kind, path, size, changed_ns, sha256, CAST(:now AS timestamptz) FROM found ORDER BY path
ON CONFLICT (kind, path) DO UPDATE
  SET size = EXCLUDED.size, changed_ns = EXCLUDED.changed_ns, sha256 = EXCLUDED.sha256, seen_at = EXCLUDED.seen_at;
