"""Streams as people see and switch them, in PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import StoreUnavailableError, UsageError
from core.ids import AccountId
from core.streams.model import (
    Facts,
    Overview,
    PassState,
    Rewind,
    Rewound,
    StreamState,
    Switched,
    WorkerSwitch,
)
from core.streams.ports import Step, Undoing
from core.sync.model import Stream
from core.sync.progress import read_up_to, share_read
from infra.postgres.queries import load
from infra.postgres.transaction import Database
from infra.postgres.units import window_of

Places = Mapping[tuple[int, str], list[Rewind]]
LOCK_MS = 8_000
"""A page that is being stored is waited for."""
COUNT_MS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresStreams:
    """The `StreamStore` port. `worker` reads the streams; `open_interval`: of second passes."""

    database: Database
    streams: Mapping[str, Stream]
    worker: str
    open_interval: timedelta

    def look(self, accounts: Sequence[str], streams: Sequence[str]) -> Overview:
        with self.database.transaction() as connection:
            switch = _run(connection, "worker", worker=self.worker).one()
            return Overview(
                at=switch.at,
                worker=WorkerSwitch(enabled=switch.enabled, tripped=switch.tripped),
                states=self._states(connection, accounts, streams),
            )

    def switch(
        self, accounts: Sequence[str], streams: Sequence[str], *, enabled: bool, via: str
    ) -> Switched:
        name = "resume" if enabled else "pause"
        return self._switched(accounts, streams, name, {"via": via})

    def space(
        self, accounts: Sequence[str], streams: Sequence[str], interval: timedelta, *, via: str
    ) -> Switched:
        values = {
            "via": via,
            "interval_s": round(interval.total_seconds()),
            "open_interval_s": round(self.open_interval.total_seconds()),
        }
        return self._switched(accounts, streams, "space", values)

    def facts(self, state: StreamState, api: str, *, since: datetime) -> Facts:
        unit = {"account_id": state.account_id, "stream": state.stream, "since": since}
        stored = self._stored(unit)
        with self.database.transaction() as connection:
            read = _run(connection, "readings", **unit).one()
            of_api = {"environment": state.environment, "api": api}
            budget = _run(connection, "budget", **of_api).first()
        return Facts(
            stored=stored,
            read=int(read.fetched),
            span=timedelta(seconds=float(read.span_s)),
            used=0 if budget is None else budget.used,
            limit=None if budget is None else budget.call_limit,
            reset_at=None if budget is None else budget.reset_at,
            blocked_until=None if budget is None else budget.blocked_until,
        )

    def _stored(self, unit: Mapping[str, object]) -> int | None:
        """Millions of rows are not worth waiting for: an estimate is made without them."""
        try:
            with self.database.transaction(statement_timeout_ms=COUNT_MS) as connection:
                return int(_run(connection, "stored", **unit).one().rows)
        except StoreUnavailableError:
            return None

    def rewind(
        self,
        account_id: AccountId,
        stream: str,
        decide: Callable[[StreamState, datetime], Step | None],
    ) -> Rewound:
        def move(connection: sa.Connection) -> Rewound:
            before, at = self._locked(connection, account_id, stream)
            step = decide(before, at)
            if step is None:
                return Rewound(state=before, changed=False)
            unit = {"account_id": account_id, "stream": stream, "to": step.to}
            noted = {"via": step.via, "reason": step.reason, "calls": step.calls}
            _run(connection, "note_rewind", **unit, **noted)
            _run(connection, "rewind", **unit)
            return self._moved(connection, before)

        return self._run_patiently(move)

    def undo(
        self,
        account_id: AccountId,
        stream: str,
        decide: Callable[[StreamState, datetime], Undoing | None],
    ) -> Rewound:
        def move(connection: sa.Connection) -> Rewound:
            before, at = self._locked(connection, account_id, stream)
            undoing = decide(before, at)
            if undoing is None:
                return Rewound(state=before, changed=False)
            unit = {"account_id": account_id, "stream": stream}
            _run(connection, "restore", **unit, id=undoing.restored)
            _run(connection, "mark_undone", ids=list(undoing.undone), via=undoing.via)
            return self._moved(connection, before)

        return self._run_patiently(move)

    def _locked(
        self, connection: sa.Connection, account_id: AccountId, stream: str
    ) -> tuple[StreamState, datetime]:
        _run(connection, "lock_account", account_id=account_id)
        _run(connection, "lock_states", account_ids=[account_id], streams=[stream])
        switch = _run(connection, "worker", worker=self.worker).one()
        return self._one(connection, account_id, stream), switch.at

    def _moved(self, connection: sa.Connection, before: StreamState) -> Rewound:
        after = self._one(connection, before.account_id, before.stream)
        return Rewound(state=after, changed=True, held=before.new.running)

    def _one(self, connection: sa.Connection, account_id: AccountId, stream: str) -> StreamState:
        found = self._states(connection, (), [stream], account_id)
        if not found:
            raise UsageError("the account or its stream was removed meanwhile; see `streams list`")
        return found[0]

    def _run_patiently(self, work: Callable[[sa.Connection], Rewound]) -> Rewound:
        with self.database.transaction(lock_timeout_ms=LOCK_MS) as connection:
            return work(connection)

    def _switched(
        self,
        accounts: Sequence[str],
        streams: Sequence[str],
        name: str,
        values: Mapping[str, object],
    ) -> Switched:
        def switch(connection: sa.Connection) -> Switched:
            locked = _run(connection, "lock_accounts", accounts=list(accounts) or None)
            chosen: dict[str, object] = {
                "account_ids": [row.id for row in locked],
                "streams": list(streams) or list(self.streams),
            }
            _run(connection, "lock_states", **chosen)
            rows = _run(connection, name, **chosen, **values).all()
            changed = {(row.account_id, row.stream) for row in rows if _counts(row)}
            states = self._states(connection, accounts, streams)
            return Switched(states=states, changed=len(changed))

        # Many rows are locked, and a run that is taken over has its own locked in another order.
        return self.database.run(switch)

    def _states(
        self,
        connection: sa.Connection,
        accounts: Sequence[str],
        streams: Sequence[str],
        account_id: AccountId | None = None,
    ) -> Sequence[StreamState]:
        wanted = list(streams) or list(self.streams)
        chosen = {"accounts": list(accounts) or None, "account_id": account_id}
        rows = _run(connection, "look", **chosen, streams=wanted).all()
        ids = sorted({row.account_id for row in rows})
        rewinds: dict[tuple[int, str], list[Rewind]] = {}
        for row in _run(connection, "rewinds", account_ids=ids, streams=wanted):
            rewinds.setdefault((row.account_id, row.stream), []).append(_rewind(row))
        second = {(row.account_id, row.stream): row for row in rows if _pass(row) == "open"}
        return [
            self._state(row, second.get((row.account_id, row.stream)), rewinds)
            for row in rows
            if _pass(row) == "new"
        ]

    def _state(self, row: sa.Row[Any], second: sa.Row[Any] | None, rewinds: Places) -> StreamState:
        return StreamState(
            account_id=AccountId(row.account_id),
            account=row.account,
            environment=row.environment,
            account_status=row.account_status,
            stream=row.stream,
            new=self._pass_state(row),
            open=None if second is None else self._pass_state(second),
            rewinds=tuple(rewinds.get((row.account_id, row.stream), ())),
        )

    def _pass_state(self, row: sa.Row[Any]) -> PassState:
        stream, window = self.streams[row.stream], window_of(row)
        return PassState(
            enabled=row.enabled,
            interval=timedelta(seconds=row.interval_s),
            due_at=row.due_at,
            cursor_at=row.cursor_at,
            running=row.running,
            failures=row.failures,
            dead=row.leased_by is not None and not row.running,
            reading_from=None if window is None else window.from_,
            read_to=None if window is None else read_up_to(stream, window),
            share_read=None if window is None else share_read(stream, window),
            last_attempt_at=row.last_attempt_at,
            last_success_at=row.last_success_at,
            last_reason=row.last_reason,
            last_error=row.last_error,
            switched_at=row.switched_at,
            switched_via=row.switched_via,
        )


def _run(connection: sa.Connection, name: str, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("stream_control")[name], values)


def _pass(row: sa.Row[Any]) -> str:
    return str(getattr(row, "pass"))


def _counts(row: sa.Row[Any]) -> bool:
    """What was on already and is only due now was not switched."""
    return bool(getattr(row, "switched", True))


def _rewind(row: sa.Row[Any]) -> Rewind:
    return Rewind(
        id=row.id,
        at=row.changed_at,
        via=row.via,
        reason=row.reason,
        old_cursor_at=row.old_cursor_at,
        new_cursor_at=row.new_cursor_at,
        undone_at=row.undone_at,
        old_window_from=row.old_window_from,
    )
