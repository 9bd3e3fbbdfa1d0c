"""What an error means for its unit: outcome, reason, and when to try again."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    ApplicationRefusedError,
    BadAnswerError,
    ConfigurationError,
    DecryptError,
    LeaseLostError,
    MissingScopeError,
    NoTokenError,
    PermanentError,
    QuarantineLimitError,
    RateLimitedError,
    ReauthorizationRequiredError,
    RejectedContentError,
    SignatureRequiredError,
    TokenRefusedError,
    TooManyRowsError,
    UpstreamUnavailableError,
)
from core.report import Outcome, Reason
from core.retry import RetryPolicy
from core.sync.fetch import OutOfTimeError
from core.sync.ports import Quota

SLOW_DOWN = RetryPolicy(base=60.0, cap=15 * 60.0)
DETAIL_LENGTH = 2000

REASONS: tuple[tuple[type[AppError], Outcome, Reason], ...] = (
    (OutOfTimeError, Outcome.PARTIAL, Reason.DEADLINE),
    (LeaseLostError, Outcome.FAILED, Reason.LEASE_LOST),
    (ReauthorizationRequiredError, Outcome.SKIPPED, Reason.NEEDS_RECONNECT),
    (NoTokenError, Outcome.SKIPPED, Reason.NO_TOKEN),
    (DecryptError, Outcome.SKIPPED, Reason.DECRYPT_FAILED),
    (ApplicationRefusedError, Outcome.FAILED, Reason.TOKEN_REFUSED),
    (TokenRefusedError, Outcome.FAILED, Reason.TOKEN_REFUSED),
    (AccessTokenRefusedError, Outcome.FAILED, Reason.TOKEN_REFUSED),
    (ConfigurationError, Outcome.FAILED, Reason.TOKEN_REFUSED),
    (MissingScopeError, Outcome.FAILED, Reason.MISSING_SCOPE),
    (SignatureRequiredError, Outcome.FAILED, Reason.SIGNATURE_REQUIRED),
    (QuarantineLimitError, Outcome.FAILED, Reason.QUARANTINE_LIMIT),
    (RejectedContentError, Outcome.FAILED, Reason.BAD_DATA),
    (TooManyRowsError, Outcome.FAILED, Reason.TOO_MANY),
    (BadAnswerError, Outcome.FAILED, Reason.BAD_DATA),
    (PermanentError, Outcome.FAILED, Reason.BAD_DATA),
    (UpstreamUnavailableError, Outcome.FAILED, Reason.UPSTREAM),
)


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
    reset; more or unknown means to slow down.
    """
    detail = str(error)[:DETAIL_LENGTH]
    if isinstance(error, RateLimitedError):
        return _rate_limited(error, detail, quota, _after(now, failures))
    for kind, outcome, reason in REASONS:
        if isinstance(error, kind):
            retry_at = _after(now, failures) if reason is Reason.UPSTREAM else None
            return Verdict(
                outcome=outcome,
                reason=reason,
                detail=detail,
                retry_at=retry_at,
                stops_all=isinstance(error, ApplicationRefusedError),
            )
    return Verdict(outcome=Outcome.FAILED, reason=Reason.INTERNAL, detail=type(error).__name__)


def _rate_limited(
    error: RateLimitedError, detail: str, quota: Quota | None, otherwise: datetime
) -> Verdict:
    if quota is not None and quota.remaining == 0:
        retry_at = quota.reset_at or error.retry_at or otherwise
        return Verdict(
            outcome=Outcome.FAILED, reason=Reason.QUOTA, detail=detail, retry_at=retry_at
        )
    return Verdict(
        outcome=Outcome.FAILED,
        reason=Reason.RATE_LIMITED,
        detail=detail,
        retry_at=error.retry_at or otherwise,
    )


def _after(now: datetime, failures: int) -> datetime:
    return now + timedelta(seconds=SLOW_DOWN.delay(max(failures, 1)))
