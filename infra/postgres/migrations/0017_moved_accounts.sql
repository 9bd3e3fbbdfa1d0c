-- Where an account came from that was moved over from the old connector (docs/moving-over.md).

CREATE TABLE ebay.moved_accounts (
  account_id      bigint PRIMARY KEY REFERENCES ebay.accounts ON DELETE CASCADE,
  old_account_id  text NOT NULL UNIQUE,
  states          jsonb NOT NULL,
  moved_at        timestamptz NOT NULL
);
COMMENT ON COLUMN ebay.moved_accounts.old_account_id IS 'Its ebay_accounts.id there: moved over again, it is known.';
COMMENT ON COLUMN ebay.moved_accounts.states IS 'Its streams as they were written; what differs from it was touched since, and stays.';
