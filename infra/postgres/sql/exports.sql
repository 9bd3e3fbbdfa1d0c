-- Tables as files. A cursor shows its rows as they were when it was declared, and lives as long as its transaction: also
-- behind a pooler. Each table: its account's name, its columns as they stand in the table, what belongs to the user, ours,
-- and last what eBay answered, which is not even read without :raw. A row without the instant of :since is never left out.

-- name: accounts
SELECT name FROM ebay.accounts;

-- name: fetch
FETCH FORWARD 1000 FROM exported;

-- name: fetch_documents
-- Some are long: a message's text, an order of a hundred lines.
FETCH FORWARD 100 FROM exported;

-- name: orders
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, order_id, legacy_order_id, creation_date, last_modified_date, order_fulfillment_status,
       order_payment_status, cancel_state, seller_id, buyer_username, sales_record_reference, ship_to_country_code, total_value,
       total_currency, price_subtotal_value, price_subtotal_currency, delivery_cost_value, delivery_cost_currency,
       total_due_seller_value, total_due_seller_currency, total_marketplace_fee_value, total_marketplace_fee_currency,
       first_seen_at, orders.updated_at, orders.erased_at, CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.orders
  JOIN ebay.accounts account ON account.id = orders.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN orders.updated_at ELSE creation_date END >= :since
 ORDER BY orders.account_id, order_id;

-- name: order_lines
-- Asked for one by one, by the key: joined, and with nothing known of the tables, each line met every order.
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, line.order_id, line_item_id, legacy_item_id, legacy_variation_id, sku, title, quantity,
       line_item_cost_value, line_item_cost_currency, line.total_value, line.total_currency, line_item_fulfillment_status,
       listing_marketplace_id, purchase_marketplace_id, sold_format, line.first_seen_at, line.updated_at, line.erased_at,
       CASE WHEN :raw THEN CAST(line.raw AS text) END AS raw
  FROM ebay.order_lines line
  JOIN ebay.accounts account ON account.id = line.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
  
   AND CASE WHEN :changed THEN line.updated_at ELSE (
         SELECT creation_date FROM ebay.orders
          WHERE orders.account_id = line.account_id AND orders.order_id = line.order_id) END >= :since
 ORDER BY line.account_id, line.order_id, line_item_id;

-- name: order_money
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, order_id, currency, gross, fees, refunds, net, payout, shipping_labels, disputes, other,
       last_transaction_date, money.updated_at
  FROM ebay.order_money money
  JOIN ebay.accounts account ON account.id = money.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN money.updated_at ELSE last_transaction_date END >= :since
 ORDER BY money.account_id, order_id, currency;

-- name: transactions
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, transaction_id, transaction_type, transaction_date, transaction_status, booking_entry, amount_value,
       amount_currency, order_id, payout_id, fee_type, total_fee_amount_value, total_fee_amount_currency,
       total_fee_basis_amount_value, total_fee_basis_amount_currency, buyer_username, sales_record_reference, transaction_memo,
       payments_entity, first_seen_at, transactions.updated_at, transactions.erased_at, CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.transactions
  JOIN ebay.accounts account ON account.id = transactions.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN transactions.updated_at ELSE transaction_date END >= :since
 ORDER BY transactions.account_id, transaction_id, transaction_type;

-- name: transaction_fees
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, fee.transaction_id, fee.transaction_type, fee_number, line_item_id, fee.fee_type,
       fee.amount_value, fee.amount_currency, fee.first_seen_at, fee.updated_at,
       CASE WHEN :raw THEN CAST(fee.raw AS text) END AS raw
  FROM ebay.transaction_fees fee
  JOIN ebay.accounts account ON account.id = fee.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
  
   AND CASE WHEN :changed THEN fee.updated_at ELSE (
         SELECT transaction_date FROM ebay.transactions booked
          WHERE booked.account_id = fee.account_id AND booked.transaction_id = fee.transaction_id
            AND booked.transaction_type = fee.transaction_type) END >= :since
 ORDER BY fee.account_id, fee.transaction_id, fee.transaction_type, fee_number;

