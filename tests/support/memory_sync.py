"""An in-memory SyncStore: the sync without a database, kept honest by the contract suite."""

import json
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import RLock

from core.errors import (
    LeaseLostError,
    MaybeWrittenError,
    QuarantineLimitError,
    StoreUnavailableError,
    UsageError,
)
from core.ids import AccountId, Fence, RunId
from core.outcome import Accounts
from core.report import Holder, Reason, UnitReport
from core.sync.calls import Quota
from core.sync.model import Account, Environment, Page, Pass, Stream, Unit, UnitKey, Window
from core.sync.ports import Candidate, Event, OpenRange, OpenRow, Progress, Saved, UnitEnd

KEYS = {
    "orders": ("orderId",),
    "transactions": ("transactionId", "transactionType"),
    "payouts": ("payoutId",),
    "returns": ("returnId",),
    "active_inventory": ("orderId",),
    "inventory_offers": ("offerId",),
}
INSTANTS = {"orders": "lastModifiedDate", "transactions": "transactionDate"}
Place = tuple[AccountId, str, Pass]
Key = tuple[AccountId, str, tuple[str, ...]]


@dataclass(slots=True, kw_only=True)
class State:
    """One row of `ebay.sync_states`."""

    account: Account
    stream: Stream
    pass_: Pass
    interval: timedelta
    due_at: datetime | None
    enabled: bool = True
    fence: int = 0
    leased_by: RunId | None = None
    leased_until: datetime | None = None
    cursor_at: datetime | None = None
    window: Window | None = None
    failures: int = 0
    last_success_at: datetime | None = None
    last_reason: str | None = None
    last_error: str | None = None

    def unit(self) -> Unit:
        return Unit(
            account=self.account,
            stream=self.stream,
            pass_=self.pass_,
            fence=Fence(self.fence),
            interval=self.interval,
            cursor_at=self.cursor_at,
            window=self.window,
            failures=self.failures,
        )


@dataclass(slots=True)
class Kept:
    row: dict[str, object]
    read_at: datetime


