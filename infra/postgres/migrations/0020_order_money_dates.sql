-- When the money of an order last moved, and when what is known of it last changed: to ask for the young ones without asking
-- every transaction for every order.

-- As in 0004, and two columns more.
CREATE OR REPLACE VIEW ebay.order_money AS
SELECT booked.account_id, booked.order_id, part.currency,
       COALESCE(sum(part.value) FILTER (WHERE transaction_type = 'SALE'), 0) AS gross,
       COALESCE(sum(CASE WHEN part.is_fee THEN part.value ELSE -part.value END)
                FILTER (WHERE part.is_fee OR transaction_type = 'NON_SALE_CHARGE'), 0) AS fees,
       COALESCE(-sum(part.value) FILTER (WHERE transaction_type = 'REFUND'), 0) AS refunds,
       COALESCE(sum(part.value) FILTER (WHERE NOT part.is_fee), 0) AS net,
       COALESCE(sum(part.value) FILTER (WHERE NOT part.is_fee AND transaction_status = 'PAYOUT'), 0) AS payout,
       COALESCE(-sum(part.value) FILTER (WHERE transaction_type = 'SHIPPING_LABEL'), 0) AS shipping_labels,
       COALESCE(-sum(part.value) FILTER (WHERE is_dispute), 0) AS disputes,
       COALESCE(sum(part.value) FILTER (
         WHERE NOT is_dispute AND transaction_type NOT IN ('SALE', 'REFUND', 'NON_SALE_CHARGE', 'SHIPPING_LABEL')), 0) AS other,
       max(transaction_date) AS last_transaction_date,
       max(updated_at) AS updated_at
  FROM (
         SELECT account_id, order_id, transaction_id, transaction_type, transaction_status, booking_entry,
                amount_value, amount_currency, total_fee_amount_value, total_fee_amount_currency, transaction_date, updated_at
           FROM ebay.transactions
          WHERE order_id IS NOT NULL
         UNION ALL
         SELECT account_id,
                jsonb_path_query_first(raw, '$.references[*] ? (@.referenceType == "ORDER_ID").referenceId') #>> '{}',
                transaction_id, transaction_type, transaction_status, booking_entry,
                amount_value, amount_currency, total_fee_amount_value, total_fee_amount_currency, transaction_date, updated_at
           FROM ebay.transactions
          WHERE order_id IS NULL
       ) AS booked
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
 GROUP BY booked.account_id, booked.order_id, part.currency;

COMMENT ON COLUMN ebay.order_money.last_transaction_date IS 'Of its newest transaction; the sums are of all of them.';
COMMENT ON COLUMN ebay.order_money.updated_at IS 'When one of its transactions last changed here.';
