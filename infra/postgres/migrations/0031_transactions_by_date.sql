-- Money of a period, for which `ebay.transactions` was read from end to end. Without account_id, as the other indexes of
-- this table: it must not serve the fees' foreign key.

CREATE INDEX transactions_by_date ON ebay.transactions (transaction_date);
