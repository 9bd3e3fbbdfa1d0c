-- Who changes a thousand jobs of a line in one statement marks the line once: drains put lines right some at a time.

CREATE OR REPLACE FUNCTION ops.stage_by_hand() RETURNS trigger
  LANGUAGE plpgsql AS $$
DECLARE
  stands boolean := TG_OP <> 'DELETE';
  in_place boolean := TG_OP = 'UPDATE';
BEGIN
  IF stands THEN
    stands := NEW.ordering_key IS NOT NULL AND NEW.due_at IS NOT NULL;
  END IF;
  IF in_place THEN
    in_place := stands AND OLD.due_at IS NOT NULL
                AND (OLD.queue, OLD.ordering_key) IS NOT DISTINCT FROM (NEW.queue, NEW.ordering_key);
  END IF;
  IF stands AND TG_OP = 'UPDATE' AND NOT in_place AND NEW.status = 'pending' AND NEW.seq IS NOT NULL THEN
    UPDATE ops.jobs SET seq = NULL WHERE id = NEW.id;
  END IF;
  -- Only marks of this transaction are looked at: another one may be taken away by a drain that does not see this yet.
  IF stands AND NOT (in_place AND NEW.seq IS NOT NULL AND EXISTS (
       SELECT FROM ops.job_staging
        WHERE queue = NEW.queue AND ordering_key = NEW.ordering_key AND xmin = CAST(pg_current_xact_id() AS xid))) THEN
    INSERT INTO ops.job_staging (job_id, queue, ordering_key) VALUES (NEW.id, NEW.queue, NEW.ordering_key)
    ON CONFLICT (job_id) DO UPDATE SET queue = EXCLUDED.queue, ordering_key = EXCLUDED.ordering_key;
  END IF;
  -- Who comes after one that has left its line.
  IF TG_OP <> 'INSERT' AND NOT in_place THEN
    IF OLD.ordering_key IS NOT NULL AND OLD.due_at IS NOT NULL THEN
      INSERT INTO ops.job_staging (job_id, queue, ordering_key)
      SELECT id, queue, ordering_key FROM ops.jobs
       WHERE queue = OLD.queue AND ordering_key = OLD.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
       ORDER BY seq LIMIT 1
      ON CONFLICT (job_id) DO NOTHING;
    END IF;
  END IF;
  RETURN NULL;
END $$;
