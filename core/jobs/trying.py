"""One try of one job: every way out of its kind is a verdict."""

import json
import traceback
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Protocol

from core.clock import Clock
from core.errors import AppError, PermanentError, RateLimitedError, UsageError
from core.events import Log
from core.ids import RunId
from core.jobs.kinds import BadPayloadError, JobContext, JobKind
from core.jobs.model import (
    MAX_CODE,
    MAX_DETAIL,
    MAX_PAYLOAD,
    Cancelled,
    Completed,
    Failed,
    Job,
    Retry,
    Snooze,
    Verdict,
    Waiting,
)
from core.jobs.ports import Dead, Settled
from core.jobs.throttling import throttled

UNKNOWN_KIND, BAD_PAYLOAD, EXPIRED = "unknown_kind", "bad_payload", "expired"
NO_VERDICT, BAD_RESULT = "no_verdict", "bad_result"
FINAL = (PermanentError, UsageError)

_json = json.JSONEncoder(allow_nan=False).encode


class _BadResultError(Exception):
    pass


class Around(Protocol):
    """What a try happens in: a job's context, or its run's."""

    @property
    def clock(self) -> Clock: ...

    @property
    def rng(self) -> Random: ...

    @property
    def log(self) -> Log: ...


def try_job(job: Job, kind: JobKind | None, context: JobContext, run: RunId) -> Settled:
    """1. Nobody knows its kind. 2. Too late. 3. Its payload is refused. 4. What its kind says.

    Nothing is raised, whatever the kind does.
    """
    if kind is None:
        told = f"there is no kind {job.kind!r}; the kinds are those of handlers/job_kinds.py"
        return _dead(job, UNKNOWN_KIND, told)
    if not _is_object(job.payload):
        return _dead(job, BAD_PAYLOAD, "its payload is no JSON object; somebody made it by hand")
    try:
        if _expired(job, kind, context.clock):
            return _dead(job, EXPIRED, "its time was over before it could be done")
        kind.check(job.payload)
        return said(job, kind, kind.perform(job, context), context)
    except BaseException as error:  # noqa: BLE001  (also SystemExit: a thread's end is no verdict)
        return raised(job, kind, error, context, run)


def _is_object(payload: object) -> bool:
    return isinstance(payload, dict)


def _expired(job: Job, kind: JobKind, clock: Clock) -> bool:
    ends_at = None if kind.expires is None else kind.expires(job)
    return ends_at is not None and ends_at <= clock.now()


def said(job: Job, kind: JobKind, verdict: object, context: Around) -> Settled:
    """What the kind returned, in a form that can be stored."""
    try:
        checked = _checked(verdict)
        result = _result_text(checked.result) if isinstance(checked, Completed) else None
    except (_BadResultError, TypeError, ValueError) as error:
        return _dead(job, BAD_RESULT, _told(error), fault=True)
    if checked is None:
        told = f"the kind returned {type(verdict).__name__}, which is no verdict"
        return _dead(job, NO_VERDICT, told, fault=True)
    return settled(job, kind, checked, context, result=result)


def raised(job: Job, kind: JobKind, error: BaseException, context: Around, run: RunId) -> Settled:
    """What an exception means: of ours that a caller can act on, or one that nobody foresaw.

    The text of the latter may hold anything, a payload too: its type and place are told.
    """
    code = type(error).__name__
    if isinstance(error, BadPayloadError):
        return _dead(job, BAD_PAYLOAD, str(error))
    if isinstance(error, RateLimitedError):
        return settled(job, kind, _later(job, kind, error, context), context)
    if isinstance(error, FINAL):
        return settled(job, kind, Failed(code=code, detail=clean(str(error))), context)
    if isinstance(error, AppError):
        return settled(job, kind, Retry(code=code, detail=clean(str(error))), context)
    tell_exception(job, error, context, run)
    detail = f"{code} in {_place(error)}; the log of run {run} has the traceback"
    return settled(job, kind, Retry(code=code, detail=detail), context, fault=True)


def settled(
    job: Job,
    kind: JobKind,
    verdict: Verdict,
    context: Around,
    *,
    fault: bool = False,
    result: str | None = None,
) -> Settled:
    retry_at = None
    if isinstance(verdict, Retry):
        after = verdict.after
        if after is None:
            after = timedelta(seconds=kind.backoff.jittered(job.attempt, context.rng))
        retry_at = context.clock.now() + after
    return Settled(job=job, verdict=verdict, retry_at=retry_at, fault=fault, result=result)


def tell_exception(job: Job, error: BaseException, context: Around, run: RunId) -> None:
    context.log.error(
        "job.failed",
        run_id=str(run),
        job_id=str(job.id),
        kind=job.kind,
        queue=job.queue,
        attempt=job.attempt,
        error=type(error).__name__,
        traceback=frames(error),
    )


def frames(error: BaseException) -> str:
    """The traceback without the message, which may quote a payload or a secret."""
    cause = error.__cause__ or error.__context__
    first = "" if cause is None else frames(cause) + "\n"
    return f"{first}{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}"


def _place(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _later(job: Job, kind: JobKind, error: RateLimitedError, context: Around) -> Snooze | Retry:
    now, told = context.clock.now(), clean(str(error))
    delay = timedelta(seconds=kind.backoff.jittered(job.attempt, context.rng))
    return throttled(job, error.retry_at or now + delay, now, detail=told, reason=told)


def _dead(job: Job, code: str, detail: str, *, fault: bool = False) -> Settled:
    return Settled(job=job, verdict=Dead(code=code, detail=clean(detail)), fault=fault)


def _checked(verdict: object) -> Verdict | None:
    """None for what is no verdict. Raises _BadResultError, and what bad fields raise."""
    match verdict:
        case Completed(outcome=None) | Cancelled():
            return verdict
        case Completed():
            return replace(verdict, outcome=clean(verdict.outcome, MAX_CODE))
        case Failed() | Retry():
            code, detail = clean(verdict.code, MAX_CODE), clean(verdict.detail)
            return replace(verdict, code=code or type(verdict).__name__.lower(), detail=detail)
        case Snooze():
            return replace(verdict, until=_instant(verdict.until), reason=clean(verdict.reason))
        case Waiting():
            return replace(verdict, until=_instant(verdict.until))
        case _:
            return None


def _result_text(result: object) -> str | None:
    """Its JSON, so that what is stored is what was checked."""
    if result is None:
        return None
    if not isinstance(result, Mapping):
        raise _BadResultError(f"the result is a {type(result).__name__}, not an object")
    try:
        text = _json(dict(result))
    except (TypeError, ValueError, RecursionError) as error:
        raise _BadResultError(f"the result is no JSON: {type(error).__name__}") from error
    if len(text) > MAX_PAYLOAD:
        raise _BadResultError(f"the result is larger than {MAX_PAYLOAD // 1024} KB")
    if "\\u0000" in text or "\\ud" in text:
        _refuse_text(text)
    return text


def _refuse_text(text: str) -> None:
    """PostgreSQL keeps no NUL, and half of a surrogate pair is no text."""
    try:
        whole = json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _BadResultError("the result has text that is not Unicode") from error
    if b"\\u0000" in whole.replace(b"\\\\", b""):
        raise _BadResultError("the result has text with a NUL")


def _instant(at: object) -> datetime:
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise _BadResultError("the verdict's instant is not one with a time zone")
    return at


def clean(text: object, most: int = MAX_DETAIL) -> str:
    """What PostgreSQL can keep of it, and no more than that many characters."""
    return str(text).encode(errors="replace").decode().replace("\0", "?")[:most]


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, _BadResultError) else type(error).__name__
