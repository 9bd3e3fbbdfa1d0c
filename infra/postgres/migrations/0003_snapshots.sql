-- Which keys a snapshot has shown, to tell what has ended (design.md §6).

CREATE TABLE ebay.snapshot_seen (
  account_id  bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  stream      text NOT NULL,
  key         text NOT NULL,
  seen_at     timestamptz NOT NULL,
  PRIMARY KEY (account_id, stream, key)
) WITH (fillfactor = 70);
COMMENT ON COLUMN ebay.snapshot_seen.seen_at IS 'When the last snapshot began that showed this key.';