-- name: payouts
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, payout_id, payout_date, payout_status, payout_status_description, amount_value, amount_currency,
       transaction_count, payout_reference, last_attempted_payout_date, first_seen_at, payouts.updated_at,
       CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.payouts
  JOIN ebay.accounts account ON account.id = payouts.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN payouts.updated_at ELSE payout_date END >= :since
 ORDER BY payouts.account_id, payout_id;

-- name: disputes
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, payment_dispute_id, payment_dispute_status, order_id, buyer_username, reason, amount_value,
       amount_currency, open_date, respond_by_date, closed_date, note, tags, first_seen_at, disputes.updated_at, disputes.erased_at,
       CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.disputes
  JOIN ebay.accounts account ON account.id = disputes.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN disputes.updated_at ELSE open_date END >= :since
 ORDER BY disputes.account_id, payment_dispute_id;

-- name: messages
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, message_id, external_message_id, direction, folder_id, sender, recipient_user_id, send_to_name,
       subject, message_type, question_type, item_id, item_title, item_end_time, receive_date, expiration_date, read, flagged,
       replied, high_priority, response_enabled, note, tags, first_seen_at, messages.updated_at, messages.erased_at,
       CASE WHEN :raw THEN CAST(raw AS text) END AS raw, CASE WHEN :raw THEN CAST(detail AS text) END AS detail
  FROM ebay.messages
  JOIN ebay.accounts account ON account.id = messages.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN messages.updated_at ELSE receive_date END >= :since
 ORDER BY messages.account_id, message_id;

-- name: best_offers
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, item_id, best_offer_id, role, best_offers.status, best_offer_code_type, price_value, price_currency,
       quantity, buyer_user_id, expiration_time, buyer_message, seller_message, item_title, buy_it_now_price_value,
       buy_it_now_price_currency, item_end_time, note, tags, first_seen_at, best_offers.updated_at, best_offers.erased_at, ended_at,
       CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.best_offers
  JOIN ebay.accounts account ON account.id = best_offers.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN best_offers.updated_at ELSE first_seen_at END >= :since
 ORDER BY best_offers.account_id, item_id, best_offer_id;

-- name: listings
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, item_id, sku, title, variation_title, listing_type, listing_duration, start_time, end_time,
       view_item_url, quantity, quantity_available, current_price_value, current_price_currency, start_price_value,
       start_price_currency, buy_it_now_price_value, buy_it_now_price_currency, bid_count, watch_count, note, tags, first_seen_at,
       listings.updated_at, listings.erased_at, ended_at, CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.listings
  JOIN ebay.accounts account ON account.id = listings.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN listings.updated_at ELSE COALESCE(start_time, 'infinity') END >= :since
 ORDER BY listings.account_id, item_id, sku;

-- name: purchases
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, item_id, transaction_id, order_line_item_id, order_id, title, listing_type, seller_user_id,
       quantity_purchased, current_price_value, current_price_currency, transaction_price_value, transaction_price_currency,
       total_price_value, total_price_currency, buyer_paid_status, created_date, end_time, paid_time, shipped_time, note, tags,
       first_seen_at, purchases.updated_at, purchases.erased_at, CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.purchases
  JOIN ebay.accounts account ON account.id = purchases.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN purchases.updated_at ELSE COALESCE(created_date, 'infinity') END >= :since
 ORDER BY purchases.account_id, item_id, transaction_id;

-- name: cases
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, case_id, case_status_enum, creation_date, last_modified_date, respond_by_date, item_id,
       transaction_id, buyer, seller, claim_amount_value, claim_amount_currency, is_open, note, tags, first_seen_at,
       cases.updated_at, cases.erased_at, CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.cases
  JOIN ebay.accounts account ON account.id = cases.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN cases.updated_at ELSE creation_date END >= :since
 ORDER BY cases.account_id, case_id;

