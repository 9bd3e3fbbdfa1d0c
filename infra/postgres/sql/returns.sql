-- list: members, table: ebay.returns, key: return_id, details, again

-- name: rows
-- Details are asked for after the row was listed, and bring a row of their own: what they say is the newer.
SELECT raw ->> 'returnId' AS return_id,
       newest ->> 'state' AS state,
       newest ->> 'status' AS status,
       newest ->> 'currentType' AS current_type,
       newest ->> 'orderId' AS order_id,
       newest #>> '{creationInfo,item,itemId}' AS item_id,
       newest #>> '{creationInfo,item,transactionId}' AS transaction_id,
       CAST(newest #>> '{creationInfo,item,returnQuantity}' AS integer) AS return_quantity,
       newest #>> '{creationInfo,reason}' AS reason,
       newest #>> '{creationInfo,reasonType}' AS reason_type,
       newest ->> 'buyerLoginName' AS buyer_login_name,
       newest ->> 'sellerLoginName' AS seller_login_name,
       CAST(raw #>> '{creationInfo,creationDate,value}' AS timestamptz) AS creation_date,
       CAST(newest #>> '{timeoutDate,value}' AS timestamptz) AS timeout_date,
       newest #>> '{sellerResponseDue,activityDue}' AS seller_activity_due,
       CAST(newest #>> '{sellerResponseDue,respondByDate,value}' AS timestamptz) AS seller_respond_by_date,
       newest #>> '{escalationInfo,caseId}' AS case_id,
       CAST(newest #>> '{sellerTotalRefund,estimatedRefundAmount,value}' AS numeric) AS seller_estimated_refund_amount_value,
       newest #>> '{sellerTotalRefund,estimatedRefundAmount,currency}' AS seller_estimated_refund_amount_currency,
       CAST(newest #>> '{sellerTotalRefund,actualRefundAmount,value}' AS numeric) AS seller_actual_refund_amount_value,
       newest #>> '{sellerTotalRefund,actualRefundAmount,currency}' AS seller_actual_refund_amount_currency,
       CAST(newest #>> '{buyerTotalRefund,estimatedRefundAmount,value}' AS numeric) AS buyer_estimated_refund_amount_value,
       newest #>> '{buyerTotalRefund,estimatedRefundAmount,currency}' AS buyer_estimated_refund_amount_currency,
       detail #>> '{detail,marketplaceId}' AS marketplace_id,
       detail #>> '{detail,closeInfo,returnCloseReason}' AS return_close_reason,
       CAST(detail #>> '{detail,closeInfo,returnCloseDate,value}' AS timestamptz) AS return_close_date
  FROM (SELECT COALESCE(detail -> 'summary', raw) AS newest) said

-- name: open_range
SELECT min(creation_date) FILTER (WHERE creation_date >= :since) AS oldest,
       max(creation_date) FILTER (WHERE creation_date >= :since) AS newest,
       count(*) FILTER (WHERE creation_date < :since) AS given_up
  FROM ebay.returns
 WHERE account_id = :account_id AND is_open;

-- name: open_rows
SELECT return_id AS key, creation_date AS at
  FROM ebay.returns
 WHERE account_id = :account_id AND is_open AND creation_date BETWEEN :since AND :until
 ORDER BY creation_date
 FETCH FIRST (:most) ROWS WITH TIES;
