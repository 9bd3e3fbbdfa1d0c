"""When to try again."""

from dataclasses import dataclass
from random import Random


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
