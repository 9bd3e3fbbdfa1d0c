"""Time that passes when a test says so."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

BEGAN = datetime(2026, 11, 22, 5, 0, 0, tzinfo=UTC)


@dataclass
class Moments:
    """A wall clock, a monotonic one and a sleeper in one."""

    at: datetime = BEGAN

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - BEGAN).total_seconds() + 1000.0

    def sleep(self, seconds: float) -> None:
        self.go_by(timedelta(seconds=seconds))

    def go_by(self, time: timedelta) -> None:
        self.at += time
