-- Rows are made by hand as well. What no program of ours could read must not stop everybody who reads it: an infinity, a
-- year before the first or of five digits.
ALTER TABLE ops.jobs
  ADD CONSTRAINT jobs_run_at_readable CHECK (run_at >= TIMESTAMPTZ '0001-01-01 Z' AND run_at < TIMESTAMPTZ '10000-01-01 Z'),
  ADD CONSTRAINT jobs_wait_until_readable CHECK (wait_until >= TIMESTAMPTZ '0001-01-01 Z' AND wait_until < TIMESTAMPTZ '10000-01-01 Z');
ALTER TABLE ops.schedules
  ADD CONSTRAINT schedules_next_fire_at_readable
    CHECK (next_fire_at >= TIMESTAMPTZ '0001-01-01 Z' AND next_fire_at < TIMESTAMPTZ '10000-01-01 Z'),
  ADD CONSTRAINT schedules_last_fire_at_readable
    CHECK (last_fire_at >= TIMESTAMPTZ '0001-01-01 Z' AND last_fire_at < TIMESTAMPTZ '10000-01-01 Z');
