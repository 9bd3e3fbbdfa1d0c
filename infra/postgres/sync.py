"""Units, their pages and their ends in PostgreSQL."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import LeaseLostError, RejectedContentError, UsageError
from core.ids import AccountId, RunId
from core.outcome import Accounts
from core.report import Holder, UnitReport, instant
from core.sync.calls import Quota
from core.sync.model import Page, Stream, Unit, UnitKey, Window
from core.sync.ports import Candidate, Event, OpenRange, OpenRow, Progress, Saved, UnitEnd
from infra.clean import clean_json_text
from infra.postgres.page_write import PageWrite, saved_of, writer_of
from infra.postgres.pages import Stored
from infra.postgres.queries import load
from infra.postgres.reports import record_units
from infra.postgres.transaction import Database
from infra.postgres.units import FEATURE, ask, fenced, refused, unit_of

PAGE_STATEMENT_MS = 15_000
STATEMENT_MS, LOCK_MS, SPARE_MS = 8_000, 2_000, 200
SHORTEST_S, _LONGEST_S = 0.2, 60.0
"""Less is not worth beginning: it would end every save in the last moment of a run."""


def _for_ever() -> float:
    return math.inf


class _PreviewError(Exception):
    """Rolls the preview back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSync:
    """The `SyncStore` port. `lease`: how long a unit lives without a renewal.

    `time_left`: how many seconds a transaction that begins now may take.
    """

    database: Database
    streams: Mapping[str, Stream]
    lease: timedelta
    time_left: Callable[[], float] = _for_ever

    def take_due(
        self, run_id: RunId, now: datetime, limit: int, leave: AbstractSet[UnitKey] = frozenset()
    ) -> Sequence[Unit]:
        values = {
            "now": now,
            "most": limit,
            "streams": list(self.streams),
            "leave": json.dumps(sorted(leave)),
        } | self._taker(run_id)
        with self._transaction() as connection:
            return [self._unit(row) for row in ask(connection, "take_due", values)]

    def take(self, run_id: RunId, now: datetime, candidate: Candidate) -> Unit | None:
        values = {
            "now": now,
            "account_id": candidate.unit.account.id,
            "stream": candidate.unit.stream.name,
            "pass": candidate.unit.pass_.value,
        } | self._taker(run_id)
        with self._transaction() as connection:
            rows = ask(connection, "take", values)
            return self._unit(rows[0]) if rows else None

    def candidates(self, accounts: Sequence[str], streams: Sequence[str]) -> Sequence[Candidate]:
        self._known_streams(streams)
        values = {
            "accounts": list(accounts) or None,
            "streams": list(streams) or list(self.streams),
        }
        with self._transaction() as connection:
            _known_accounts(connection, accounts)
            if streams:
                _none_missing(connection, values)
            return [self._candidate(row) for row in ask(connection, "candidates", values)]

    def _known_streams(self, streams: Sequence[str]) -> None:
        unknown = sorted(set(streams) - set(self.streams))
        if unknown:
            raise UsageError(
                f"there is no stream {unknown[0]!r}; there are: {', '.join(self.streams)}"
            )

    def renew(self, run_id: RunId) -> None:
        with self._transaction() as connection:
            ask(connection, "renew_units", self._taker(run_id))

    def blocked_until(self, environment: str, api: str) -> datetime | None:
        with self._transaction() as connection:
            rows = ask(connection, "blocked_until", {"environment": environment, "api": api})
            return rows[0].blocked_until if rows else None

    def block(
        self, environment: str, api: str, until: datetime, quota: Quota, now: datetime
    ) -> None:
        values = {
            "environment": environment,
            "api": api,
            "until": until,
            "remaining": quota.remaining,
            "reset_at": quota.reset_at,
            "now": now,
        }
        with self._transaction() as connection:
            connection.execute(load(FEATURE)["block"], values)

    def sign_from_now_on(self, account_id: AccountId) -> None:
        with self._transaction() as connection:
            ask(connection, "sign_from_now_on", {"account_id": account_id})

    def open_range(self, unit: Unit, since: datetime) -> OpenRange:
        values = {"account_id": unit.account.id, "since": since}
        with self._transaction() as connection:
            row = connection.execute(load(unit.stream.name)["open_range"], values).one()
            return OpenRange(oldest=row.oldest, newest=row.newest, given_up=row.given_up)

    def open_rows(self, unit: Unit, window: Window) -> Sequence[OpenRow]:
        values = {
            "account_id": unit.account.id,
            "since": window.from_,
            "until": window.goal,
            "most": window.limit,
        }
        with self.database.transaction() as connection:
            rows = connection.execute(load(unit.stream.name)["open_rows"], values).all()
            return [OpenRow(key=row.key, at=row.at) for row in rows]

    def lacking_details(self, unit: Unit, page: Page) -> AbstractSet[str]:
        if not page.rows:
            return frozenset()
        values = {"account_id": unit.account.id, "page": clean_json_text(page.text)}
        with self._page_transaction() as connection:
            rows = connection.execute(load(unit.stream.name)["lacking_details"], values)
            return {row.key for row in rows}

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
        write = PageWrite(run_id, worker, unit, page, read_at, progress, self._lease_s)
        try:
            with self._page_transaction() as connection:
                return write.plainly(connection)
        except RejectedContentError:
            with self._page_transaction() as connection:
                return write.carefully(connection)

    def preview_page(self, unit: Unit, page: Page, *, read_at: datetime) -> Saved:
        stored = Stored()
        with suppress(_PreviewError), self._page_transaction() as connection:
            stored = writer_of(connection, unit, read_at).store_carefully(page)
            raise _PreviewError
        return saved_of(stored, None, ended=0)

    def finish(self, run_id: RunId, unit: Unit, end: UnitEnd, events: Sequence[Event]) -> None:
        report = end.report
        values: dict[str, object] = {
            "due_at": end.due_at,
            "succeeded": end.succeeded,
            "gave_up": end.gave_up,
            "reason": report.reason,
            "error": report.detail,
            "now": report.finished_at,
        }
        with self._transaction() as connection:
            try:
                fenced(connection, "finish_unit", run_id, unit, values)
            except LeaseLostError:
                if _is_recorded(connection, run_id, report):
                    return
                raise
            record_units(connection, run_id, [report])
            if events:
                _record_events(connection, run_id, events)

    def record(self, run_id: RunId, reports: Sequence[UnitReport]) -> None:
        with self._transaction() as connection:
            record_units(connection, run_id, reports)

    def summary(self) -> Accounts:
        with self._transaction() as connection:
            row = ask(connection, "summary", {})[0]
            return Accounts(
                active=row.active,
                paused=row.paused,
                needs_reconnect=row.needs_reconnect,
                next_due_at=row.next_due_at,
            )

    def _transaction(
        self, statement_ms: int = STATEMENT_MS, *, on_disk: bool = True
    ) -> AbstractContextManager[sa.Connection]:
        left_ms = round(max(min(self.time_left(), _LONGEST_S), SHORTEST_S) * 1000)
        return self.database.transaction(
            statement_timeout_ms=min(statement_ms, left_ms),
            lock_timeout_ms=min(LOCK_MS, left_ms),
            transaction_timeout_ms=min(2 * statement_ms, left_ms + SPARE_MS),
            on_disk=on_disk,
        )

    def _page_transaction(self) -> AbstractContextManager[sa.Connection]:
        # Its rows and how far they reach are lost together or not at all, and eBay has them still.
        return self._transaction(PAGE_STATEMENT_MS, on_disk=False)

    @property
    def _lease_s(self) -> float:
        return self.lease.total_seconds()

    def _taker(self, run_id: RunId) -> dict[str, object]:
        return {"run_id": run_id, "lease_s": self._lease_s}

    def _candidate(self, row: sa.Row[Any]) -> Candidate:
        holder = None
        if row.held:
            holder = Holder(run_id=RunId(row.leased_by), until=row.leased_until)
        why = refused(row.status, enabled=row.switched_on)
        return Candidate(unit=self._unit(row), refused=why, holder=holder)

    def _unit(self, row: sa.Row[Any]) -> Unit:
        return unit_of(row, self.streams[row.stream])


