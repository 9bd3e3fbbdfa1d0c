-- The old connector's tables, as one instant. Columns came and went with its migrations, so each is taken out of the
-- row's JSON, where one that is not there is null; nothing is taken that may be endless.

-- name: tables
SELECT wanted.name, to_regclass(wanted.name) IS NOT NULL AS there
  FROM unnest(ARRAY['ebay_accounts', 'ebay_tokens', 'ebay_sync_state', 'users', 'ebay_connect_logs',
                    'ebay_worker_global_config']) AS wanted (name);

-- name: accounts
SELECT left(kept ->> 'id', 100) AS id, left(kept ->> 'org_id', 100) AS owner, left(kept ->> 'ebay_user_id', 200) AS seller,
       left(kept ->> 'username', 200) AS username, left(kept ->> 'house_name', 500) AS label,
       left(kept ->> 'purpose', 50) AS purpose, left(kept ->> 'marketplace_id', 50) AS marketplace_id,
       COALESCE(kept ->> 'is_active', 'true') = 'true' AS active
  FROM (SELECT to_jsonb(account) AS kept FROM ebay_accounts account) AS stored
 ORDER BY kept ->> 'connected_at', kept ->> 'id';

-- name: tokens
SELECT left(kept ->> 'ebay_account_id', 100) AS account_id, left(kept ->> 'refresh_token', 20000) AS refresh_token,
       left(kept ->> 'access_token', 7) AS access_begins, kept ->> 'refresh_expires_at' AS refresh_expires_at,
       COALESCE(position('invalid_grant' IN kept ->> 'refresh_error') > 0, false) AS refused,
       COALESCE(kept ->> 'last_refreshed_at', kept ->> 'updated_at', kept ->> 'created_at') AS stored_at
  FROM (SELECT to_jsonb(token) AS kept FROM ebay_tokens token) AS stored
 ORDER BY kept ->> 'id';

-- name: states
SELECT left(kept ->> 'ebay_account_id', 100) AS account_id, left(kept ->> 'api_family', 100) AS family,
       COALESCE(kept ->> 'enabled', 'true') = 'true' AS enabled, left(kept ->> 'cursor_value', 200) AS cursor,
       kept ->> 'last_run_at' AS last_run_at
  FROM (SELECT to_jsonb(state) AS kept FROM ebay_sync_state state) AS stored
 ORDER BY kept ->> 'api_family', kept ->> 'id';

-- name: users
SELECT left(kept ->> 'id', 100) AS id, left(kept ->> 'ebay_environment', 50) AS environment
  FROM (SELECT to_jsonb(owner) AS kept FROM users owner) AS stored;

-- name: connected
SELECT DISTINCT left(kept ->> 'user_id', 100) AS user_id, left(kept ->> 'environment', 50) AS environment
  FROM (SELECT to_jsonb(entry) - 'request' - 'response' AS kept FROM ebay_connect_logs entry) AS stored
 WHERE kept ->> 'action' = 'connect_success'
 ORDER BY 1, 2;

-- name: switch
SELECT bool_and(COALESCE(kept ->> 'workers_enabled', 'true') = 'true') AS enabled
  FROM (SELECT to_jsonb(config) AS kept FROM ebay_worker_global_config config) AS stored;
