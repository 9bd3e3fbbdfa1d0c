-- What the oracle of the queue remembers: every step of every job, by whom, and every effect.
CREATE SCHEMA storm;
CREATE TABLE storm.effects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  tx bigint NOT NULL DEFAULT txid_current(),
  job_id uuid NOT NULL,
  fence bigint NOT NULL
);
CREATE TABLE storm.log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  tx bigint NOT NULL DEFAULT txid_current(),
  process text NOT NULL DEFAULT current_setting('application_name'),
  job_id uuid NOT NULL,
  line text,
  seq bigint,
  old_status text,
  new_status text NOT NULL,
  old_fence bigint,
  new_fence bigint NOT NULL,
  old_holder uuid,
  new_holder uuid,
  old_leased_until timestamptz,
  new_leased_until timestamptz,
  attempts integer NOT NULL,
  max_attempts integer NOT NULL
);
CREATE FUNCTION storm.step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO storm.log (job_id, line, seq, old_status, new_status, old_fence, new_fence, old_holder, new_holder,
                         old_leased_until, new_leased_until, attempts, max_attempts)
  VALUES (NEW.id, NEW.queue || '/' || NEW.ordering_key, NEW.seq, OLD.status, NEW.status, OLD.fence, NEW.fence,
          OLD.locked_by, NEW.locked_by, OLD.leased_until, NEW.leased_until, NEW.attempts, NEW.max_attempts);
  RETURN NULL;
END $$;
CREATE FUNCTION storm.gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'O7: job % was deleted', OLD.id;
END $$;
CREATE TRIGGER storm AFTER INSERT OR UPDATE ON ops.jobs FOR EACH ROW EXECUTE FUNCTION storm.step();
CREATE TRIGGER storm_gone BEFORE DELETE ON ops.jobs FOR EACH ROW EXECUTE FUNCTION storm.gone();
