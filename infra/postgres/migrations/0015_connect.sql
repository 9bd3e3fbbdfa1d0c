-- Connecting accounts by consent, and disconnecting them (design.md §9, §10).

ALTER TABLE ebay.accounts
  ADD COLUMN scopes text[],
  ADD COLUMN scopes_told boolean,
  ADD COLUMN connected_at timestamptz;
COMMENT ON COLUMN ebay.accounts.scopes IS 'What the owner has consented to; null: the token was imported, and nobody told.';
COMMENT ON COLUMN ebay.accounts.scopes_told IS 'True: as eBay''s answer told them; false: as they were asked for.';

CREATE TABLE ebay.connect_states (
  id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  state_digest     text NOT NULL UNIQUE,
  browser_digest   text,
  via              text NOT NULL CHECK (via IN ('web', 'cli')),
  name             text NOT NULL,
  environment      text NOT NULL CHECK (environment IN ('production', 'sandbox', 'simulator')),
  marketplace_ids  text[] NOT NULL,
  scopes           text[] NOT NULL,
  begun_at         timestamptz NOT NULL,
  expires_at       timestamptz NOT NULL,
  used_at          timestamptz
);
CREATE INDEX connect_states_by_end ON ebay.connect_states (expires_at);
COMMENT ON COLUMN ebay.connect_states.state_digest IS 'SHA-256; the state itself is nowhere.';
COMMENT ON COLUMN ebay.connect_states.browser_digest IS 'Of the cookie of the browser that began; null: begun on a command line.';

CREATE TABLE ebay.connect_events (
  id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at            timestamptz NOT NULL,
  attempt_id    bigint,
  step          text NOT NULL CHECK (step IN ('begun', 'callback_received', 'code_exchanged', 'identity_looked_up', 'connected',
                                              'refused', 'revoked', 'revoke_failed', 'disconnected', 'erased')),
  via           text CHECK (via IN ('web', 'cli')),
  account_name  text,
  environment   text,
  account_id    bigint,
  reason        text,
  detail        text,
  CHECK (step <> 'refused' OR reason IS NOT NULL)
);
CREATE INDEX connect_events_by_account ON ebay.connect_events (account_id, at DESC);
CREATE INDEX connect_events_stray ON ebay.connect_events (at) WHERE attempt_id IS NULL AND step = 'refused';
COMMENT ON TABLE ebay.connect_events IS 'Each step of connecting and disconnecting; never a code, a state or a token.';
COMMENT ON COLUMN ebay.connect_events.attempt_id IS 'Of ebay.connect_states, whose rows live a day; null: an answer that belongs to none.';

-- Over every table that has an account_id, those of later releases too. What is done to an account
-- stays: its row, its events and the calls of its application.
CREATE FUNCTION ebay.tables_of_accounts() RETURNS TABLE (place integer, which text)
LANGUAGE sql STABLE AS $$
  -- Its states first: without them no run stores another page.
  SELECT CASE WHEN relation.relname = 'sync_states' THEN 0 ELSE 1 END, schema.nspname || '.' || relation.relname
    FROM pg_attribute attribute
    JOIN pg_class relation ON relation.oid = attribute.attrelid
    JOIN pg_namespace schema ON schema.oid = relation.relnamespace
   WHERE schema.nspname IN ('ebay', 'ops') AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition
     AND attribute.attname = 'account_id' AND NOT attribute.attisdropped
     AND relation.relname NOT IN ('connect_events')
$$;

CREATE FUNCTION ebay.rows_of_account(account bigint) RETURNS TABLE (place integer, which text, held bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  FOR place, which IN SELECT * FROM ebay.tables_of_accounts() LOOP
    EXECUTE format('SELECT count(*) FROM %I.%I WHERE account_id = $1', split_part(which, '.', 1), split_part(which, '.', 2))
       INTO held USING account;
    IF held > 0 THEN RETURN NEXT; END IF;
  END LOOP;
END $$;

CREATE FUNCTION ebay.erase_of_account(account bigint, wanted text, most integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE erased bigint;
BEGIN
  -- Who connects it again waits for this batch, and the next one finds it connected.
  PERFORM FROM ebay.accounts WHERE id = account AND status = 'disconnected' FOR SHARE;
  IF NOT FOUND OR NOT EXISTS (SELECT FROM ebay.tables_of_accounts() AS known WHERE known.which = wanted) THEN
    RETURN 0;
  END IF;
  EXECUTE format('DELETE FROM %1$I.%2$I WHERE ctid = ANY (ARRAY(SELECT ctid FROM %1$I.%2$I WHERE account_id = $1 LIMIT $2))',
                 split_part(wanted, '.', 1), split_part(wanted, '.', 2))
    USING account, most;
  GET DIAGNOSTICS erased = ROW_COUNT;
  RETURN erased;
END $$;