def _is_recorded(connection: sa.Connection, run_id: RunId, report: UnitReport) -> bool:
    """Whether this very end was committed before, in a COMMIT whose answer was lost."""
    values = {
        "run_id": run_id,
        "account_id": report.account_id,
        "stream": report.stream,
        "pass": report.pass_,
        "started_at": report.started_at,
    }
    return bool(ask(connection, "is_recorded", values))


def _known_accounts(connection: sa.Connection, accounts: Sequence[str]) -> None:
    if not accounts:
        return
    unknown = ask(connection, "unknown_accounts", {"accounts": list(accounts)})
    if unknown:
        raise UsageError(f"there is no account {unknown[0].name!r}; see `accounts list`")


def _none_missing(connection: sa.Connection, values: Mapping[str, object]) -> None:
    """A unit asked for by name must not be left out in silence."""
    for missing in ask(connection, "missing_unit", values):
        raise UsageError(
            f"the account {missing.account!r} does not have the stream {missing.stream!r} yet:"
            " run `python -m core.run migrate`, which gives accounts the streams of this release"
        )


def _record_events(connection: sa.Connection, run_id: RunId, events: Sequence[Event]) -> None:
    rows = json.dumps([asdict(event) | {"at": instant(event.at)} for event in events])
    connection.execute(load(FEATURE)["record_events"], {"run_id": run_id, "events": rows})
