"""Runs, leases and switches in memory: the `RunStore` port for tests of core."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.ids import Fence, RunId
from core.report import Holder, Outcome, RunReport
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
from tests.support.moments import Moments

REPLAY_FOR = timedelta(hours=24)
WORKED = {Outcome.DONE, Outcome.PARTIAL, Outcome.DEGRADED}


@dataclass
class Row:
    request: RunRequest
    started_at: datetime
    expires_at: datetime
    status: str = "running"
    fence: Fence | None = None
    outcome: Outcome | None = None
    report: Mapping[str, object] = field(default_factory=dict)
    finished_at: datetime | None = None


@dataclass
class Lease:
    fence: int = 0
    run_id: RunId | None = None
    acquired_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass
class Switch:
    enabled: bool = True
    faults: int = 0
    probe_at: datetime | None = None


@dataclass
class MemoryRuns:
    """`holding`: runs that hold units. `meanwhile`: what happens while a run is begun."""

    moments: Moments
    lease: timedelta
    rows: dict[RunId, Row] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    switches: dict[str, Switch] = field(default_factory=dict)
    all_enabled: bool = True
    timeouts: list[float] = field(default_factory=list)
    holding: set[RunId] = field(default_factory=set)
    meanwhile: Callable[[], None] = lambda: None

    def switch(self, worker: str) -> Switch:
        return self.switches.setdefault(worker, Switch())

    def begin(self, run_id: RunId, request: RunRequest) -> Beginning:
        now = self.moments.now()
        switch = self.switch(request.worker)
        if not (switch.enabled and self.all_enabled):
            return Paused(at=now)
        if switch.probe_at is not None and switch.probe_at > now:
            return Tripped(at=now)
        repeated = self._repeated(request)
        if repeated is not None:
            return repeated
        return self._leased(run_id, request)

    def _repeated(self, request: RunRequest) -> Beginning | None:
        found = self._earlier(request)
        if found is None:
            return None
        run_id, row = found
        if request.keyed and row.request.request_hash != request.request_hash:
            return KeyReused()
        if row.status == "running":
            holder = Holder(run_id=run_id, since=row.started_at, until=row.expires_at)
            return Busy(at=self.moments.now(), holder=holder)
        return Replayed(report=row.report)

    def _earlier(self, request: RunRequest) -> tuple[RunId, Row] | None:
        now, delivery_id = self.moments.now(), request.trigger.delivery_id
        for run_id, row in reversed(self.rows.items()):
            same = (row.request.worker, row.request.trigger.delivery_id) == (
                request.worker,
                delivery_id,
            )
            if delivery_id is None or not same:
                continue
            if row.status == "running" and row.expires_at > now:
                return run_id, row
            lately = row.finished_at is not None and row.finished_at > now - REPLAY_FOR
            if row.outcome in WORKED and lately:
                return run_id, row
        return None

    def _leased(self, run_id: RunId, request: RunRequest) -> Beginning:
        if not request.exclusive:
            return self._started(run_id, request, None, None)
        now, lease = self.moments.now(), self.leases.setdefault(request.worker, Lease())
        old = lease.run_id
        live = lease.expires_at is not None and lease.expires_at > now
        if live and not request.take_over:
            holder = Holder(run_id=old, since=lease.acquired_at, until=lease.expires_at)
            return Busy(at=now, holder=holder)
        lease.fence += 1
        lease.run_id, lease.acquired_at, lease.expires_at = run_id, now, now + self.lease
        return self._started(run_id, request, Fence(lease.fence), old)

    def _started(
        self, run_id: RunId, request: RunRequest, fence: Fence | None, old: RunId | None
    ) -> Beginning:
        now, switch = self.moments.now(), self.switch(request.worker)
        probing = switch.probe_at is not None
        self.meanwhile()
        dead = self._abandon(request, old)
        if dead and self._count(switch, len(dead)) and not probing:
            if fence is not None:
                self._release(request.worker)
            return Tripped(at=now, just=True, abandoned=dead)
        if probing:
            switch.probe_at = now + PROBE_EVERY
        if self._delivered(request):
            return self._undone(request, now)
        row = Row(request=request, started_at=now, expires_at=now + self.lease, fence=fence)
        self.rows[run_id] = row
        return Begun(run_id=run_id, began_at=now, fence=fence, abandoned=dead)

    def _abandon(self, request: RunRequest, old: RunId | None) -> tuple[RunId, ...]:
        now = self.moments.now()
        dead = []
        for run_id, row in self.rows.items():
            over = run_id == old or row.expires_at <= now
            over = over or (request.take_over and run_id in self.holding)
            if row.request.worker == request.worker and row.status == "running" and over:
                row.status, row.finished_at = "abandoned", now
                dead.append(run_id)
        return tuple(dead)

    def _delivered(self, request: RunRequest) -> bool:
        """Whether another call began with this delivery after it was looked for."""
        return any(
            row.status == "running"
            and row.request.worker == request.worker
            and row.request.trigger.delivery_id == request.trigger.delivery_id
            for row in self.rows.values()
            if request.trigger.delivery_id is not None
        )

    def _undone(self, request: RunRequest, now: datetime) -> Busy:
        lease = self.leases.get(request.worker)
        if request.exclusive and lease is not None:
            lease.fence -= 1
            self._release(request.worker)
        return Busy(at=now, holder=Holder())

    def _count(self, switch: Switch, faults: int) -> bool:
        switch.faults += faults
        if switch.faults >= TRIP_AFTER:
            switch.probe_at = self.moments.now() + PROBE_EVERY
        return switch.faults >= TRIP_AFTER

    def _release(self, worker: str) -> None:
        lease = self.leases[worker]
        lease.run_id = lease.acquired_at = lease.expires_at = None

    def renew(self, run_id: RunId, worker: str, fence: Fence | None) -> bool:
        row, until = self.rows[run_id], self.moments.now() + self.lease
        held = fence is None or self.leases[worker].run_id == run_id
        if row.status != "running" or not held or not self._holds(worker, fence):
            return False
        row.expires_at = until
        if fence is not None:
            self.leases[worker].expires_at = until
        return True

    def _holds(self, worker: str, fence: Fence | None) -> bool:
        return fence is None or self.leases[worker].fence == fence

    def finish(
        self,
        report: RunReport,
        fence: Fence | None,
        *,
        conduct: Conduct,
        timeout: float = FINISH_S,
    ) -> Ending:
        self.timeouts.append(timeout)
        row = self.rows[report.run_id]
        if row.status == "finished":
            return Ending(lost=False, tripped=False)
        if row.status != "running" or not self._holds(report.worker, fence):
            return Ending(lost=True, tripped=False)
        if fence is not None:
            self._release(report.worker)
        self._write(row, report)
        return Ending(lost=False, tripped=self._judge(report.worker, conduct))

    def _write(self, row: Row, report: RunReport) -> None:
        row.status, row.outcome = "finished", report.outcome
        row.report = json.loads(json.dumps(report.as_json()))
        row.finished_at = self.moments.now()

    def _judge(self, worker: str, conduct: Conduct) -> bool:
        switch = self.switch(worker)
        if conduct is Conduct.FAULT:
            return self._count(switch, 1)
        if conduct is Conduct.SOUND:
            switch.faults, switch.probe_at = 0, None
        return False

    def refuse(self, report: RunReport, request: RunRequest) -> None:
        now = self.moments.now()
        row = Row(request=request, started_at=now, expires_at=now)
        self._write(row, report)
        self.rows[report.run_id] = row
