-- Chats and their tasks. Lock order: key row, job row, chat, its task.

-- name: heard
SELECT job_id, said, position FROM ops.chat_messages WHERE source = :source AND chat_id = :chat_id AND key = :key;

-- name: chat_wrote
-- Whoever writes takes messages again.
INSERT INTO ops.chats AS chat (source, chat_id, last_message_at)
VALUES (:source, :chat_id, clock_timestamp())
ON CONFLICT (source, chat_id) DO UPDATE
   SET last_message_at = EXCLUDED.last_message_at, blocked_at = NULL, blocked_reason = NULL;

-- name: head
-- Of a line whose key row is locked. A wait that is over takes no answer any more.
SELECT id, status = 'waiting' AND wait_name = :answer AND wait_until > clock_timestamp() AS asks
  FROM ops.jobs
 WHERE queue = :queue AND ordering_key = :ordering_key AND seq IS NOT NULL AND due_at IS NOT NULL
 ORDER BY seq LIMIT 1;

-- name: asks
SELECT ordering_key, status, status = 'waiting' AND wait_name = :answer AND wait_until > clock_timestamp() AS asks
  FROM ops.jobs WHERE id = :id AND queue = :queue AND kind = :kind
   FOR UPDATE;

-- name: line_of
SELECT ordering_key FROM ops.jobs WHERE id = :id AND queue = :queue AND kind = :kind AND ordering_key IS NOT NULL;

-- name: position
SELECT CAST(count(*) AS integer) AS position
  FROM ops.jobs earlier JOIN ops.jobs job ON job.id = :id
 WHERE earlier.queue = job.queue AND earlier.ordering_key = job.ordering_key
   AND earlier.seq < job.seq AND earlier.due_at IS NOT NULL;

-- name: keep_task
INSERT INTO ops.chat_tasks (job_id, ordering_key, made_at)
VALUES (:id, :ordering_key, clock_timestamp())
ON CONFLICT (job_id) DO NOTHING;

-- name: keep_message
INSERT INTO ops.chat_messages (source, chat_id, key, job_id, said, position, received_at)
VALUES (:source, :chat_id, :key, :id, :said, :position, clock_timestamp());

-- name: page
SELECT source, chat_id, queue_len, active_id, active_status, active_phase, next_task_id, paused, blocked_at, last_message_at
  FROM ops.sessions
 WHERE (CAST(:source AS text) IS NULL
        OR (last_message_at, source, chat_id) <
           ((SELECT last_message_at FROM ops.chats mark WHERE mark.source = :source AND mark.chat_id = :chat_id),
            :source, CAST(:chat_id AS text)))
 ORDER BY last_message_at DESC, source DESC, chat_id DESC
 LIMIT :most;

-- name: total
SELECT count(*) AS total FROM ops.chats;

-- name: one
SELECT source, chat_id, queue_len, active_id, active_status, active_phase, next_task_id, paused, blocked_at, last_message_at
  FROM ops.sessions WHERE source = :source AND chat_id = :chat_id;

-- name: unfinished
SELECT job.id, job.ordering_key, job.status, job.phase, job.outcome, job.payload ->> 'text' AS text, task.reply, task.plan,
       task.answer_by, job.error_code, job.error_detail, job.created_at, job.started_at, job.finished_at,
       CAST(row_number() OVER (ORDER BY job.seq) AS integer) - 1 AS position
  FROM ops.jobs job LEFT JOIN ops.chat_tasks task ON task.job_id = job.id
 WHERE job.queue = :queue AND job.ordering_key = :ordering_key AND job.seq IS NOT NULL AND job.due_at IS NOT NULL
 ORDER BY job.seq
 LIMIT :most;