@dataclass(slots=True, kw_only=True)
class MemorySync:
    """`failing`: methods by name, and how often each raises StoreUnavailableError yet.

    `unseen`: the same, when what they wrote is committed. `slow`: how many seconds they take.
    """

    now: Callable[[], datetime]
    streams: Mapping[str, Stream]
    lease: timedelta = timedelta(seconds=60)
    states: dict[Place, State] = field(default_factory=dict)
    statuses: dict[AccountId, str] = field(default_factory=dict)
    workers_enabled: bool = True
    rows: dict[Key, Kept] = field(default_factory=dict)
    quarantined: dict[str, int] = field(default_factory=dict)
    blocks: dict[tuple[str, str], datetime] = field(default_factory=dict)
    reports: list[UnitReport] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    open: OpenRange = field(default_factory=lambda: OpenRange(oldest=None, newest=None, given_up=0))
    open_keys: list[OpenRow] = field(default_factory=list)
    abandoned: set[RunId] = field(default_factory=set)
    progress: list[Progress | None] = field(default_factory=list)
    detailed: set[str] = field(default_factory=set)
    failing: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)
    stored: dict[tuple[RunId, AccountId, str], datetime] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    advance: Callable[[float], None] = lambda _: None
    lock: RLock = field(default_factory=RLock)

    def add_account(
        self, name: str, streams: Sequence[str] = (), *, open_pass: bool = False
    ) -> Account:
        account = Account(
            id=AccountId(len(self.statuses) + 1), name=name, environment=Environment.SIMULATOR
        )
        self.statuses[account.id] = "active"
        for stream in streams or self.streams:
            for pass_ in (Pass.NEW, Pass.OPEN) if open_pass else (Pass.NEW,):
                self.states[account.id, stream, pass_] = State(
                    account=account,
                    stream=self.streams[stream],
                    pass_=pass_,
                    interval=self.streams[stream].interval,
                    due_at=self.now(),
                )
        return account

    def take_due(
        self, run_id: RunId, now: datetime, limit: int, leave: AbstractSet[UnitKey] = frozenset()
    ) -> Sequence[Unit]:
        self._touch("take_due")
        if run_id in self.abandoned:
            return []
        with self.lock:
            due = [
                state
                for state in self.states.values()
                if state.due_at is not None and state.due_at <= now and self._free(state)
                if state.enabled and state.interval and self._active(state)
                if (state.account.id, state.stream.name, state.pass_) not in leave
            ]
            due.sort(key=lambda state: state.due_at or now)
            return [self._take(state, run_id) for state in due[:limit]]

    def candidates(self, accounts: Sequence[str], streams: Sequence[str]) -> Sequence[Candidate]:
        unknown = set(streams) - set(self.streams)
        unknown |= set(accounts) - {state.account.name for state in self.states.values()}
        if unknown:
            raise UsageError(f"there is no {min(unknown)!r}")
        self._none_missing(accounts, streams)
        ordered = sorted(self.states.items(), key=lambda item: (item[0][0], item[0][1], item[0][2]))
        return [
            Candidate(unit=state.unit(), refused=self._refused(state), holder=self._holder(state))
            for _, state in ordered
            if not accounts or state.account.name in accounts
            if not streams or state.stream.name in streams
        ]

    def take(self, run_id: RunId, now: datetime, candidate: Candidate) -> Unit | None:
        self._touch("take")
        with self.lock:
            state = self._state(candidate.unit)
            free = self._free(state) and run_id not in self.abandoned
            if not free or not state.enabled or not self._active(state):
                return None
            return self._take(state, run_id)

    def renew(self, run_id: RunId) -> None:
        self._touch("renew")
        with self.lock:
            for state in self.states.values():
                if state.leased_by == run_id:
                    self._prolong(state)

    def blocked_until(self, environment: str, api: str) -> datetime | None:
        self._touch("blocked_until")
        return self.blocks.get((environment, api))

    def block(
        self, environment: str, api: str, until: datetime, quota: Quota, now: datetime
    ) -> None:
        self._touch("block")
        self.blocks[environment, api] = until

    def sign_from_now_on(self, account_id: AccountId) -> None:
        self._touch("sign_from_now_on")
        with self.lock:
            for state in self.states.values():
                if state.account.id == account_id:
                    state.account = replace(state.account, signs=True)

    def open_range(self, unit: Unit, since: datetime) -> OpenRange:
        if self.open.newest is None or self.open.newest < since:
            return replace(self.open, oldest=None, newest=None)
        return (
            self.open
            if self.open.oldest is None
            else replace(self.open, oldest=max(self.open.oldest, since))
        )

    def open_rows(self, unit: Unit, window: Window) -> Sequence[OpenRow]:
        self._touch("open_rows")
        inside = [row for row in self.open_keys if window.from_ <= row.at <= window.goal]
        inside.sort(key=lambda row: row.at)
        last = inside[: window.limit]
        return [row for row in inside if last and row.at <= last[-1].at]

    def lacking_details(self, unit: Unit, page: Page) -> AbstractSet[str]:
        self._touch("lacking_details")
        return set(page.keys) - self.detailed

    def save_page(
        self,
        run_id: RunId,
        worker: str,
        unit: Unit,
        page: Page,
        *,
        read_at: datetime,
        progress: Progress | None,
    ) -> Saved:
        self._touch("save_page")
        with self.lock:
            state = self._fenced(run_id, unit)
            again = self.stored.get((run_id, unit.account.id, unit.stream.name)) == read_at
            bad = dict(self.quarantined) if again else self.quarantined
            saved = self._store(unit, page, read_at, self.rows, bad)
            self.stored[run_id, unit.account.id, unit.stream.name] = read_at
            self.progress.append(progress)
            self._prolong(state)
            if progress is not None:
                state.window = progress.window
                if progress.replace_cursor:
                    state.cursor_at = progress.cursor_at
                elif progress.cursor_at is not None:
                    cursor = state.cursor_at or progress.cursor_at
                    state.cursor_at = max(cursor, progress.cursor_at)
        self._cut_off("save_page")
        return replace(saved, switched_off=self._switched_off(state))

    def preview_page(self, unit: Unit, page: Page, *, read_at: datetime) -> Saved:
        self._touch("preview_page")
        return self._store(unit, page, read_at, dict(self.rows), dict(self.quarantined))

    def finish(self, run_id: RunId, unit: Unit, end: UnitEnd, events: Sequence[Event]) -> None:
        self._touch("finish")
        with self.lock:
            try:
                state = self._fenced(run_id, unit)
            except LeaseLostError:
                if self._is_recorded(end.report):
                    return
                raise
            state.leased_by = state.leased_until = None
            due = state.enabled and state.interval and self._active(state)
            state.due_at = end.due_at if due else None
            if end.succeeded:
                state.last_success_at, state.failures = end.report.finished_at, 0
            elif not end.gave_up:
                state.failures = max(state.failures - 1, 0)
            reason = end.report.reason
            state.last_reason = None if reason is None else reason.value
            state.last_error = end.report.detail
            self.reports.append(end.report)
            self.events.extend(events)
        self._cut_off("finish")

    def record(self, run_id: RunId, reports: Sequence[UnitReport]) -> None:
        self._touch("record")
        self.reports.extend(reports)

    def summary(self) -> Accounts:
        self._touch("summary")
        due = [state.due_at for state in self.states.values() if state.due_at is not None]
        return Accounts(
            active="active" in self.statuses.values(),
            paused="paused" in self.statuses.values(),
            needs_reconnect="needs_reconnect" in self.statuses.values(),
            next_due_at=min(due, default=None),
        )

    def _none_missing(self, accounts: Sequence[str], streams: Sequence[str]) -> None:
        there = {(state.account.name, state.stream.name) for state in self.states.values()}
        wanted = {name for name, _ in there if not accounts or name in accounts}
        for missing in {(name, stream) for name in wanted for stream in streams} - there:
            raise UsageError(f"{missing} is not there yet")

    def _is_recorded(self, report: UnitReport) -> bool:
        return any(
            (each.account_id, each.stream, each.pass_, each.started_at)
            == (report.account_id, report.stream, report.pass_, report.started_at)
            for each in self.reports
        )

    def _cut_off(self, method: str) -> None:
        if self.unseen.get(method, 0) > 0:
            self.unseen[method] -= 1
            raise MaybeWrittenError(f"{method}: cut off in COMMIT")

    def _touch(self, method: str) -> None:
        self.advance(self.slow.get(method, 0.0))
        if self.failing.get(method, 0) > 0:
            self.failing[method] -= 1
            raise StoreUnavailableError(f"{method}: the database is away")

    def _state(self, unit: Unit) -> State:
        return self.states[unit.account.id, unit.stream.name, unit.pass_]

    def _free(self, state: State) -> bool:
        return state.leased_until is None or state.leased_until <= self.now()

    def _holder(self, state: State) -> Holder | None:
        if self._free(state):
            return None
        return Holder(run_id=state.leased_by, until=state.leased_until)

    def _active(self, state: State) -> bool:
        return self.statuses[state.account.id] == "active"

    def _take(self, state: State, run_id: RunId) -> Unit:
        state.fence += 1
        state.leased_by = run_id
        state.leased_until = state.due_at = self.now() + self.lease
        state.failures += 1
        return state.unit()

    def _prolong(self, state: State) -> None:
        state.leased_until = self.now() + self.lease
        if state.due_at is not None:
            state.due_at = state.leased_until

    def _fenced(self, run_id: RunId, unit: Unit) -> State:
        state = self._state(unit)
        if state.fence != unit.fence or state.leased_by != run_id:
            raise LeaseLostError("it belongs to another run")
        return state

    def _refused(self, state: State) -> Reason | None:
        status = self.statuses[state.account.id]
        if status == "needs_reconnect":
            return Reason.NEEDS_RECONNECT
        if status != "active":
            return Reason.ACCOUNT_INACTIVE
        return None if state.enabled and state.interval else Reason.DISABLED

    def _switched_off(self, state: State) -> Reason | None:
        return self._refused(state) if self.workers_enabled else Reason.GLOBALLY_OFF

    def _store(
        self,
        unit: Unit,
        page: Page,
        read_at: datetime,
        rows: dict[Key, Kept],
        quarantined: dict[str, int],
    ) -> Saved:
        good, bad = _sorted_out(unit.stream.name, page)
        if len(bad) > 10 and len(bad) > 0.05 * len(page.rows):
            raise QuarantineLimitError(f"{len(bad)} of {len(page.rows)} rows cannot be stored")
        for text in bad:
            quarantined[text] = quarantined.get(text, 0) + 1
        inserted = updated = 0
        version = INSTANTS["orders"] if unit.stream.name == "orders" else ""
        for key, row in good.items():
            place = (unit.account.id, unit.stream.name, key)
            old = rows.get(place)
            if old is None:
                inserted += 1
            elif old.row == row or _later(old, row, read_at, version):
                continue
            else:
                updated += 1
            rows[place] = Kept(row, read_at)
        return Saved(inserted=inserted, updated=updated, quarantined=len(bad), switched_off=None)


def _sorted_out(
    stream: str, page: Page
) -> tuple[dict[tuple[str, ...], dict[str, object]], list[str]]:
    good: dict[tuple[str, ...], dict[str, object]] = {}
    bad = []
    for text in page.rows:
        row = json.loads(text)
        if isinstance(row, dict) and "key" in row:
            row = {KEYS[stream][0]: row["key"], "detail": row["detail"]}
        if isinstance(row, dict) and "summary" in row:
            row = row["summary"] | {"detail": row["detail"]}
        if not isinstance(row, dict) or not all(row.get(name) for name in KEYS[stream]):
            bad.append(text.decode())
            continue
        key = tuple(str(row[name]) for name in KEYS[stream])
        if stream == "orders" and key in good:
            newest = max(good[key], row, key=lambda each: str(each[INSTANTS["orders"]]))
            good[key] = newest
        else:
            good[key] = row
    return good, bad


def _later(old: Kept, row: dict[str, object], read_at: datetime, version: str) -> bool:
    """Whether what is stored is newer than this row."""
    if version:
        return (str(old.row[version]), old.read_at) > (str(row[version]), read_at)
    return old.read_at > read_at
