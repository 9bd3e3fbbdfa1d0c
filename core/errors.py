"""Errors, grouped by what the caller does next.

AppError
├── TransientError                 try later
│   ├── UpstreamUnavailableError   eBay did not give a usable answer
│   └── StoreUnavailableError      the database did not
│       └── MaybeWrittenError      cut off in COMMIT: only a second look tells
├── RateLimitedError               not before `retry_at`
├── PermanentError                 the same call will fail again
│   ├── MissingScopeError          the account's consent lacks a scope
│   ├── SignatureRequiredError     eBay wants a message signature, or another one
│   ├── TokenRefusedError          refused even after a refresh
│   ├── BadAnswerError             eBay's answer is not what its contract says
│   ├── TooManyRowsError           a list is longer than its API shows
│   ├── RejectedContentError       PostgreSQL refuses the content of a page
│   └── QuarantineLimitError       too many rows of a page cannot be stored
├── AccessTokenRefusedError        one forced refresh, one more try
├── ReauthorizationRequiredError   stop this account, ask its owner
├── ApplicationRefusedError        our own keys are wrong: stop every account
├── NoTokenError                   nothing to refresh with: import a token
├── DecryptError                   a stored secret does not open with our keys
├── OutOfCallsError                the day's calls are used up: not before `retry_at`
├── OutOfTimeError                 the run's deadline came first: nothing is wrong
├── LeaseLostError                 another run owns the row: write nothing
├── UnsupportedError               eBay does not have this list in this environment
├── UsageError                     the person asked for something that does not exist
└── ConfigurationError             abort before any work
"""

from dataclasses import dataclass
from datetime import datetime


class AppError(Exception):
    pass


class TransientError(AppError):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFacts:
    """What eBay said, safe to store: no tokens, at most 2,000 characters of its body."""

    status: int | None = None
    error_id: int | None = None
    correlation_id: str | None = None
    body: str = ""


class UpstreamUnavailableError(TransientError):
    def __init__(self, message: str, facts: UpstreamFacts | None = None) -> None:
        super().__init__(message)
        self.facts = facts or UpstreamFacts()


class StoreUnavailableError(TransientError):
    pass


class MaybeWrittenError(StoreUnavailableError):
    pass


class RateLimitedError(AppError):
    """429 or a spent quota.

    `retry_at` is eBay's own instant, None where it named none. `quota` tells a spent daily quota
    from a short-term limit.
    """

    def __init__(
        self, message: str, *, retry_at: datetime | None, quota: bool, facts: UpstreamFacts
    ) -> None:
        super().__init__(message)
        self.retry_at = retry_at
        self.quota = quota
        self.facts = facts


class PermanentError(AppError):
    def __init__(self, message: str, facts: UpstreamFacts | None = None) -> None:
        super().__init__(message)
        self.facts = facts or UpstreamFacts()


class MissingScopeError(PermanentError):
    pass


class SignatureRequiredError(PermanentError):
    """eBay refused a call for its signature, or there is no key to sign it with.

    `retry_at`: when a key is asked for again.
    """

    def __init__(
        self,
        message: str,
        facts: UpstreamFacts | None = None,
        *,
        retry_at: datetime | None = None,
    ) -> None:
        super().__init__(message, facts)
        self.retry_at = retry_at


class TokenRefusedError(PermanentError):
    pass


class BadAnswerError(PermanentError):
    pass


class TooManyRowsError(PermanentError):
    pass


class RejectedContentError(PermanentError):
    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class QuarantineLimitError(PermanentError):
    pass


class AccessTokenRefusedError(AppError):
    """401: one forced refresh and one more try; refused again it is permanent."""

    def __init__(self, message: str, facts: UpstreamFacts | None = None) -> None:
        super().__init__(message)
        self.facts = facts or UpstreamFacts()


class ReauthorizationRequiredError(AppError):
    pass


class ApplicationRefusedError(AppError):
    pass


class NoTokenError(AppError):
    pass


class DecryptError(AppError):
    pass


class OutOfCallsError(AppError):
    def __init__(self, message: str, *, retry_at: datetime) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class OutOfTimeError(AppError):
    """The run's deadline came before a usable answer; nothing is wrong with the unit."""


class LeaseLostError(AppError):
    pass


class UnsupportedError(AppError):
    pass


class UsageError(AppError):
    pass


class ConfigurationError(AppError):
    pass
