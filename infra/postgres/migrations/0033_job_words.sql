-- A word that is longer than an index takes (a key in hex, a picture in base64) kept its whole row out. Nobody's name is.
CREATE OR REPLACE FUNCTION ebay.words(said text) RETURNS text[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
  RETURN string_to_array(btrim(regexp_replace(
           regexp_replace(lower(said COLLATE "C"), '[^a-z0-9]+', ' ', 'g'), '([a-z0-9]{100})[a-z0-9]+', '\1', 'g')), ' ');

-- A person who is known from the payload of a job alone: an index over what jobs of all kinds say would be written anew
-- with each claim. Payloads do not change, so their words stand beside the jobs, written once; of jobs that send
-- something there is an index by all that they say already.

CREATE TABLE ops.job_words (
  job_id  uuid PRIMARY KEY REFERENCES ops.jobs (id) ON DELETE CASCADE,
  words   text[] NOT NULL
);
CREATE INDEX job_words_by_word ON ops.job_words USING gin (words);

CREATE FUNCTION ops.keep_words() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ops.job_words (job_id, words) VALUES (NEW.id, ebay.words(CAST(NEW.payload AS text)))
  ON CONFLICT (job_id) DO UPDATE SET words = EXCLUDED.words;
  RETURN NULL;
END $$;
CREATE TRIGGER keep_words AFTER INSERT OR UPDATE OF payload ON ops.jobs FOR EACH ROW
  WHEN (NEW.payload <> '{}' AND NEW.kind NOT LIKE 'notify.%' AND NEW.kind <> 'http_request'
        AND jsonb_path_exists(NEW.payload, '$.** ? (@.type() == "string")'))
  EXECUTE FUNCTION ops.keep_words();

INSERT INTO ops.job_words (job_id, words)
SELECT id, ebay.words(CAST(payload AS text)) FROM ops.jobs
 WHERE payload <> '{}' AND kind NOT LIKE 'notify.%' AND kind <> 'http_request'
   AND jsonb_path_exists(payload, '$.** ? (@.type() == "string")');
