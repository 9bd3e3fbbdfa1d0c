"""What has come of a unit so far, and the report it becomes."""

from dataclasses import dataclass, field
from datetime import datetime

from core.report import Outcome, UnitReport
from core.sync.model import Unit, Window
from core.sync.ports import Event, Saved
from core.sync.verdict import Verdict


@dataclass(slots=True)
class Tally:
    started_at: datetime
    cursor_at: datetime | None
    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    quarantined: int = 0
    pages: int = 0
    window_from: datetime | None = None
    window_to: datetime | None = None
    more: bool = False
    reading_from: datetime | None = None
    go_on_since: datetime | None = None
    events: list[Event] = field(default_factory=list)

    def reading(self, window: Window) -> None:
        if self.window_from is None:
            self.window_from = window.from_
        self.window_to = window.goal
        self.reading_from = window.from_

    def stored(self, rows: int, saved: Saved, cursor_at: datetime | None) -> None:
        self.pages += 1
        self.fetched += rows
        self.inserted += saved.inserted
        self.updated += saved.updated
        self.quarantined += saved.quarantined
        self.cursor_at = cursor_at or self.cursor_at

    def report(
        self, unit: Unit, verdict: Verdict | None, calls: int, finished_at: datetime
    ) -> UnitReport:
        """`verdict` None: everything that was due is done."""
        return UnitReport(
            account_id=unit.account.id,
            account=unit.account.name,
            stream=unit.stream.name,
            pass_=unit.pass_,
            outcome=Outcome.DONE if verdict is None else verdict.outcome,
            reason=None if verdict is None else verdict.reason,
            detail=None if verdict is None else verdict.detail,
            fetched=self.fetched,
            inserted=self.inserted,
            updated=self.updated,
            unchanged=self.fetched - self.inserted - self.updated - self.quarantined,
            quarantined=self.quarantined,
            pages=self.pages,
            calls=calls,
            window_from=self.window_from,
            window_to=self.window_to,
            cursor_before=unit.cursor_at,
            cursor_after=self.cursor_at,
            started_at=self.started_at,
            finished_at=finished_at,
            more=self.more,
            go_on_since=self.go_on_since,
            stops_all=verdict is not None and verdict.stops_all,
        )
