-- Offers of the Inventory API (design.md §6).

CREATE TABLE ebay.inventory_offers (
  account_id                      bigint NOT NULL REFERENCES ebay.accounts ON DELETE CASCADE,
  offer_id                        text NOT NULL,
  sku                             text,
  marketplace_id                  text,
  format                          text,
  status                          text,
  listing_id                      text,
  listing_status                  text,
  listing_on_hold                 boolean,
  sold_quantity                   integer,
  available_quantity              integer,
  quantity_limit_per_buyer        integer,
  lot_size                        integer,
  price_value                     numeric,
  price_currency                  text,
  auction_start_price_value       numeric,
  auction_start_price_currency    text,
  auction_reserve_price_value     numeric,
  auction_reserve_price_currency  text,
  vat_percentage                  numeric,
  category_id                     text,
  secondary_category_id           text,
  merchant_location_key           text,
  listing_duration                text,
  listing_start_date              timestamptz,
  fulfillment_policy_id           text,
  payment_policy_id               text,
  return_policy_id                text,
  note                            text,
  tags                            text[] NOT NULL DEFAULT '{}',
  raw                             jsonb NOT NULL,
  content_hash                    bigint NOT NULL,
  first_seen_at                   timestamptz NOT NULL,
  updated_at                      timestamptz NOT NULL,
  ended_at                        timestamptz,
  PRIMARY KEY (account_id, offer_id),
  CONSTRAINT finite CHECK (
    isfinite(listing_start_date)
    AND GREATEST(price_value, auction_start_price_value, auction_reserve_price_value, vat_percentage) < 'Infinity'
    AND LEAST(price_value, auction_start_price_value, auction_reserve_price_value, vat_percentage) > '-Infinity')
);
COMMENT ON COLUMN ebay.inventory_offers.ended_at IS 'When two complete snapshots in a row had not shown it.';
COMMENT ON COLUMN ebay.inventory_offers.note IS 'Yours, like tags: never written by a sync.';
CREATE INDEX inventory_offers_by_sku ON ebay.inventory_offers (account_id, sku);
CREATE INDEX inventory_offers_by_listing ON ebay.inventory_offers (account_id, listing_id);
