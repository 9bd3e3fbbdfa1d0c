-- What eBay tells by itself (design.md §9), and the people whom it told us to forget.

-- No payload: it is a hint, all that it causes is done in the transaction that writes its row, and
-- it may be a person's text.
CREATE TABLE ebay.notifications (
  notification_id        text PRIMARY KEY CHECK (notification_id <> ''),
  topic                  text NOT NULL,
  received_at            timestamptz NOT NULL,
  event_at               timestamptz,
  publish_attempt_count  integer NOT NULL,
  account_ids            bigint[] NOT NULL DEFAULT '{}',
  outcome                text CHECK (outcome IN ('erased', 'unknown_person', 'needs_reconnect', 'due', 'unknown_account', 'ignored')),
  effects                jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX notifications_by_date ON ebay.notifications (received_at);
COMMENT ON TABLE ebay.notifications IS 'One row per notification of eBay, however often it was sent; kept 90 days.';
COMMENT ON COLUMN ebay.notifications.effects IS 'What was done: rows by table, or units; nothing of the person or the text.';

ALTER TABLE ebay.sync_states ADD COLUMN hinted_at timestamptz;
COMMENT ON COLUMN ebay.sync_states.hinted_at IS 'When eBay last told of a change here; a reading that cannot have seen it yet is followed by another.';

-- People are kept as hashes: enough to know them again, should eBay still show them.
CREATE TABLE ebay.erasure_key (
  only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  key       bytea NOT NULL CHECK (length(key) = 32)
);
COMMENT ON TABLE ebay.erasure_key IS 'Of the hashes in ebay.erased_people; of this database alone.';
INSERT INTO ebay.erasure_key (key)
VALUES (sha256(convert_to(CAST(gen_random_uuid() AS text) || CAST(gen_random_uuid() AS text), 'UTF8')));

CREATE TABLE ebay.erased_people (
  person      bytea PRIMARY KEY,
  erased_at   timestamptz NOT NULL,
  keep_until  timestamptz
);
CREATE INDEX erased_people_ending ON ebay.erased_people (keep_until) WHERE keep_until IS NOT NULL;
COMMENT ON TABLE ebay.erased_people IS 'Keyed hashes of the names and ids of people whose eBay accounts were deleted; their rows are erased as they come.';
COMMENT ON COLUMN ebay.erased_people.keep_until IS 'Of people who had no rows here; null: for good.';

CREATE FUNCTION ebay.person_hash(word text) RETURNS bytea
  LANGUAGE sql STABLE STRICT
  RETURN (SELECT sha256(key || sha256(key || convert_to(lower(word COLLATE "C"), 'UTF8'))) FROM ebay.erasure_key);

-- The lock is shared by all who store: who erases waits for them and then sees their rows, and who
-- stores later sees the person's hash. VOLATILE: each statement inside has a snapshot of its own.
CREATE FUNCTION ebay.is_erased(VARIADIC words text[]) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(ops.lock_key('erasure'));
  IF NOT EXISTS (SELECT FROM ebay.erased_people) THEN
    RETURN false;
  END IF;
  RETURN EXISTS (
    SELECT FROM ebay.erased_people
     WHERE person = ANY (ARRAY(SELECT ebay.person_hash(word) FROM unnest(words) AS word WHERE word <> '')));
END $$;

-- Whether a text names such a person.
CREATE FUNCTION ebay.names_erased(said text) RETURNS boolean
  LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(ops.lock_key('erasure'));
  IF said IS NULL OR NOT EXISTS (SELECT FROM ebay.erased_people) THEN
    RETURN false;
  END IF;
  RETURN ebay.is_erased(VARIADIC ARRAY(
    SELECT DISTINCT form
      FROM regexp_matches(said, '[^][[:space:]"''<>(){},;:!?&“”„»«#|/\\=]{2,80}', 'g') AS found (parts)
     CROSS JOIN LATERAL (VALUES (parts[1]), (rtrim(parts[1], '.*_-'))) AS either (form)));
END $$;

-- What an index finds a name in a text by. ASCII only, so that no collation can change it.
CREATE FUNCTION ebay.words(said text) RETURNS text[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
  RETURN string_to_array(btrim(regexp_replace(lower(said COLLATE "C"), '[^a-z0-9]+', ' ', 'g')), ' ');

CREATE FUNCTION ebay.without_names(said text, named text[]) RETURNS text
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY named LOOP
    IF lower(said) = lower(name) THEN
      RETURN NULL;
    ELSIF strpos(lower(said), lower(name)) > 0 THEN
      said := regexp_replace(
        said, '(?<![[:alnum:]])' || regexp_replace(name, '([][\\^$.|?*+(){}-])', '\\\1', 'g') || '(?![[:alnum:]])', 'erased', 'gi');
    END IF;
  END LOOP;
  RETURN said;
END $$;

-- The structure without what it says; countries stay, taxes are booked by them.
CREATE FUNCTION ebay.emptied(said jsonb) RETURNS jsonb
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
  CASE jsonb_typeof(said)
    WHEN 'object' THEN
      RETURN COALESCE((
        SELECT jsonb_object_agg(key, CASE WHEN key IN ('countryCode', 'Country') AND jsonb_typeof(value) = 'string'
                                          THEN value ELSE ebay.emptied(value) END)
          FROM jsonb_each(said)), said);
    WHEN 'array' THEN
      RETURN COALESCE((
        SELECT jsonb_agg(ebay.emptied(value) ORDER BY place)
          FROM jsonb_array_elements(said) WITH ORDINALITY AS element (value, place)), said);
    ELSE
      RETURN 'null';
  END CASE;
END $$;

-- `personal` members emptied, and nobody of `named` named.
CREATE FUNCTION ebay.without_person(said jsonb, personal text[], named text[]) RETURNS jsonb
  LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE STRICT AS $$
BEGIN
  CASE jsonb_typeof(said)
    WHEN 'object' THEN
      RETURN COALESCE((
        SELECT jsonb_object_agg(key, CASE WHEN key = ANY (personal) THEN ebay.emptied(value)
                                          ELSE ebay.without_person(value, personal, named) END)
          FROM jsonb_each(said)), said);
    WHEN 'array' THEN
      RETURN COALESCE((
        SELECT jsonb_agg(ebay.without_person(value, personal, named) ORDER BY place)
          FROM jsonb_array_elements(said) WITH ORDINALITY AS element (value, place)), said);
    WHEN 'string' THEN
      RETURN COALESCE(to_jsonb(ebay.without_names(said #>> '{}', named)), 'null');
    ELSE
      RETURN said;
  END CASE;
END $$;

-- Takes a person out of a row on its way in. Arguments: columns that may name a person, columns of
-- a person's words, members of `raw` and `detail` that are personal, and (messages) the only ones
-- that stay. `content_hash` stays that of eBay's answer, so that the same answer changes nothing.
CREATE FUNCTION ebay.erase_row() RETURNS trigger
  LANGUAGE plpgsql AS $$
DECLARE
  said    jsonb := to_jsonb(NEW);
  named   text[] := ARRAY(SELECT jsonb_array_elements_text(CAST(NULLIF(current_setting('cronshot.erasing', true), '') AS jsonb)));
  erased  jsonb := '{}';
  name    text;
BEGIN
  FOREACH name IN ARRAY CAST(TG_ARGV[0] AS text[]) LOOP
    IF ebay.is_erased(said ->> name) THEN
      named := named || (said ->> name);
      erased := erased || jsonb_build_object(name, NULL);
    END IF;
  END LOOP;
  FOREACH name IN ARRAY CAST(TG_ARGV[1] AS text[]) LOOP
    erased := erased || jsonb_build_object(name, NULL);
  END LOOP;
  IF TG_NARGS > 3 THEN
    erased := erased || jsonb_build_object('detail', jsonb_build_object(), 'raw', (
      SELECT COALESCE(jsonb_object_agg(key, value), '{}') FROM jsonb_each(NEW.raw) WHERE key = ANY (CAST(TG_ARGV[3] AS text[]))));
  ELSE
    FOREACH name IN ARRAY '{raw,detail,note,tags}'::text[] LOOP
      IF jsonb_typeof(said -> name) <> 'null' THEN
        erased := erased || jsonb_build_object(name, ebay.without_person(said -> name, CAST(TG_ARGV[2] AS text[]), named));
      END IF;
    END LOOP;
  END IF;
  erased := erased || jsonb_build_object('erased_at', COALESCE(said -> 'erased_at', 'null'));
  IF TG_OP = 'UPDATE' THEN
    erased := erased || jsonb_build_object('erased_at', COALESCE(NULLIF(to_jsonb(OLD) -> 'erased_at', 'null'), said -> 'erased_at'));
  END IF;
  IF erased -> 'erased_at' = 'null' THEN
    erased := erased || jsonb_build_object('erased_at', NEW.updated_at);
  END IF;
  NEW := jsonb_populate_record(NEW, erased);
  -- What eBay changed was the person's alone: nothing of it is kept, so nothing is written.
  IF TG_OP = 'UPDATE' AND to_jsonb(OLD) - '{updated_at,is_open}'::text[] = to_jsonb(NEW) - '{updated_at,is_open}'::text[] THEN
    RETURN NULL;
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION ebay.refuse_row() RETURNS trigger
  LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;

CREATE FUNCTION ebay.erase_said() RETURNS trigger
  LANGUAGE plpgsql AS $$ BEGIN NEW.facts := NEW.facts - 'body'; RETURN NEW; END $$;

-- A row of a person who is gone stays, for the books; the person goes.

ALTER TABLE ebay.orders ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.transactions ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.disputes ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.cases ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.inquiries ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.returns ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.cancellations ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.messages ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.best_offers ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.purchases ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.order_lines ADD COLUMN erased_at timestamptz;
ALTER TABLE ebay.listings ADD COLUMN erased_at timestamptz;
COMMENT ON COLUMN ebay.orders.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.transactions.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.disputes.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.cases.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.inquiries.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.returns.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.cancellations.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.messages.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.best_offers.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.purchases.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.order_lines.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';
COMMENT ON COLUMN ebay.listings.erased_at IS 'Since when the person of this row is taken out of it, for eBay had the account deleted.';

CREATE TRIGGER erase_new BEFORE INSERT ON ebay.orders FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{}', '{buyer,shipTo,finalDestinationAddress,buyerCheckoutNotes,giftDetails}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.orders FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{}', '{buyer,shipTo,finalDestinationAddress,buyerCheckoutNotes,giftDetails}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.transactions FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{}', '{buyer}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.transactions FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{}', '{buyer}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.disputes FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{}', '{}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.disputes FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer_username))
  EXECUTE FUNCTION ebay.erase_row('{buyer_username}', '{}', '{}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.cases FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer, NEW.seller))
  EXECUTE FUNCTION ebay.erase_row('{buyer,seller}', '{}', '{comments,notes}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.cases FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer, NEW.seller))
  EXECUTE FUNCTION ebay.erase_row('{buyer,seller}', '{}', '{comments,notes}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.inquiries FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer, NEW.seller))
  EXECUTE FUNCTION ebay.erase_row('{buyer,seller}', '{}', '{comments,description,notes}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.inquiries FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer, NEW.seller))
  EXECUTE FUNCTION ebay.erase_row('{buyer,seller}', '{}', '{comments,description,notes}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.returns FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer_login_name, NEW.seller_login_name))
  EXECUTE FUNCTION ebay.erase_row('{buyer_login_name,seller_login_name}', '{}', '{buyerAddress,comments,content,notes,translatedFromContent}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.returns FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer_login_name, NEW.seller_login_name))
  EXECUTE FUNCTION ebay.erase_row('{buyer_login_name,seller_login_name}', '{}', '{buyerAddress,comments,content,notes,translatedFromContent}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.cancellations FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer_login_name, NEW.seller_login_name))
  EXECUTE FUNCTION ebay.erase_row('{buyer_login_name,seller_login_name}', '{}', '{comments,notes}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.cancellations FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer_login_name, NEW.seller_login_name))
  EXECUTE FUNCTION ebay.erase_row('{buyer_login_name,seller_login_name}', '{}', '{comments,notes}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.messages FOR EACH ROW
  WHEN (ebay.is_erased(NEW.sender, NEW.recipient_user_id, NEW.send_to_name) OR ebay.names_erased(NEW.subject) OR ebay.names_erased(CAST(NEW.detail AS text)))
  EXECUTE FUNCTION ebay.erase_row('{sender,recipient_user_id,send_to_name}', '{subject}', '{}', '{ExpirationDate,ExternalMessageID,Flagged,Folder,ItemEndTime,ItemID,ItemTitle,MessageID,MessageType,QuestionType,Read,ReceiveDate,Replied}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.messages FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.sender, NEW.recipient_user_id, NEW.send_to_name))
  EXECUTE FUNCTION ebay.erase_row('{sender,recipient_user_id,send_to_name}', '{subject}', '{}', '{ExpirationDate,ExternalMessageID,Flagged,Folder,ItemEndTime,ItemID,ItemTitle,MessageID,MessageType,QuestionType,Read,ReceiveDate,Replied}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.best_offers FOR EACH ROW
  WHEN (ebay.is_erased(NEW.buyer_user_id))
  EXECUTE FUNCTION ebay.erase_row('{buyer_user_id}', '{buyer_message,seller_message}', '{Buyer,BuyerMessage,SellerMessage}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.best_offers FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.buyer_user_id))
  EXECUTE FUNCTION ebay.erase_row('{buyer_user_id}', '{buyer_message,seller_message}', '{Buyer,BuyerMessage,SellerMessage}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.purchases FOR EACH ROW
  WHEN (ebay.is_erased(NEW.seller_user_id))
  EXECUTE FUNCTION ebay.erase_row('{seller_user_id}', '{}', '{Seller}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.purchases FOR EACH ROW
  WHEN (OLD.erased_at IS NOT NULL OR NEW.erased_at IS NOT NULL OR ebay.is_erased(NEW.seller_user_id))
  EXECUTE FUNCTION ebay.erase_row('{seller_user_id}', '{}', '{Seller}');
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.listings FOR EACH ROW
  WHEN (NEW.raw #>> '{SellingStatus,HighBidder,UserID}' IS NOT NULL AND ebay.is_erased(NEW.raw #>> '{SellingStatus,HighBidder,UserID}'))
  EXECUTE FUNCTION ebay.erase_row('{}', '{}', '{HighBidder}');
CREATE TRIGGER erase_again BEFORE UPDATE ON ebay.listings FOR EACH ROW
  WHEN (NEW.raw #>> '{SellingStatus,HighBidder,UserID}' IS NOT NULL AND ebay.is_erased(NEW.raw #>> '{SellingStatus,HighBidder,UserID}'))
  EXECUTE FUNCTION ebay.erase_row('{}', '{}', '{HighBidder}');
-- What could not be stored is kept for looking at only: nothing of such a person is.
CREATE TRIGGER erase_new BEFORE INSERT ON ebay.quarantine FOR EACH ROW
  WHEN (ebay.names_erased(NEW.raw))
  EXECUTE FUNCTION ebay.refuse_row();
-- The beginning of an answer that could not be used.
CREATE TRIGGER erase_new BEFORE INSERT ON ops.run_events FOR EACH ROW
  WHEN (NEW.level <> 'info' AND NEW.facts ? 'body' AND ebay.names_erased(NEW.facts ->> 'body'))
  EXECUTE FUNCTION ebay.erase_said();

-- Most deleted accounts are of nobody here: finding that out reads indexes only.
CREATE INDEX orders_by_buyer_username ON ebay.orders (lower(buyer_username COLLATE "C"));
CREATE INDEX transactions_by_buyer_username ON ebay.transactions (lower(buyer_username COLLATE "C"));
CREATE INDEX disputes_by_buyer_username ON ebay.disputes (lower(buyer_username COLLATE "C"));
CREATE INDEX cases_by_buyer ON ebay.cases (lower(buyer COLLATE "C"));
CREATE INDEX cases_by_seller ON ebay.cases (lower(seller COLLATE "C"));
CREATE INDEX inquiries_by_buyer ON ebay.inquiries (lower(buyer COLLATE "C"));
CREATE INDEX inquiries_by_seller ON ebay.inquiries (lower(seller COLLATE "C"));
CREATE INDEX returns_by_buyer_login_name ON ebay.returns (lower(buyer_login_name COLLATE "C"));
CREATE INDEX returns_by_seller_login_name ON ebay.returns (lower(seller_login_name COLLATE "C"));
CREATE INDEX cancellations_by_buyer_login_name ON ebay.cancellations (lower(buyer_login_name COLLATE "C"));
CREATE INDEX cancellations_by_seller_login_name ON ebay.cancellations (lower(seller_login_name COLLATE "C"));
CREATE INDEX messages_by_sender ON ebay.messages (lower(sender COLLATE "C"));
CREATE INDEX messages_by_recipient_user_id ON ebay.messages (lower(recipient_user_id COLLATE "C"));
CREATE INDEX messages_by_send_to_name ON ebay.messages (lower(send_to_name COLLATE "C"));
CREATE INDEX best_offers_by_buyer_user_id ON ebay.best_offers (lower(buyer_user_id COLLATE "C"));
CREATE INDEX purchases_by_seller_user_id ON ebay.purchases (lower(seller_user_id COLLATE "C"));
CREATE INDEX listings_by_high_bidder ON ebay.listings (lower((raw #>> '{SellingStatus,HighBidder,UserID}') COLLATE "C"))
  WHERE raw #>> '{SellingStatus,HighBidder,UserID}' IS NOT NULL;
CREATE INDEX messages_by_word ON ebay.messages USING gin (ebay.words(COALESCE(subject, '') || ' ' || COALESCE(CAST(detail AS text), '')));
CREATE INDEX quarantine_by_word ON ebay.quarantine USING gin (ebay.words(raw));
CREATE INDEX run_events_by_word ON ops.run_events USING gin (ebay.words(CAST(facts AS text))) WHERE level <> 'info';
CREATE INDEX run_units_by_word ON ops.run_units USING gin (ebay.words(error)) WHERE error IS NOT NULL;
CREATE INDEX accounts_by_user ON ebay.accounts (ebay_user_id);
CREATE INDEX accounts_by_username ON ebay.accounts (lower(username COLLATE "C"));
-- Notes are few, and yours: they are looked through for a name.
CREATE INDEX disputes_with_note ON ebay.disputes (account_id) WHERE note IS NOT NULL;
CREATE INDEX cases_with_note ON ebay.cases (account_id) WHERE note IS NOT NULL;
CREATE INDEX inquiries_with_note ON ebay.inquiries (account_id) WHERE note IS NOT NULL;
CREATE INDEX returns_with_note ON ebay.returns (account_id) WHERE note IS NOT NULL;
CREATE INDEX cancellations_with_note ON ebay.cancellations (account_id) WHERE note IS NOT NULL;
CREATE INDEX messages_with_note ON ebay.messages (account_id) WHERE note IS NOT NULL;
CREATE INDEX best_offers_with_note ON ebay.best_offers (account_id) WHERE note IS NOT NULL;
CREATE INDEX listings_with_note ON ebay.listings (account_id) WHERE note IS NOT NULL;
CREATE INDEX purchases_with_note ON ebay.purchases (account_id) WHERE note IS NOT NULL;
CREATE INDEX inventory_offers_with_note ON ebay.inventory_offers (account_id) WHERE note IS NOT NULL;
