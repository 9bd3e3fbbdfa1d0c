"""What an error means for its unit: outcome, reason, and when to try again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import (
    ApplicationRefusedError,
    OutOfCallsError,
    RateLimitedError,
    SignatureRequiredError,
)
from core.reasons import reason_of
from core.report import Outcome, Reason
from core.retry import RetryPolicy
from core.sync.calls import Quota

SLOW_DOWN = RetryPolicy(base=60.0, cap=15 * 60.0)
LONGEST_WAIT = timedelta(hours=24)
DETAIL_LENGTH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`retry_at` None: at the usual interval."""

    outcome: Outcome
    reason: Reason
    detail: str
    retry_at: datetime | None = None
    stops_all: bool = False


def judge(error: Exception, *, failures: int, now: datetime, quota: Quota | None = None) -> Verdict:
    """`failures`: attempts in a row that failed, this one included.

    `quota` is what eBay says of the API's day after a 429: nothing left means no call before the
    reset; more or unknown means to slow down. Never sooner than without eBay's word, and never
    later than a day from now: a reset that lies in the past would be a loop without a pause.
    """
    detail = str(error)[:DETAIL_LENGTH]
    if isinstance(error, RateLimitedError):
        return _rate_limited(error, detail, quota, failures, now)
    outcome, reason = reason_of(error)
    if reason is Reason.INTERNAL:
        return Verdict(outcome=outcome, reason=reason, detail=type(error).__name__)
    return Verdict(
        outcome=outcome,
        reason=reason,
        detail=detail,
        retry_at=_retry_at(error, reason, failures, now),
        stops_all=isinstance(error, ApplicationRefusedError),
    )


def _retry_at(error: Exception, reason: Reason, failures: int, now: datetime) -> datetime | None:
    if isinstance(error, OutOfCallsError | SignatureRequiredError):
        return error.retry_at
    return _after(now, failures) if reason is Reason.UPSTREAM else None


def _rate_limited(
    error: RateLimitedError, detail: str, quota: Quota | None, failures: int, now: datetime
) -> Verdict:
    otherwise = _after(now, failures)
    if quota is not None and quota.remaining == 0:
        reset_at = max(quota.reset_at or error.retry_at or otherwise, otherwise)
        return _later(Reason.QUOTA, detail, min(reset_at, now + LONGEST_WAIT))
    return _later(Reason.RATE_LIMITED, detail, min(error.retry_at or otherwise, now + LONGEST_WAIT))


def _later(reason: Reason, detail: str, retry_at: datetime) -> Verdict:
    return Verdict(outcome=Outcome.FAILED, reason=reason, detail=detail, retry_at=retry_at)


def _after(now: datetime, failures: int) -> datetime:
    return now + timedelta(seconds=SLOW_DOWN.delay(max(failures, 1)))
