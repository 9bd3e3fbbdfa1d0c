-- What a job has beside itself as a task: design.md §8, `/api/v1/tasks`. Lock order: job row, then task row.

ALTER TABLE ops.jobs ADD COLUMN is_task boolean NOT NULL DEFAULT false;

CREATE TABLE ops.tasks (
  job_id         uuid PRIMARY KEY REFERENCES ops.jobs (id) ON DELETE CASCADE,
  domain         text,
  description    text NOT NULL,
  original_text  text,
  drift_score    double precision NOT NULL,
  event_tags     text[] NOT NULL,
  confidence     double precision NOT NULL,
  attributes     jsonb NOT NULL,
  redacted       jsonb NOT NULL,
  tagging_error  text,
  enrichment     jsonb,
  enriched_at    timestamptz,
  digest         bytea NOT NULL,
  created_at     timestamptz NOT NULL,
  changed_at     timestamptz NOT NULL
);
COMMENT ON COLUMN ops.tasks.description IS 'Without what is personal.';
COMMENT ON COLUMN ops.tasks.original_text IS 'As it came; only where `preserve_original_text` asked for it.';
COMMENT ON COLUMN ops.tasks.redacted IS 'How much of which kind was taken out.';
COMMENT ON COLUMN ops.tasks.digest IS 'Of what makes it the same task as another one, by the key of this database.';
CREATE INDEX tasks_newest ON ops.tasks (created_at, job_id);
CREATE INDEX tasks_changed ON ops.tasks (changed_at, job_id);
-- All that it says in words; a person is found in it by them.
CREATE FUNCTION ops.task_text(description text, original_text text, domain text, enrichment jsonb) RETURNS text
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN description || ' ' || COALESCE(original_text, '') || ' ' || COALESCE(domain, '') || ' ' || COALESCE(CAST(enrichment AS text), '');
CREATE INDEX tasks_by_word ON ops.tasks USING gin (ebay.words(ops.task_text(description, original_text, domain, enrichment)));
CREATE INDEX tasks_same ON ops.tasks (digest, created_at);

-- Who polls for changes sees each; jobs that are no tasks pay the test of a flag. AFTER: a trigger before it would lock
-- every row of every update once more.
CREATE FUNCTION ops.task_changed() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  UPDATE ops.tasks SET changed_at = clock_timestamp() WHERE job_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER task_changed AFTER UPDATE ON ops.jobs FOR EACH ROW
  WHEN (NEW.is_task AND (OLD.status, OLD.phase, OLD.attempts, OLD.run_at, OLD.priority, OLD.cancel_asked_at)
                        IS DISTINCT FROM (NEW.status, NEW.phase, NEW.attempts, NEW.run_at, NEW.priority, NEW.cancel_asked_at))
  EXECUTE FUNCTION ops.task_changed();

-- Digests of what callers sent, by this database's own key: of a phone number all that there are can be tried.

CREATE FUNCTION ops.task_digest(told bytea) RETURNS bytea
  LANGUAGE sql STABLE STRICT
  RETURN (SELECT sha256(key || sha256(key || told)) FROM ebay.erasure_key);
