"""A chat, what is said in it, and what becomes of that.

A session is a chat: an ordering key of the queue `chat`, and no row of its own to disagree with it.
A session's task is a job of the kind `chat`; the head of the key is the active one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from core.jobs.model import NewJob, Transaction

KIND = QUEUE = "chat"
ANSWER = "answer"
"""The signal that a plan waits for."""
APPROVAL_WITHIN = timedelta(hours=24)
LONGEST_TASK = timedelta(minutes=10)
TELEGRAM = "telegram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """`source` is the door: chat 1 of Telegram and chat 1 of another door are two sessions."""

    source: str
    chat_id: str

    @property
    def ordering_key(self) -> str:
        return f"{self.source}:{self.chat_id}"


class Phase(StrEnum):
    """How far a session's task came, as people read it; `rolled_back` is an outcome."""

    PLANNING = "planning"
    PLAN_APPROVAL = "plan_approval"
    IN_PROGRESS = "in_progress"


ROLLED_BACK, REJECTED, UNANSWERED = "rolled_back", "rejected", "unanswered"
"""Outcomes of a task that ended as cancelled."""


class Decision(StrEnum):
    """What a drain found of a session."""

    STARTED = "started"
    WAITING = "waiting"
    KEY_BUSY = "key_busy"
    EMPTY_QUEUE = "empty_queue"
    EMPTY_INPUT = "empty_input"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What a processor is asked. `plan`: what it proposed and a person approved; None: not yet.

    `again`: an earlier try of the same did not come to its end, part of it may be done.
    """

    chat: Chat
    text: str = field(repr=False)
    now: datetime
    plan: Mapping[str, object] | None = field(default=None, repr=False)
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Done. `effect` and `then` are written with it, in one transaction."""

    text: str = field(repr=False)
    result: Mapping[str, object] | None = field(default=None, repr=False)
    effect: Callable[[Transaction], None] | None = None
    then: Sequence[NewJob] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Not done before a person approves `text`; then the processor is asked again with `steps`."""

    text: str = field(repr=False)
    steps: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """It did not work, and what had been done of it is undone. `text` says both."""

    text: str = field(repr=False)


Answer = Reply | Plan | RolledBack


class Process(Protocol):
    """A processor of messages: one function, which a team may replace.

    Called in a drain, within ten minutes. What it raises is a failed attempt, told with its
    traceback; UsageError is told to the person in its own words and ends the task as failed.
    Called again with the same turn after a kill: what it does must bear that.
    """

    def __call__(self, turn: Turn, /) -> Answer: ...
