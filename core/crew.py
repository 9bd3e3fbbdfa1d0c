"""Units side by side: one thread hands them out, waits for them and keeps the run's lease."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from core.context import RunContext
from core.errors import StoreUnavailableError
from core.report import Reason, UnitReport


class Roster(Protocol):
    """What one worker's units are, and what holds them. Called from the coordinating thread."""

    def start_some(self, free: int) -> bool:
        """Hand units to `Crew.start`, at most `free`; False when there is none to hand."""
        ...

    def ended(self, report: UnitReport) -> None: ...

    def renew(self) -> None:
        """Prolong what the run's units hold."""
        ...


@dataclass(slots=True, kw_only=True)
class Crew:
    """The coordinating thread of a run: `parallel` units at once, each in a thread of its own.

    A unit's work ends in a report or raises StoreUnavailableError. `needs_s`: nothing is begun in
    less time than that. One unit that `stops_all` is the last that is begun.
    """

    context: RunContext
    threads: Executor
    parallel: int
    needs_s: float
    reports: list[UnitReport] = field(default_factory=list)
    lease_lost: bool = False
    out_of_time: bool = False
    _stopped: bool = False
    _active: set[Future[UnitReport]] = field(default_factory=set)
    _renewed_at: float = 0.0
    _store_error: StoreUnavailableError | None = None

    def run(self, roster: Roster) -> None:
        """Until there is nothing to begin and all has ended. Raises StoreUnavailableError."""
        self._renewed_at = self.context.clock.monotonic()
        self._start_more(roster)
        while self._active:
            ended, self._active = wait(
                self._active, timeout=self._until_renewal(), return_when=FIRST_COMPLETED
            )
            for unit in ended:
                self._collect(unit, roster)
            if self._until_renewal() == 0.0:
                self._renew(roster)
            self._start_more(roster)
        if self._store_error is not None:
            raise self._store_error

    def start(self, work: Callable[[], UnitReport]) -> None:
        self._active.add(self.threads.submit(work))

    def _start_more(self, roster: Roster) -> None:
        """A database that is away ends the taking; the units that run are still waited for."""
        try:
            while len(self._active) < self.parallel and self._may_start():
                if not roster.start_some(self.parallel - len(self._active)):
                    return
        except StoreUnavailableError as error:
            self._store_error = error

    def _may_start(self) -> bool:
        if self.lease_lost or self._stopped or self._store_error is not None:
            return False
        stopping = self.context.stop_requested()
        self.out_of_time = stopping or not self.context.deadline.allows(self.needs_s)
        return not self.out_of_time

    def _collect(self, unit: Future[UnitReport], roster: Roster) -> None:
        try:
            report = unit.result()
        except StoreUnavailableError as error:
            self._store_error = error
            return
        self.reports.append(report)
        roster.ended(report)
        if report.reason is Reason.LEASE_LOST:
            self._renew(roster)
        if report.stops_all:
            self._stopped = True

    def _until_renewal(self) -> float:
        elapsed = self.context.clock.monotonic() - self._renewed_at
        return max(self.context.renew_every_s - elapsed, 0.0)

    def _renew(self, roster: Roster) -> None:
        """A renewal that cannot reach the database is tried again; the lease outlives two."""
        self._renewed_at = self.context.clock.monotonic()
        try:
            if not self.context.renew():
                self.lease_lost = True
                return
            roster.renew()
        except StoreUnavailableError as error:
            self.context.log.warning("lease.renewal_failed", error=str(error))
