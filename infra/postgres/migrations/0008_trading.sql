-- Listings and purchases (design.md §6).

CREATE TABLE ebay.listings (
  account_id                 bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  item_id                    text NOT NULL,
  sku                        text NOT NULL,
  title                      text,
  variation_title            text,
  listing_type               text,
  listing_duration           text,
  start_time                 timestamptz,
  end_time                   timestamptz,
  view_item_url              text,
  quantity                   integer,
  quantity_available         integer,
  current_price_value        numeric,
  current_price_currency     text,
  start_price_value          numeric,
  start_price_currency       text,
  buy_it_now_price_value     numeric,
  buy_it_now_price_currency  text,
  bid_count                  integer,
  watch_count                integer,
  raw                        jsonb NOT NULL,
  content_hash               bigint NOT NULL,
  first_seen_at              timestamptz NOT NULL,
  updated_at                 timestamptz NOT NULL,
  ended_at                   timestamptz,
  note                       text,
  tags                       text[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (account_id, item_id, sku),
  CONSTRAINT finite CHECK (
    isfinite(start_time) AND isfinite(end_time)
    AND GREATEST(current_price_value, start_price_value, buy_it_now_price_value) < 'Infinity'
    AND LEAST(current_price_value, start_price_value, buy_it_now_price_value) > '-Infinity')
);
COMMENT ON COLUMN ebay.listings.sku IS 'Of the listing, or of one of its variations; empty where there is none.';
COMMENT ON COLUMN ebay.listings.raw IS 'The Item without its TimeLeft, and with the variations of this SKU only.';
COMMENT ON COLUMN ebay.listings.ended_at IS 'Since when two complete readings in a row no longer showed it.';
COMMENT ON COLUMN ebay.listings.note IS 'Yours: no sync writes it, nor tags.';
CREATE INDEX listings_by_sku ON ebay.listings (account_id, sku);

CREATE TABLE ebay.purchases (
  account_id                  bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  item_id                     text NOT NULL,
  transaction_id              text NOT NULL,
  order_line_item_id          text,
  order_id                    text,
  title                       text,
  listing_type                text,
  seller_user_id              text,
  quantity_purchased          integer,
  current_price_value         numeric,
  current_price_currency      text,
  transaction_price_value     numeric,
  transaction_price_currency  text,
  total_price_value           numeric,
  total_price_currency        text,
  buyer_paid_status           text,
  created_date                timestamptz,
  end_time                    timestamptz,
  paid_time                   timestamptz,
  shipped_time                timestamptz,
  raw                         jsonb NOT NULL,
  content_hash                bigint NOT NULL,
  first_seen_at               timestamptz NOT NULL,
  updated_at                  timestamptz NOT NULL,
  note                        text,
  tags                        text[] NOT NULL DEFAULT '{}',
  PRIMARY KEY (account_id, item_id, transaction_id),
  CONSTRAINT finite CHECK (
    isfinite(created_date) AND isfinite(end_time) AND isfinite(paid_time) AND isfinite(shipped_time)
    AND GREATEST(current_price_value, transaction_price_value, total_price_value) < 'Infinity'
    AND LEAST(current_price_value, transaction_price_value, total_price_value) > '-Infinity')
);
COMMENT ON COLUMN ebay.purchases.transaction_id IS 'As eBay gives it: 0 for what was won at an auction.';
COMMENT ON COLUMN ebay.purchases.note IS 'Yours: no sync writes it, nor tags.';
CREATE INDEX purchases_by_date ON ebay.purchases (account_id, created_date);
