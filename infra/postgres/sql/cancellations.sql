-- list: cancellations, table: ebay.cancellations, key: cancel_id

-- name: rows
SELECT raw ->> 'cancelId' AS cancel_id,
       raw ->> 'marketplaceId' AS marketplace_id,
       raw ->> 'legacyOrderId' AS legacy_order_id,
       raw ->> 'requestorType' AS requestor_type,
       raw ->> 'cancelReason' AS cancel_reason,
       raw ->> 'cancelState' AS cancel_state,
       raw ->> 'cancelStatus' AS cancel_status,
       raw ->> 'cancelCloseReason' AS cancel_close_reason,
       raw ->> 'paymentStatus' AS payment_status,
       raw ->> 'buyerLoginName' AS buyer_login_name,
       raw ->> 'sellerLoginName' AS seller_login_name,
       CAST(raw #>> '{cancelRequestDate,value}' AS timestamptz) AS cancel_request_date,
       CAST(raw #>> '{cancelCloseDate,value}' AS timestamptz) AS cancel_close_date,
       CAST(raw #>> '{sellerResponseDueDate,value}' AS timestamptz) AS seller_response_due_date,
       CAST(raw #>> '{buyerResponseDueDate,value}' AS timestamptz) AS buyer_response_due_date,
       CAST(raw #>> '{requestRefundAmount,value}' AS numeric) AS request_refund_amount_value,
       raw #>> '{requestRefundAmount,currency}' AS request_refund_amount_currency

-- name: open_range
SELECT min(cancel_request_date) FILTER (WHERE cancel_request_date >= :since) AS oldest,
       max(cancel_request_date) FILTER (WHERE cancel_request_date >= :since) AS newest,
       count(*) FILTER (WHERE cancel_request_date < :since) AS given_up
  FROM ebay.cancellations
 WHERE account_id = :account_id AND is_open;