-- name: ended
SELECT job.id, job.ordering_key, job.status, job.phase, job.outcome, job.payload ->> 'text' AS text, task.reply, task.plan,
       task.answer_by, job.error_code, job.error_detail, job.created_at, job.started_at, job.finished_at,
       CAST(NULL AS integer) AS position
  FROM ops.chat_tasks task JOIN ops.jobs job ON job.id = task.job_id
 WHERE task.ordering_key = :ordering_key AND job.finished_at IS NOT NULL
 ORDER BY task.made_at DESC, task.job_id DESC
 LIMIT :most;

-- name: between
SELECT job.id, job.ordering_key, job.status, job.phase, job.outcome, job.payload ->> 'text' AS text, task.reply, task.plan,
       task.answer_by, job.error_code, job.error_detail, job.created_at, job.started_at, job.finished_at,
       CASE WHEN job.finished_at IS NULL THEN (
         SELECT CAST(count(*) AS integer) FROM ops.jobs earlier
          WHERE earlier.queue = job.queue AND earlier.ordering_key = job.ordering_key AND earlier.due_at IS NOT NULL
            AND earlier.seq IS NOT NULL AND (earlier.seq < job.seq OR job.seq IS NULL)) END AS position
  FROM ops.jobs job LEFT JOIN ops.chat_tasks task ON task.job_id = job.id
 WHERE job.id BETWEEN CAST(:first AS uuid) AND CAST(:last AS uuid)
   AND job.queue = :queue AND job.kind = :kind AND job.ordering_key IS NOT NULL
 ORDER BY job.id
 LIMIT :most;

-- name: seen
-- All of it in one statement: each drain pays for it. Those with something in their lines first. A line that somebody
-- made by hand, or a schedule, is a session as well, from now on; where no chat can be read in one, it is named.
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS now),
lines AS MATERIALIZED (
  SELECT ordering_key, visible_at, ops.chat_source(ordering_key) AS source
    FROM ops.job_keys WHERE queue = :queue AND visible_at IS NOT NULL
), known AS (
  INSERT INTO ops.chats (source, chat_id, last_message_at)
  SELECT source, substr(ordering_key, length(source) + 2), now
    FROM lines CROSS JOIN moment
   WHERE source IS NOT NULL AND NOT EXISTS (SELECT FROM ops.chats WHERE chats.ordering_key = lines.ordering_key)
  ON CONFLICT DO NOTHING
), chosen AS (
  SELECT ordering_key, min(place) AS place
    FROM ((SELECT ordering_key, 0 AS place FROM lines ORDER BY visible_at LIMIT :most)
          UNION ALL
          (SELECT ordering_key, 1 FROM ops.chats ORDER BY last_message_at DESC LIMIT :most)) AS either
   GROUP BY ordering_key
   ORDER BY place, ordering_key
   LIMIT :most
), listed AS (
  SELECT source, chat_id, queue_len, active_id, active_status, active_phase, next_task_id, paused, blocked_at, last_message_at,
         input_len, COALESCE(active_due_at <= now, false) AS due, place, ordering_key
    FROM chosen JOIN ops.sessions USING (ordering_key) CROSS JOIN moment
)
SELECT listed.*, every.*
  FROM (SELECT (SELECT count(*) FROM ops.chats) AS total,
               ARRAY(SELECT ordering_key FROM lines WHERE source IS NULL ORDER BY ordering_key LIMIT :most) AS unreadable,
               EXISTS (SELECT FROM ops.chat_tasks WHERE ending = 'untold') AS silent) AS every
  LEFT JOIN listed ON true
 ORDER BY listed.place, listed.ordering_key;

-- name: block
-- What it was asked it has not seen, so a yes would not mean it.
WITH refused AS (
  UPDATE ops.chats SET blocked_at = COALESCE(blocked_at, clock_timestamp()), blocked_reason = COALESCE(blocked_reason, :reason)
   WHERE source = :source AND chat_id = :chat_id
  RETURNING ordering_key
)
UPDATE ops.chat_tasks task SET shown = false
  FROM refused
 WHERE task.ordering_key = refused.ordering_key AND task.ending IS NULL
RETURNING 1;

