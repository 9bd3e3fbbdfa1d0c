-- What the oracle remembers: every step of every unit and run, and every row that went back.
CREATE SCHEMA chaos;
CREATE TABLE chaos.log (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  tx bigint NOT NULL DEFAULT txid_current(),
  backend integer NOT NULL DEFAULT pg_backend_pid(),
  kind text NOT NULL,
  account_id bigint,
  stream text,
  old jsonb,
  new jsonb
);
CREATE FUNCTION chaos.state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.log (kind, account_id, stream, old, new)
  VALUES ('state', NEW.account_id, NEW.stream, to_jsonb(OLD), to_jsonb(NEW));
  RETURN NULL;
END $$;
CREATE FUNCTION chaos.run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.log (kind, new) VALUES ('run', jsonb_build_object('id', NEW.id, 'status', NEW.status));
  RETURN NULL;
END $$;
CREATE FUNCTION chaos.rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.log (kind, account_id, stream) SELECT DISTINCT 'rows', account_id, TG_ARGV[0] FROM changed;
  RETURN NULL;
END $$;
CREATE FUNCTION chaos.older() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO chaos.log (kind, account_id, stream, old, new)
  VALUES ('older', OLD.account_id, TG_ARGV[0], to_jsonb(OLD), CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(NEW) END);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos AFTER UPDATE ON ebay.sync_states FOR EACH ROW EXECUTE FUNCTION chaos.state();
CREATE TRIGGER chaos AFTER INSERT OR UPDATE OF status ON ops.runs FOR EACH ROW EXECUTE FUNCTION chaos.run();
CREATE TRIGGER chaos_new AFTER INSERT ON ebay.orders REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('orders');
CREATE TRIGGER chaos_changed AFTER UPDATE ON ebay.orders REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('orders');
CREATE TRIGGER chaos_new AFTER INSERT ON ebay.transactions REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('transactions');
CREATE TRIGGER chaos_changed AFTER UPDATE ON ebay.transactions REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('transactions');
CREATE TRIGGER chaos_new AFTER INSERT ON ebay.payouts REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('payouts');
CREATE TRIGGER chaos_changed AFTER UPDATE ON ebay.payouts REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.rows('payouts');
CREATE TRIGGER chaos_older AFTER UPDATE ON ebay.orders FOR EACH ROW
  WHEN ((NEW.last_modified_date, NEW.updated_at) < (OLD.last_modified_date, OLD.updated_at))
  EXECUTE FUNCTION chaos.older('orders');
CREATE TRIGGER chaos_older AFTER UPDATE ON ebay.transactions FOR EACH ROW WHEN (NEW.updated_at < OLD.updated_at)
  EXECUTE FUNCTION chaos.older('transactions');
CREATE TRIGGER chaos_older AFTER UPDATE ON ebay.payouts FOR EACH ROW WHEN (NEW.updated_at < OLD.updated_at)
  EXECUTE FUNCTION chaos.older('payouts');
CREATE TRIGGER chaos_gone AFTER DELETE ON ebay.orders FOR EACH ROW EXECUTE FUNCTION chaos.older('orders');
CREATE TRIGGER chaos_gone AFTER DELETE ON ebay.transactions FOR EACH ROW EXECUTE FUNCTION chaos.older('transactions');
CREATE TRIGGER chaos_gone AFTER DELETE ON ebay.payouts FOR EACH ROW EXECUTE FUNCTION chaos.older('payouts');
