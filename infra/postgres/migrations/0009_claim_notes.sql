-- What belongs to the user (design.md §6).

ALTER TABLE ebay.cases ADD COLUMN note text, ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE ebay.inquiries ADD COLUMN note text, ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE ebay.returns ADD COLUMN note text, ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
ALTER TABLE ebay.cancellations ADD COLUMN note text, ADD COLUMN tags text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN ebay.cases.note IS 'Yours, like tags: never written by a sync.';
COMMENT ON COLUMN ebay.inquiries.note IS 'Yours, like tags: never written by a sync.';
COMMENT ON COLUMN ebay.returns.note IS 'Yours, like tags: never written by a sync.';
COMMENT ON COLUMN ebay.cancellations.note IS 'Yours, like tags: never written by a sync.';
