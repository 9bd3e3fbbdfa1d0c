-- What `watch_folder` has seen: docs/intake.md. Lock order: the job's row, contents, files.

-- A content is handed to a kind once, whatever its files are called.
CREATE TABLE intake.seen_contents (
  kind      text NOT NULL,
  sha256    text NOT NULL,
  path      text NOT NULL,
  job_id    uuid NOT NULL,
  seen_at   timestamptz NOT NULL,
  PRIMARY KEY (kind, sha256)
);
COMMENT ON COLUMN intake.seen_contents.path IS 'Where it was found first.';
COMMENT ON COLUMN intake.seen_contents.job_id IS 'The pass that found it.';

-- So that a file is read once, as long as nobody changes it.
CREATE TABLE intake.seen_files (
  kind        text NOT NULL,
  path        text NOT NULL,
  size        bigint NOT NULL,
  changed_ns  bigint NOT NULL,
  sha256      text NOT NULL,
  seen_at     timestamptz NOT NULL,
  PRIMARY KEY (kind, path)
);
COMMENT ON COLUMN intake.seen_files.changed_ns IS 'When it was changed, in nanoseconds since 1970 by its own machine.';
