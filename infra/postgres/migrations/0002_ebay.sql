-- Accounts, tokens, sync states and the tables of orders, transactions and payouts (design.md §6).

-- It may be there: made by an administrator for a role that may not, or by a system that came before.
DO $$ BEGIN
  IF to_regnamespace('ebay') IS NULL THEN CREATE SCHEMA ebay; END IF;
END $$;

CREATE TABLE ebay.accounts (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name             text NOT NULL UNIQUE CHECK (name <> '' AND name = btrim(name)),
  environment      text NOT NULL CHECK (environment IN ('production', 'sandbox', 'simulator')),
  ebay_user_id     text,
  username         text,
  marketplace_ids  text[] NOT NULL DEFAULT '{}',
  status           text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'paused', 'needs_reconnect', 'disconnected')),
  status_reason    text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now(),
  UNIQUE (environment, ebay_user_id)
);
CREATE INDEX accounts_by_status ON ebay.accounts (status);

CREATE TABLE ebay.tokens (
  account_id          bigint PRIMARY KEY REFERENCES ebay.accounts ON DELETE CASCADE,
  refresh_token       text NOT NULL,
  refresh_expires_at  timestamptz,
  access_token        text,
  access_expires_at   timestamptz,
  refreshed_at        timestamptz,
  version             bigint NOT NULL DEFAULT 0,
  fence               bigint NOT NULL DEFAULT 0,
  leased_by           uuid,
  leased_until        timestamptz,
  CHECK ((access_token IS NULL) = (access_expires_at IS NULL))
);
CREATE INDEX tokens_leased ON ebay.tokens (leased_by) WHERE leased_by IS NOT NULL;
COMMENT ON COLUMN ebay.tokens.refresh_token IS 'Sealed: v1.<key id>.<base64url(nonce, ciphertext, tag)>';
COMMENT ON COLUMN ebay.tokens.leased_by IS 'The run that refreshes; null for a person''s command, which belongs to no run.';
COMMENT ON COLUMN ebay.tokens.version IS 'Rises with each stored pair; a reader that saw an older one reads again.';

CREATE TABLE ebay.token_refreshes (
  id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id      bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  run_id          uuid,
  triggered_by    text NOT NULL,
  started_at      timestamptz NOT NULL,
  finished_at     timestamptz NOT NULL,
  success         boolean NOT NULL,
  error_code      text,
  error_message   text,
  old_expires_at  timestamptz,
  new_expires_at  timestamptz
);
CREATE INDEX token_refreshes_by_account ON ebay.token_refreshes (account_id, started_at DESC);

