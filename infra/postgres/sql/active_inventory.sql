-- list: Item, table: ebay.listings, key: item_id sku, ends
-- name: rows
-- Of a listing with variations a row holds those of one SKU: one as an object, several without a SKU as an array.
-- A variation's price is its StartPrice, unless eBay tells its CurrentPrice.
SELECT NULLIF(raw ->> 'ItemID', '') AS item_id,
       COALESCE(CASE WHEN raw #> '{Variations,Variation}' IS NULL THEN raw ->> 'SKU' ELSE raw #>> '{Variations,Variation,SKU}' END, '') AS sku,
       raw ->> 'Title' AS title,
       raw #>> '{Variations,Variation,VariationTitle}' AS variation_title,
       raw ->> 'ListingType' AS listing_type,
       raw ->> 'ListingDuration' AS listing_duration,
       CAST(raw #>> '{ListingDetails,StartTime}' AS timestamptz) AS start_time,
       CAST(raw #>> '{ListingDetails,EndTime}' AS timestamptz) AS end_time,
       raw #>> '{ListingDetails,ViewItemURL}' AS view_item_url,
       CAST(COALESCE(raw #>> '{Variations,Variation,Quantity}', raw ->> 'Quantity') AS integer) AS quantity,
       COALESCE(CAST(raw #>> '{Variations,Variation,Quantity}' AS integer) - COALESCE(CAST(raw #>> '{Variations,Variation,SellingStatus,QuantitySold}' AS integer), 0), CAST(raw ->> 'QuantityAvailable' AS integer)) AS quantity_available,
       CAST(COALESCE(raw #>> '{Variations,Variation,SellingStatus,CurrentPrice,value}', raw #>> '{Variations,Variation,StartPrice,value}', raw #>> '{SellingStatus,CurrentPrice,value}') AS numeric) AS current_price_value,
       COALESCE(raw #>> '{Variations,Variation,SellingStatus,CurrentPrice,currencyID}', raw #>> '{Variations,Variation,StartPrice,currencyID}', raw #>> '{SellingStatus,CurrentPrice,currencyID}') AS current_price_currency,
       CAST(COALESCE(raw #>> '{Variations,Variation,StartPrice,value}', raw #>> '{StartPrice,value}') AS numeric) AS start_price_value,
       COALESCE(raw #>> '{Variations,Variation,StartPrice,currencyID}', raw #>> '{StartPrice,currencyID}') AS start_price_currency,
       CAST(raw #>> '{BuyItNowPrice,value}' AS numeric) AS buy_it_now_price_value,
       raw #>> '{BuyItNowPrice,currencyID}' AS buy_it_now_price_currency,
       CAST(raw #>> '{SellingStatus,BidCount}' AS integer) AS bid_count,
       CAST(raw ->> 'WatchCount' AS integer) AS watch_count
