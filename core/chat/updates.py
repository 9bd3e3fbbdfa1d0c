"""What Telegram posts to a webhook, read.

https://core.telegram.org/bots/api#update
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.chat.model import TELEGRAM, Chat
from core.errors import UsageError
from core.jobs.shipped.fields import parsed

MESSAGE = "message"
UNREADABLE = frozenset(
    {
        "animation", "audio", "checklist", "contact", "dice", "document", "game", "location",
        "paid_media", "photo", "poll", "sticker", "story", "venue", "video", "video_note", "voice",
    }
)  # fmt: skip
"""What people send beside text; a message of none of these tells of the chat itself."""
_LARGEST = 2**63
_LARGEST_CHAT = 2**52
_WORD = re.compile(r"[a-z_]{1,40}")
# In a group a command is written to one bot of many.
_TO_A_BOT = re.compile(r"\A(/[A-Za-z0-9_]+)@[A-Za-z0-9_]+(?=\s|\Z)")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """`kind`: the name of what it brings. `text`: None where it is no message with one.

    `chat`: None where that is nobody's message.
    """

    id: int
    kind: str
    chat: Chat | None = None
    text: str | None = field(default=None, repr=False)
    unreadable: bool = False

    @property
    def key(self) -> str:
        """The name of this delivery: Telegram repeats an update under the same number."""
        return f"{TELEGRAM}:{self.id}"


def read_update(body: bytes) -> Update:
    """Raises UsageError for what Telegram never sends; kinds that we do not know are no error."""
    try:
        given = parsed(body.decode())
    except ValueError:
        raise UsageError("the body is no JSON") from None
    update_id = _whole(_object(given).get("update_id"))
    if update_id is None or not 0 <= update_id < _LARGEST:
        raise UsageError("the body is no update of Telegram: it has no update_id")
    kinds = [name for name in given if name != "update_id"]
    kind = kinds[0] if kinds and _WORD.fullmatch(kinds[0]) else "unknown"
    if MESSAGE not in kinds:
        return Update(id=update_id, kind=kind)
    return _of_message(update_id, _object(given[MESSAGE]))


def _of_message(update_id: int, message: Mapping[str, Any]) -> Update:
    chat_id = _whole(_object(message.get("chat")).get("id"))
    if chat_id is None or not 0 < abs(chat_id) < _LARGEST_CHAT:
        return Update(id=update_id, kind=MESSAGE)
    text = message.get("text")
    return Update(
        id=update_id,
        kind=MESSAGE,
        chat=Chat(source=TELEGRAM, chat_id=str(chat_id)),
        text=_cleaned(text) if isinstance(text, str) else None,
        unreadable=not UNREADABLE.isdisjoint(message),
    )


def _cleaned(text: str) -> str:
    """As PostgreSQL takes it."""
    return _TO_A_BOT.sub(r"\1", _UNSTORABLE.sub("\ufffd", text).strip())


def _object(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _whole(given: object) -> int | None:
    return given if isinstance(given, int) and not isinstance(given, bool) else None
