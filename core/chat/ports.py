"""What sessions need from outside. One method is one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.chat.model import Chat, Decision, Phase
from core.jobs.control import JobEvent
from core.jobs.model import Job, JobId, NewJob, Status


class Said(StrEnum):
    """What a message did."""

    QUEUED = "queued"
    ANSWERED = "answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`key`: the sender's name for this delivery; a second one with it changes nothing."""

    chat: Chat
    text: str = field(repr=False)
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """`position` in the session's queue: 0 is the active one. `created`: False for a repeat."""

    task_id: JobId
    said: Said
    position: int
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTask:
    """`position` is None when it has ended. `reply`: what was last told to the person."""

    id: JobId
    chat: Chat
    status: Status
    phase: str | None
    outcome: str | None
    position: int | None
    text: str | None = field(repr=False)
    reply: str | None = field(repr=False)
    plan: str | None = field(repr=False)
    answer_by: datetime | None
    error_code: str | None
    error_detail: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`queue_len`: tasks that have not ended, the active one too. `blocked_at`: the chat refuses
    what we send, nothing is sent until it writes again.
    """

    chat: Chat
    queue_len: int
    active_id: JobId | None
    active_status: Status | None
    active_phase: str | None
    next_task_id: JobId | None
    paused: bool
    blocked_at: datetime | None
    last_message_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSession:
    """As a drain found it at its beginning; `input_len`: characters of its next task's text."""

    session: Session
    input_len: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenSessions:
    """`total`: all there are. `unreadable`: keys with work in which no chat can be read.

    `silent`: there are tasks whose end nobody was told.
    """

    total: int
    sessions: Sequence[SeenSession]
    unreadable: Sequence[str]
    silent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Those with the latest messages first. `total`: all of them."""

    sessions: Sequence[Session]
    total: int


class ChatStore(Protocol):
    """Raises StoreUnavailableError."""

    def receive(self, message: Message) -> Received:
        """An answer, if the active task waits for one and the text is no command; else a new task.

        Raises UsageError for an empty or too long text, and for a session with too deep a queue.
        """
        ...

    def answer(self, task_id: JobId, text: str, key: str | None = None) -> Received:
        """Raises NoSuchJobError, JobConflictError for one that waits for no answer (HTTP 409)."""
        ...

    def sessions(self, most: int, after: Chat | None = None) -> Sessions: ...

    def session(self, chat: Chat) -> Session | None: ...

    def tasks(self, chat: Chat, most: int) -> Sequence[SessionTask]:
        """The unfinished in their order, then the ended, newest first."""
        ...

    def task(self, given: str) -> SessionTask:
        """By id or the beginning of one. Raises NoSuchJobError, AmbiguousJobError."""
        ...

    def events(self, task_id: JobId) -> Sequence[JobEvent]: ...

    def seen(self, most: int) -> tuple[int, Sequence[SeenSession]]:
        """How many sessions there are, and the latest of them as a drain finds them."""
        ...

    def blocked(self, chat: Chat, reason: str) -> None:
        """The chat refuses what is sent: nothing more is, until it writes again."""
        ...

    def wrote(self, chat: Chat) -> None:
        """Something that is no message of ours: it takes messages again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A plan and its question. `steps`: as the processor wants it back.

    `shown`: it was sent to a chat that takes messages, so a yes means it.
    """

    plan: str = field(repr=False)
    steps: Mapping[str, object] = field(repr=False)
    answer_by: datetime
    shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What stands beside a task when a try of it begins. `blocked`: its chat takes nothing."""

    asked: Asked | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A task that ended without a word to its person; `chat` is None where none can be read.

    `started`: something of it may be done.
    """

    id: JobId
    chat: Chat | None
    status: Status
    error_code: str | None
    started: bool
    blocked: bool


class ChatTasks(Protocol):
    """What a drain needs of sessions. Raises StoreUnavailableError."""

    def begun(self, job: Job, chat: Chat, phase: Phase | None) -> Begun | None:
        """Note how far it is (None: as it was); None: the job is another run's now."""
        ...

    def seen(self, most: int) -> SeenSessions:
        """Those with something in their lines first, then the latest; one statement."""
        ...

    def seen_now(self, chat: Chat) -> SeenSession: ...

    def untold(self, most: int) -> Sequence[Untold]: ...

    def told(self, task: Untold, text: str, then: Sequence[NewJob]) -> bool:
        """Keep that it was told, and what tells it; False: somebody else did."""
        ...
