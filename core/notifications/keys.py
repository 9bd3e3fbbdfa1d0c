"""eBay's public keys, kept in this process's memory."""

import threading
from collections import deque
from dataclasses import dataclass, field

from core.clock import Monotonic
from core.errors import UpstreamUnavailableError
from core.notifications.ports import KeySource

KEEP_S = 3600.0
KEEP_UNKNOWN_S = 300.0
ASKED_AT_MOST, ASKED_WITHIN_S = 20, 300.0
"""eBay allows 10,000 calls a day, and anybody may send us ids of keys that do not exist."""


@dataclass(slots=True, kw_only=True)
class PublicKeys:
    """Threads share it: whoever comes while a key is being fetched waits for that answer.

    Memory is enough: a process that is called often has them, and one that is not asks again.
    """

    source: KeySource
    ticks: Monotonic
    _kept: dict[str, tuple[str | None, float]] = field(default_factory=dict)
    _asked: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key_id: str, *, timeout: float) -> str | None:
        """None: eBay knows no such key. Raises what the source raises, within `timeout` seconds."""
        ends_at = self.ticks() + timeout
        if not self._lock.acquire(timeout=timeout):
            raise UpstreamUnavailableError("eBay's public key did not come in time")
        try:
            now = self.ticks()
            key, good_until = self._kept.get(key_id, (None, now))
            return key if now < good_until else self._fetched(key_id, now, ends_at)
        finally:
            self._lock.release()

    def _fetched(self, key_id: str, now: float, ends_at: float) -> str | None:
        self._count(now)
        key = self.source.fetch(key_id, timeout=ends_at - now)
        self._kept = {name: each for name, each in self._kept.items() if now < each[1]}
        self._kept[key_id] = key, now + (KEEP_UNKNOWN_S if key is None else KEEP_S)
        return key

    def _count(self, now: float) -> None:
        while self._asked and self._asked[0] <= now - ASKED_WITHIN_S:
            self._asked.popleft()
        if len(self._asked) >= ASKED_AT_MOST:
            raise UpstreamUnavailableError("too many keys were asked for; not before some minutes")
        self._asked.append(now)
