"""eBay's public keys, kept in this process's memory."""

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from core.clock import Monotonic
from core.errors import UpstreamUnavailableError
from core.notifications.ports import KeySource

KEEP_S = 3600.0
KEEP_UNKNOWN_S = 300.0
UNKNOWN_AT_MOST, UNKNOWN_WITHIN_S = 20, 300.0
"""eBay allows 10,000 calls a day, and anybody may send us ids of keys that do not exist."""


class _Kept(NamedTuple):
    key: str | None
    good_until: float


@dataclass(slots=True, kw_only=True)
class PublicKeys:
    """Threads share it: whoever comes while a key is being fetched waits for that answer.

    Memory is enough: a process that is called often has them, and one that is not asks again.
    """

    source: KeySource
    ticks: Monotonic
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _unknown: deque[float] = field(default_factory=deque)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key_id: str, *, timeout: float) -> str | None:
        """None: eBay knows no such key. Raises what the source raises, within `timeout` seconds."""
        ends_at = self.ticks() + timeout
        # Who has the key never waits for somebody else's, which may be made up.
        if (kept := self._known(key_id)) is not None:
            return kept.key
        if not self._lock.acquire(timeout=timeout):
            raise UpstreamUnavailableError("eBay's public key did not come in time")
        try:
            kept = self._known(key_id) or self._fetched(key_id, self.ticks(), ends_at)
            return kept.key
        finally:
            self._lock.release()

    def _known(self, key_id: str) -> _Kept | None:
        kept = self._kept.get(key_id)
        return kept if kept is not None and self.ticks() < kept.good_until else None

    def _fetched(self, key_id: str, now: float, ends_at: float) -> _Kept:
        self._refuse_too_many(now)
        key = self.source.fetch(key_id, timeout=ends_at - now)
        if key is None:
            self._unknown.append(now)
        kept = _Kept(key, now + (KEEP_UNKNOWN_S if key is None else KEEP_S))
        still_good = {name: each for name, each in self._kept.items() if now < each.good_until}
        # Another dictionary: others read the one that stood there.
        self._kept = {**still_good, key_id: kept}
        return kept

    def _refuse_too_many(self, now: float) -> None:
        while self._unknown and self._unknown[0] <= now - UNKNOWN_WITHIN_S:
            self._unknown.popleft()
        if len(self._unknown) >= UNKNOWN_AT_MOST:
            raise UpstreamUnavailableError("too many unknown keys were asked for; try later")
