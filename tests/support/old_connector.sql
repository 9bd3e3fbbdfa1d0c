-- The old connector's tables, as its migrations left them in December 2025.

CREATE TABLE users (
  id varchar(36) PRIMARY KEY, email varchar(255), ebay_connected boolean DEFAULT false,
  ebay_access_token text, ebay_refresh_token text, ebay_token_expires_at timestamptz,
  ebay_sandbox_access_token text, ebay_sandbox_refresh_token text, ebay_sandbox_token_expires_at timestamptz,
  ebay_environment varchar(20) DEFAULT 'sandbox', worker_notifications_enabled boolean NOT NULL DEFAULT true
);

CREATE TABLE ebay_accounts (
  id varchar(36) PRIMARY KEY,
  org_id varchar(36) NOT NULL REFERENCES users (id) ON DELETE CASCADE,
  ebay_user_id text NOT NULL,
  username text,
  house_name text NOT NULL,
  purpose text DEFAULT 'BOTH',
  marketplace_id text,
  site_id integer,
  connected_at timestamptz NOT NULL DEFAULT now(),
  is_active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (org_id, ebay_user_id)
);
CREATE UNIQUE INDEX ON ebay_accounts (org_id, house_name) WHERE is_active;

CREATE TABLE ebay_tokens (
  id varchar(36) PRIMARY KEY,
  ebay_account_id varchar(36) NOT NULL REFERENCES ebay_accounts (id) ON DELETE CASCADE,
  access_token text, refresh_token text, token_type text,
  expires_at timestamptz, refresh_expires_at timestamptz, last_refreshed_at timestamptz, refresh_error text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON ebay_tokens (expires_at);

CREATE TABLE ebay_authorizations (
  id varchar(36) PRIMARY KEY, ebay_account_id varchar(36) NOT NULL, scopes text[],
  created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);

CREATE TABLE ebay_sync_state (
  id varchar(36) PRIMARY KEY,
  ebay_account_id varchar(36) NOT NULL,
  ebay_user_id varchar(64) NOT NULL,
  api_family varchar(64) NOT NULL,
  enabled boolean NOT NULL DEFAULT true,
  backfill_completed boolean NOT NULL DEFAULT false,
  cursor_type varchar(64),
  cursor_value varchar(64),
  last_run_at timestamptz,
  last_error text,
  meta jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON ebay_sync_state (ebay_account_id, api_family);
CREATE INDEX ON ebay_sync_state (ebay_user_id);

CREATE TABLE ebay_worker_run (
  id varchar(36) PRIMARY KEY, ebay_account_id varchar(36) NOT NULL, ebay_user_id varchar(64) NOT NULL,
  api_family varchar(64) NOT NULL, status varchar(32) NOT NULL, started_at timestamptz, finished_at timestamptz,
  heartbeat_at timestamptz, summary_json jsonb, created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);

CREATE TABLE ebay_worker_global_config (
  id varchar(36) PRIMARY KEY,
  workers_enabled boolean NOT NULL DEFAULT true,
  defaults_json jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE ebay_connect_logs (
  id varchar(36) PRIMARY KEY, user_id varchar(36), environment varchar(20), action varchar(64),
  request jsonb, response jsonb, error text, source varchar(32), created_at timestamptz NOT NULL DEFAULT now()
);
