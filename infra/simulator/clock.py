"""The simulator's own time: the machine's, moved by a fixed offset and by hand."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def machine_time() -> datetime:
    return datetime.fromtimestamp(time.time_ns() / 1e9, UTC)


def to_ms(instant: datetime) -> int:
    return (instant - EPOCH) // MILLISECOND


def iso(ms: int) -> str:
    """eBay's form, `2026-09-23T09:59:05.000Z`."""
    instant = EPOCH + timedelta(milliseconds=ms)
    return instant.isoformat(timespec="milliseconds")[:-6] + "Z"


class SimulatorClock:
    """`source` plus an offset that `shift` moves; safe across threads."""

    def __init__(
        self, source: Callable[[], datetime] = machine_time, offset: timedelta = timedelta()
    ) -> None:
        self._source = source
        self._offset = offset
        self._lock = threading.Lock()

    def now(self) -> datetime:
        with self._lock:
            return self._source() + self._offset

    def now_ms(self) -> int:
        return to_ms(self.now())

    def shift(self, by: timedelta) -> datetime:
        """Move time by that much from here on; the new present instant."""
        with self._lock:
            self._offset += by
            return self._source() + self._offset
