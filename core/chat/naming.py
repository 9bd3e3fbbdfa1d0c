"""What a session is called: a door and a chat behind it, `telegram:42`."""

from core.chat.model import Chat
from core.chat.words import check_chat
from core.errors import UsageError


def read_chat(source: str, chat_id: str) -> Chat:
    """Raises UsageError for what no session can be called."""
    chat = Chat(source=source, chat_id=chat_id)
    check_chat(chat)
    if "/" in chat_id:
        raise UsageError("chat_id: must not have a slash, which no path over HTTP can carry")
    return chat


def read_name(name: str) -> Chat:
    """`SOURCE:CHAT_ID`. Raises UsageError."""
    source, colon, chat_id = name.partition(":")
    if not colon:
        raise UsageError("a session is named by its source and its chat: telegram:42")
    return read_chat(source, chat_id)
