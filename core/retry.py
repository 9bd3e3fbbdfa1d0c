"""When to try again."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random

MAX_RETRY_AFTER = timedelta(hours=24)
_LONGEST_NUMBER = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Capped exponential backoff, in seconds."""

    base: float
    cap: float

    def delay(self, attempt: int) -> float:
        """Exactly `min(cap, base * 2 ** (attempt - 1))` after the nth failed attempt, from 1."""
        exponent = min(attempt - 1, 62)
        return float(min(self.cap, self.base * 2**exponent))

    def jittered(self, attempt: int, rng: Random) -> float:
        """Full jitter: uniform in [0, delay], so that callers of one sick server spread.

        https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        """
        return rng.uniform(0.0, self.delay(attempt))


def retry_after(value: str | None, now: datetime) -> datetime | None:
    """The instant that a `Retry-After` header names, at most 24 h ahead.

    None where it is absent, garbage or not in the future: the caller then backs off by itself.
    """
    seconds = None if value is None else _seconds(value.strip(), now)
    if seconds is None or not seconds > 0:
        return None
    return now + timedelta(seconds=min(seconds, MAX_RETRY_AFTER.total_seconds()))


def _seconds(value: str, now: datetime) -> float | None:
    if re.fullmatch(r"[+-]?\d+(\.\d*)?", value, re.ASCII):
        return float(value[:_LONGEST_NUMBER])
    try:
        at = parsedate_to_datetime(value)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return (at - now).total_seconds()
