-- list: messages, table: ebay.messages, key: message_id, details

-- name: rows
SELECT NULLIF(raw ->> 'MessageID', '') AS message_id,
       NULLIF(raw ->> 'ExternalMessageID', '') AS external_message_id,
       CASE WHEN raw #>> '{Folder,FolderID}' = '1' THEN 'OUTGOING' ELSE 'INCOMING' END AS direction,
       raw #>> '{Folder,FolderID}' AS folder_id,
       raw ->> 'Sender' AS sender,
       raw ->> 'RecipientUserID' AS recipient_user_id,
       raw ->> 'SendToName' AS send_to_name,
       raw ->> 'Subject' AS subject,
       raw ->> 'MessageType' AS message_type,
       NULLIF(raw ->> 'QuestionType', '') AS question_type,
       NULLIF(raw ->> 'ItemID', '') AS item_id,
       raw ->> 'ItemTitle' AS item_title,
       CAST(NULLIF(raw ->> 'ItemEndTime', '') AS timestamptz) AS item_end_time,
       CAST(NULLIF(raw ->> 'ReceiveDate', '') AS timestamptz) AS receive_date,
       CAST(NULLIF(raw ->> 'ExpirationDate', '') AS timestamptz) AS expiration_date,
       CAST(NULLIF(raw ->> 'Read', '') AS boolean) AS read,
       CAST(NULLIF(raw ->> 'Flagged', '') AS boolean) AS flagged,
       CAST(NULLIF(raw ->> 'Replied', '') AS boolean) AS replied,
       CAST(NULLIF(raw ->> 'HighPriority', '') AS boolean) AS high_priority,
       CAST(NULLIF(raw #>> '{ResponseDetails,ResponseEnabled}', '') AS boolean) AS response_enabled

-- name: lacking_details
-- The template's own asks again where a row has changed; a message's text never does, its flags do.
-- A scalar subquery, not NOT EXISTS: see orders.sql.
SELECT DISTINCT entry ->> 'MessageID' AS key
  FROM jsonb_array_elements(CAST(:page AS jsonb) -> 'messages') AS element (entry)
 WHERE entry ->> 'MessageID' <> ''
   AND (SELECT stored.detail IS NULL FROM ebay.messages stored
         WHERE stored.account_id = :account_id AND stored.message_id = entry ->> 'MessageID') IS NOT FALSE;
