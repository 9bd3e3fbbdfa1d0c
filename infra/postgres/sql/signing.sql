-- Signing keys: made by one process at a time. The right to make one is a lease with a fence: it lives
-- by clock_timestamp(). No other row is locked beside them.

-- name: read
SELECT signing.*, clock_timestamp() AS read_at
  FROM ebay.signing_keys signing WHERE (environment, client_id) = (:environment, :client_id);

-- name: now
SELECT clock_timestamp() AS read_at;

-- name: list
SELECT signing.*, clock_timestamp() AS read_at, COALESCE(leased_until > clock_timestamp(), false) AS making
  FROM ebay.signing_keys signing ORDER BY environment, client_id;

-- name: start
INSERT INTO ebay.signing_keys AS signing (environment, client_id, fence, leased_until)
VALUES (:environment, :client_id, 1, clock_timestamp() + make_interval(secs => :lease_s))
ON CONFLICT (environment, client_id) DO UPDATE
   SET fence = signing.fence + 1, leased_until = EXCLUDED.leased_until
 WHERE signing.version = :version
   AND (signing.leased_until IS NULL OR signing.leased_until <= clock_timestamp())
RETURNING fence;

-- name: save
UPDATE ebay.signing_keys
   SET key_id = :key_id, cipher = :cipher, jwe = :jwe, private_key = :private_key,
       created_at = CAST(:created_at AS timestamptz), expires_at = CAST(:expires_at AS timestamptz),
       version = version + 1, leased_until = NULL, retry_at = NULL, last_error = NULL
 WHERE (environment, client_id) = (:environment, :client_id) AND fence = :fence
RETURNING 1;

-- name: fail
UPDATE ebay.signing_keys
   SET leased_until = NULL, last_error = :error,
       retry_at = clock_timestamp() + make_interval(secs => :wait_s)
 WHERE (environment, client_id) = (:environment, :client_id) AND fence = :fence
RETURNING retry_at;
