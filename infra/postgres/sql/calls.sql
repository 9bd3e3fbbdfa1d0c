-- Calls counted and breakers: short transactions of their own, never a page's. By the run's :now.

-- name: reserve
-- The row is locked first, so what is granted is what is left. A day that is over counts no more.
-- Never more than a fifth of what is left: units side by side would keep its last calls from each other.
WITH budget AS MATERIALIZED (
  SELECT environment, api,
         CASE WHEN reset_at > :now THEN used ELSE 0 END AS used,
         CASE WHEN reset_at > :now THEN used_open ELSE 0 END AS used_open,
         CASE WHEN reset_at > :now THEN reset_at ELSE CAST(:next_reset AS timestamptz) END AS reset_at,
         COALESCE(call_limit, :usual_limit) AS call_limit,
         CASE WHEN blocked_until > :now THEN blocked_until END AS blocked_until
    FROM ebay.api_budgets
   WHERE environment = :environment AND api = :api
     FOR UPDATE
), rest AS (
  SELECT budget.*,
         CASE WHEN blocked_until IS NOT NULL THEN 0
              ELSE GREATEST(0, LEAST(floor(CAST(:share AS numeric) * call_limit) - used,
                                     floor(CAST(:open_share AS numeric) * call_limit) - used_open)) END AS calls_left
    FROM budget
), claim AS (
  SELECT rest.*, LEAST(:calls, calls_left, GREATEST(1, floor(calls_left / 5))) AS granted FROM rest
)
UPDATE ebay.api_budgets stored
   SET used = claim.used + claim.granted,
       used_open = claim.used_open + CASE WHEN CAST(:open_share AS numeric) IS NULL THEN 0 ELSE claim.granted END,
       reset_at = claim.reset_at
  FROM claim
 WHERE (stored.environment, stored.api) = (claim.environment, claim.api)
RETURNING CAST(claim.granted AS bigint) AS granted, stored.used, claim.call_limit, stored.reset_at, claim.blocked_until,
          stored.learned_at;

-- name: begin_budget
INSERT INTO ebay.api_budgets (environment, api) VALUES (:environment, :api)
ON CONFLICT (environment, api) DO NOTHING
RETURNING 1;

-- name: give_back
UPDATE ebay.api_budgets
   SET used = GREATEST(used - :calls, 0),
       used_open = GREATEST(used_open - :open_calls, 0)
 WHERE environment = :environment AND api = :api AND reset_at = :reset_at
RETURNING 1;

-- name: may_ask
INSERT INTO ebay.api_budgets AS budget (environment, api, asked_at)
VALUES (:environment, :api, :now)
ON CONFLICT (environment, api) DO UPDATE SET asked_at = EXCLUDED.asked_at
 WHERE (budget.asked_at IS NULL OR budget.asked_at <= CAST(:now AS timestamptz) - make_interval(mins => 5))
   AND (budget.learned_at IS NULL OR budget.learned_at <= CAST(:now AS timestamptz) - make_interval(hours => 24))
RETURNING 1;

-- name: learn
-- Others of the same application spend too: eBay's count stands where it is the higher one.
INSERT INTO ebay.api_budgets AS budget (environment, api, call_limit, remaining, used, reset_at, learned_at)
SELECT :environment, told.api, told.call_limit, told.remaining, GREATEST(told.call_limit - told.remaining, 0), told.reset_at, :now
  FROM jsonb_to_recordset(CAST(:told AS jsonb)) AS told (api text, call_limit bigint, remaining bigint, reset_at timestamptz)
 ORDER BY told.api
ON CONFLICT (environment, api) DO UPDATE
   SET call_limit = COALESCE(EXCLUDED.call_limit, budget.call_limit),
       remaining = EXCLUDED.remaining,
       used = GREATEST(CASE WHEN budget.reset_at > EXCLUDED.learned_at THEN budget.used ELSE 0 END, EXCLUDED.used),
       reset_at = COALESCE(EXCLUDED.reset_at, budget.reset_at),
       learned_at = EXCLUDED.learned_at
RETURNING 1;

-- name: breakers
SELECT environment, api, account_id, failures, probe_at FROM ebay.api_breakers;

-- name: count_failure
INSERT INTO ebay.api_breakers AS breaker (environment, api, account_id, failures, opened_at, probe_at)
SELECT scope.environment, scope.api, scope.account_id, 1,
       CASE WHEN :opens_after <= 1 THEN CAST(:now AS timestamptz) END,
       CASE WHEN :opens_after <= 1 THEN CAST(:probe_at AS timestamptz) END
  FROM jsonb_to_recordset(CAST(:scopes AS jsonb)) AS scope (environment text, api text, account_id bigint)
 ORDER BY 1, 2, 3
ON CONFLICT (environment, api, account_id) DO UPDATE
   SET failures = breaker.failures + 1,
       opened_at = CASE WHEN breaker.failures + 1 >= :opens_after THEN COALESCE(breaker.opened_at, :now) END,
       probe_at = CASE WHEN breaker.failures + 1 >= :opens_after THEN COALESCE(breaker.probe_at, :probe_at) END
RETURNING environment, api, account_id, failures, probe_at;

-- name: probe
-- Compare and set: of all that saw this instant one may try.
UPDATE ebay.api_breakers SET probe_at = :until
 WHERE environment = :environment AND api = :api AND account_id = :account_id AND probe_at = :seen
RETURNING 1;

-- name: close
DELETE FROM ebay.api_breakers breaker
 USING jsonb_to_recordset(CAST(:scopes AS jsonb)) AS scope (environment text, api text, account_id bigint)
 WHERE (breaker.environment, breaker.api, breaker.account_id) = (scope.environment, scope.api, scope.account_id)
RETURNING 1;
