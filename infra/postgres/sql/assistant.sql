-- What the assistant of chats reads: bounded, however much is stored.

-- name: accounts
-- What needs somebody first. Their states are read for those that are shown only.
SELECT shown.id, shown.name, shown.environment, shown.status, shown.status_reason, shown.consent_ends_at,
       state.last_success_at, state.failing
  FROM (SELECT account.*, token.refresh_expires_at AS consent_ends_at,
               row_number() OVER (
                 ORDER BY array_position(CAST(ARRAY['needs_reconnect', 'paused', 'active', 'disconnected'] AS text[]), account.status),
                          COALESCE(token.refresh_expires_at <= CAST(:soon AS timestamptz), false) DESC, account.id) AS place
          FROM ebay.accounts account
          LEFT JOIN ebay.tokens token ON token.account_id = account.id
         ORDER BY place
         LIMIT :most) AS shown
 CROSS JOIN LATERAL (
         SELECT max(last_success_at) FILTER (WHERE pass = 'new') AS last_success_at,
                count(DISTINCT stream) FILTER (WHERE failures > 0 AND leased_by IS NULL) AS failing
           FROM ebay.sync_states WHERE sync_states.account_id = shown.id) AS state
 ORDER BY shown.place;

-- name: by_status
SELECT status, count(*) AS accounts FROM ebay.accounts GROUP BY status;

-- name: named
-- Also by the letters as they were typed: lower() of a database whose locale is C knows those of English only.
SELECT id, name, environment, status, status_reason FROM ebay.accounts
 WHERE name = ANY (CAST(:names AS text[])) OR lower(name) = ANY (CAST(:low AS text[]))
    OR starts_with(lower(name), :low_beginning) OR starts_with(name, :beginning)
 ORDER BY NOT (name = ANY (CAST(:names AS text[])) OR lower(name) = ANY (CAST(:low AS text[]))), name
 LIMIT :most;

-- name: suspects
-- A first look: every stream that core.streams.standing would not call on time is among these, and some more may be.
WITH awake AS MATERIALIZED (
  SELECT account.id, account.name, state.stream,
         bool_and(state.enabled) AS enabled,
         max(state.failures) AS failures,
         bool_or(state.last_reason IS NOT NULL) AS told,
         bool_or(state.pass = 'new' AND state.interval_s > 0
                 AND (state.last_success_at IS NULL
                      OR LEAST(state.last_success_at, state.cursor_at + make_interval(secs => :lag_s))
                         < CAST(:now AS timestamptz) - 2 * make_interval(secs => state.interval_s))) AS late,
         min(state.last_success_at) FILTER (WHERE state.pass = 'new') AS last_success_at
    FROM ebay.accounts account
    JOIN ebay.sync_states state ON state.account_id = account.id
   WHERE account.status = 'active'
   GROUP BY account.id, account.name, state.stream
), suspected AS MATERIALIZED (
  SELECT * FROM awake WHERE failures > 0 OR told OR late OR NOT enabled
)
SELECT (SELECT count(*) FROM awake) AS read, (SELECT count(*) FROM suspected) AS suspects,
       shown.name AS account, shown.stream
  FROM (SELECT) AS always
  LEFT JOIN (SELECT * FROM suspected
              ORDER BY enabled DESC, failures DESC, last_success_at NULLS FIRST, id, stream LIMIT :most) AS shown ON true;

-- name: order_sums
-- More than :read of them are not added up. By the index of their days.
WITH days AS MATERIALIZED (
  SELECT account_id, total_value, total_currency, cancel_state IS NOT DISTINCT FROM 'CANCELED' AS cancelled
    FROM ebay.orders
   WHERE creation_date >= CAST(:since AS timestamptz) AND creation_date < CAST(:until AS timestamptz)
     AND (CAST(:account_id AS bigint) IS NULL OR account_id = :account_id)
   ORDER BY creation_date
   LIMIT :read
)
SELECT account.name AS account, summed.currency, summed.orders, summed.total, summed.cancelled, summed.cancelled_total
  FROM (SELECT account_id, total_currency AS currency, count(*) AS orders, sum(total_value) AS total,
               count(*) FILTER (WHERE cancelled) AS cancelled, sum(total_value) FILTER (WHERE cancelled) AS cancelled_total
          FROM days GROUP BY account_id, total_currency) AS summed
  JOIN ebay.accounts account ON account.id = summed.account_id
 ORDER BY account.name, summed.currency;

-- name: latest_orders
-- A title is cut here: what a seller may write into one has no end.
SELECT account.name AS account, latest.order_id, latest.creation_date AS at, latest.total_value AS total,
       latest.total_currency AS currency, latest.order_payment_status AS payment, latest.order_fulfillment_status AS fulfillment,
       latest.cancel_state, line.title, line.lines
  FROM (SELECT * FROM ebay.orders
         WHERE creation_date >= CAST(:since AS timestamptz) AND creation_date < CAST(:until AS timestamptz)
           AND (CAST(:account_id AS bigint) IS NULL OR account_id = :account_id)
         ORDER BY creation_date DESC
         LIMIT :most) AS latest
  JOIN ebay.accounts account ON account.id = latest.account_id
 CROSS JOIN LATERAL (
         SELECT (array_agg(left(title, 1000) ORDER BY line_item_id))[1] AS title, count(*) AS lines
           FROM (SELECT title, line_item_id FROM ebay.order_lines
                  WHERE order_lines.account_id = latest.account_id AND order_lines.order_id = latest.order_id
                  ORDER BY line_item_id LIMIT 100) AS first_lines) AS line
 ORDER BY latest.creation_date DESC, latest.order_id;

