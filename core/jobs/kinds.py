"""What is done for a kind of job, and how it settles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Protocol

from core.clock import Clock
from core.deadline import Deadline
from core.errors import UsageError
from core.events import Log
from core.jobs.model import Job, Verdict


class BadPayloadError(UsageError):
    """Names the field and what it should be; refused when enqueued, dead when claimed."""


class Effect(StrEnum):
    """`NONE` settles in batches; `DATABASE` in one transaction with its effect; `OUTSIDE` one by
    one, directly after the effect.
    """

    NONE = "none"
    DATABASE = "database"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Seconds: exactly `min(cap, base * factor ** (n - 1))` after the nth failure, then spread.

    `spread` of 0.1 is ±10 %; never above the cap.
    """

    base: float
    cap: float
    factor: float = 2.0
    spread: float = 0.1

    def delay(self, failures: int) -> float:
        try:
            return min(self.cap, self.base * self.factor ** (failures - 1))
        except OverflowError:
            return self.cap

    def jittered(self, failures: int, rng: Random) -> float:
        exact = self.delay(failures)
        return min(self.cap, exact * rng.uniform(1 - self.spread, 1 + self.spread))


TRANSIENT = Backoff(base=1.0, cap=60.0)
PATIENT = Backoff(base=30.0, cap=7200.0, factor=4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobContext:
    """What one job is performed with.

    `renew` prolongs its lease; False: it was taken over, do nothing more outside.
    `cancelled`: somebody asked for its end; seen at the latest when it is renewed.
    """

    clock: Clock
    deadline: Deadline
    rng: Random
    log: Log
    renew: Callable[[], bool]
    cancelled: Callable[[], bool]


class Perform(Protocol):
    """May raise: an exception nobody foresaw is a failed attempt with its type as the code."""

    def __call__(self, job: Job, context: JobContext, /) -> Verdict: ...


class Check(Protocol):
    """Raises BadPayloadError."""

    def __call__(self, payload: Mapping[str, object], /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """`inline_s`: done within this many seconds, so that a request may wait for it.

    `batch`: how many are claimed at once; a kind with one attempt, or an effect outside, has 1.
    `longest`: after that a try of it is cut off, as a failure of ours.
    `overdue_is_dead`: no try comes after one that was cut off so.
    `key`: the ordering key of a job that names none itself.
    """

    name: str
    queue: str
    effect: Effect
    check: Check
    perform: Perform
    max_attempts: int = 8
    backoff: Backoff = TRANSIENT
    lease: timedelta = timedelta(seconds=60)
    longest: timedelta = timedelta(minutes=10)
    overdue_is_dead: bool = False
    batch: int = 100
    inline_s: float | None = None
    expires: Callable[[Job], datetime | None] | None = None
    key: Callable[[Mapping[str, object]], str | None] | None = None

    def __post_init__(self) -> None:
        assert self.max_attempts >= 1
        assert self.batch >= 1
        assert self.effect is not Effect.OUTSIDE or self.batch == 1
