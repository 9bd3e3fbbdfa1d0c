"""What may be said to a session, and what a word means there."""

import re

from core.chat.model import KIND, TELEGRAM, Chat
from core.errors import UsageError
from core.jobs.model import NewJob

MAX_TEXT = 4096
"""Characters of a message: as many as Telegram takes."""
MAX_CHAT_ID, MAX_MESSAGE_KEY = 128, 200
COMMAND = "/"
_SOURCE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_TELEGRAM_CHAT = re.compile(r"-?[1-9][0-9]{0,15}|@[A-Za-z][A-Za-z0-9_]{3,31}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def check_chat(chat: Chat) -> None:
    """Raises UsageError."""
    if not _SOURCE.fullmatch(chat.source):
        raise UsageError(
            "source: 1 to 32 small letters, digits, - and _, beginning with a letter, like telegram"
        )
    whole = chat.chat_id == chat.chat_id.strip() and chat.chat_id.isprintable()
    if not whole or not 0 < len(chat.chat_id) <= MAX_CHAT_ID:
        raise UsageError(f"chat_id: 1 to {MAX_CHAT_ID} characters that can be shown")
    if chat.source == TELEGRAM and not _TELEGRAM_CHAT.fullmatch(chat.chat_id):
        raise UsageError("chat_id: of Telegram it is a number, or a channel's name like @orders")


def check_text(text: object) -> str:
    """Raises UsageError. A task without a text would stand in its session for nothing."""
    if not isinstance(text, str) or not text.strip():
        raise UsageError("text: is empty; write what should be done, or /help")
    if len(text) > MAX_TEXT:
        raise UsageError(f"text: is longer than {MAX_TEXT:,} characters; send it in parts")
    if _UNSTORABLE.search(text):
        raise UsageError("text: holds a character that is none (NUL, half of a pair)")
    return text


def check_key(key: str | None) -> None:
    """Raises UsageError."""
    if key is not None and not (0 < len(key) <= MAX_MESSAGE_KEY and key.isprintable()):
        raise UsageError(f"the message's key has 1 to {MAX_MESSAGE_KEY} characters")


def is_command(text: str) -> bool:
    return text.lstrip().startswith(COMMAND)


def task_of(chat: Chat, text: str) -> NewJob:
    payload = {"source": chat.source, "chat_id": chat.chat_id, "text": text}
    return NewJob(kind=KIND, payload=payload, ordering_key=chat.ordering_key)
