-- Files that were sent to us for the intake (`POST /api/v1/intake/files`), in pieces, so that none is ever held whole.

CREATE TABLE intake.uploads (
  id       uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name     text,
  size     bigint CHECK (size > 0),
  sha256   text,
  sent_at  timestamptz NOT NULL,
  CHECK ((sha256 IS NULL) = (size IS NULL))
);
COMMENT ON COLUMN intake.uploads.name IS 'As its sender called it, the first time.';
COMMENT ON COLUMN intake.uploads.sha256 IS 'NULL while it still arrives.';
COMMENT ON COLUMN intake.uploads.sent_at IS 'The last time; it is kept for RETENTION_DAYS from then on.';
-- The same content twice is one upload.
CREATE UNIQUE INDEX uploads_content ON intake.uploads (sha256);
CREATE INDEX uploads_oldest ON intake.uploads (sent_at);

CREATE TABLE intake.upload_chunks (
  upload_id  uuid NOT NULL REFERENCES intake.uploads (id) ON DELETE CASCADE,
  number     integer NOT NULL,
  content    bytea NOT NULL,
  PRIMARY KEY (upload_id, number)
);
