-- Keeping tokens fresh by a worker of its own, and knowing the encryption keys (design.md §6).

ALTER TABLE ebay.tokens
  ADD COLUMN retry_at timestamptz,
  ADD COLUMN warned_days smallint CHECK (warned_days > 0);
COMMENT ON COLUMN ebay.tokens.refresh_expires_at IS 'When the owner''s consent ends; null: nobody told.';
COMMENT ON COLUMN ebay.tokens.retry_at IS 'eBay asked for no refresh before this instant.';
COMMENT ON COLUMN ebay.tokens.warned_days IS 'The last warning before the consent''s end: 30, 7 or 1 days; null: none yet.';

CREATE TABLE ops.key_canary (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  sealed      text NOT NULL,
  updated_at  timestamptz NOT NULL
);
COMMENT ON TABLE ops.key_canary IS 'A sealed word: ENCRYPTION_KEYS that do not open it are not those of this database.';

INSERT INTO ops.workers (worker, interval_s) VALUES ('token-refresh', 600);
