-- Payment disputes (design.md §6).

CREATE TABLE ebay.disputes (
  account_id              bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  payment_dispute_id      text NOT NULL,
  payment_dispute_status  text,
  order_id                text,
  buyer_username          text,
  reason                  text,
  amount_value            numeric,
  amount_currency         text,
  open_date               timestamptz NOT NULL,
  respond_by_date         timestamptz,
  closed_date             timestamptz,
  note                    text,
  tags                    text[] NOT NULL DEFAULT '{}',
  raw                     jsonb NOT NULL,
  content_hash            bigint NOT NULL,
  first_seen_at           timestamptz NOT NULL,
  updated_at              timestamptz NOT NULL,
  PRIMARY KEY (account_id, payment_dispute_id),
  CONSTRAINT finite CHECK (
    isfinite(open_date) AND isfinite(respond_by_date) AND isfinite(closed_date)
    AND amount_value < 'Infinity' AND amount_value > '-Infinity')
);
COMMENT ON COLUMN ebay.disputes.note IS 'Yours, like tags: never written by a sync.';
CREATE INDEX disputes_by_order ON ebay.disputes (account_id, order_id);
CREATE INDEX disputes_open ON ebay.disputes (account_id, open_date)
  WHERE payment_dispute_status IS NULL OR payment_dispute_status <> 'CLOSED';
