-- list: best_offers, table: ebay.best_offers, key: item_id best_offer_id, ends

-- name: rows
SELECT NULLIF(raw #>> '{Item,ItemID}', '') AS item_id,
       NULLIF(raw ->> 'BestOfferID', '') AS best_offer_id,
       NULLIF(raw ->> 'Role', '') AS role,
       raw ->> 'Status' AS status,
       raw ->> 'BestOfferCodeType' AS best_offer_code_type,
       CAST(NULLIF(raw #>> '{Price,value}', '') AS numeric) AS price_value,
       raw #>> '{Price,currencyID}' AS price_currency,
       CAST(NULLIF(raw ->> 'Quantity', '') AS integer) AS quantity,
       raw #>> '{Buyer,UserID}' AS buyer_user_id,
       CAST(NULLIF(raw ->> 'ExpirationTime', '') AS timestamptz) AS expiration_time,
       raw ->> 'BuyerMessage' AS buyer_message,
       raw ->> 'SellerMessage' AS seller_message,
       raw #>> '{Item,Title}' AS item_title,
       CAST(NULLIF(raw #>> '{Item,BuyItNowPrice,value}', '') AS numeric) AS buy_it_now_price_value,
       raw #>> '{Item,BuyItNowPrice,currencyID}' AS buy_it_now_price_currency,
       CAST(NULLIF(raw #>> '{Item,ListingDetails,EndTime}', '') AS timestamptz) AS item_end_time
