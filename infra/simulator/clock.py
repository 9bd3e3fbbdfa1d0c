"""The simulator's own time: the machine's, moved by a fixed offset and by hand."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def machine_time() -> datetime:
    return datetime.fromtimestamp(time.time_ns() / 1e9, UTC)


def to_ms(instant: datetime) -> int:
    return (instant - EPOCH) // MILLISECOND


def iso(ms: int) -> str:
    """eBay's form, `2026-09-23T09:59:05.000Z`."""
    # Twice as fast as `datetime.isoformat`: an order has a dozen dates.
    day, rest = divmod(ms, 86_400_000)
    minutes, rest = divmod(rest, 60_000)
    return (
        f"{_date(day)}T{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}Z"
    )


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    return (EPOCH + timedelta(days=day)).date().isoformat()


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
