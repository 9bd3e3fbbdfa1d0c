"""What is made of an answer over HTTP, or of none.

A refusal that stays one is `failed`, a throttle is waited out, all else is tried again. A request
that may have arrived is sent again, with the same key: the receiver can tell.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from core.jobs.kinds import JobContext
from core.jobs.model import Cancelled, Failed, Job, Retry, Snooze
from core.jobs.shipped.fields import parsed, quoted
from core.jobs.shipped.target import Target
from core.jobs.throttling import throttled
from core.retry import retry_after
from core.secret import Secret

TIMEOUT_S = 10.0
MAX_BODY = 1024 * 1024
NEEDS_S = TIMEOUT_S + 1
"""Of the run's time: a request that is begun must be able to end, and to be settled."""
SHORTEST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
_AFTER_THIS_RUN = timedelta(seconds=1)
_KEY = re.compile(r"[A-Za-z0-9_:-]{1,128}")
_SUCCESS = range(200, 300)
_REDIRECTS = range(300, 400)
_AGAIN = frozenset({408, 425, *range(500, 600)})
_TOO_MANY, _UNAVAILABLE = 429, 503
_SAID = ("error", "message", "detail", "title", "description")
_LONGEST_SAID = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """`confidential`: what must not be kept of an answer that repeats it."""

    method: str
    target: Target
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    confidential: Sequence[Secret] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """`text` is the body as PostgreSQL can store it, without our own secrets."""

    status: int
    retry_after: str | None = None
    text: str = field(default="", repr=False)

    @property
    def is_success(self) -> bool:
        return self.status in _SUCCESS


@dataclass(frozen=True, slots=True, kw_only=True)
class NotSent:
    """Nothing left this machine."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NoAnswer:
    """It may have arrived."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """By our own guard: the same request would be refused again."""

    code: str
    why: str


Sent = HttpAnswer | NotSent | NoAnswer | Refused


class Send(Protocol):
    def __call__(self, request: HttpRequest, /) -> Sent:
        """Within TIMEOUT_S in all and MAX_BODY; no redirect is followed."""
        ...


def held_up(
    job: Job, context: JobContext, *, phase: str | None = None, needs_s: float = NEEDS_S
) -> Snooze | Cancelled | None:
    """Why nothing is sent now; asked directly before it is."""
    if context.cancelled():
        return Cancelled()
    # Whoever stood still for so long asks first: another one may be sending it at this moment.
    if context.clock.now() >= job.leased_until and not context.renew():
        return lease_lost(context)
    if context.deadline.allows(needs_s):
        return None
    left = timedelta(seconds=context.deadline.remaining())
    # In this run it would only be claimed and put off again.
    return Snooze(
        until=context.clock.now() + left + _AFTER_THIS_RUN, reason="deadline", phase=phase
    )


def lease_lost(context: JobContext) -> Snooze:
    """Another one has the job: what is said of it here is not written down."""
    return Snooze(until=context.clock.now(), reason="lease_lost")


def effect_key(job: Job) -> str:
    """The effect's name, the same at each attempt, as a header carries it."""
    key = job.idempotency_key or str(job.id)
    return key if _KEY.fullmatch(key) else "sha256-" + hashlib.sha256(key.encode()).hexdigest()


def not_answered(sent: NotSent | NoAnswer, place: str) -> Retry:
    if isinstance(sent, NotSent):
        return Retry(code="not_sent", detail=f"{place} could not be reached: {sent.why}")
    return Retry(code="no_answer", detail=f"{place} may have got it, and {sent.why}")


def not_a_success(sent: Sent, place: str, job: Job, now: datetime) -> Retry | Failed | Snooze:
    match sent:
        case HttpAnswer():
            return refusal(sent, place, job, now)
        case Refused(code=code, why=why):
            return Failed(code=code, detail=f"{place}: {why}")
        case NotSent() | NoAnswer():
            return not_answered(sent, place)
        case _:
            assert_never(sent)


def refusal(answer: HttpAnswer, place: str, job: Job, now: datetime) -> Retry | Failed | Snooze:
    """For every status that is no success."""
    code, status = f"http_{answer.status}", answer.status
    detail = f"{place} answered {status}{said(answer.text)}"
    told = retry_after(answer.retry_after, now)
    if status == _TOO_MANY or (status == _UNAVAILABLE and told is not None):
        return throttled(job, told or untold(job, now), now, detail=detail)
    if status in _AGAIN:
        return Retry(code=code, detail=detail)
    if status in _REDIRECTS:
        return Failed(
            code=code,
            detail=f"{detail}; redirects are not followed: give the address that it names",
        )
    return Failed(code=code, detail=detail)


def untold(job: Job, now: datetime) -> datetime:
    """When to come back to who throttles and does not say: as long again as it already takes."""
    return now + min(max(now - job.tried_since, SHORTEST_WAIT), LONGEST_WAIT)


def said(text: str) -> str:
    """`: its reason`, where the answer is JSON that gives one."""
    try:
        answer = parsed(text)
    except ValueError:
        return ""
    if not isinstance(answer, Mapping):
        return ""
    words = [answer[name] for name in _SAID if isinstance(answer.get(name), str)]
    return f": {quoted(words[0], _LONGEST_SAID)}" if words else ""
