"""Runs, leases and switches in PostgreSQL."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import ConfigurationError
from core.ids import Fence, RunId
from core.report import Holder, RunReport
from core.runs.model import (
    PROBE_EVERY,
    TRIP_AFTER,
    Beginning,
    Begun,
    Busy,
    Conduct,
    Ending,
    KeyReused,
    Paused,
    Replayed,
    RunRequest,
    Tripped,
)
from core.runs.ports import FINISH_S
from infra.postgres.errors import LockTimeoutError
from infra.postgres.queries import load
from infra.postgres.transaction import Database

LOCK_TIMEOUT_MS, ENDING_LOCK_MS, SPARE_MS = 1_000, 2_000, 200
FEATURE = "runs"


class _LostError(Exception):
    """Rolls the transaction back."""


class _BusyError(Exception):
    """Rolls the transaction back: who does not begin leaves no lease behind."""

    def __init__(self, busy: Busy) -> None:
        super().__init__("another call began with the same delivery")
        self.busy = busy


@dataclass(frozen=True, slots=True)
class PostgresRuns:
    """The `RunStore` port. `lease`: how long a run lives without a renewal."""

    database: Database
    lease: timedelta

    def begin(self, run_id: RunId, request: RunRequest) -> Beginning:
        seen: list[datetime] = []
        try:
            with self.database.transaction(lock_timeout_ms=LOCK_TIMEOUT_MS) as connection:
                return _Begin(connection, self._lease_s, run_id, request).decide(seen)
        except _BusyError as error:
            return error.busy
        except LockTimeoutError:
            if not seen:
                raise
            return Busy(at=seen[0], holder=Holder())

    def renew(self, run_id: RunId, worker: str, fence: Fence | None) -> bool:
        values = {"run_id": run_id, "worker": worker, "fence": fence, "lease_s": self._lease_s}
        with self.database.transaction() as connection:
            return connection.execute(load(FEATURE)["renew"], values).first() is not None

    def finish(
        self,
        report: RunReport,
        fence: Fence | None,
        *,
        conduct: Conduct,
        timeout: float = FINISH_S,
    ) -> Ending:
        values = _report_values(report) | {
            "fence": fence,
            "more": report.more,
            "counts": json.dumps(dict(report.counts)),
        }
        with suppress(_LostError), self._ending(timeout) as connection:
            if connection.execute(load(FEATURE)["finish_run"], values).first() is None:
                if connection.execute(load(FEATURE)["is_finished"], values).first() is None:
                    raise _LostError
                return Ending(lost=False, tripped=False)
            return Ending(lost=False, tripped=_judge(connection, report.worker, conduct))
        return Ending(lost=True, tripped=False)

    def refuse(self, report: RunReport, request: RunRequest) -> None:
        values = _report_values(report) | _request_values(request)
        with self.database.transaction() as connection:
            connection.execute(load(FEATURE)["refuse_run"], values)

    def _ending(self, timeout: float) -> AbstractContextManager[sa.Connection]:
        limit_ms = round(timeout * 1000)
        return self.database.transaction(
            statement_timeout_ms=limit_ms,
            lock_timeout_ms=min(ENDING_LOCK_MS, limit_ms),
            # A transaction's end costs the connection, a statement's does not: that one first.
            transaction_timeout_ms=limit_ms + SPARE_MS,
        )

    @property
    def _lease_s(self) -> float:
        return self.lease.total_seconds()


@dataclass(frozen=True, slots=True)
class _Begin:
    """The steps of one beginning, in one transaction."""

    connection: sa.Connection
    lease_s: float
    run_id: RunId
    request: RunRequest

    def decide(self, seen: list[datetime]) -> Beginning:
        """Switches, delivery, lock, delivery again, lease, row.

        A pause and a replay are told even while somebody holds the lock; under it the delivery is
        looked up again, for it may have ended in between.
        """
        look = self._look()
        seen.append(look.at)
        return self._refusal(look) or self._under_lock(look)

    def _look(self) -> sa.Row[Any]:
        look = self._first("look", delivery_id=self.request.trigger.delivery_id)
        if look is None:
            raise ConfigurationError(
                f"ops.workers has no row for {self.request.worker!r}:"
                " run `python -m core.run migrate`"
            )
        return look

    def _refusal(self, look: sa.Row[Any]) -> Beginning | None:
        if not look.enabled:
            return Paused(at=look.at)
        if look.tripped:
            return Tripped(at=look.at)
        return self._repeated(look)

    def _repeated(self, look: sa.Row[Any]) -> Beginning | None:
        if look.earlier_id is None:
            return None
        if self.request.keyed and look.earlier_hash != self.request.request_hash:
            return KeyReused()
        if look.earlier_status == "running":
            since, until = look.earlier_started_at, look.earlier_expires_at
            holder = Holder(run_id=RunId(look.earlier_id), since=since, until=until)
            return Busy(at=look.at, holder=holder)
        return Replayed(report=look.earlier_report)

    def _under_lock(self, look: sa.Row[Any]) -> Beginning:
        delivery_id = self.request.trigger.delivery_id
        if self.request.exclusive:
            self._first("lock", name=self.request.worker)
        elif delivery_id is not None:
            self._first("lock", name=f"{self.request.worker}/{delivery_id}")
        repeated = None if delivery_id is None else self._repeated(self._look())
        if repeated is not None:
            return repeated
        return self._exclusive(look) if self.request.exclusive else self._start(look, None, None)

    def _exclusive(self, look: sa.Row[Any]) -> Beginning:
        held = self._first("holder")
        if held is not None and not held.expired and not self.request.take_over:
            run_id, since, until = RunId(held.run_id), held.acquired_at, held.expires_at
            return Busy(at=look.at, holder=Holder(run_id=run_id, since=since, until=until))
        taken = self._first("acquire", run_id=self.run_id, lease_s=self.lease_s)
        assert taken is not None
        return self._start(look, Fence(taken.fence), None if held is None else held.run_id)

    def _start(self, look: sa.Row[Any], fence: Fence | None, old_run_id: RunId | None) -> Beginning:
        take_over = self.request.take_over
        dead = self._all("abandon", old_run_id=old_run_id, take_over=take_over)
        abandoned = tuple(RunId(row.id) for row in dead)
        if abandoned:
            self._first("revoke_refreshes", run_ids=list(abandoned))
            self._first("revoke", run_ids=list(abandoned))
        tripped = bool(abandoned) and _count(self.connection, self.request.worker, len(abandoned))
        if tripped and not look.probing:
            if fence is not None:
                self._first("release")
            return Tripped(at=look.at, just=True, abandoned=abandoned)
        if look.probing:
            self._first("delay_probe", probe_s=PROBE_EVERY.total_seconds())
        values = _request_values(self.request) | {"whole": self.request.whole}
        row = self._first(
            "start_run", run_id=self.run_id, fence=fence, lease_s=self.lease_s, **values
        )
        if row is None:
            raise _BusyError(Busy(at=look.at, holder=Holder()))
        return Begun(run_id=self.run_id, began_at=row.started_at, fence=fence, abandoned=abandoned)

    def _first(self, name: str, /, **values: object) -> sa.Row[Any] | None:
        return self._execute(name, values).first()

    def _all(self, name: str, /, **values: object) -> Sequence[sa.Row[Any]]:
        return self._execute(name, values).all()

    def _execute(self, name: str, values: dict[str, object]) -> sa.CursorResult[Any]:
        return self.connection.execute(
            load(FEATURE)[name], {"worker": self.request.worker} | values
        )


def _count(connection: sa.Connection, worker: str, faults: int) -> bool:
    """Count our own faults; True when the worker is tripped."""
    values = {
        "worker": worker,
        "faults": faults,
        "trip_after": TRIP_AFTER,
        "probe_s": PROBE_EVERY.total_seconds(),
    }
    row = connection.execute(load(FEATURE)["count_faults"], values).first()
    return row is not None and bool(row.tripped)


def _judge(connection: sa.Connection, worker: str, conduct: Conduct) -> bool:
    if conduct is Conduct.FAULT:
        return _count(connection, worker, 1)
    if conduct is Conduct.SOUND:
        connection.execute(load(FEATURE)["count_sound"], {"worker": worker})
    return False


def _request_values(request: RunRequest) -> dict[str, object]:
    return {
        "worker": request.worker,
        "via": request.trigger.via,
        "delivery_id": request.trigger.delivery_id,
        "request_hash": request.request_hash,
        "parameters": json.dumps(dict(request.parameters), default=str),
    }


def _report_values(report: RunReport) -> dict[str, object]:
    return {
        "run_id": report.run_id,
        "worker": report.worker,
        "outcome": report.outcome.value,
        "reason": None if report.reason is None else report.reason.value,
        "detail": report.detail,
        "report": json.dumps(report.as_json()),
    }
