"""One page's transaction: the fence first, then its rows, and what a snapshot saw."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from core.ids import RunId
from core.report import Reason
from core.sync.model import Page, Unit, Window
from core.sync.ports import Progress, Saved
from infra.postgres.pages import PageWriter, Stored
from infra.postgres.queries import load
from infra.postgres.units import ask, fenced, refused


@dataclass(frozen=True, slots=True)
class PageWrite:
    """`plainly`; where PostgreSQL refuses its content, `carefully` in another transaction."""

    run_id: RunId
    worker: str
    unit: Unit
    page: Page
    read_at: datetime
    progress: Progress | None
    lease_s: float

    def plainly(self, connection: sa.Connection) -> Saved:
        off = self._fence(connection)
        stored = writer_of(connection, self.unit, self.read_at).store(self.page)
        return saved_of(stored, off, self._note_seen(connection))

    def carefully(self, connection: sa.Connection) -> Saved:
        off = self._fence(connection)
        writer = writer_of(connection, self.unit, self.read_at)
        stored = writer.store_carefully(self.page)
        writer.quarantine(self.run_id, stored, len(self.page.rows))
        return saved_of(stored, off, self._note_seen(connection))

    def _note_seen(self, connection: sa.Connection) -> int:
        """The keys of a snapshot's page; its last page marks what has ended. How many have."""
        if self.progress is None or self.progress.snapshot is None:
            return 0
        if not self.unit.stream.ends_unseen:
            return 0
        snapshot = {
            "account_id": self.unit.account.id,
            "stream": self.unit.stream.name,
            "seen_at": self.progress.snapshot,
        }
        ask(connection, "note_seen", snapshot | {"keys": list(self.page.keys)})
        # The one before is over: what both did not show is gone.
        if self.progress.cursor_at is None or self.unit.cursor_at is None:
            return 0
        return self._end_unseen(connection, {**snapshot, "since": self.unit.cursor_at})

    def _end_unseen(self, connection: sa.Connection, snapshot: Mapping[str, object]) -> int:
        values = {**snapshot, "read_at": self.read_at}
        ended = connection.execute(load(self.unit.stream.name)["end_unseen"], values).rowcount
        ask(connection, "forget_unseen", snapshot)
        return int(ended)

    def _fence(self, connection: sa.Connection) -> Reason | None:
        values = {"lease_s": self.lease_s, "worker": self.worker}
        if self.progress is None:
            row = fenced(connection, "fence_extra_page", self.run_id, self.unit, values)
        else:
            values |= {
                "cursor_at": self.progress.cursor_at,
                "replace_cursor": self.progress.replace_cursor,
            } | _place(self.progress.window)
            row = fenced(connection, "fence_page", self.run_id, self.unit, values)
        if not row.workers_enabled:
            return Reason.GLOBALLY_OFF
        return refused(row.account_status, enabled=row.enabled)


def writer_of(connection: sa.Connection, unit: Unit, read_at: datetime) -> PageWriter:
    return PageWriter(
        connection=connection,
        account_id=unit.account.id,
        stream=unit.stream,
        read_at=read_at,
        again=unit.by_key,
    )


def saved_of(stored: Stored, off: Reason | None, ended: int) -> Saved:
    return Saved(
        inserted=stored.inserted,
        updated=stored.updated,
        quarantined=len(stored.refused),
        switched_off=off,
        ended=ended,
    )


def _place(window: Window | None) -> dict[str, object]:
    return {
        "window_from": None if window is None else window.from_,
        "window_to": None if window is None else window.to,
        "window_goal": None if window is None else window.goal,
        "window_limit": None if window is None else window.limit,
        "window_offset": None if window is None else window.offset,
        "window_total": None if window is None else window.total,
        "window_pass": None if window is None else window.pass_number,
    }
