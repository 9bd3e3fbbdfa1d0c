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


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeUpdates:
    """`allowed`: the numbers of the chats that are obeyed. What is said stands in no log."""

    chats: ChatStore
    jobs: JobStore
    allowed: AbstractSet[str]
    log: Log

    def take(self, update: Update) -> None:
        """Telegram repeats what is not taken, so nothing raises that would raise again.

        1. Nobody's message: passed over. 2. A stranger's: nothing is stored, nothing answered.
        3. Text: a task, or an answer. 4. Anything else that people send: told that it is not read.
        Raises StoreUnavailableError.
        """
        chat = update.chat
        if chat is None:
            self.log.info("telegram.ignored", kind=update.kind)
        elif chat.chat_id not in self.allowed:
            self._refuse(chat)
        elif update.text is not None:
            self._receive(chat, update.text, update.key)
        elif update.unreadable:
            self._tell(chat, TEXT_ONLY, update.key)
        else:
            self.log.info("telegram.ignored", kind="no message of a person")

    def _refuse(self, chat: Chat) -> None:
        why = "it is not one of TELEGRAM_ALLOWED_CHAT_IDS"
        if not self.allowed:
            why = "TELEGRAM_ALLOWED_CHAT_IDS is not set, so nobody is obeyed"
        self.log.warning("telegram.refused", chat_id=chat.chat_id, why=why)

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
