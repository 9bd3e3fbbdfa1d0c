-- Sessions of chats: design.md §8. A session's tasks are jobs of the queue `chat`, in the line of its key; here stands
-- what they have beside that. Lock order: key row, job row, chat, its task.

CREATE TABLE ops.chats (
  source           text NOT NULL CHECK (source ~ '^[a-z][a-z0-9_-]{0,31}$'),
  chat_id          text NOT NULL CHECK (chat_id <> ''),
  ordering_key     text NOT NULL GENERATED ALWAYS AS (source || ':' || chat_id) STORED,
  last_message_at  timestamptz NOT NULL,
  blocked_at       timestamptz,
  blocked_reason   text,
  PRIMARY KEY (source, chat_id),
  UNIQUE (ordering_key),
  CHECK ((blocked_at IS NULL) = (blocked_reason IS NULL))
);
COMMENT ON COLUMN ops.chats.source IS 'Without a colon, so that two chats never have one key.';
COMMENT ON COLUMN ops.chats.blocked_at IS 'It refused what was sent: nothing more is, until it writes again.';
CREATE INDEX chats_latest ON ops.chats (last_message_at, source, chat_id);

CREATE TABLE ops.chat_tasks (
  job_id        uuid PRIMARY KEY REFERENCES ops.jobs (id) ON DELETE CASCADE,
  ordering_key  text NOT NULL,
  made_at       timestamptz NOT NULL,
  plan          text,
  steps         jsonb,
  answer_by     timestamptz,
  shown         boolean NOT NULL DEFAULT false,
  reply         text,
  ending        text CHECK (ending IN ('told', 'untold')),
  CHECK ((plan IS NULL) = (steps IS NULL) AND (plan IS NULL) = (answer_by IS NULL))
);
COMMENT ON COLUMN ops.chat_tasks.shown IS 'The plan was sent to a chat that takes messages: only then a yes means it.';
COMMENT ON COLUMN ops.chat_tasks.ending IS 'Whether the person was told how it ended; null: it has not.';
CREATE INDEX chat_tasks_newest ON ops.chat_tasks (ordering_key, made_at, job_id);
CREATE INDEX chat_tasks_untold ON ops.chat_tasks (made_at, job_id) WHERE ending = 'untold';

-- What came once is known by the sender's name for it, also when its task has ended since.
CREATE TABLE ops.chat_messages (
  source       text NOT NULL,
  chat_id      text NOT NULL,
  key          text NOT NULL,
  job_id       uuid NOT NULL REFERENCES ops.chat_tasks (job_id) ON DELETE CASCADE,
  said         text NOT NULL CHECK (said IN ('queued', 'answered')),
  position     integer NOT NULL CHECK (position >= 0),
  received_at  timestamptz NOT NULL,
  PRIMARY KEY (source, chat_id, key)
);
CREATE INDEX chat_messages_by_task ON ops.chat_messages (job_id);

-- However a task ends (the engine's verdict, a cancel, an expired lease), its person hears of it: what ends it with a
-- reply has written 'told' before, in the same transaction; the next drain tells the rest.
CREATE FUNCTION ops.chat_task_ended() RETURNS trigger
  LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO ops.chat_tasks AS task (job_id, ordering_key, made_at, ending)
  VALUES (NEW.id, COALESCE(NEW.ordering_key, ''), NEW.created_at, 'untold')
  ON CONFLICT (job_id) DO UPDATE SET ending = 'untold' WHERE task.ending IS NULL;
  RETURN NULL;
END $$;
CREATE TRIGGER chat_task_ended AFTER UPDATE ON ops.jobs FOR EACH ROW
  WHEN (NEW.finished_at IS NOT NULL AND OLD.finished_at IS NULL AND NEW.kind = 'chat')
  EXECUTE FUNCTION ops.chat_task_ended();

-- The source of a chat by its key; null where no chat is in it.
CREATE FUNCTION ops.chat_source(ordering_key text) RETURNS text
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN substring(ordering_key FROM '^([a-z][a-z0-9_-]{0,31}):.');

CREATE VIEW ops.sessions AS
SELECT chat.source, chat.chat_id, chat.ordering_key, line.tasks AS queue_len,
       head.id AS active_id, head.status AS active_status, head.phase AS active_phase, head.due_at AS active_due_at,
       behind.id AS next_task_id,
       CASE WHEN head.status = 'pending' THEN head.input_len ELSE COALESCE(behind.input_len, 0) END AS input_len,
       COALESCE(kept.paused, false) OR COALESCE(NOT lane.enabled OR lane.tripped_at IS NOT NULL, false) AS paused,
       chat.blocked_at, chat.blocked_reason, chat.last_message_at
  FROM ops.chats chat
  LEFT JOIN LATERAL (
         SELECT id, seq, status, phase, due_at,
                CASE WHEN payload ->> 'text' ~ '\S' THEN char_length(payload ->> 'text') ELSE 0 END AS input_len
           FROM ops.jobs
          WHERE jobs.queue = 'chat' AND jobs.ordering_key = chat.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
          ORDER BY seq LIMIT 1) AS head ON true
  LEFT JOIN LATERAL (
         SELECT id, CASE WHEN payload ->> 'text' ~ '\S' THEN char_length(payload ->> 'text') ELSE 0 END AS input_len
           FROM ops.jobs
          WHERE jobs.queue = 'chat' AND jobs.ordering_key = chat.ordering_key AND jobs.seq > head.seq AND due_at IS NOT NULL
          ORDER BY jobs.seq LIMIT 1) AS behind ON true
 CROSS JOIN LATERAL (
         SELECT CAST(count(*) AS integer) AS tasks FROM ops.jobs
          WHERE jobs.queue = 'chat' AND jobs.ordering_key = chat.ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL) AS line
  LEFT JOIN ops.job_keys kept ON kept.queue = 'chat' AND kept.ordering_key = chat.ordering_key
  LEFT JOIN ops.queues lane ON lane.queue = 'chat';
COMMENT ON VIEW ops.sessions IS 'Chats with what stands in their lines: the head is the active task.';
