"""What looking after streams needs from outside. One method of the store is one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from core.ids import AccountId
from core.streams.model import Cost, Facts, Overview, Rewound, StreamState, Switched


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Where a cursor goes. `reason` is what a person says of it, `via` how he said it."""

    to: datetime
    via: str
    reason: str | None
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """The rewind whose old cursor comes back, and those that are undone with it."""

    restored: int
    undone: Sequence[int]
    via: str


class StreamStore(Protocol):
    """Raises StoreUnavailableError.

    Where an account or a stream has no such state it is left out, never an error.
    """

    def look(self, accounts: Sequence[str], streams: Sequence[str]) -> Overview:
        """By account and stream; an empty list means all of them."""
        ...

    def switch(
        self, accounts: Sequence[str], streams: Sequence[str], *, enabled: bool, via: str
    ) -> Switched:
        """Pause or resume both passes of these; what is resumed is due now."""
        ...

    def space(
        self, accounts: Sequence[str], streams: Sequence[str], interval: timedelta, *, via: str
    ) -> Switched:
        """How often these are read; no time at all is never. What is read at all is due now."""
        ...

    def facts(
        self,
        state: StreamState,
        api: str,
        *,
        since: datetime,
    ) -> Facts: ...

    def rewind(
        self,
        account_id: AccountId,
        stream: str,
        decide: Callable[[StreamState, datetime], Step | None],
    ) -> Rewound:
        """Set the cursor where `decide` says; None leaves it.

        `decide` sees the state under its lock and the database's clock. The old cursor and window
        are noted; the fence rises, so that whoever is reading writes nothing more; due now.
        """
        ...

    def undo(
        self,
        account_id: AccountId,
        stream: str,
        decide: Callable[[StreamState, datetime], Undoing | None],
    ) -> Rewound:
        """Cursor and window as they were before a rewind, fenced like a rewind; rows stay."""
        ...


class Costs(Protocol):
    def of(
        self, stream: str, cursor_at: datetime, now: datetime, *, rows: int, missing: int
    ) -> Cost:
        """Of reading on from this cursor, where so many rows are expected."""
        ...
