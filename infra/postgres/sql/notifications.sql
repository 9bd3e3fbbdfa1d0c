-- What eBay tells by itself. Lock order: notification, account, token, sync states, then the erasure (erasure.sql).
-- A notification belongs to no run, so it has no `:now`.

-- name: note
-- The same one sent ten times at once: the others wait here for the first, and find it done.
INSERT INTO ebay.notifications AS noted (notification_id, topic, received_at, event_at, publish_attempt_count)
VALUES (:notification_id, :topic, clock_timestamp(), :event_at, :publish_attempt_count)
ON CONFLICT (notification_id) DO UPDATE
   SET publish_attempt_count = GREATEST(noted.publish_attempt_count, EXCLUDED.publish_attempt_count)
RETURNING noted.xmax = 0 AS is_new;

-- name: settle
UPDATE ebay.notifications
   SET outcome = :outcome, account_ids = CAST(:account_ids AS bigint[]), effects = CAST(:effects AS jsonb)
 WHERE notification_id = :notification_id;

-- name: forget_old
-- A few with each that comes, so that nobody has to clear up. eBay repeats one for some hours.
WITH old AS (
  DELETE FROM ebay.notifications
   WHERE notification_id IN (
           SELECT notification_id FROM ebay.notifications
            WHERE received_at < clock_timestamp() - make_interval(days => 90)
            ORDER BY received_at LIMIT 20 FOR UPDATE SKIP LOCKED)
)
DELETE FROM ebay.erased_people
 WHERE person IN (
         SELECT person FROM ebay.erased_people
          WHERE keep_until < clock_timestamp() ORDER BY keep_until LIMIT 50 FOR UPDATE SKIP LOCKED);

-- name: accounts
-- By the id, which never changes; by the name only where no id is known.
WITH by_id AS (
  SELECT id FROM ebay.accounts
   WHERE environment = :environment AND ebay_user_id = ANY (CAST(:ids AS text[]))
)
SELECT id FROM by_id
UNION ALL
SELECT id FROM ebay.accounts
 WHERE NOT EXISTS (SELECT FROM by_id) AND environment = :environment
   AND lower(username COLLATE "C") = ANY (ARRAY(SELECT lower(name COLLATE "C") FROM unnest(CAST(:names AS text[])) AS name))
 ORDER BY id;

-- name: ask_owners
-- A consent that was given after the event stands, and so does one whose token was refreshed after it.
WITH stopped AS (
  UPDATE ebay.accounts account
     SET status = 'needs_reconnect', status_reason = :reason, updated_at = clock_timestamp()
   WHERE id = ANY (CAST(:account_ids AS bigint[])) AND status = 'active'
     AND (connected_at > CAST(:event_at AS timestamptz)) IS NOT TRUE
     AND NOT EXISTS (
           SELECT FROM ebay.tokens token
            WHERE token.account_id = account.id AND token.refreshed_at > CAST(:event_at AS timestamptz))
  RETURNING id
), off AS (
  UPDATE ebay.sync_states SET due_at = NULL WHERE account_id IN (SELECT id FROM stopped)
)
SELECT id FROM stopped ORDER BY id;

-- name: lock_accounts
SELECT 1 FROM ebay.accounts WHERE id = ANY (CAST(:account_ids AS bigint[])) ORDER BY id FOR NO KEY UPDATE;

-- name: make_due
-- One that is running goes on, and is due again if it cannot have seen this (finish_unit); one that
-- eBay asked to wait, waits.
UPDATE ebay.sync_states state
   SET hinted_at = clock_timestamp(),
       due_at = CASE WHEN state.leased_until > clock_timestamp() OR state.failures > 0 THEN state.due_at
                     ELSE LEAST(state.due_at, clock_timestamp()) END
  FROM ebay.accounts account
 WHERE account.id = state.account_id AND account.status = 'active'
   AND state.account_id = ANY (CAST(:account_ids AS bigint[])) AND state.stream = ANY (CAST(:streams AS text[]))
   AND state.due_at IS NOT NULL
RETURNING state.account_id, state.stream, state.pass;

-- name: close_accounts
-- eBay keeps no seller of this name any more: no token works, and who it was is not kept either. That he
-- is gone is: nobody else's rows may come under his name.
WITH closed AS (
  UPDATE ebay.accounts
     SET status = 'disconnected', status_reason = :reason, ebay_user_id = NULL, username = NULL,
         seller_gone_at = COALESCE(seller_gone_at, clock_timestamp()), updated_at = clock_timestamp()
   WHERE id = ANY (CAST(:account_ids AS bigint[]))
  RETURNING id
), tokens AS (
  DELETE FROM ebay.tokens WHERE account_id IN (SELECT id FROM closed) RETURNING account_id
), off AS (
  UPDATE ebay.sync_states SET due_at = NULL WHERE account_id IN (SELECT id FROM closed)
)
SELECT (SELECT count(*) FROM closed) AS accounts, (SELECT count(*) FROM tokens) AS tokens;
