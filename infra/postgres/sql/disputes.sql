-- list: paymentDisputeSummaries, table: ebay.disputes, key: payment_dispute_id
-- name: rows
SELECT raw ->> 'paymentDisputeId' AS payment_dispute_id,
       raw ->> 'paymentDisputeStatus' AS payment_dispute_status,
       raw ->> 'orderId' AS order_id,
       raw ->> 'buyerUsername' AS buyer_username,
       raw ->> 'reason' AS reason,
       CAST(raw #>> '{amount,value}' AS numeric) AS amount_value,
       raw #>> '{amount,currency}' AS amount_currency,
       CAST(raw ->> 'openDate' AS timestamptz) AS open_date,
       CAST(raw ->> 'respondByDate' AS timestamptz) AS respond_by_date,
       CAST(raw ->> 'closedDate' AS timestamptz) AS closed_date

-- name: open_range
SELECT min(open_date) FILTER (WHERE open_date >= :since) AS oldest,
       max(open_date) FILTER (WHERE open_date >= :since) AS newest,
       count(*) FILTER (WHERE open_date < :since) AS given_up
  FROM ebay.disputes
 WHERE account_id = :account_id
   AND (payment_dispute_status IS NULL OR payment_dispute_status <> 'CLOSED');
