"""How long a run may still start work."""

import math
from dataclasses import dataclass

from core.clock import Monotonic


@dataclass(frozen=True, slots=True)
class Deadline:
    """The monotonic instant after which a run starts nothing.

    The caller's margin (to save, release and answer) is already taken off.
    """

    at: float
    ticks: Monotonic

    @classmethod
    def after(cls, seconds: float | None, ticks: Monotonic) -> "Deadline":
        """None means: no limit."""
        return cls(math.inf if seconds is None else ticks() + max(seconds, 0.0), ticks)

    def remaining(self) -> float:
        """Seconds left, never negative; `inf` without a limit."""
        return max(self.at - self.ticks(), 0.0)

    def allows(self, seconds: float) -> bool:
        return self.remaining() >= seconds
