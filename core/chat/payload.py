"""What a chat's job carries: who said what. Also the first thing that is read of one."""

from collections.abc import Mapping

from core.chat.model import Chat
from core.chat.words import check_chat, check_text
from core.errors import UsageError
from core.jobs.kinds import BadPayloadError
from core.jobs.shipped import fields

KNOWN = ("source", "chat_id", "text")


def check(payload: Mapping[str, object]) -> None:
    """Raises BadPayloadError."""
    fields.only(payload, KNOWN)
    chat_of(payload)
    text_of(payload)


def ordering_key(payload: Mapping[str, object]) -> str:
    return chat_of(payload).ordering_key


def chat_of(payload: Mapping[str, object]) -> Chat:
    """Raises BadPayloadError."""
    source, chat_id = payload.get("source"), payload.get("chat_id")
    if not isinstance(source, str) or not isinstance(chat_id, str):
        raise BadPayloadError("source, chat_id: must be texts; they name the session")
    chat = Chat(source=source, chat_id=chat_id)
    try:
        check_chat(chat)
    except UsageError as error:
        raise BadPayloadError(str(error)) from error
    return chat


def text_of(payload: Mapping[str, object]) -> str:
    """Raises BadPayloadError."""
    try:
        return check_text(payload.get("text"))
    except UsageError as error:
        raise BadPayloadError(str(error)) from error
