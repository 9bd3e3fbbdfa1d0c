"""What one unit writes: its pages, its events, its end."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from core.context import Observation, RunContext
from core.errors import AppError
from core.report import Reason, instant
from core.sync.fetch import Fetched
from core.sync.model import Page, Unit, Window
from core.sync.ports import Event, OpenRange, OpenRow, Progress, Saved, SyncStore, UnitEnd
from core.sync.store_tries import StoreTries
from core.sync.tally import Tally

COMMIT_UNSEEN = (
    "the connection broke when the page was committed: it is stored, and what it inserted and"
    " updated may count as unchanged"
)


class SwitchedOffError(AppError):
    """Somebody paused the worker, the account or the unit while it ran."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(f"switched off: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitStore:
    """The store, as one unit uses it."""

    unit: Unit
    context: RunContext
    store: SyncStore
    sleep: Callable[[float], None]
    tally: Tally

    def lacking_details(self, page: Page) -> AbstractSet[str]:
        return self._tries().run(lambda: self.store.lacking_details(self.unit, page))

    def open_range(self, since: datetime) -> OpenRange:
        return self._tries().run(lambda: self.store.open_range(self.unit, since))

    def open_rows(self, window: Window) -> Sequence[OpenRow]:
        return self._tries().run(lambda: self.store.open_rows(self.unit, window))

    def save(self, fetched: Fetched, progress: Progress | None) -> None:
        """A page that was committed unseen is the same page again, and its fence still holds.

        Raises SwitchedOffError when the page is stored, LeaseLostError.
        """
        unsure: list[bool] = []
        saved = self._tries().run(
            lambda: self._save(fetched, progress), lambda: unsure.append(True)
        )
        cursor_at = None if progress is None else progress.cursor_at
        self.tally.stored(len(fetched.page.rows), saved, cursor_at)
        # A folded list counts its entries, not the rows that they name.
        self._observe(None if self.unit.stream.folded else fetched.page.total)
        self._tell(fetched, saved, progress, counted=not unsure)
        if saved.switched_off is not None:
            raise SwitchedOffError(saved.switched_off)

    def finish(self, end: UnitEnd, calls: list[Event]) -> None:
        """Raises LeaseLostError, StoreUnavailableError."""
        events = sorted([*calls, *self.tally.events], key=lambda event: event.at)
        self._tries().run(lambda: self.store.finish(self.context.run_id, self.unit, end, events))

    def warn(self, event: str, **facts: object) -> None:
        """In the log and in the run's events."""
        self.context.log.warning(event, **self.names(), **facts)
        self._note("warning", event, facts)

    def names(self) -> dict[str, str]:
        return {"account": self.unit.account.name, "stream": self.unit.stream.name}

    def _save(self, fetched: Fetched, progress: Progress | None) -> Saved:
        return self.store.save_page(
            self.context.run_id,
            self.context.worker,
            self.unit,
            fetched.page,
            read_at=fetched.read_at,
            progress=progress,
        )

    def _tries(self) -> StoreTries:
        return StoreTries(context=self.context, sleep=self.sleep)

    def _observe(self, total: int | None) -> None:
        self.context.observe(
            Observation(
                account=self.unit.account.name,
                stream=self.unit.stream.name,
                fetched=self.tally.fetched,
                total=total,
            )
        )

    def _tell(
        self, fetched: Fetched, saved: Saved, progress: Progress | None, *, counted: bool
    ) -> None:
        facts: dict[str, object] = {
            "offset": fetched.offset,
            "rows": len(fetched.page.rows),
            "inserted": saved.inserted,
            "updated": saved.updated,
            "quarantined": saved.quarantined,
            "cursor": None if progress is None else instant(progress.cursor_at),
        }
        self.context.log.debug("page.stored", **self.names(), **facts)
        self._note("info", "page.stored", facts)
        if not counted:
            self.warn("page.counts_unknown", offset=fetched.offset, why=COMMIT_UNSEEN)

    def _note(self, level: str, event: str, facts: Mapping[str, object]) -> None:
        self.tally.events.append(
            Event(
                at=self.context.clock.now(),
                level=level,
                event=event,
                account_id=self.unit.account.id,
                stream=self.unit.stream.name,
                facts=dict(facts),
            )
        )
