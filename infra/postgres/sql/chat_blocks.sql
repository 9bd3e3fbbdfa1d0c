-- Chats that refuse what is sent to them; `chats.block` says that one does.

-- name: is_blocked
SELECT 1 FROM ops.chats WHERE source = :source AND chat_id = :chat_id AND blocked_at IS NOT NULL;