-- name: money
-- More than :read transactions are not added up, and `read` says so. By the index of their days. Each transaction counts where `ebay.order_money` counts it (its migration says why), here by its day.
WITH days AS MATERIALIZED (
  SELECT account_id, transaction_id, transaction_type, booking_entry, amount_value, amount_currency,
         total_fee_amount_value, total_fee_amount_currency
    FROM ebay.transactions
   WHERE transaction_date >= CAST(:since AS timestamptz) AND transaction_date < CAST(:until AS timestamptz)
     AND (CAST(:account_id AS bigint) IS NULL OR account_id = :account_id)
   ORDER BY transaction_date
   LIMIT :read
), booked AS (
  SELECT days.account_id, part.currency,
         count(*) FILTER (WHERE NOT part.is_fee) AS transactions,
         COALESCE(sum(part.value) FILTER (WHERE transaction_type = 'SALE'), 0) AS gross,
         COALESCE(sum(CASE WHEN part.is_fee THEN part.value ELSE -part.value END)
                  FILTER (WHERE part.is_fee OR transaction_type = 'NON_SALE_CHARGE'), 0) AS fees,
         COALESCE(-sum(part.value) FILTER (WHERE transaction_type = 'REFUND'), 0) AS refunds,
         COALESCE(sum(part.value) FILTER (WHERE NOT part.is_fee), 0) AS net,
         COALESCE(-sum(part.value) FILTER (WHERE transaction_type = 'SHIPPING_LABEL'), 0) AS shipping_labels,
         COALESCE(-sum(part.value) FILTER (WHERE is_dispute), 0) AS disputes,
         COALESCE(sum(part.value) FILTER (
           WHERE NOT is_dispute AND transaction_type NOT IN ('SALE', 'REFUND', 'NON_SALE_CHARGE', 'SHIPPING_LABEL')), 0) AS other
    FROM days
   CROSS JOIN LATERAL (
           SELECT transaction_type = 'DISPUTE' OR (transaction_type = 'CREDIT' AND starts_with(transaction_id, 'DISPUTE_'))
         ) AS kind (is_dispute)
   CROSS JOIN LATERAL (
           VALUES (amount_currency, amount_value, false),
                  (COALESCE(total_fee_amount_currency, amount_currency),
                   CASE WHEN transaction_type IN ('SALE', 'REFUND')
                        THEN total_fee_amount_value * CASE booking_entry WHEN 'DEBIT' THEN -1 ELSE 1 END END, true)
         ) AS part (currency, value, is_fee)
   WHERE part.value IS NOT NULL
   GROUP BY days.account_id, part.currency
), paid AS (
  SELECT account.id AS account_id, payout.amount_currency AS currency,
         count(*) FILTER (WHERE payout_status = 'SUCCEEDED') AS payouts,
         COALESCE(sum(amount_value) FILTER (WHERE payout_status = 'SUCCEEDED'), 0) AS paid_out,
         COALESCE(sum(amount_value) FILTER (
           WHERE payout_status IS NULL OR payout_status NOT IN ('SUCCEEDED', 'REVERSED', 'TERMINAL_FAILED')), 0) AS coming
    FROM ebay.accounts account
   CROSS JOIN LATERAL (
           SELECT payout_status, amount_value, amount_currency FROM ebay.payouts
            WHERE payouts.account_id = account.id
              AND payout_date >= CAST(:since AS timestamptz) AND payout_date < CAST(:until AS timestamptz)) AS payout
   WHERE CAST(:account_id AS bigint) IS NULL OR account.id = :account_id
   GROUP BY account.id, payout.amount_currency
), either AS (
  SELECT account_id, currency FROM booked UNION SELECT account_id, currency FROM paid
)
SELECT account.name AS account, either.currency, (SELECT count(*) FROM days) AS read,
       COALESCE(booked.transactions, 0) AS transactions, COALESCE(booked.gross, 0) AS gross, COALESCE(booked.fees, 0) AS fees,
       COALESCE(booked.refunds, 0) AS refunds, COALESCE(booked.shipping_labels, 0) AS shipping_labels,
       COALESCE(booked.disputes, 0) AS disputes, COALESCE(booked.other, 0) AS other, COALESCE(booked.net, 0) AS net,
       COALESCE(paid.payouts, 0) AS payouts, COALESCE(paid.paid_out, 0) AS paid_out, COALESCE(paid.coming, 0) AS coming
  FROM either
  JOIN ebay.accounts account ON account.id = either.account_id
  LEFT JOIN booked ON booked.account_id = either.account_id AND booked.currency IS NOT DISTINCT FROM either.currency
  LEFT JOIN paid ON paid.account_id = either.account_id AND paid.currency IS NOT DISTINCT FROM either.currency
 ORDER BY account.name, either.currency
 LIMIT :most;
