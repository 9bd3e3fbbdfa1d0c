-- Cases, inquiries, returns and cancellations (design.md §6). `is_open`, ours: what can still change is read again.

CREATE TABLE ebay.cases (
  account_id             bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  case_id                text NOT NULL,
  case_status_enum       text,
  creation_date          timestamptz NOT NULL,
  last_modified_date     timestamptz,
  respond_by_date        timestamptz,
  item_id                text,
  transaction_id         text,
  buyer                  text,
  seller                 text,
  claim_amount_value     numeric,
  claim_amount_currency  text,
  is_open                boolean NOT NULL GENERATED ALWAYS AS (
                           COALESCE(case_status_enum NOT IN ('CLOSED', 'CS_CLOSED'), true)) STORED,
  raw                    jsonb NOT NULL,
  content_hash           bigint NOT NULL,
  first_seen_at          timestamptz NOT NULL,
  updated_at             timestamptz NOT NULL,
  PRIMARY KEY (account_id, case_id),
  CONSTRAINT finite CHECK (
    isfinite(creation_date) AND isfinite(last_modified_date) AND isfinite(respond_by_date)
    AND claim_amount_value < 'Infinity' AND claim_amount_value > '-Infinity')
);
CREATE INDEX cases_by_date ON ebay.cases (account_id, creation_date);
CREATE INDEX cases_open ON ebay.cases (account_id, creation_date) WHERE is_open;

CREATE TABLE ebay.inquiries (
  account_id                    bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  inquiry_id                    text NOT NULL,
  inquiry_status_enum           text,
  state                         text,
  status                        text,
  creation_reason               text,
  initiator                     text,
  creation_date                 timestamptz NOT NULL,
  last_modified_date            timestamptz,
  respond_by_date               timestamptz,
  seller_make_it_right_by_date  timestamptz,
  escalation_date               timestamptz,
  inquiry_closure_date          timestamptz,
  item_id                       text,
  transaction_id                text,
  buyer                         text,
  seller                        text,
  claim_amount_value            numeric,
  claim_amount_currency         text,
  is_open                       boolean NOT NULL GENERATED ALWAYS AS (
                                  COALESCE(inquiry_status_enum NOT IN ('CLOSED', 'CLOSED_WITH_ESCALATION', 'CS_CLOSED'), true)
                                  AND COALESCE(status NOT IN ('CLOSED', 'CLOSED_WITH_ESCALATION', 'CS_CLOSED'), true)
                                  AND COALESCE(state <> 'CLOSED', true) AND inquiry_closure_date IS NULL) STORED,
  raw                           jsonb NOT NULL,
  detail                        jsonb,
  content_hash                  bigint NOT NULL,
  first_seen_at                 timestamptz NOT NULL,
  updated_at                    timestamptz NOT NULL,
  PRIMARY KEY (account_id, inquiry_id),
  CONSTRAINT finite CHECK (
    isfinite(creation_date) AND isfinite(last_modified_date) AND isfinite(respond_by_date)
    AND isfinite(seller_make_it_right_by_date) AND isfinite(escalation_date) AND isfinite(inquiry_closure_date)
    AND claim_amount_value < 'Infinity' AND claim_amount_value > '-Infinity')
);
CREATE INDEX inquiries_by_date ON ebay.inquiries (account_id, creation_date);
CREATE INDEX inquiries_open ON ebay.inquiries (account_id, creation_date) WHERE is_open;

CREATE TABLE ebay.returns (
  account_id                               bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  return_id                                text NOT NULL,
  state                                    text,
  status                                   text,
  current_type                             text,
  order_id                                 text,
  item_id                                  text,
  transaction_id                           text,
  return_quantity                          integer,
  reason                                   text,
  reason_type                              text,
  buyer_login_name                         text,
  seller_login_name                        text,
  creation_date                            timestamptz NOT NULL,
  timeout_date                             timestamptz,
  seller_activity_due                      text,
  seller_respond_by_date                   timestamptz,
  case_id                                  text,
  seller_estimated_refund_amount_value     numeric,
  seller_estimated_refund_amount_currency  text,
  seller_actual_refund_amount_value        numeric,
  seller_actual_refund_amount_currency     text,
  buyer_estimated_refund_amount_value      numeric,
  buyer_estimated_refund_amount_currency   text,
  marketplace_id                           text,
  return_close_reason                      text,
  return_close_date                        timestamptz,
  is_open                                  boolean NOT NULL GENERATED ALWAYS AS (
                                             COALESCE(state NOT IN ('CLOSED', 'REPLACEMENT_CLOSED'), true)
                                             AND COALESCE(status NOT IN ('CLOSED', 'REPLACEMENT_CLOSED'), true)
                                             AND return_close_date IS NULL) STORED,
  raw                                      jsonb NOT NULL,
  detail                                   jsonb,
  content_hash                             bigint NOT NULL,
  first_seen_at                            timestamptz NOT NULL,
  updated_at                               timestamptz NOT NULL,
  PRIMARY KEY (account_id, return_id),
  CONSTRAINT finite CHECK (
    isfinite(creation_date) AND isfinite(timeout_date) AND isfinite(seller_respond_by_date) AND isfinite(return_close_date)
    AND GREATEST(seller_estimated_refund_amount_value, seller_actual_refund_amount_value, buyer_estimated_refund_amount_value) < 'Infinity'
    AND LEAST(seller_estimated_refund_amount_value, seller_actual_refund_amount_value, buyer_estimated_refund_amount_value) > '-Infinity')
);
CREATE INDEX returns_by_date ON ebay.returns (account_id, creation_date);
CREATE INDEX returns_by_order ON ebay.returns (account_id, order_id);
CREATE INDEX returns_open ON ebay.returns (account_id, creation_date) WHERE is_open;

CREATE TABLE ebay.cancellations (
  account_id                      bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  cancel_id                       text NOT NULL,
  marketplace_id                  text,
  legacy_order_id                 text,
  requestor_type                  text,
  cancel_reason                   text,
  cancel_state                    text,
  cancel_status                   text,
  cancel_close_reason             text,
  payment_status                  text,
  buyer_login_name                text,
  seller_login_name               text,
  cancel_request_date             timestamptz NOT NULL,
  cancel_close_date               timestamptz,
  seller_response_due_date        timestamptz,
  buyer_response_due_date         timestamptz,
  request_refund_amount_value     numeric,
  request_refund_amount_currency  text,
  is_open                         boolean NOT NULL GENERATED ALWAYS AS (
                                    COALESCE(cancel_state <> 'CLOSED', true) AND cancel_close_date IS NULL) STORED,
  raw                             jsonb NOT NULL,
  content_hash                    bigint NOT NULL,
  first_seen_at                   timestamptz NOT NULL,
  updated_at                      timestamptz NOT NULL,
  PRIMARY KEY (account_id, cancel_id),
  CONSTRAINT finite CHECK (
    isfinite(cancel_request_date) AND isfinite(cancel_close_date) AND isfinite(seller_response_due_date)
    AND isfinite(buyer_response_due_date)
    AND request_refund_amount_value < 'Infinity' AND request_refund_amount_value > '-Infinity')
);
CREATE INDEX cancellations_by_date ON ebay.cancellations (account_id, cancel_request_date);
CREATE INDEX cancellations_by_order ON ebay.cancellations (account_id, legacy_order_id);
CREATE INDEX cancellations_open ON ebay.cancellations (account_id, cancel_request_date) WHERE is_open;
