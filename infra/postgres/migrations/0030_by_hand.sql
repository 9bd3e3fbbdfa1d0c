-- People write to ops.jobs by hand, and a key row that says something else than its head would leave a line for ever
-- unclaimed. What somebody else than a program of ours changes in a line is staged, and the next drain puts it right,
-- under the lock that the changing one must not take. Ours say who they are in each transaction.

CREATE FUNCTION ops.is_by_hand() RETURNS boolean
  LANGUAGE sql STABLE
  RETURN COALESCE(current_setting('cronshot.engine', true), '') <> 'on';

-- Its place in line is given under the lock of its key: an earlier number than that of the job at work would let two
-- of them run at once.
CREATE FUNCTION ops.job_without_place() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  NEW.seq := NULL;
  RETURN NEW;
END $$;
CREATE TRIGGER job_without_place BEFORE INSERT ON ops.jobs FOR EACH ROW
  WHEN (NEW.ordering_key IS NOT NULL AND NEW.status IN ('draft', 'pending') AND ops.is_by_hand())
  EXECUTE FUNCTION ops.job_without_place();

CREATE FUNCTION ops.stage_by_hand() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' THEN
    IF NEW.ordering_key IS NOT NULL AND NEW.due_at IS NOT NULL THEN
      IF TG_OP = 'UPDATE' AND NEW.status = 'pending' AND NEW.seq IS NOT NULL
         AND (OLD.due_at IS NULL OR (OLD.queue, OLD.ordering_key) IS DISTINCT FROM (NEW.queue, NEW.ordering_key)) THEN
        UPDATE ops.jobs SET seq = NULL WHERE id = NEW.id;
      END IF;
      INSERT INTO ops.job_staging (job_id, queue, ordering_key) VALUES (NEW.id, NEW.queue, NEW.ordering_key)
      ON CONFLICT (job_id) DO UPDATE SET queue = EXCLUDED.queue, ordering_key = EXCLUDED.ordering_key;
    END IF;
  END IF;
  -- Who comes after one that has left its line.
  IF TG_OP <> 'INSERT' AND OLD.ordering_key IS NOT NULL AND OLD.due_at IS NOT NULL THEN
    INSERT INTO ops.job_staging (job_id, queue, ordering_key)
    SELECT id, queue, ordering_key FROM ops.jobs
     WHERE queue = OLD.queue AND ordering_key = OLD.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
     ORDER BY seq LIMIT 1
    ON CONFLICT (job_id) DO NOTHING;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER staged_by_hand AFTER INSERT ON ops.jobs FOR EACH ROW
  WHEN (NEW.ordering_key IS NOT NULL AND NEW.status = 'pending' AND ops.is_by_hand())
  EXECUTE FUNCTION ops.stage_by_hand();
CREATE TRIGGER changed_by_hand AFTER UPDATE ON ops.jobs FOR EACH ROW
  WHEN ((OLD.ordering_key IS NOT NULL OR NEW.ordering_key IS NOT NULL) AND ops.is_by_hand()
        AND (OLD.queue, OLD.ordering_key, OLD.kind, OLD.priority, OLD.due_at, OLD.locked_by)
            IS DISTINCT FROM (NEW.queue, NEW.ordering_key, NEW.kind, NEW.priority, NEW.due_at, NEW.locked_by))
  EXECUTE FUNCTION ops.stage_by_hand();
CREATE TRIGGER deleted_by_hand AFTER DELETE ON ops.jobs FOR EACH ROW
  WHEN (OLD.ordering_key IS NOT NULL AND OLD.due_at IS NOT NULL AND ops.is_by_hand())
  EXECUTE FUNCTION ops.stage_by_hand();

CREATE FUNCTION ops.stage_line_by_hand() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ops.job_staging (job_id, queue, ordering_key)
  SELECT id, queue, ordering_key FROM ops.jobs
   WHERE queue = OLD.queue AND ordering_key = OLD.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
   ORDER BY seq LIMIT 1
  ON CONFLICT (job_id) DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER key_deleted_by_hand AFTER DELETE ON ops.job_keys FOR EACH ROW
  WHEN (OLD.visible_at IS NOT NULL AND ops.is_by_hand())
  EXECUTE FUNCTION ops.stage_line_by_hand();

COMMENT ON COLUMN ops.job_keys.fence IS
  'Rises with each claim of its head, which takes it over; begins anew where the key was forgotten. What a write must show is its job''s own.';
