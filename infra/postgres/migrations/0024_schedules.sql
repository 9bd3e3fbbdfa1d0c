-- Work that the clock brings: design.md §8. Each drain makes jobs of what is due. Lock order: schedule, then job.

CREATE TABLE ops.schedules (
  id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name          text COLLATE "C" NOT NULL UNIQUE CHECK (name <> ''),
  queue         text CHECK (queue <> ''),
  kind          text NOT NULL CHECK (kind <> ''),
  payload       jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
  ordering_key  text CHECK (ordering_key <> ''),
  priority      smallint NOT NULL DEFAULT 5 CHECK (priority IN (1, 5, 10, 20)),
  cron          text NOT NULL CHECK (cron <> ''),
  zone          text NOT NULL DEFAULT 'UTC' CHECK (zone <> ''),
  enabled       boolean NOT NULL DEFAULT true,
  misfire       text NOT NULL DEFAULT 'coalesce' CHECK (misfire IN ('coalesce', 'skip', 'catch_up')),
  catch_up      integer CHECK (catch_up BETWEEN 1 AND 100),
  grace_s       integer NOT NULL DEFAULT 300 CHECK (grace_s >= 60),
  overlap       boolean NOT NULL DEFAULT true,
  next_fire_at  timestamptz,
  last_fire_at  timestamptz,
  last_outcome  text CHECK (last_outcome IN ('fired', 'skipped')),
  last_reason   text,
  last_job_id   uuid,
  created_at    timestamptz NOT NULL,
  updated_at    timestamptz NOT NULL,
  -- As in ops.jobs.
  CONSTRAINT schedules_next_fire_at_readable
    CHECK (next_fire_at >= TIMESTAMPTZ '0001-01-01 Z' AND next_fire_at < TIMESTAMPTZ '10000-01-01 Z'),
  CONSTRAINT schedules_last_fire_at_readable
    CHECK (last_fire_at >= TIMESTAMPTZ '0001-01-01 Z' AND last_fire_at < TIMESTAMPTZ '10000-01-01 Z'),
  -- One that is on comes again, and one that is paused does not.
  CHECK (enabled = (next_fire_at IS NOT NULL)),
  CHECK ((misfire = 'catch_up') = (catch_up IS NOT NULL)),
  CHECK ((last_fire_at IS NULL) = (last_outcome IS NULL)),
  CHECK ((last_outcome IS NOT DISTINCT FROM 'skipped') = (last_reason IS NOT NULL))
);
COMMENT ON COLUMN ops.schedules.queue IS 'Null: its kind''s own.';
COMMENT ON COLUMN ops.schedules.last_fire_at IS 'The instant that was dealt with last, and not when that was.';
CREATE INDEX schedules_due ON ops.schedules (next_fire_at, id) WHERE next_fire_at IS NOT NULL;
