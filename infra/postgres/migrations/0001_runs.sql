-- Runs, leases and switches: what design.md §5 keeps in the database.
-- The schema `ops` is made with the history of migrations, which lies in it.

-- 64 bits of SHA-256: at a million names the risk of a collision is 3e-8, and a collision
-- could only cause a false "already running".
CREATE FUNCTION ops.lock_key(name text) RETURNS bigint
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN ('x' || substr(encode(sha256(convert_to('cronshot/lock/' || name, 'UTF8')), 'hex'), 1, 16))::bit(64)::bigint;

CREATE TABLE ops.workers (
  worker      text PRIMARY KEY,
  enabled     boolean NOT NULL DEFAULT true,
  interval_s  integer NOT NULL CHECK (interval_s >= 0),
  faults      integer NOT NULL DEFAULT 0 CHECK (faults >= 0),
  tripped_at  timestamptz,
  probe_at    timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  CHECK ((tripped_at IS NULL) = (probe_at IS NULL))
);
COMMENT ON TABLE ops.workers IS 'One row per worker, and * for all of them. enabled = false: paused.';
COMMENT ON COLUMN ops.workers.faults IS 'Our own faults in a row; the tenth trips the worker.';

INSERT INTO ops.workers (worker, interval_s) VALUES ('*', 0), ('ebay-cycle', 300);

CREATE TABLE ops.leases (
  name         text PRIMARY KEY,
  fence        bigint NOT NULL DEFAULT 0,
  run_id       uuid,
  acquired_at  timestamptz,
  expires_at   timestamptz,
  CHECK ((run_id IS NULL) = (expires_at IS NULL)),
  CHECK ((run_id IS NULL) = (acquired_at IS NULL))
);

CREATE TABLE ops.runs (
  id            uuid PRIMARY KEY,
  worker        text NOT NULL,
  status        text NOT NULL CHECK (status IN ('running', 'finished', 'abandoned')),
  outcome       text CHECK (outcome IN ('done', 'partial', 'degraded', 'skipped', 'failed')),
  reason        text,
  detail        text,
  more          boolean NOT NULL DEFAULT false,
  counts        jsonb NOT NULL DEFAULT '{}',
  report        jsonb,
  via           text NOT NULL,
  delivery_id   text,
  request_hash  text NOT NULL,
  parameters    jsonb NOT NULL DEFAULT '{}',
  fence         bigint,
  started_at    timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  finished_at   timestamptz,
  CHECK ((status = 'running') = (finished_at IS NULL)),
  CHECK ((status = 'finished') = (outcome IS NOT NULL))
);
CREATE INDEX runs_by_worker ON ops.runs (worker, started_at DESC);
-- A fence: it took the worker's lease. Refused runs, which may be many, and those of named units have none.
CREATE INDEX runs_of_the_worker ON ops.runs (worker, started_at DESC) WHERE fence IS NOT NULL;
CREATE INDEX runs_running ON ops.runs (worker, expires_at) WHERE status = 'running';
CREATE INDEX runs_by_delivery ON ops.runs (worker, delivery_id, started_at DESC) WHERE delivery_id IS NOT NULL;
CREATE UNIQUE INDEX runs_one_per_delivery ON ops.runs (worker, delivery_id)
  WHERE delivery_id IS NOT NULL AND status = 'running';

CREATE TABLE ops.run_units (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id         uuid NOT NULL REFERENCES ops.runs ON DELETE CASCADE,
  account_id     bigint NOT NULL,
  stream         text NOT NULL,
  pass           text NOT NULL,
  outcome        text NOT NULL,
  reason         text,
  fetched        bigint NOT NULL,
  inserted       bigint NOT NULL,
  updated        bigint NOT NULL,
  unchanged      bigint NOT NULL,
  quarantined    bigint NOT NULL,
  pages          integer NOT NULL,
  calls          integer NOT NULL,
  window_from    timestamptz,
  window_to      timestamptz,
  cursor_before  timestamptz,
  cursor_after   timestamptz,
  started_at     timestamptz NOT NULL,
  finished_at    timestamptz NOT NULL,
  error          text,
  CHECK (fetched = inserted + updated + unchanged + quarantined)
);
CREATE INDEX run_units_by_run ON ops.run_units (run_id);
CREATE INDEX run_units_by_unit ON ops.run_units (account_id, stream, started_at DESC);

CREATE TABLE ops.run_events (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run_id      uuid NOT NULL REFERENCES ops.runs ON DELETE CASCADE,
  at          timestamptz NOT NULL,
  level       text NOT NULL CHECK (level IN ('info', 'warning', 'error')),
  event       text NOT NULL,
  account_id  bigint,
  stream      text,
  facts       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX run_events_by_run ON ops.run_events (run_id, at);

-- Derived, so that it cannot lie: nothing writes a heartbeat.
CREATE VIEW ops.worker_heartbeats AS
SELECT w.worker AS worker_id,
       w.worker AS worker_type,
       CASE
         WHEN w.tripped_at IS NOT NULL THEN 'error'
         WHEN NOT w.enabled OR NOT everything.enabled THEN 'stopped'
         WHEN latest.id IS NULL THEN 'starting'
         WHEN latest.status = 'running' AND latest.expires_at > clock_timestamp() THEN 'running'
         WHEN latest.status = 'running' OR latest.status = 'abandoned' THEN 'degraded'
         WHEN latest.outcome = 'failed' THEN 'error'
         WHEN latest.outcome = 'degraded' OR latest.reason = 'no_accounts' THEN 'degraded'
         WHEN latest.outcome = 'skipped' THEN 'stopped'
         WHEN latest.finished_at < clock_timestamp() - 2 * make_interval(secs => w.interval_s) THEN 'degraded'
         ELSE 'running'
       END AS status,
       CASE
         WHEN latest.status = 'finished'
          AND latest.outcome <> 'failed'
          AND latest.finished_at >= clock_timestamp() - 2 * make_interval(secs => w.interval_s)
         THEN clock_timestamp()
         WHEN latest.status = 'running' AND latest.expires_at > clock_timestamp() THEN clock_timestamp()
         ELSE COALESCE(latest.finished_at, latest.expires_at)
       END AS last_heartbeat_at,
       latest.id AS run_id,
       latest.outcome,
       latest.reason,
       latest.started_at,
       latest.finished_at,
       lease.expires_at AS leased_until,
       w.interval_s,
       latest.more
  FROM ops.workers w
 CROSS JOIN (SELECT enabled FROM ops.workers WHERE worker = '*') AS everything
  LEFT JOIN LATERAL (
         SELECT r.* FROM ops.runs r
          WHERE r.worker = w.worker
            -- A run that was refused is no sign of life, and one of named units or a dry one does not do the
            -- worker's work. One that began and found all accounts paused did.
            AND r.fence IS NOT NULL
          ORDER BY r.started_at DESC LIMIT 1
       ) AS latest ON true
  LEFT JOIN ops.leases lease ON lease.name = w.worker
 WHERE w.worker <> '*';
