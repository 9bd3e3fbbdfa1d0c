"""A `ChatStore` of few words: it keeps what it is told, and answers with what a test gave it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from core.chat.model import Chat
from core.chat.ports import Message, Received, Said, SeenSession, Session, Sessions, SessionTask
from core.jobs.control import JobEvent, NoSuchJobError
from core.jobs.model import JobId, Status

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TASK = JobId(UUID("6f1c2a4e-0d57-4c7e-9f3a-1b2c3d4e5f60"))
MINE = Chat(source="telegram", chat_id="42")
WAITING = SessionTask(
    id=TASK,
    chat=MINE,
    status=Status.WAITING,
    phase="plan_approval",
    outcome=None,
    position=0,
    text="/pause",
    reply="Shall I?",
    plan="pause everything",
    answer_by=NOW,
    error_code=None,
    error_detail=None,
    created_at=NOW,
    started_at=NOW,
    finished_at=None,
)
SESSION = Session(
    chat=MINE,
    queue_len=1,
    active_id=TASK,
    active_status=Status.WAITING,
    active_phase="plan_approval",
    next_task_id=None,
    paused=False,
    blocked_at=None,
    last_message_at=NOW,
)


@dataclass
class FakeChats:
    """`refuses`: what is raised at each message."""

    sessions_there: dict[Chat, Session] = field(default_factory=dict)
    tasks_there: dict[JobId, SessionTask] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    answers: list[tuple[JobId, str, str | None]] = field(default_factory=list)
    refuses: Exception | None = None
    wrote_in: list[Chat] = field(default_factory=list)

    def receive(self, message: Message) -> Received:
        if self.refuses is not None:
            raise self.refuses
        created = message.key is None or message.key not in {each.key for each in self.messages}
        self.messages.append(message)
        return Received(task_id=TASK, said=Said.QUEUED, position=0, created=created)

    def answer(self, task_id: JobId, text: str, key: str | None = None) -> Received:
        self.answers.append((task_id, text, key))
        return Received(task_id=task_id, said=Said.ANSWERED, position=0, created=True)

    def sessions(self, most: int, after: Chat | None = None) -> Sessions:
        return Sessions(sessions=list(self.sessions_there.values())[:most], total=1)

    def session(self, chat: Chat) -> Session | None:
        return self.sessions_there.get(chat)

    def tasks(self, chat: Chat, most: int) -> Sequence[SessionTask]:
        return [each for each in self.tasks_there.values() if each.chat == chat][:most]

    def task(self, given: str) -> SessionTask:
        for task in self.tasks_there.values():
            if str(task.id).startswith(given):
                return task
        raise NoSuchJobError(f"no task {given!r}")

    def events(self, task_id: JobId) -> Sequence[JobEvent]:
        return [JobEvent(at=NOW, event="retried")]

    def seen(self, most: int) -> tuple[int, Sequence[SeenSession]]:
        return 0, ()

    def blocked(self, chat: Chat, reason: str) -> None:
        self.sessions_there[chat] = replace(self.sessions_there[chat], blocked_at=NOW)

    def wrote(self, chat: Chat) -> None:
        self.wrote_in.append(chat)
