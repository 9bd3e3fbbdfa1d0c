-- Messages and Best Offers (design.md §6).

CREATE TABLE ebay.messages (
  account_id           bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  message_id           text NOT NULL,
  external_message_id  text,
  direction            text NOT NULL CHECK (direction IN ('INCOMING', 'OUTGOING')),
  folder_id            text,
  sender               text,
  recipient_user_id    text,
  send_to_name         text,
  subject              text,
  message_type         text,
  question_type        text,
  item_id              text,
  item_title           text,
  item_end_time        timestamptz,
  receive_date         timestamptz NOT NULL,
  expiration_date      timestamptz,
  read                 boolean,
  flagged              boolean,
  replied              boolean,
  high_priority        boolean,
  response_enabled     boolean,
  raw                  jsonb NOT NULL,
  content_hash         bigint NOT NULL,
  detail               jsonb,
  first_seen_at        timestamptz NOT NULL,
  updated_at           timestamptz NOT NULL,
  note                 text,
  tags                 text[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (account_id, message_id),
  CONSTRAINT finite CHECK (isfinite(receive_date) AND isfinite(expiration_date) AND isfinite(item_end_time))
);
COMMENT ON COLUMN ebay.messages.detail IS 'The message with its text (Text, Content); null where eBay has deleted it.';
COMMENT ON COLUMN ebay.messages.note IS 'Yours: no sync writes it, nor tags.';
CREATE INDEX messages_by_date ON ebay.messages (account_id, receive_date);
CREATE INDEX messages_by_item ON ebay.messages (account_id, item_id);

CREATE TABLE ebay.best_offers (
  account_id                 bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  item_id                    text NOT NULL,
  best_offer_id              text NOT NULL,
  role                       text,
  status                     text,
  best_offer_code_type       text,
  price_value                numeric,
  price_currency             text,
  quantity                   integer,
  buyer_user_id              text,
  expiration_time            timestamptz,
  buyer_message              text,
  seller_message             text,
  item_title                 text,
  buy_it_now_price_value     numeric,
  buy_it_now_price_currency  text,
  item_end_time              timestamptz,
  raw                        jsonb NOT NULL,
  content_hash               bigint NOT NULL,
  first_seen_at              timestamptz NOT NULL,
  updated_at                 timestamptz NOT NULL,
  ended_at                   timestamptz,
  note                       text,
  tags                       text[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (account_id, item_id, best_offer_id),
  CONSTRAINT finite CHECK (
    isfinite(expiration_time) AND isfinite(item_end_time)
    AND GREATEST(price_value, buy_it_now_price_value) < 'Infinity'
    AND LEAST(price_value, buy_it_now_price_value) > '-Infinity')
);
COMMENT ON COLUMN ebay.best_offers.ended_at IS 'Since when two complete readings in a row no longer showed it: answered, withdrawn or expired.';
COMMENT ON COLUMN ebay.best_offers.note IS 'Yours: no sync writes it, nor tags.';
