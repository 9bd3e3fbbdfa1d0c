-- Message signatures for sellers of the EU and the UK (design.md §6).

ALTER TABLE ebay.accounts
  ADD COLUMN registration_marketplace_id text,
  ADD COLUMN country text,
  ADD COLUMN signed_because text CHECK (signed_because IN ('domicile', 'demanded'));
COMMENT ON COLUMN ebay.accounts.registration_marketplace_id IS 'Where the seller is registered, as eBay says; null: not told.';
COMMENT ON COLUMN ebay.accounts.country IS 'The seller''s domicile, as eBay says; null: not told.';
COMMENT ON COLUMN ebay.accounts.signed_because IS
  'Why calls that eBay wants signed are signed: the seller''s domicile, or eBay refused one that was not; null: they are not.';

CREATE TABLE ebay.signing_keys (
  environment   text NOT NULL CHECK (environment IN ('production', 'sandbox', 'simulator')),
  client_id     text NOT NULL,
  key_id        text,
  cipher        text,
  jwe           text,
  private_key   text,
  created_at    timestamptz,
  expires_at    timestamptz,
  version       bigint NOT NULL DEFAULT 0,
  fence         bigint NOT NULL DEFAULT 0,
  leased_until  timestamptz,
  retry_at      timestamptz,
  last_error    text,
  PRIMARY KEY (environment, client_id),
  CHECK (num_nulls(key_id, cipher, jwe, private_key, created_at, expires_at) IN (0, 6)),
  CHECK ((retry_at IS NULL) = (last_error IS NULL))
);
COMMENT ON TABLE ebay.signing_keys IS 'One key for each application of ours; without one: it is being made, or could not be had.';
COMMENT ON COLUMN ebay.signing_keys.private_key IS 'Sealed: v1.<key id>.<base64url(nonce, ciphertext, tag)>. eBay shows it once and keeps no copy.';
COMMENT ON COLUMN ebay.signing_keys.leased_until IS 'Somebody is having a key made.';
COMMENT ON COLUMN ebay.signing_keys.version IS 'Rises with each stored key.';
