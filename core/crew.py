"""Units side by side: one thread hands them out, waits for them and keeps the run's lease."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from typing import Protocol

from core.context import RunContext
from core.errors import StoreUnavailableError
from core.renewal import Renewal
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

    A unit's work ends in a report, of reason `database` where it went away. `needs_s`: nothing is
    begun in less time than that. One unit that `stops_all` is the last that is begun, and so is one
    that missed the database.
    """

    context: RunContext
    threads: Executor
    parallel: int
    needs_s: float
    reports: list[UnitReport] = field(default_factory=list)
    out_of_time: bool = False
    database_away: str | None = None
    _stopped: bool = False
    _active: set[Future[UnitReport]] = field(default_factory=set)
    renewal: Renewal = field(init=False)

    def __post_init__(self) -> None:
        self.renewal = Renewal.begun(self.context)

    @property
    def lease_lost(self) -> bool:
        return self.renewal.lost

    def work(self, roster: Roster) -> None:
        """Until there is nothing to begin and all has ended, or the database went away."""
        self._start_more(roster)
        while self._active:
            ended, self._active = wait(
                self._active, timeout=self.renewal.due_in(), return_when=FIRST_COMPLETED
            )
            for unit in ended:
                self._collect(unit, roster)
            self._renew_in_time(roster)
            self._start_more(roster)

    def start(self, work: Callable[[], UnitReport]) -> None:
        self._active.add(self.threads.submit(work))

    def may_start(self, roster: Roster) -> bool:
        """Asked before each unit too: those that are not begun never wait, and may be many."""
        self._renew_in_time(roster)
        if self.lease_lost or self._stopped or self.database_away is not None:
            return False
        stopping = self.context.stop_requested()
        self.out_of_time = stopping or not self.context.deadline.allows(self.needs_s)
        return not self.out_of_time

    def take(self, report: UnitReport, roster: Roster) -> None:
        """The report of a unit that ended, or was never begun."""
        self.reports.append(report)
        roster.ended(report)
        if report.reason is Reason.LEASE_LOST:
            self._renew(roster)
        if report.reason is Reason.DATABASE:
            self.database_away = report.detail
        if report.stops_all:
            self._stopped = True

    def _start_more(self, roster: Roster) -> None:
        """A database that is away ends the taking; the units that run are still waited for."""
        try:
            while len(self._active) < self.parallel and self.may_start(roster):
                if not roster.start_some(self.parallel - len(self._active)):
                    return
        except StoreUnavailableError as error:
            self.database_away = str(error)

    def _collect(self, unit: Future[UnitReport], roster: Roster) -> None:
        try:
            self.take(unit.result(), roster)
        except StoreUnavailableError as error:
            self.database_away = str(error)

    def _renew_in_time(self, roster: Roster) -> None:
        if self.renewal.due_in() == 0.0:
            self._renew(roster)

    def _renew(self, roster: Roster) -> None:
        """The run first: units of a run that another one took over are no longer its own."""
        if not self.renewal.renew():
            return
        try:
            roster.renew()
        except StoreUnavailableError as error:
            self.context.log.warning("lease.renewal_failed", error=str(error))