-- name: hide_unsent
-- A question that has not been sent was not seen: a yes that comes now means something else. It was sent under the
-- fence that asked; its key is that of core/chat/telling.py.
UPDATE ops.chat_tasks task SET shown = false
  FROM ops.jobs asked JOIN ops.jobs sent ON sent.idempotency_key = concat_ws(chr(58), 'chat', asked.id, asked.fence)
 WHERE asked.id = :id AND task.job_id = asked.id AND sent.status <> 'completed';

-- name: begin_task
-- Whoever performs it holds its lease, not its row: a fence that does not match any more changes nothing.
WITH held AS (
  UPDATE ops.jobs SET phase = COALESCE(:phase, phase), updated_at = clock_timestamp()
   WHERE id = :id AND fence = :fence AND status = 'processing'
  RETURNING id, ordering_key, created_at
), chat AS (
  INSERT INTO ops.chats (source, chat_id, last_message_at)
  SELECT :source, :chat_id, created_at FROM held
  ON CONFLICT DO NOTHING
), task AS (
  INSERT INTO ops.chat_tasks (job_id, ordering_key, made_at)
  SELECT id, ordering_key, created_at FROM held
  ON CONFLICT DO NOTHING
)
SELECT kept.plan, kept.steps, kept.answer_by, COALESCE(kept.shown, false) AS shown, chat.blocked_at IS NOT NULL AS blocked
  FROM held
  LEFT JOIN ops.chat_tasks kept ON kept.job_id = held.id
  LEFT JOIN ops.chats chat ON chat.source = CAST(:source AS text) AND chat.chat_id = CAST(:chat_id AS text);

-- name: keep_plan
UPDATE ops.chat_tasks SET plan = :plan, steps = CAST(:steps AS jsonb), answer_by = :answer_by WHERE job_id = :id;

-- name: hold_chat
-- Who finds just now that it refuses waits, and then takes back that the question was shown.
SELECT 1 FROM ops.chats WHERE source = :source AND chat_id = :chat_id FOR UPDATE;

-- name: keep_question
UPDATE ops.chat_tasks task
   SET reply = :reply,
       shown = :shown AND NOT EXISTS (SELECT FROM ops.chats
                                       WHERE chats.ordering_key = task.ordering_key AND blocked_at IS NOT NULL)
 WHERE job_id = :id;

-- name: keep_ending
UPDATE ops.chat_tasks SET reply = :reply, ending = 'told' WHERE job_id = :id;

-- name: note_silence
INSERT INTO ops.job_events (job_id, at, event, code) VALUES (:id, clock_timestamp(), 'not_told', 'chat_blocked');

-- name: know_chat
INSERT INTO ops.chats (source, chat_id, last_message_at) VALUES (:source, :chat_id, clock_timestamp())
ON CONFLICT DO NOTHING;

-- name: seen_now
SELECT source, chat_id, queue_len, active_id, active_status, active_phase, next_task_id, paused, blocked_at, last_message_at,
       input_len, COALESCE(active_due_at <= clock_timestamp(), false) AS due
  FROM ops.sessions WHERE source = :source AND chat_id = :chat_id;

-- name: untold
SELECT job.id, job.ordering_key, job.status, job.error_code, 
       job.started_at IS NOT NULL AND job.phase IS DISTINCT FROM 'plan_approval' AS started,
       ops.chat_source(job.ordering_key) IS NOT NULL AS readable, COALESCE(chat.blocked_at IS NOT NULL, false) AS blocked
  FROM ops.chat_tasks task
  JOIN ops.jobs job ON job.id = task.job_id
  LEFT JOIN ops.chats chat ON chat.ordering_key = job.ordering_key
 WHERE task.ending = 'untold'
 ORDER BY task.made_at, task.job_id
 LIMIT :most;

-- name: tell_ending
UPDATE ops.chat_tasks SET reply = :reply, ending = 'told' WHERE job_id = :id AND ending = 'untold' RETURNING 1;
