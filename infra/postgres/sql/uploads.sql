-- Files that were sent to us. Lock order: the content's name, the upload, its chunks.

-- name: sweep
-- What broke off when its process died: nobody's upload takes an hour.
DELETE FROM intake.uploads
 WHERE id = ANY (ARRAY(
         SELECT id FROM intake.uploads
          WHERE sha256 IS NULL AND sent_at < clock_timestamp() - interval '1 hour'
          ORDER BY sent_at LIMIT 10
            FOR UPDATE SKIP LOCKED));

-- name: begin
INSERT INTO intake.uploads (name, sent_at) VALUES (:name, clock_timestamp()) RETURNING id;

-- name: add
INSERT INTO intake.upload_chunks (upload_id, number, content) VALUES (:id, :number, CAST(:content AS bytea));

-- name: lock_content
-- Two who send the same at once: the second one finds the first one's.
SELECT pg_advisory_xact_lock(ops.lock_key('upload ' || CAST(:sha256 AS text)));

-- name: same
UPDATE intake.uploads SET sent_at = clock_timestamp() WHERE sha256 = :sha256 RETURNING id;

-- name: finish
UPDATE intake.uploads SET sha256 = :sha256, size = :size, sent_at = clock_timestamp() WHERE id = :id;

-- name: discard
DELETE FROM intake.uploads WHERE id = :id;

-- name: look
SELECT name, size, sha256 FROM intake.uploads WHERE id = :id AND sha256 IS NOT NULL;

-- name: chunk
SELECT content FROM intake.upload_chunks WHERE upload_id = :id AND number = :number;
