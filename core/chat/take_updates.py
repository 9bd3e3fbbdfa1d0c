"""An update of Telegram's, and what becomes of it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from core.chat.model import Chat
from core.chat.ports import ChatStore, Message, Received
from core.chat.updates import Update
from core.errors import UsageError
from core.events import Log
from core.jobs.model import NewJob
from core.jobs.ports import JobStore
from core.jobs.shipped import telegram

TEXT_ONLY = "I read text only. /help says what I understand."
NOT_TAKEN = "I have not taken this"


def heeded(update: Update, allowed: AbstractSet[str], log: Log) -> Chat | None:
    """Whose message it is; None for what is no message of a chat that is obeyed.

    Of those nothing is stored, and nothing is answered. What is said stands in no log.
    """
    chat = update.chat
    if chat is None or (update.text is None and not update.unreadable):
        log.info("telegram.ignored", kind=update.kind)
        return None
    if chat.chat_id in allowed:
        return chat
    why = "it is not one of TELEGRAM_ALLOWED_CHAT_IDS"
    if not allowed:
        why = "TELEGRAM_ALLOWED_CHAT_IDS is not set, so nobody is obeyed"
    log.warning("telegram.refused", chat_id=chat.chat_id, why=why)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeUpdates:
    chats: ChatStore
    jobs: JobStore
    log: Log

    def take(self, chat: Chat, update: Update) -> None:
        """A text becomes a task, or an answer; who sends anything else is told that it is not read.

        Telegram repeats what is not taken, so nothing raises that would raise again: only
        StoreUnavailableError.
        """
        if update.text is None:
            self._tell(chat, TEXT_ONLY, update.key)
        else:
            self._receive(chat, update.text, update.key)

    def _receive(self, chat: Chat, text: str, key: str) -> None:
        try:
            received = self.chats.receive(Message(chat=chat, text=text, key=key))
        except UsageError as error:
            self.log.warning("telegram.not_taken", chat_id=chat.chat_id, why=str(error))
            self._tell(chat, f"{NOT_TAKEN}: {error}", key)
        else:
            self.log.info("telegram.taken", chat_id=chat.chat_id, **_told(received))

    def _tell(self, chat: Chat, text: str, key: str) -> None:
        """Under the update's name, so that a repeat of it is not told twice."""
        self.chats.wrote(chat)
        job = NewJob(
            kind=telegram.NAME,
            payload={"chat_id": int(chat.chat_id), "text": text},
            idempotency_key=f"{key}:told",
        )
        try:
            self.jobs.enqueue([job])
        except UsageError as error:
            self.log.warning("telegram.untold", chat_id=chat.chat_id, why=str(error))


def _told(received: Received) -> dict[str, object]:
    return {
        "task_id": str(received.task_id),
        "said": received.said.value,
        "position": received.position,
        "created": received.created,
    }
