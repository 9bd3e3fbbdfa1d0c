-- Accounts and the states of their streams. Lock order: account, token, sync states.

-- name: insert
INSERT INTO ebay.accounts (name, environment, ebay_user_id, username, marketplace_ids)
VALUES (:name, :environment, :ebay_user_id, :username, CAST(:marketplace_ids AS text[]))
ON CONFLICT DO NOTHING
RETURNING id;

-- name: insert_missing_states
-- Of this account, or of all. Due at once; the second pass when there can be something to read again.
-- FOR SHARE: an account that is being paused is waited for; by the statement's own snapshot it would
-- still be active, and its new units due.
INSERT INTO ebay.sync_states (account_id, stream, pass, interval_s, due_at)
SELECT missing.id, missing.stream, missing.pass, missing.interval_s,
       CASE WHEN missing.interval_s > 0 AND missing.status = 'active'
            THEN clock_timestamp() + make_interval(secs => CASE missing.pass WHEN 'open' THEN missing.interval_s ELSE 0 END) END
  FROM (SELECT account.id, account.status, state.*
          FROM ebay.accounts account
         CROSS JOIN jsonb_to_recordset(CAST(:states AS jsonb)) AS state (stream text, pass text, interval_s integer)
         WHERE (CAST(:account_id AS bigint) IS NULL OR account.id = :account_id)
           AND NOT EXISTS (
                 SELECT FROM ebay.sync_states stored
                  WHERE (stored.account_id, stored.stream, stored.pass) = (account.id, state.stream, state.pass))
         ORDER BY account.id, state.stream, state.pass
           FOR SHARE OF account) AS missing
ON CONFLICT (account_id, stream, pass) DO NOTHING
RETURNING 1;

-- name: store_token
-- A row that was deleted begins above every fence that it ever had: by the clock, which refreshes do not overtake.
INSERT INTO ebay.tokens AS token (account_id, refresh_token, refresh_expires_at, access_token, access_expires_at, refreshed_at, fence)
VALUES (:account_id, :refresh_token, clock_timestamp() + make_interval(secs => CAST(:refresh_expires_in_s AS float8)),
        :access_token, clock_timestamp() + make_interval(secs => CAST(:access_expires_in_s AS float8)), clock_timestamp(),
        CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint))
ON CONFLICT (account_id) DO UPDATE
   SET refresh_token = EXCLUDED.refresh_token,
       refresh_expires_at = EXCLUDED.refresh_expires_at,
       access_token = EXCLUDED.access_token,
       access_expires_at = EXCLUDED.access_expires_at,
       refreshed_at = EXCLUDED.refreshed_at,
       retry_at = NULL,
       warned_days = NULL,
       version = token.version + 1,
       fence = token.fence + 1,
       leased_by = NULL, leased_until = NULL;

-- name: domicile
-- What eBay has demanded it demands still, wherever it says that the seller lives.
UPDATE ebay.accounts
   SET registration_marketplace_id = COALESCE(CAST(:registration_marketplace_id AS text), registration_marketplace_id),
       country = COALESCE(CAST(:country AS text), country),
       signed_because = CASE WHEN :must_sign THEN COALESCE(signed_because, 'domicile')
                             WHEN signed_because = 'demanded' THEN signed_because END
 WHERE id = :account_id;

-- name: identify
-- Compared and set, as core.sellers compares: rows of two sellers never lie under one account, whoever was
-- faster. Somebody who is gone stays so.
UPDATE ebay.accounts account
   SET ebay_user_id = :ebay_user_id, username = COALESCE(CAST(:username AS text), username), updated_at = clock_timestamp()
 WHERE id = :account_id AND seller_gone_at IS NULL
   AND (ebay_user_id = :ebay_user_id
        OR (ebay_user_id IS NULL AND lower(username) IN (lower(CAST(:ebay_user_id AS text)), lower(CAST(:username AS text)))))
   AND NOT EXISTS (
         SELECT FROM ebay.accounts other
          WHERE other.environment = account.environment AND other.ebay_user_id = :ebay_user_id AND other.id <> account.id)
RETURNING 1;

-- name: switch
-- Compared and set: a revocation that came between the look and the switch must stand.
UPDATE ebay.accounts SET status = :status, status_reason = NULL, updated_at = clock_timestamp()
 WHERE id = :account_id AND status = ANY (CAST(:from AS text[]))
RETURNING 1;

-- name: switch_states
-- A unit that is running keeps its lease; its next page sees the switch.
UPDATE ebay.sync_states
   SET due_at = CASE WHEN :active AND enabled AND interval_s > 0 THEN COALESCE(leased_until, clock_timestamp()) END
 WHERE account_id = :account_id;

-- name: list
-- A second pass that found nothing to read again has read nothing: its success says nothing.
SELECT account.id, account.name, account.environment, account.status, account.status_reason, account.ebay_user_id,
       account.username, account.marketplace_ids, account.country, account.registration_marketplace_id,
       account.signed_because, account.scopes, account.seller_gone_at IS NOT NULL AS seller_gone, token.access_expires_at, token.refresh_expires_at,
       state.last_success_at, state.failing
  FROM ebay.accounts account
  LEFT JOIN ebay.tokens token ON token.account_id = account.id
 CROSS JOIN LATERAL (
         SELECT max(last_success_at) FILTER (WHERE pass = 'new') AS last_success_at,
                count(*) FILTER (WHERE failures > 0 AND leased_by IS NULL) AS failing
           FROM ebay.sync_states WHERE sync_states.account_id = account.id) state
 WHERE CAST(:name AS text) IS NULL OR account.name = :name
 ORDER BY account.id;
