-- list: members, table: ebay.cases, key: case_id

-- name: rows
SELECT raw ->> 'caseId' AS case_id,
       raw ->> 'caseStatusEnum' AS case_status_enum,
       CAST(raw #>> '{creationDate,value}' AS timestamptz) AS creation_date,
       CAST(raw #>> '{lastModifiedDate,value}' AS timestamptz) AS last_modified_date,
       CAST(raw #>> '{respondByDate,value}' AS timestamptz) AS respond_by_date,
       raw ->> 'itemId' AS item_id,
       raw ->> 'transactionId' AS transaction_id,
       raw ->> 'buyer' AS buyer,
       raw ->> 'seller' AS seller,
       CAST(raw #>> '{claimAmount,value}' AS numeric) AS claim_amount_value,
       raw #>> '{claimAmount,currency}' AS claim_amount_currency

-- name: open_range
SELECT min(creation_date) FILTER (WHERE creation_date >= :since) AS oldest,
       max(creation_date) FILTER (WHERE creation_date >= :since) AS newest,
       count(*) FILTER (WHERE creation_date < :since) AS given_up
  FROM ebay.cases
 WHERE account_id = :account_id AND is_open;
