-- list: members, table: ebay.inquiries, key: inquiry_id, details, again

-- name: rows
-- Details are asked for after the row was listed, so what they say is the newer.
SELECT raw ->> 'inquiryId' AS inquiry_id,
       raw ->> 'inquiryStatusEnum' AS inquiry_status_enum,
       detail ->> 'state' AS state,
       detail ->> 'status' AS status,
       detail ->> 'creationReason' AS creation_reason,
       detail ->> 'initiator' AS initiator,
       CAST(COALESCE(raw #>> '{creationDate,value}', detail #>> '{inquiryDetails,creationDate,value}') AS timestamptz) AS creation_date,
       CAST(raw #>> '{lastModifiedDate,value}' AS timestamptz) AS last_modified_date,
       CAST(raw #>> '{respondByDate,value}' AS timestamptz) AS respond_by_date,
       CAST(detail #>> '{sellerMakeItRightByDate,value}' AS timestamptz) AS seller_make_it_right_by_date,
       CAST(detail #>> '{inquiryDetails,escalationDate,value}' AS timestamptz) AS escalation_date,
       CAST(detail #>> '{inquiryClosureDate,value}' AS timestamptz) AS inquiry_closure_date,
       raw ->> 'itemId' AS item_id,
       raw ->> 'transactionId' AS transaction_id,
       raw ->> 'buyer' AS buyer,
       raw ->> 'seller' AS seller,
       CAST(COALESCE(detail #>> '{claimAmount,value}', raw #>> '{claimAmount,value}') AS numeric) AS claim_amount_value,
       COALESCE(detail #>> '{claimAmount,currency}', raw #>> '{claimAmount,currency}') AS claim_amount_currency

-- name: open_range
SELECT min(creation_date) FILTER (WHERE creation_date >= :since) AS oldest,
       max(creation_date) FILTER (WHERE creation_date >= :since) AS newest,
       count(*) FILTER (WHERE creation_date < :since) AS given_up
  FROM ebay.inquiries
 WHERE account_id = :account_id AND is_open;

-- name: open_rows
SELECT inquiry_id AS key, creation_date AS at
  FROM ebay.inquiries
 WHERE account_id = :account_id AND is_open AND creation_date BETWEEN :since AND :until
 ORDER BY creation_date
 FETCH FIRST (:most) ROWS WITH TIES;
