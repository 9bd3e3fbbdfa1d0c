"""Time as core sees it: the database's clock, carried forward by a monotonic one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


class Monotonic(Protocol):
    """Seconds from an arbitrary start, never going back (`time.monotonic`)."""

    def __call__(self) -> float: ...


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, aware, UTC."""
        ...

    def monotonic(self) -> float: ...


class Sleeper(Protocol):
    """Waits that many seconds, or less when the process is asked to stop."""

    def __call__(self, seconds: float, /) -> None: ...


@dataclass(frozen=True, slots=True)
class CarriedClock:
    """`read_at` as the database told it at the monotonic instant `at`, carried forward.

    One time source per run: the machine's own wall clock never decides anything.
    """

    read_at: datetime
    at: float
    ticks: Monotonic

    def now(self) -> datetime:
        return self.read_at + timedelta(seconds=self.ticks() - self.at)

    def monotonic(self) -> float:
        return self.ticks()
