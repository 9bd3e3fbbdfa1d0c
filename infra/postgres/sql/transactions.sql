-- name: store
-- One page of getTransactions. eBay gives these rows no version: of two answers the later one is true.
-- Why stored hashes are made and looked up like this: see orders.sql.
WITH entry AS MATERIALIZED (
  SELECT DISTINCT ON (transaction_id, transaction_type)
         transaction_id, transaction_type, raw, hashtextextended(CAST(raw AS text), 0) AS content_hash
    FROM (SELECT raw ->> 'transactionId' AS transaction_id, raw ->> 'transactionType' AS transaction_type, raw, place
            FROM jsonb_array_elements(CAST(:page AS jsonb) -> 'transactions') WITH ORDINALITY AS element (raw, place)) AS page
   ORDER BY transaction_id, transaction_type, place DESC
), fresh AS MATERIALIZED (
  SELECT entry.*
    FROM entry
   WHERE entry.content_hash IS DISTINCT FROM (
           SELECT stored.content_hash FROM ebay.transactions stored
            WHERE stored.account_id = :account_id AND stored.transaction_id = entry.transaction_id
              AND stored.transaction_type = entry.transaction_type)
), changed AS (
  INSERT INTO ebay.transactions AS stored (
         account_id, transaction_id, transaction_type, transaction_date, transaction_status, booking_entry, amount_value,
         amount_currency, order_id, payout_id, fee_type, total_fee_amount_value, total_fee_amount_currency,
         total_fee_basis_amount_value, total_fee_basis_amount_currency, buyer_username, sales_record_reference,
         transaction_memo, payments_entity, raw, content_hash, first_seen_at, updated_at)
  SELECT :account_id, transaction_id, transaction_type, CAST(raw ->> 'transactionDate' AS timestamptz),
         raw ->> 'transactionStatus', raw ->> 'bookingEntry',
         CAST(raw #>> '{amount,value}' AS numeric) * CASE raw ->> 'bookingEntry' WHEN 'DEBIT' THEN -1 ELSE 1 END,
         raw #>> '{amount,currency}', raw ->> 'orderId', raw ->> 'payoutId', raw ->> 'feeType',
         CAST(raw #>> '{totalFeeAmount,value}' AS numeric), raw #>> '{totalFeeAmount,currency}',
         CAST(raw #>> '{totalFeeBasisAmount,value}' AS numeric), raw #>> '{totalFeeBasisAmount,currency}',
         raw #>> '{buyer,username}', raw ->> 'salesRecordReference', raw ->> 'transactionMemo', raw ->> 'paymentsEntity',
         raw, content_hash, :read_at, :read_at
    FROM fresh
   ORDER BY transaction_id, transaction_type
  ON CONFLICT (account_id, transaction_id, transaction_type) DO UPDATE
     SET transaction_date = EXCLUDED.transaction_date,
         transaction_status = EXCLUDED.transaction_status,
         booking_entry = EXCLUDED.booking_entry,
         amount_value = EXCLUDED.amount_value,
         amount_currency = EXCLUDED.amount_currency,
         order_id = EXCLUDED.order_id,
         payout_id = EXCLUDED.payout_id,
         fee_type = EXCLUDED.fee_type,
         total_fee_amount_value = EXCLUDED.total_fee_amount_value,
         total_fee_amount_currency = EXCLUDED.total_fee_amount_currency,
         total_fee_basis_amount_value = EXCLUDED.total_fee_basis_amount_value,
         total_fee_basis_amount_currency = EXCLUDED.total_fee_basis_amount_currency,
         buyer_username = EXCLUDED.buyer_username,
         sales_record_reference = EXCLUDED.sales_record_reference,
         transaction_memo = EXCLUDED.transaction_memo,
         payments_entity = EXCLUDED.payments_entity,
         raw = EXCLUDED.raw,
         content_hash = EXCLUDED.content_hash,
         updated_at = EXCLUDED.updated_at
   WHERE stored.updated_at <= EXCLUDED.updated_at AND stored.content_hash <> EXCLUDED.content_hash
  RETURNING stored.transaction_id, stored.transaction_type, stored.raw -> 'orderLineItems' AS lines,
            stored.xmax = 0 AS inserted
), fee AS MATERIALIZED (
  SELECT changed.transaction_id, changed.transaction_type,
         row_number() OVER (PARTITION BY changed.transaction_id, changed.transaction_type ORDER BY line.place, fee.place) AS fee_number,
         line.raw ->> 'lineItemId' AS line_item_id, fee.raw, hashtextextended(CAST(fee.raw AS text), 0) AS content_hash
    FROM changed
   CROSS JOIN LATERAL jsonb_array_elements(NULLIF(changed.lines, 'null')) WITH ORDINALITY AS line (raw, place)
   CROSS JOIN LATERAL jsonb_array_elements(NULLIF(line.raw -> 'marketplaceFees', 'null')) WITH ORDINALITY AS fee (raw, place)
), stored_fee AS (
  INSERT INTO ebay.transaction_fees AS stored (
         account_id, transaction_id, transaction_type, fee_number, line_item_id, fee_type, amount_value, amount_currency,
         raw, content_hash, first_seen_at, updated_at)
  SELECT :account_id, transaction_id, transaction_type, fee_number, line_item_id, raw ->> 'feeType',
         CAST(raw #>> '{amount,value}' AS numeric), raw #>> '{amount,currency}', raw, content_hash, :read_at, :read_at
    FROM fee
  ON CONFLICT (account_id, transaction_id, transaction_type, fee_number) DO UPDATE
     SET line_item_id = EXCLUDED.line_item_id,
         fee_type = EXCLUDED.fee_type,
         amount_value = EXCLUDED.amount_value,
         amount_currency = EXCLUDED.amount_currency,
         raw = EXCLUDED.raw,
         content_hash = EXCLUDED.content_hash,
         updated_at = EXCLUDED.updated_at
   WHERE (stored.content_hash, stored.line_item_id) IS DISTINCT FROM (EXCLUDED.content_hash, EXCLUDED.line_item_id)
), gone AS (
  DELETE FROM ebay.transaction_fees stored
   USING changed
   WHERE NOT changed.inserted AND stored.account_id = :account_id
     -- It goes through the key, whatever the planner knows of the table.
     AND stored.transaction_id = ANY (ARRAY(SELECT transaction_id FROM changed WHERE NOT inserted))
     AND (stored.transaction_id, stored.transaction_type) = (changed.transaction_id, changed.transaction_type)
     AND NOT EXISTS (
           SELECT FROM fee
            WHERE (fee.transaction_id, fee.transaction_type, fee.fee_number)
                = (stored.transaction_id, stored.transaction_type, stored.fee_number))
)
SELECT count(*) FILTER (WHERE inserted) AS inserted, count(*) FILTER (WHERE NOT inserted) AS updated FROM changed;

-- name: open_range
SELECT min(transaction_date) FILTER (WHERE transaction_date >= :since) AS oldest,
       max(transaction_date) FILTER (WHERE transaction_date >= :since) AS newest,
       count(*) FILTER (WHERE transaction_date < :since) AS given_up
  FROM ebay.transactions
 WHERE account_id = :account_id
   AND (transaction_status IS NULL OR transaction_status NOT IN ('PAYOUT', 'COMPLETED', 'FAILED'));
