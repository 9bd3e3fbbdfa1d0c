-- Court judgments that come in files: docs/intake.md. Lock order: the job's row, then the batch's, then rows by case
-- number.

-- It may be there: as `ebay` in 0002_ebay.sql.
DO $$ BEGIN
  IF to_regnamespace('intake') IS NULL THEN CREATE SCHEMA intake; END IF;
END $$;

CREATE TABLE intake.batches (
  id                       uuid PRIMARY KEY,
  job_id                   uuid NOT NULL,
  kind                     text NOT NULL,
  status                   text NOT NULL CHECK (status IN ('staging', 'upserting', 'completed', 'duplicate', 'failed')),
  file_path                text NOT NULL,
  file_hash                text NOT NULL CHECK (file_hash ~ '^[0-9a-f]{64}$'),
  source_reference         text,
  format                   text NOT NULL CHECK (format IN ('simplicity', 'foil', 'generic')),
  layout                   jsonb NOT NULL,
  rows_surveyed            integer NOT NULL CHECK (rows_surveyed >= 0),
  rows_read                integer NOT NULL DEFAULT 0 CHECK (rows_read >= 0),
  total                    integer NOT NULL DEFAULT 0 CHECK (total >= 0),
  staged                   integer NOT NULL DEFAULT 0 CHECK (staged >= 0),
  invalid                  integer NOT NULL DEFAULT 0 CHECK (invalid >= 0),
  warnings                 integer NOT NULL DEFAULT 0 CHECK (warnings >= 0),
  inserted                 integer NOT NULL DEFAULT 0 CHECK (inserted >= 0),
  updated                  integer NOT NULL DEFAULT 0 CHECK (updated >= 0),
  duplicate                integer NOT NULL DEFAULT 0 CHECK (duplicate >= 0),
  rejected                 integer NOT NULL DEFAULT 0 CHECK (rejected >= 0),
  error_threshold_percent  integer NOT NULL DEFAULT 10 CHECK (error_threshold_percent BETWEEN 0 AND 100),
  rejection_reason         text,
  duplicate_of             uuid,
  created_at               timestamptz NOT NULL,
  updated_at               timestamptz NOT NULL,
  finished_at              timestamptz,
  CHECK ((status IN ('completed', 'duplicate', 'failed')) = (finished_at IS NOT NULL)),
  CHECK ((status = 'duplicate') = (duplicate_of IS NOT NULL)),
  CHECK ((status = 'failed') = (rejection_reason IS NOT NULL)),
  -- What was read is accounted for, whatever became of it.
  CONSTRAINT batches_add_up CHECK (finished_at IS NULL OR total = inserted + updated + duplicate + rejected)
);
COMMENT ON COLUMN intake.batches.layout IS 'How the file is read: its encoding, delimiter and columns, the order of day and month.';
COMMENT ON COLUMN intake.batches.rows_read IS 'How far staging has come: the row of the file, its header is row 1.';
COMMENT ON COLUMN intake.batches.duplicate IS 'Rows that said nothing new: equal to what is stored, or said again in the same file.';
COMMENT ON COLUMN intake.batches.invalid IS 'Rows with an error; all that did not get in are rejected.';
-- A file is in the hands of one batch.
CREATE UNIQUE INDEX batches_at_work ON intake.batches (file_hash) WHERE finished_at IS NULL;
CREATE INDEX batches_by_file ON intake.batches (file_hash) WHERE status = 'completed';
CREATE INDEX batches_newest ON intake.batches (created_at);

CREATE TABLE intake.row_errors (
  batch_id    uuid NOT NULL REFERENCES intake.batches (id) ON DELETE CASCADE,
  row_number  integer NOT NULL,
  severity    text NOT NULL CHECK (severity IN ('error', 'warning')),
  column_name text NOT NULL,
  code        text NOT NULL,
  value       text CHECK (length(value) <= 40),
  PRIMARY KEY (batch_id, row_number, severity, column_name)
);
COMMENT ON COLUMN intake.row_errors.value IS 'The beginning of what stood there.';
COMMENT ON COLUMN intake.row_errors.column_name IS 'As the file calls it; empty: the row as a whole.';

-- What the database would refuse of a judgment it refuses here, before any of them is in.
CREATE TABLE intake.staged_rows (
  batch_id       uuid NOT NULL REFERENCES intake.batches (id) ON DELETE CASCADE,
  case_number    text COLLATE "C" NOT NULL CHECK (case_number <> ''),
  row_number     integer NOT NULL,
  plaintiff      text,
  defendant      text,
  amount         numeric(14, 2) CHECK (amount >= 0 AND amount < 'NaN'),
  filing_date    date,
  judgment_date  date,
  county         text,
  court          text,
  PRIMARY KEY (batch_id, case_number)
);

CREATE TABLE intake.judgments (
  id                uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  case_number       text COLLATE "C" NOT NULL UNIQUE CHECK (case_number <> ''),
  plaintiff         text NOT NULL,
  defendant         text NOT NULL,
  -- NaN is larger than every number.
  amount            numeric(14, 2) CHECK (amount >= 0 AND amount < 'NaN'),
  filing_date       date,
  judgment_date     date,
  county            text,
  court             text,
  source_reference  text,
  batch_id          uuid,
  created_at        timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL
);
COMMENT ON COLUMN intake.judgments.amount IS 'Null: no file said it. Nothing to pay is 0.';
COMMENT ON COLUMN intake.judgments.batch_id IS 'Of the file that last changed it.';