-- name: inquiries
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, inquiry_id, inquiry_status_enum, state, inquiries.status, creation_reason, initiator, creation_date,
       last_modified_date, respond_by_date, seller_make_it_right_by_date, escalation_date, inquiry_closure_date, item_id,
       transaction_id, buyer, seller, claim_amount_value, claim_amount_currency, is_open, note, tags, first_seen_at,
       inquiries.updated_at, inquiries.erased_at, CASE WHEN :raw THEN CAST(raw AS text) END AS raw,
       CASE WHEN :raw THEN CAST(detail AS text) END AS detail
  FROM ebay.inquiries
  JOIN ebay.accounts account ON account.id = inquiries.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN inquiries.updated_at ELSE creation_date END >= :since
 ORDER BY inquiries.account_id, inquiry_id;

-- name: returns
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, return_id, state, returns.status, current_type, order_id, item_id, transaction_id, return_quantity,
       reason, reason_type, buyer_login_name, seller_login_name, creation_date, timeout_date, seller_activity_due,
       seller_respond_by_date, case_id, seller_estimated_refund_amount_value, seller_estimated_refund_amount_currency,
       seller_actual_refund_amount_value, seller_actual_refund_amount_currency, buyer_estimated_refund_amount_value,
       buyer_estimated_refund_amount_currency, marketplace_id, return_close_reason, return_close_date, is_open, note, tags,
       first_seen_at, returns.updated_at, returns.erased_at, CASE WHEN :raw THEN CAST(raw AS text) END AS raw,
       CASE WHEN :raw THEN CAST(detail AS text) END AS detail
  FROM ebay.returns
  JOIN ebay.accounts account ON account.id = returns.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN returns.updated_at ELSE creation_date END >= :since
 ORDER BY returns.account_id, return_id;

-- name: cancellations
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, cancel_id, marketplace_id, legacy_order_id, requestor_type, cancel_reason, cancel_state,
       cancel_status, cancel_close_reason, payment_status, buyer_login_name, seller_login_name, cancel_request_date,
       cancel_close_date, seller_response_due_date, buyer_response_due_date, request_refund_amount_value,
       request_refund_amount_currency, is_open, note, tags, first_seen_at, cancellations.updated_at, cancellations.erased_at,
       CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.cancellations
  JOIN ebay.accounts account ON account.id = cancellations.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN cancellations.updated_at ELSE cancel_request_date END >= :since
 ORDER BY cancellations.account_id, cancel_id;

-- name: inventory_offers
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, offer_id, sku, marketplace_id, format, inventory_offers.status, listing_id, listing_status,
       listing_on_hold, sold_quantity, available_quantity, quantity_limit_per_buyer, lot_size, price_value, price_currency,
       auction_start_price_value, auction_start_price_currency, auction_reserve_price_value, auction_reserve_price_currency,
       vat_percentage, category_id, secondary_category_id, merchant_location_key, listing_duration, listing_start_date,
       fulfillment_policy_id, payment_policy_id, return_policy_id, note, tags, first_seen_at, inventory_offers.updated_at, ended_at,
       CASE WHEN :raw THEN CAST(raw AS text) END AS raw
  FROM ebay.inventory_offers
  JOIN ebay.accounts account ON account.id = inventory_offers.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
   AND CASE WHEN :changed THEN inventory_offers.updated_at ELSE first_seen_at END >= :since
 ORDER BY inventory_offers.account_id, offer_id;

-- name: quarantine
DECLARE exported NO SCROLL CURSOR FOR
SELECT account.name AS account, stream, row_hash, reason, sqlstate, run_id, times, first_seen_at, last_seen_at,
       CASE WHEN :raw THEN raw END AS raw
  FROM ebay.quarantine
  JOIN ebay.accounts account ON account.id = quarantine.account_id
 WHERE account.name = ANY (CAST(:accounts AS text[]))
  
   AND CASE WHEN :changed THEN last_seen_at ELSE first_seen_at END >= :since
 ORDER BY quarantine.account_id, stream, row_hash;
