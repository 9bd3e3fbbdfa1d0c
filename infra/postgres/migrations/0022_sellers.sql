-- An account belongs to one seller for ever: who comes after a seller that is gone needs a name of his own.

ALTER TABLE ebay.accounts ADD COLUMN seller_gone_at timestamptz;
COMMENT ON COLUMN ebay.accounts.seller_gone_at IS
  'When eBay told that the seller''s account was deleted; who he was is not kept, and nobody else''s rows come under this name.';

UPDATE ebay.accounts SET seller_gone_at = updated_at
 WHERE status = 'disconnected' AND ebay_user_id IS NULL AND username IS NULL
   AND status_reason LIKE '%MARKETPLACE\_ACCOUNT\_DELETION%';

ALTER TABLE ebay.accounts ADD CONSTRAINT accounts_of_nobody_else
  CHECK (seller_gone_at IS NULL OR (status = 'disconnected' AND ebay_user_id IS NULL AND username IS NULL));
