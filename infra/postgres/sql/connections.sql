-- Consents under way, and the end of connections. Lock order: account, token, sync states, events.

-- name: seller
SELECT id, name, environment, status, ebay_user_id, username, marketplace_ids, seller_gone_at IS NOT NULL AS seller_gone
  FROM ebay.accounts
 WHERE name = CAST(:name AS text)
    OR (environment = CAST(:environment AS text) AND ebay_user_id = CAST(:ebay_user_id AS text));

-- name: forget_old
DELETE FROM ebay.connect_states WHERE expires_at < clock_timestamp() - interval '1 day';

-- name: begin
INSERT INTO ebay.connect_states (state_digest, browser_digest, via, name, environment, marketplace_ids, scopes, begun_at, expires_at)
VALUES (:state_digest, :browser_digest, :via, :name, :environment, CAST(:marketplace_ids AS text[]), CAST(:scopes AS text[]),
        clock_timestamp(), clock_timestamp() + make_interval(secs => :lasts_s))
RETURNING id, expires_at;

-- name: take
-- Of two that come at once the second waits for this row, and finds it used.
UPDATE ebay.connect_states SET used_at = clock_timestamp()
 WHERE state_digest = :state_digest AND used_at IS NULL AND expires_at > clock_timestamp()
   AND (browser_digest IS NULL OR browser_digest = CAST(:browser_digest AS text))
   AND (CAST(:name AS text) IS NULL OR name = :name)
RETURNING id, via, name, environment, marketplace_ids, scopes;

-- name: why_not_taken
SELECT id, via, name, environment, marketplace_ids, scopes, used_at IS NOT NULL AS used, expires_at <= clock_timestamp() AS expired
  FROM ebay.connect_states WHERE state_digest = :state_digest;

-- name: is_connected
SELECT EXISTS (
  SELECT FROM ebay.connect_states state
    JOIN ebay.connect_events event ON event.attempt_id = state.id AND event.step = 'connected'
   WHERE state.state_digest = :state_digest);

-- name: note
INSERT INTO ebay.connect_events (at, attempt_id, step, via, account_name, environment, account_id, reason, detail)
VALUES (clock_timestamp(), :attempt_id, :step, :via, :account_name, :environment, :account_id, :reason, :detail);

-- name: note_stray
-- Anybody can call the address that eBay sends browsers to: what belongs to no attempt is bounded.
INSERT INTO ebay.connect_events (at, step, via, reason)
SELECT clock_timestamp(), 'refused', :via, :reason
 WHERE (SELECT count(*) FROM (
          SELECT FROM ebay.connect_events
           WHERE attempt_id IS NULL AND step = 'refused' AND at > clock_timestamp() - interval '1 hour'
           LIMIT 100) AS latest) < 100;

-- name: consented
UPDATE ebay.accounts
   SET scopes = CAST(:scopes AS text[]), scopes_told = :scopes_told, connected_at = clock_timestamp(), updated_at = clock_timestamp()
 WHERE id = :account_id
RETURNING status;

-- name: token
SELECT refresh_token FROM ebay.tokens WHERE account_id = :account_id;

-- name: lock_account
-- NO KEY: a page that is being stored holds its state and needs the account's key for its rows.
SELECT 1 FROM ebay.accounts WHERE id = :account_id FOR NO KEY UPDATE;

-- name: forget_token
DELETE FROM ebay.tokens WHERE account_id = :account_id;

-- name: disconnect
UPDATE ebay.accounts
   SET status = 'disconnected', status_reason = :reason, scopes = NULL, scopes_told = NULL, connected_at = NULL,
       updated_at = clock_timestamp()
 WHERE id = :account_id;

-- name: stop_states
UPDATE ebay.sync_states SET due_at = NULL WHERE account_id = :account_id;

-- name: held
SELECT which, held FROM ebay.rows_of_account(:account_id) ORDER BY place, which;

-- name: erase
SELECT ebay.erase_of_account(:account_id, :wanted, :most);
