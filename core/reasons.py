"""Which reason of the report an error is, for a unit of any worker."""

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
    OutOfCallsError,
    OutOfTimeError,
    PermanentError,
    QuarantineLimitError,
    RateLimitedError,
    ReauthorizationRequiredError,
    RejectedContentError,
    SignatureRequiredError,
    StoreUnavailableError,
    TokenRefusedError,
    TooManyRowsError,
    UnsupportedError,
    UpstreamUnavailableError,
)
from core.report import Outcome, Reason

REASONS: tuple[tuple[type[AppError], Outcome, Reason], ...] = (
    (OutOfTimeError, Outcome.PARTIAL, Reason.DEADLINE),
    (OutOfCallsError, Outcome.SKIPPED, Reason.BUDGET),
    (LeaseLostError, Outcome.FAILED, Reason.LEASE_LOST),
    (ReauthorizationRequiredError, Outcome.SKIPPED, Reason.NEEDS_RECONNECT),
    (NoTokenError, Outcome.SKIPPED, Reason.NO_TOKEN),
    (DecryptError, Outcome.SKIPPED, Reason.DECRYPT_FAILED),
    (UnsupportedError, Outcome.SKIPPED, Reason.UNSUPPORTED),
    (ApplicationRefusedError, Outcome.FAILED, Reason.TOKEN_REFUSED),
    (TokenRefusedError, Outcome.FAILED, Reason.TOKEN_REFUSED),
    (AccessTokenRefusedError, Outcome.FAILED, Reason.TOKEN_REFUSED),
    (ConfigurationError, Outcome.FAILED, Reason.CONFIG),
    (StoreUnavailableError, Outcome.FAILED, Reason.DATABASE),
    (MissingScopeError, Outcome.FAILED, Reason.MISSING_SCOPE),
    (SignatureRequiredError, Outcome.FAILED, Reason.SIGNATURE_REQUIRED),
    (QuarantineLimitError, Outcome.FAILED, Reason.QUARANTINE_LIMIT),
    (RejectedContentError, Outcome.FAILED, Reason.BAD_DATA),
    (TooManyRowsError, Outcome.FAILED, Reason.TOO_MANY),
    (BadAnswerError, Outcome.FAILED, Reason.BAD_DATA),
    (PermanentError, Outcome.FAILED, Reason.BAD_DATA),
    (RateLimitedError, Outcome.FAILED, Reason.RATE_LIMITED),
    (UpstreamUnavailableError, Outcome.FAILED, Reason.UPSTREAM),
)


def reason_of(error: Exception) -> tuple[Outcome, Reason]:
    """What nobody foresaw is a mistake of ours."""
    for kind, outcome, reason in REASONS:
        if isinstance(error, kind):
            return outcome, reason
    return Outcome.FAILED, Reason.INTERNAL
