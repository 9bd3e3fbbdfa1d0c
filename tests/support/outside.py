"""A job and its context for kinds whose effects are outside."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from core.clock import CarriedClock
from core.deadline import Deadline
from core.jobs.kinds import JobContext
from core.jobs.model import Job, JobId, Priority, Transaction
from core.jobs.shipped.answers import HttpAnswer, HttpRequest, Sent
from tests.support.log import ListLog

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ID = JobId(UUID("6f1c2a4e-0d57-4c7e-9f3a-1b2c3d4e5f60"))


def job(payload: Mapping[str, object], kind: str = "a kind", **overrides: Any) -> Job:
    made = Job(
        id=ID,
        fence=3,
        queue="a queue",
        kind=kind,
        payload=payload,
        ordering_key=None,
        priority=Priority.NORMAL,
        phase=None,
        attempt=1,
        max_attempts=8,
        idempotency_key=None,
        created_at=NOW,
        tried_since=NOW,
        leased_until=NOW + timedelta(minutes=1),
    )
    return replace(made, **overrides)


def context(
    *,
    left_s: float = math.inf,
    cancelled: bool = False,
    renewals: list[bool] | None = None,
    now: datetime = NOW,
) -> JobContext:
    """`renewals`: what the lease's renewal answers, one after the other; then always True."""
    answers = renewals or []
    return JobContext(
        clock=CarriedClock(now, 0.0, lambda: 0.0),
        deadline=Deadline.after(left_s, lambda: 0.0),
        rng=Random(1),
        log=ListLog(),
        renew=lambda: answers.pop(0) if answers else True,
        cancelled=lambda: cancelled,
    )


@dataclass
class Refusing:
    """Chats that refuse what is sent, and why; for `notify.telegram`."""

    chats: dict[int | str, str] = field(default_factory=dict)

    def is_blocked(self, chat_id: int | str, /) -> bool:
        return chat_id in self.chats

    def block(self, _: Transaction, chat_id: int | str, why: str, /) -> None:
        self.chats[chat_id] = why


@dataclass
class Sender:
    """Answers with what it was given, one after the other, the last one for ever."""

    answers: list[Sent] = field(default_factory=lambda: [HttpAnswer(status=200)])
    requests: list[HttpRequest] = field(default_factory=list)

    def __call__(self, request: HttpRequest, /) -> Sent:
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
