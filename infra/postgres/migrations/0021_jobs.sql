-- Durable work: design.md §8. Lock order, everywhere: key rows by queue and key, then job rows.

CREATE TABLE ops.queues (
  queue       text PRIMARY KEY,
  enabled     boolean NOT NULL DEFAULT true,
  faults      integer NOT NULL DEFAULT 0 CHECK (faults >= 0),
  tripped_at  timestamptz,
  probe_at    timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  CHECK ((tripped_at IS NULL) = (probe_at IS NULL))
);
COMMENT ON TABLE ops.queues IS 'Queues that were paused or had faults; one without a row is open.';

-- One row per ordering key: the unit of mutual exclusion. Locking the job instead breaks order, measured.
CREATE TABLE ops.job_keys (
  queue         text NOT NULL,
  ordering_key  text NOT NULL,
  kind          text,
  priority      smallint NOT NULL DEFAULT 5 CHECK (priority IN (1, 5, 10, 20)),
  visible_at    timestamptz,
  fence         bigint NOT NULL DEFAULT 0,
  locked_by     uuid,
  paused        boolean NOT NULL DEFAULT false,
  PRIMARY KEY (queue, ordering_key),
  CHECK (locked_by IS NULL OR visible_at IS NOT NULL)
);
COMMENT ON COLUMN ops.job_keys.visible_at IS 'When its head may run, or its holder''s lease expires; null: nothing to do.';
COMMENT ON COLUMN ops.job_keys.priority IS 'Its head''s, as is the kind.';
COMMENT ON COLUMN ops.job_keys.fence IS 'Rises with each claim of its head, which takes it over as its own.';
CREATE INDEX job_keys_due ON ops.job_keys (queue, priority, visible_at) WHERE visible_at IS NOT NULL AND NOT paused;

CREATE SEQUENCE ops.job_seq;

CREATE TABLE ops.jobs (
  id               uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  seq              bigint DEFAULT nextval('ops.job_seq'),
  queue            text NOT NULL CHECK (queue <> ''),
  kind             text NOT NULL CHECK (kind <> ''),
  status           text NOT NULL CHECK (status IN
                     ('draft', 'pending', 'processing', 'waiting', 'completed', 'failed', 'dead', 'cancelled')),
  phase            text,
  ordering_key     text CHECK (ordering_key <> ''),
  priority         smallint NOT NULL DEFAULT 5 CHECK (priority IN (1, 5, 10, 20)),
  run_at           timestamptz NOT NULL,
  attempts         integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  max_attempts     integer NOT NULL CHECK (max_attempts >= 1),
  fence            bigint NOT NULL DEFAULT 0,
  locked_by        uuid,
  locked_at        timestamptz,
  leased_until     timestamptz,
  wait_name        text,
  wait_until       timestamptz,
  signal           jsonb,
  cancel_asked_at  timestamptz,
  payload          jsonb NOT NULL,
  result           jsonb,
  outcome          text,
  error_code       text CHECK (length(error_code) <= 128),
  error_detail     text CHECK (length(error_detail) <= 8000),
  idempotency_key  text,
  dedupe_key       text,
  origin           uuid,
  created_at       timestamptz NOT NULL,
  updated_at       timestamptz NOT NULL,
  started_at       timestamptz,
  finished_at      timestamptz,
  -- When a drain may take it: an expired lease needs no reaper, it is due. Null: a draft, or at its end.
  due_at           timestamptz GENERATED ALWAYS AS (CASE status
                     WHEN 'pending' THEN run_at WHEN 'processing' THEN leased_until WHEN 'waiting' THEN wait_until
                   END) STORED,
  -- Rows are made by hand as well. What no program of ours could read must not stop everybody who reads it: an
  -- infinity, a year before the first or of five digits.
  CONSTRAINT jobs_run_at_readable CHECK (run_at >= TIMESTAMPTZ '0001-01-01 Z' AND run_at < TIMESTAMPTZ '10000-01-01 Z'),
  CONSTRAINT jobs_wait_until_readable CHECK (wait_until >= TIMESTAMPTZ '0001-01-01 Z' AND wait_until < TIMESTAMPTZ '10000-01-01 Z'),
  -- Nothing can be stored that is neither claimable, leased, waiting with an end, a draft, nor at its end.
  CHECK ((status = 'processing') = (leased_until IS NOT NULL)),
  CHECK ((leased_until IS NULL) = (locked_by IS NULL) AND (leased_until IS NULL) = (locked_at IS NULL)),
  CHECK ((status = 'waiting') = (wait_until IS NOT NULL) AND (wait_until IS NULL) = (wait_name IS NULL)),
  CHECK ((status IN ('completed', 'failed', 'dead', 'cancelled')) = (finished_at IS NOT NULL)),
  CHECK (status <> 'processing' OR seq IS NOT NULL),
  CHECK (status <> 'dead' OR error_code IS NOT NULL)
);
COMMENT ON COLUMN ops.jobs.seq IS 'Its place in the line of its key, given under the key''s lock; null: not in line yet (a draft, or staged).';
COMMENT ON COLUMN ops.jobs.signal IS 'What woke it from waiting: the signal, or that its time was over.';
-- One index for each way to look: due without a key, the line of a key, the newest, the unique keys, the dead.
-- Each claim writes anew into the primary key's, the newest and one or two of the first three: no more than that.
CREATE INDEX jobs_due ON ops.jobs (queue, priority, due_at, seq) WHERE ordering_key IS NULL AND due_at IS NOT NULL;
CREATE INDEX jobs_line ON ops.jobs (queue, ordering_key, seq)
  WHERE ordering_key IS NOT NULL AND seq IS NOT NULL AND due_at IS NOT NULL;
