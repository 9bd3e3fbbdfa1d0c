-- name: store
-- One page of getOrders. The newest of repeated ids; rows already stored with this content are
-- dropped before the upsert, which would write WAL for them all the same. A row of an older
-- modification, or from an earlier answer, never replaces a newer one.
-- Stored hashes are looked up by a scalar subquery, which stays one: NOT EXISTS becomes a join, and on
-- a table without statistics that join reads the whole account for each page.
-- The hash is of the text: jsonb's own XORs its values, so two equal ones that change alike can cancel each other.
WITH entry AS MATERIALIZED (
  SELECT DISTINCT ON (order_id) order_id, last_modified_date, raw, hashtextextended(CAST(raw AS text), 0) AS content_hash
    FROM (SELECT raw ->> 'orderId' AS order_id,
                 CAST(raw ->> 'lastModifiedDate' AS timestamptz) AS last_modified_date,
                 raw
            FROM jsonb_array_elements(CAST(:page AS jsonb) -> 'orders') AS element (raw)) AS page
   ORDER BY order_id, last_modified_date DESC
), fresh AS MATERIALIZED (
  SELECT entry.*
    FROM entry
   WHERE entry.content_hash IS DISTINCT FROM (
           SELECT stored.content_hash FROM ebay.orders stored
            WHERE stored.account_id = :account_id AND stored.order_id = entry.order_id)
), changed AS (
  INSERT INTO ebay.orders AS stored (
         account_id, order_id, legacy_order_id, creation_date, last_modified_date, order_fulfillment_status,
         order_payment_status, cancel_state, seller_id, buyer_username, sales_record_reference, ship_to_country_code,
         total_value, total_currency, price_subtotal_value, price_subtotal_currency, delivery_cost_value,
         delivery_cost_currency, total_due_seller_value, total_due_seller_currency, total_marketplace_fee_value,
         total_marketplace_fee_currency, raw, content_hash, first_seen_at, updated_at)
  SELECT :account_id, order_id, raw ->> 'legacyOrderId', CAST(raw ->> 'creationDate' AS timestamptz), last_modified_date,
         raw ->> 'orderFulfillmentStatus', raw ->> 'orderPaymentStatus', raw #>> '{cancelStatus,cancelState}',
         raw ->> 'sellerId', raw #>> '{buyer,username}', raw ->> 'salesRecordReference',
         raw #>> '{fulfillmentStartInstructions,0,shippingStep,shipTo,contactAddress,countryCode}',
         CAST(raw #>> '{pricingSummary,total,value}' AS numeric), raw #>> '{pricingSummary,total,currency}',
         CAST(raw #>> '{pricingSummary,priceSubtotal,value}' AS numeric), raw #>> '{pricingSummary,priceSubtotal,currency}',
         CAST(raw #>> '{pricingSummary,deliveryCost,value}' AS numeric), raw #>> '{pricingSummary,deliveryCost,currency}',
         CAST(raw #>> '{paymentSummary,totalDueSeller,value}' AS numeric), raw #>> '{paymentSummary,totalDueSeller,currency}',
         CAST(raw #>> '{totalMarketplaceFee,value}' AS numeric), raw #>> '{totalMarketplaceFee,currency}',
         raw, content_hash, :read_at, :read_at
    FROM fresh
   ORDER BY order_id
  ON CONFLICT (account_id, order_id) DO UPDATE
     SET legacy_order_id = EXCLUDED.legacy_order_id,
         creation_date = EXCLUDED.creation_date,
         last_modified_date = EXCLUDED.last_modified_date,
         order_fulfillment_status = EXCLUDED.order_fulfillment_status,
         order_payment_status = EXCLUDED.order_payment_status,
         cancel_state = EXCLUDED.cancel_state,
         seller_id = EXCLUDED.seller_id,
         buyer_username = EXCLUDED.buyer_username,
         sales_record_reference = EXCLUDED.sales_record_reference,
         ship_to_country_code = EXCLUDED.ship_to_country_code,
         total_value = EXCLUDED.total_value,
         total_currency = EXCLUDED.total_currency,
         price_subtotal_value = EXCLUDED.price_subtotal_value,
         price_subtotal_currency = EXCLUDED.price_subtotal_currency,
         delivery_cost_value = EXCLUDED.delivery_cost_value,
         delivery_cost_currency = EXCLUDED.delivery_cost_currency,
         total_due_seller_value = EXCLUDED.total_due_seller_value,
         total_due_seller_currency = EXCLUDED.total_due_seller_currency,
         total_marketplace_fee_value = EXCLUDED.total_marketplace_fee_value,
         total_marketplace_fee_currency = EXCLUDED.total_marketplace_fee_currency,
         raw = EXCLUDED.raw,
         content_hash = EXCLUDED.content_hash,
         updated_at = EXCLUDED.updated_at
   WHERE (stored.last_modified_date, stored.updated_at) <= (EXCLUDED.last_modified_date, EXCLUDED.updated_at)
     AND stored.content_hash <> EXCLUDED.content_hash
  RETURNING stored.order_id, stored.raw -> 'lineItems' AS lines, stored.xmax = 0 AS inserted
), line AS MATERIALIZED (
  SELECT DISTINCT ON (order_id, line_item_id)
         order_id, line_item_id, raw, hashtextextended(CAST(raw AS text), 0) AS content_hash
    FROM (SELECT changed.order_id, element.raw ->> 'lineItemId' AS line_item_id, element.raw, element.place
            FROM changed
           CROSS JOIN LATERAL jsonb_array_elements(NULLIF(changed.lines, 'null')) WITH ORDINALITY AS element (raw, place)) AS page
   ORDER BY order_id, line_item_id, place DESC
), stored_line AS (
  INSERT INTO ebay.order_lines AS stored (
         account_id, order_id, line_item_id, legacy_item_id, legacy_variation_id, sku, title, quantity,
         line_item_cost_value, line_item_cost_currency, total_value, total_currency, line_item_fulfillment_status,
         listing_marketplace_id, purchase_marketplace_id, sold_format, raw, content_hash, first_seen_at, updated_at)
  SELECT :account_id, order_id, line_item_id, raw ->> 'legacyItemId', raw ->> 'legacyVariationId', raw ->> 'sku', raw ->> 'title',
         CAST(raw ->> 'quantity' AS integer),
         CAST(raw #>> '{lineItemCost,value}' AS numeric), raw #>> '{lineItemCost,currency}',
         CAST(raw #>> '{total,value}' AS numeric), raw #>> '{total,currency}',
         raw ->> 'lineItemFulfillmentStatus', raw ->> 'listingMarketplaceId', raw ->> 'purchaseMarketplaceId',
         raw ->> 'soldFormat', raw, content_hash, :read_at, :read_at
    FROM line
  ON CONFLICT (account_id, order_id, line_item_id) DO UPDATE
     SET legacy_item_id = EXCLUDED.legacy_item_id,
         legacy_variation_id = EXCLUDED.legacy_variation_id,
         sku = EXCLUDED.sku,
         title = EXCLUDED.title,
         quantity = EXCLUDED.quantity,
         line_item_cost_value = EXCLUDED.line_item_cost_value,
         line_item_cost_currency = EXCLUDED.line_item_cost_currency,
         total_value = EXCLUDED.total_value,
         total_currency = EXCLUDED.total_currency,
         line_item_fulfillment_status = EXCLUDED.line_item_fulfillment_status,
         listing_marketplace_id = EXCLUDED.listing_marketplace_id,
         purchase_marketplace_id = EXCLUDED.purchase_marketplace_id,
         sold_format = EXCLUDED.sold_format,
         raw = EXCLUDED.raw,
         content_hash = EXCLUDED.content_hash,
         updated_at = EXCLUDED.updated_at
   WHERE stored.content_hash <> EXCLUDED.content_hash
), gone AS (
  -- By an array, not a join: it goes through the key, whatever the planner knows of the table.
  DELETE FROM ebay.order_lines stored
   WHERE stored.account_id = :account_id
     AND stored.order_id = ANY (ARRAY(SELECT order_id FROM changed WHERE NOT inserted))
     AND NOT EXISTS (SELECT FROM line WHERE line.order_id = stored.order_id AND line.line_item_id = stored.line_item_id)
)
SELECT count(*) FILTER (WHERE inserted) AS inserted, count(*) FILTER (WHERE NOT inserted) AS updated FROM changed;
