"""How long a run may still start work."""

import math
from dataclasses import dataclass

from core.clock import Monotonic

MARGIN_S = 3.0


@dataclass(frozen=True, slots=True)
class Deadline:
    """The monotonic instant after which a run starts nothing.

    The caller's margin (to save, release and answer) is already taken off; it is `margin_s` long.
    """

    at: float
    ticks: Monotonic
    margin_s: float = MARGIN_S

    @classmethod
    def after(
        cls, seconds: float | None, ticks: Monotonic, margin_s: float = MARGIN_S
    ) -> "Deadline":
        """None means: no limit."""
        at = math.inf if seconds is None else ticks() + max(seconds, 0.0)
        return cls(at, ticks, margin_s)

    def remaining(self) -> float:
        """Seconds left, never negative; `inf` without a limit."""
        return max(self.at - self.ticks(), 0.0)

    def remaining_to(self, share: float) -> float:
        """Seconds left to the end of this share of the margin: to save, to release, to answer."""
        return max(self.at + share * self.margin_s - self.ticks(), 0.0)

    def allows(self, seconds: float) -> bool:
        return self.remaining() >= seconds
