-- Digests of what callers sent, by this database's own key: of a phone number all that there are can be tried.

CREATE FUNCTION ops.task_digest(told bytea) RETURNS bytea
  LANGUAGE sql STABLE STRICT
  RETURN (SELECT sha256(key || sha256(key || told)) FROM ebay.erasure_key);

UPDATE ops.tasks SET digest = ops.task_digest(digest);
COMMENT ON COLUMN ops.tasks.digest IS 'Of what makes it the same task as another one, by the key of this database.';