CREATE UNIQUE INDEX jobs_one_per_key ON ops.jobs (queue, ordering_key)
  WHERE ordering_key IS NOT NULL AND status IN ('processing', 'waiting');
CREATE INDEX jobs_newest ON ops.jobs (created_at, id);
CREATE UNIQUE INDEX jobs_idempotency ON ops.jobs (idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_dedupe ON ops.jobs (queue, dedupe_key)
  WHERE dedupe_key IS NOT NULL AND finished_at IS NULL;
CREATE UNIQUE INDEX jobs_origin ON ops.jobs (origin) WHERE origin IS NOT NULL;
CREATE INDEX jobs_dead ON ops.jobs (queue, kind, error_code, finished_at) WHERE status = 'dead';

-- All that it says in words, of the kinds that send words: a person is found in these by them. Of others each claim
-- would pay for an index.
CREATE FUNCTION ops.job_text(payload jsonb, result jsonb, error_detail text) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CAST(payload AS text) || ' ' || COALESCE(CAST(result AS text), '') || ' ' || COALESCE(error_detail, '');
CREATE INDEX jobs_by_word ON ops.jobs USING gin (ebay.words(ops.job_text(payload, result, error_detail)))
  WHERE kind LIKE 'notify.%' OR kind = 'http_request';

-- A keyed job that another transaction asks for: it must not lock a key row there, or two that notify each other
-- deadlock. The job stands in ops.jobs already; here stands that it waits for its place in line.
CREATE TABLE ops.job_staging (
  seq           bigint PRIMARY KEY DEFAULT nextval('ops.job_seq'),
  job_id        uuid NOT NULL UNIQUE REFERENCES ops.jobs (id) ON DELETE CASCADE,
  queue         text NOT NULL,
  ordering_key  text NOT NULL
);
CREATE INDEX job_staging_by_key ON ops.job_staging (queue, ordering_key, seq);

CREATE TABLE ops.job_signals (
  job_id       uuid NOT NULL REFERENCES ops.jobs (id) ON DELETE CASCADE,
  seq          bigint NOT NULL DEFAULT nextval('ops.job_seq'),
  name         text NOT NULL CHECK (name <> ''),
  key          text,
  data         jsonb NOT NULL,
  received_at  timestamptz NOT NULL,
  consumed_at  timestamptz,
  PRIMARY KEY (job_id, seq),
  UNIQUE (job_id, name, key)
);
COMMENT ON COLUMN ops.job_signals.key IS 'The sender''s name for this delivery: a second one with it changes nothing.';

-- What is worth telling beside the columns of the job: retries, lost leases, cancels, signals. Written in the
-- transaction of the change.
CREATE TABLE ops.job_events (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id  uuid NOT NULL REFERENCES ops.jobs (id) ON DELETE CASCADE,
  run_id  uuid,
  at      timestamptz NOT NULL,
  event   text NOT NULL,
  code    text,
  detail  text,
  data    jsonb
);
CREATE INDEX job_events_by_job ON ops.job_events (job_id, id);

INSERT INTO ops.workers (worker, interval_s) VALUES ('queue-drain', 60);
