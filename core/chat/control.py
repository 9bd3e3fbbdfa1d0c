"""What people ask of sessions, at every door but the chat itself."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from core.chat.model import TELEGRAM, Chat
from core.chat.ports import ChatStore, Message, Received, Session, SessionTask
from core.errors import UsageError
from core.jobs.control import JobControl, JobEvent, NoSuchJobError

YES, NO = "yes", "no"
"""What an approval is in words."""
MOST_TASKS = 50


class NoSuchSessionError(UsageError):
    """HTTP 404."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSessions:
    """`allowed`: the numbers of the chats of Telegram that are obeyed.

    `door`: whose words come, so that its names for deliveries are not taken for another one's.
    """

    chats: ChatStore
    jobs: JobControl
    allowed: AbstractSet[str]
    door: str

    def one(self, chat: Chat) -> tuple[Session, Sequence[SessionTask]]:
        """With its tasks. Raises NoSuchSessionError."""
        session = self.chats.session(chat)
        if session is None:
            raise NoSuchSessionError(
                f"there is no session {chat.ordering_key!r}; see `sessions list`"
            )
        return session, self.chats.tasks(chat, MOST_TASKS)

    def say(self, chat: Chat, text: str, key: str | None = None) -> Received:
        """As if it were written in the chat, where the replies go.

        Raises UsageError also for a chat of Telegram's that is not obeyed.
        """
        if chat.source == TELEGRAM and chat.chat_id not in self.allowed:
            raise UsageError(
                f"chat {chat.chat_id} of Telegram is not one of TELEGRAM_ALLOWED_CHAT_IDS; choose"
                " another source, or allow it"
            )
        return self.chats.receive(Message(chat=chat, text=text, key=self._key(key)))

    def task(self, chat: Chat, given: str) -> SessionTask:
        """Raises NoSuchJobError for another session's too, AmbiguousJobError."""
        found = self.chats.task(given)
        if found.chat != chat:
            raise NoSuchJobError(f"{chat.ordering_key} has no task {given!r}")
        return found

    def events(self, task: SessionTask) -> Sequence[JobEvent]:
        return self.chats.events(task.id)

    def answer(self, task: SessionTask, text: str, key: str | None = None) -> SessionTask:
        """How it is then. Raises JobConflictError for a task that waits for no answer."""
        self.chats.answer(task.id, text, self._key(key))
        return self.chats.task(str(task.id))

    def cancel(self, task: SessionTask) -> SessionTask:
        """How it is then. Raises JobConflictError for a task that has ended otherwise."""
        self.jobs.cancel(task.id)
        return self.chats.task(str(task.id))

    def _key(self, given: str | None) -> str | None:
        if not given:
            return None
        if not given.isprintable():
            raise UsageError("Idempotency-Key: holds a character that cannot be shown")
        return f"{self.door}:{given}"
