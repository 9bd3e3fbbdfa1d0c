"""The log of requests: what came, for whom, and what it got. No secrets."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.simulator.oauth import fingerprint

_SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "cookie", "x-ebay-api-iaf-token"}
)
_KEPT = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One request, noted when its answer is ready and before it is sent.

    `number` counts from 1. `status` None: there is no answer (hang, reset_before, garbage). `at` is
    written as in answers (UTC, ISO). `duration_ms` leaves out what delivery takes.
    """

    number: int
    at: str
    host: str
    method: str
    path: str
    query: str
    operation: str | None
    account: str | None
    limit: str | None
    offset: str | None
    status: int | None
    size: int
    duration_ms: float
    fault: str | None
    headers: dict[str, str]


class Journal:
    """The last 200,000 requests, oldest first; safe across threads."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)
        self._count = 0
        self._lock = threading.Lock()

    def note(self, **facts: Any) -> None:
        with self._lock:
            self._count += 1
            self._entries.append(Entry(number=self._count, **facts))

    def entries(
        self, *, operation: str | None = None, account: str | None = None, since: int = 0
    ) -> list[Entry]:
        """Those after number `since`, narrowed by what is given."""
        with self._lock:
            kept = list(self._entries)
        return [
            entry
            for entry in kept
            if entry.number > since
            and operation in {None, entry.operation}
            and account in {None, entry.account}
        ]

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def describe(entries: list[Entry]) -> list[dict[str, Any]]:
    return [asdict(entry) for entry in entries]


def masked(headers: Mapping[str, str]) -> dict[str, str]:
    """Secrets are replaced by their scheme and a fingerprint."""
    return {
        name: _mask(value) if name in _SECRET_HEADERS else value for name, value in headers.items()
    }


def _mask(value: str) -> str:
    scheme, _, secret = value.partition(" ")
    return f"{scheme} sha256:{fingerprint(secret)}" if secret else f"sha256:{fingerprint(value)}"
