"""How far a long run is: a bar on a terminal, a line every ten seconds elsewhere."""

import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TextIO

from core.context import Observation

EVERY_S = 10.0
BAR_EVERY_S = 0.2
WIDTH = 24


@dataclass(slots=True)
class Progress:
    """Called from several threads."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _seen: dict[tuple[str, str], Observation] = field(default_factory=dict)
    _told_at: float = field(default_factory=time.monotonic)
    _bar_shown: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def observe(self, observation: Observation) -> None:
        with self._lock:
            self._seen[observation.account, observation.stream] = observation
            bar = self.stream.isatty()
            now = time.monotonic()
            if now - self._told_at < (BAR_EVERY_S if bar else EVERY_S):
                return
            self._told_at = now
            if bar:
                self._bar_shown = True
                self.stream.write(f"\r\x1b[K{self._line(with_bar=True)}")
            else:
                self.stream.write(f"{self._line(with_bar=False)}\n")
            self.stream.flush()

    def clear(self) -> None:
        with self._lock:
            if self._bar_shown:
                self.stream.write("\r\x1b[K")
                self.stream.flush()
                self._bar_shown = False

    def _line(self, *, with_bar: bool) -> str:
        fetched = sum(each.fetched for each in self._seen.values())
        if all(each.total is None for each in self._seen.values()):
            return f"progress: {fetched} rows"
        total = sum(each.total or each.fetched for each in self._seen.values())
        share = min(fetched / total, 1.0) if total else 0.0
        bar = f"[{'#' * round(share * WIDTH):<{WIDTH}}] " if with_bar else "progress: "
        return f"{bar}{share:4.0%} {fetched} of about {total} rows"