CREATE TABLE ebay.sync_states (
  account_id       bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  stream           text NOT NULL,
  pass             text NOT NULL DEFAULT 'new' CHECK (pass IN ('new', 'open')),
  enabled          boolean NOT NULL DEFAULT true,
  interval_s       integer NOT NULL CHECK (interval_s >= 0),
  due_at           timestamptz,
  cursor_at        timestamptz CHECK (isfinite(cursor_at)),
  window_from      timestamptz,
  window_to        timestamptz,
  window_goal      timestamptz,
  window_limit     integer,
  window_offset    integer,
  window_total     integer,
  window_pass      integer,
  fence            bigint NOT NULL DEFAULT 0,
  leased_by        uuid,
  leased_until     timestamptz,
  last_attempt_at  timestamptz,
  last_success_at  timestamptz,
  failures         integer NOT NULL DEFAULT 0 CHECK (failures >= 0),
  last_reason      text,
  last_error       text,
  created_at       timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, stream, pass),
  CHECK ((leased_by IS NULL) = (leased_until IS NULL)),
  CHECK ((window_from IS NULL) = (window_to IS NULL)),
  CHECK ((window_from IS NULL) = (window_limit IS NULL)),
  CHECK (window_from <= window_to)
);
COMMENT ON COLUMN ebay.sync_states.cursor_at IS 'Everything up to this instant is stored; null: never read.';
COMMENT ON COLUMN ebay.sync_states.due_at IS 'When to read next; null: off, paused, or the account is not active.';
COMMENT ON COLUMN ebay.sync_states.window_goal IS 'What cursor_at becomes when the window is complete.';
CREATE INDEX sync_states_due ON ebay.sync_states (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX sync_states_leased ON ebay.sync_states (leased_by) WHERE leased_by IS NOT NULL;

CREATE TABLE ebay.api_budgets (
  environment    text NOT NULL,
  api            text NOT NULL,
  call_limit     bigint,
  remaining      bigint,
  reset_at       timestamptz,
  blocked_until  timestamptz,
  learned_at     timestamptz,
  PRIMARY KEY (environment, api)
);
COMMENT ON COLUMN ebay.api_budgets.blocked_until IS 'No call before this instant: eBay said that nothing remains.';

CREATE TABLE ebay.quarantine (
  id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id     bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  stream         text NOT NULL,
  row_hash       text NOT NULL,
  reason         text NOT NULL,
  sqlstate       text NOT NULL,
  raw            text NOT NULL,
  run_id         uuid NOT NULL,
  times          integer NOT NULL DEFAULT 1,
  first_seen_at  timestamptz NOT NULL,
  last_seen_at   timestamptz NOT NULL,
  UNIQUE (account_id, stream, row_hash)
);

CREATE TABLE ebay.orders (
  account_id                       bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  order_id                         text NOT NULL,
  legacy_order_id                  text,
  creation_date                    timestamptz NOT NULL,
  last_modified_date               timestamptz NOT NULL,
  order_fulfillment_status         text,
  order_payment_status             text,
  cancel_state                     text,
  seller_id                        text,
  buyer_username                   text,
  sales_record_reference           text,
  ship_to_country_code             text,
  total_value                      numeric,
  total_currency                   text,
  price_subtotal_value             numeric,
  price_subtotal_currency          text,
  delivery_cost_value              numeric,
  delivery_cost_currency           text,
  total_due_seller_value           numeric,
  total_due_seller_currency        text,
  total_marketplace_fee_value      numeric,
  total_marketplace_fee_currency   text,
  raw                              jsonb NOT NULL,
  content_hash                     bigint NOT NULL,
  first_seen_at                    timestamptz NOT NULL,
  updated_at                       timestamptz NOT NULL,
  PRIMARY KEY (account_id, order_id),
  -- PostgreSQL reads "infinity" and "NaN"; in eBay's answers they are mistakes, for quarantine.
  CONSTRAINT finite CHECK (
    isfinite(creation_date) AND isfinite(last_modified_date)
    AND GREATEST(total_value, price_subtotal_value, delivery_cost_value, total_due_seller_value, total_marketplace_fee_value) < 'Infinity'
    AND LEAST(total_value, price_subtotal_value, delivery_cost_value, total_due_seller_value, total_marketplace_fee_value) > '-Infinity')
);
-- Without account_id: an index that could serve the lines' foreign key as well is what its check, planned
-- once for a session and on the table as it was then, may use for ever, reading the whole account each time.
CREATE INDEX orders_by_creation ON ebay.orders (creation_date);

CREATE TABLE ebay.order_lines (
  account_id                     bigint NOT NULL,
  order_id                       text NOT NULL,
  line_item_id                   text NOT NULL,
  legacy_item_id                 text,
  legacy_variation_id            text,
  sku                            text,
  title                          text,
  quantity                       integer,
  line_item_cost_value           numeric,
  line_item_cost_currency        text,
  total_value                    numeric,
  total_currency                 text,
  line_item_fulfillment_status   text,
  listing_marketplace_id         text,
  purchase_marketplace_id        text,
  sold_format                    text,
  raw                            jsonb NOT NULL,
  content_hash                   bigint NOT NULL,
  first_seen_at                  timestamptz NOT NULL,
  updated_at                     timestamptz NOT NULL,
  PRIMARY KEY (account_id, order_id, line_item_id),
  FOREIGN KEY (account_id, order_id) REFERENCES ebay.orders ON DELETE CASCADE,
  CONSTRAINT finite CHECK (
    GREATEST(line_item_cost_value, total_value) < 'Infinity' AND LEAST(line_item_cost_value, total_value) > '-Infinity')
);
CREATE INDEX order_lines_by_item ON ebay.order_lines (account_id, legacy_item_id);

CREATE TABLE ebay.transactions (
  account_id                       bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  transaction_id                   text NOT NULL,
  transaction_type                 text NOT NULL,
  transaction_date                 timestamptz NOT NULL,
  transaction_status               text,
  booking_entry                    text,
  amount_value                     numeric,
  amount_currency                  text,
  order_id                         text,
  payout_id                        text,
  fee_type                         text,
  total_fee_amount_value           numeric,
  total_fee_amount_currency        text,
  total_fee_basis_amount_value     numeric,
  total_fee_basis_amount_currency  text,
  buyer_username                   text,
  sales_record_reference           text,
  transaction_memo                 text,
  payments_entity                  text,
  raw                              jsonb NOT NULL,
  content_hash                     bigint NOT NULL,
  first_seen_at                    timestamptz NOT NULL,
  updated_at                       timestamptz NOT NULL,
  PRIMARY KEY (account_id, transaction_id, transaction_type),
  CONSTRAINT finite CHECK (
    isfinite(transaction_date)
    AND GREATEST(amount_value, total_fee_amount_value, total_fee_basis_amount_value) < 'Infinity'
    AND LEAST(amount_value, total_fee_amount_value, total_fee_basis_amount_value) > '-Infinity')
);
COMMENT ON COLUMN ebay.transactions.amount_value IS 'Signed by booking_entry: DEBIT is negative.';
-- Without account_id, as above: for the fees' foreign key.
CREATE INDEX transactions_by_order ON ebay.transactions (order_id);
CREATE INDEX transactions_by_payout ON ebay.transactions (payout_id);
CREATE INDEX transactions_open ON ebay.transactions (account_id, transaction_date)
  WHERE transaction_status IS NULL OR transaction_status NOT IN ('PAYOUT', 'COMPLETED', 'FAILED');

CREATE TABLE ebay.transaction_fees (
  account_id        bigint NOT NULL,
  transaction_id    text NOT NULL,
  transaction_type  text NOT NULL,
  fee_number        integer NOT NULL,
  line_item_id      text,
  fee_type          text,
  amount_value      numeric,
  amount_currency   text,
  raw               jsonb NOT NULL,
  content_hash      bigint NOT NULL,
  first_seen_at     timestamptz NOT NULL,
  updated_at        timestamptz NOT NULL,
  PRIMARY KEY (account_id, transaction_id, transaction_type, fee_number),
  FOREIGN KEY (account_id, transaction_id, transaction_type) REFERENCES ebay.transactions ON DELETE CASCADE,
  CONSTRAINT finite CHECK (amount_value < 'Infinity' AND amount_value > '-Infinity')
);
COMMENT ON COLUMN ebay.transaction_fees.fee_number IS 'Place in the transaction, from 1: eBay gives fees no id.';

CREATE TABLE ebay.payouts (
  account_id                  bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  payout_id                   text NOT NULL,
  payout_date                 timestamptz NOT NULL,
  payout_status               text,
  payout_status_description   text,
  amount_value                numeric,
  amount_currency             text,
  transaction_count           integer,
  payout_reference            text,
  last_attempted_payout_date  timestamptz,
  raw                         jsonb NOT NULL,
  content_hash                bigint NOT NULL,
  first_seen_at               timestamptz NOT NULL,
  updated_at                  timestamptz NOT NULL,
  PRIMARY KEY (account_id, payout_id),
  CONSTRAINT finite CHECK (
    isfinite(payout_date) AND isfinite(last_attempted_payout_date)
    AND amount_value < 'Infinity' AND amount_value > '-Infinity')
);
CREATE INDEX payouts_by_date ON ebay.payouts (account_id, payout_date);
CREATE INDEX payouts_open ON ebay.payouts (account_id, payout_date)
  WHERE payout_status IS NULL OR payout_status NOT IN ('SUCCEEDED', 'REVERSED', 'TERMINAL_FAILED');
