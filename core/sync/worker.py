"""One eBay cycle: take what is due, several units side by side, until nothing is or time is up."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from core.context import RunContext
from core.crew import Crew
from core.ids import RunId
from core.outcome import add_up
from core.report import Outcome, Reason, UnitReport, WorkReport
from core.sync.begin import has_past
from core.sync.model import Unit
from core.sync.ports import Candidate
from core.sync.tally import Tally
from core.sync.unit import PAGE_NEEDS_S, SyncPorts, UnitRun
from core.sync.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Units asked for by name: run now, due or not. Empty lists mean all; both empty: what is due.

    `since`: read [since, cursor] again, the cursor stays.
    """

    accounts: Sequence[str] = ()
    streams: Sequence[str] = ()
    since: datetime | None = None

    @property
    def named(self) -> bool:
        return bool(self.accounts or self.streams or self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncAccounts:
    """`parallel` units at once, each in a thread of its own, and one page ahead for each."""

    ports: SyncPorts
    parallel: int

    def run_once(self, context: RunContext, selection: Selection) -> WorkReport:
        """Every unit taken ends in a report; one failing unit does not stop the others.

        Raises UsageError for unknown names, StoreUnavailableError when the database is gone.
        """
        with (
            ThreadPoolExecutor(self.parallel, thread_name_prefix="unit") as units,
            ThreadPoolExecutor(self.parallel, thread_name_prefix="page") as pages,
        ):
            crew = Crew(
                context=context, threads=units, parallel=self.parallel, needs_s=PAGE_NEEDS_S
            )
            cycle = _Cycle(
                ports=self.ports,
                crew=crew,
                context=context,
                selection=selection,
                waiting=self._named(selection),
                pages=pages,
            )
            crew.run(cycle)
        accounts = self.ports.store.summary()
        return add_up(
            crew.reports,
            accounts,
            lease_lost=crew.lease_lost,
            out_of_time=cycle.left_over(accounts.next_due_at),
        )

    def _named(self, selection: Selection) -> deque[Candidate] | None:
        if not selection.named:
            return None
        candidates = self.ports.store.candidates(selection.accounts, selection.streams)
        if selection.since is None:
            return deque(candidates)
        return deque(each for each in candidates if has_past(each.unit))


@dataclass(slots=True, kw_only=True)
class _Cycle:
    """The roster: what is due, or what was named, and the leases of the units that run."""

    ports: SyncPorts
    crew: Crew
    context: RunContext
    selection: Selection
    waiting: deque[Candidate] | None
    pages: Executor
    blocked: dict[tuple[str, str], datetime | None] = field(default_factory=dict)

    def left_over(self, next_due_at: datetime | None) -> bool:
        """Whether time ran out with work left."""
        if not self.crew.out_of_time:
            return False
        if self.waiting is not None:
            return bool(self.waiting)
        return next_due_at is not None and next_due_at <= self.context.clock.now()

    def start_some(self, free: int) -> bool:
        taken = self._take(free)
        for unit in taken:
            self._start(unit)
        return bool(taken)

    def ended(self, report: UnitReport) -> None:
        if report.reason is Reason.QUOTA:
            self.blocked.clear()

    def renew(self) -> None:
        self.ports.store.renew(self.context.run_id)

    def _take(self, free: int) -> Sequence[Unit]:
        run_id, now = self.context.run_id, self.context.clock.now()
        if self.waiting is None:
            return self.ports.store.take_due(run_id, now, free)
        while self.waiting:
            unit = self._take_named(self.waiting.popleft(), run_id, now)
            if unit is not None:
                return (unit,)
        return ()

    def _take_named(self, candidate: Candidate, run_id: RunId, now: datetime) -> Unit | None:
        if candidate.refused is not None:
            self._skip(candidate, candidate.refused)
            return None
        unit = self.ports.store.take(run_id, now, candidate)
        if unit is None:
            self._skip(candidate, self._refused_now(candidate) or Reason.ALREADY_RUNNING)
        return unit

    def _refused_now(self, candidate: Candidate) -> Reason | None:
        """It was free when it was named: meanwhile it was leased, or its account stopped."""
        account, stream = candidate.unit.account.name, candidate.unit.stream.name
        again = self.ports.store.candidates([account], [stream])
        same = (each for each in again if each.unit.pass_ is candidate.unit.pass_)
        return next((each.refused for each in same), None)

    def _skip(self, candidate: Candidate, reason: Reason) -> None:
        now = self.context.clock.now()
        tally = Tally(started_at=now, cursor_at=candidate.unit.cursor_at)
        verdict = Verdict(outcome=Outcome.SKIPPED, reason=reason, detail="")
        report = tally.report(candidate.unit, verdict, 0, now)
        self.crew.reports.append(report)
        self.ports.store.record(self.context.run_id, [report])

    def _start(self, unit: Unit) -> None:
        unit_run = self._unit_run(unit)
        until = self._blocked_until(unit)
        if until is not None and until > self.context.clock.now():
            self.crew.reports.append(unit_run.put_off(until))
            return
        self.crew.start(unit_run.run)

    def _unit_run(self, unit: Unit) -> UnitRun:
        return UnitRun(
            unit=unit,
            context=self.context,
            ports=self.ports,
            lookahead=self.pages,
            since=self.selection.since,
            tally=Tally(started_at=self.context.clock.now(), cursor_at=unit.cursor_at),
            pages=self.ports.pages_of(unit, self.context),
        )

    def _blocked_until(self, unit: Unit) -> datetime | None:
        """Asked once per API and run; forgotten when a unit meets the limit."""
        api = (unit.account.environment, unit.stream.api)
        if api not in self.blocked:
            self.blocked[api] = self.ports.store.blocked_until(*api)
        return self.blocked[api]
