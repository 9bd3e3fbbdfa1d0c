"""One eBay cycle: take what is due, several units side by side, until nothing is or time is up."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.context import RunContext
from core.crew import Crew
from core.errors import StoreUnavailableError
from core.ids import RunId
from core.outcome import NOT_ASKED, Accounts, add_up
from core.report import Holder, Outcome, Reason, UnitReport, WorkReport, instant
from core.sync.begin import has_past
from core.sync.breaker import Breakers
from core.sync.budget import believed, next_reset
from core.sync.calls import Quota
from core.sync.model import Pass, Unit, UnitKey
from core.sync.ports import Candidate
from core.sync.tally import Tally
from core.sync.unit import ASK_S, PAGE_NEEDS_S, SyncPorts, UnitRun
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

        Raises UsageError for unknown names, StoreUnavailableError when the database is gone before
        anything was read; later it is what the report says, beside what was done.
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
                breakers=Breakers(self.ports.calls),
            )
            crew.work(cycle)
        return self._added_up(cycle, crew)

    def _added_up(self, cycle: "_Cycle", crew: Crew) -> WorkReport:
        accounts = NOT_ASKED if crew.database_away else self._summary(crew)
        work = add_up(
            crew.reports,
            accounts,
            lease_lost=crew.lease_lost,
            out_of_time=cycle.left_over(accounts.next_due_at),
            database_away=crew.database_away,
        )
        since = cycle.go_on_since()
        work = replace(work, holder=cycle.holder)
        return work if since is None else replace(work, more=False, detail=_again(since))

    def _summary(self, crew: Crew) -> Accounts:
        try:
            return self.ports.store.summary()
        except StoreUnavailableError as error:
            crew.database_away = str(error)
            return NOT_ASKED

    def _named(self, selection: Selection) -> deque[Candidate] | None:
        if not selection.named:
            return None
        candidates = self.ports.store.candidates(selection.accounts, selection.streams)
        if selection.since is None:
            return deque(candidates)
        return deque(each for each in candidates if has_past(each.unit))


def _again(since: datetime) -> str:
    return f"what is read again is not kept as progress: go on with --since {instant(since)}"


@dataclass(slots=True, kw_only=True)
class _Cycle:
    """The roster: what is due, or what was named, and the leases of the units that run."""

    ports: SyncPorts
    crew: Crew
    context: RunContext
    selection: Selection
    waiting: deque[Candidate] | None
    pages: Executor
    breakers: Breakers
    unrecorded: list[UnitReport] = field(default_factory=list)
    blocked: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    slowed: set[UnitKey] = field(default_factory=set)
    started: dict[UnitKey, Unit] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    holder: Holder | None = None

    def left_over(self, next_due_at: datetime | None) -> bool:
        """Whether time ran out with work left."""
        if not self.crew.out_of_time:
            return False
        if self.waiting is not None:
            return bool(self.waiting)
        return next_due_at is not None and next_due_at <= self.context.clock.now()

    def go_on_since(self) -> datetime | None:
        """From where an extra window is still to be read, None when it was read to its end."""
        reports = self.crew.reports
        cut = [report.go_on_since for report in reports if report.go_on_since is not None]
        if self.selection.since is not None and self.crew.out_of_time and self.waiting:
            cut.append(self.selection.since)
        return min(cut, default=None)

    def start_some(self, free: int) -> bool:
        taken = self._take(free)
        self._record()
        # Where one of them probes an eBay that was away: open rows may be none, and prove nothing.
        for unit in sorted(taken, key=lambda each: each.pass_ is Pass.OPEN):
            self._start(unit)
        return bool(taken)

    def ended(self, report: UnitReport) -> None:
        key = UnitKey(report.account_id, report.stream, report.pass_)
        if report.reason in {Reason.QUOTA, Reason.RATE_LIMITED}:
            self.slowed.add(key)
        if report.reason is Reason.QUOTA:
            self.blocked.clear()
        unit = self.started.pop(key, None)
        if unit is not None and report.reason is not Reason.DATABASE:
            self.breakers.ended(unit, report, self.context.clock.now())
            self._learn_limits(unit, report)

    def _learn_limits(self, unit: Unit, report: UnitReport) -> None:
        """Once a day, and from an eBay that has just answered: wrong keys cost no more calls."""
        environment, now = unit.account.environment, self.context.clock.now()
        spare = self.context.deadline.allows(ASK_S + PAGE_NEEDS_S)
        if not report.pages or environment in self.asked or not spare:
            return
        self.asked.add(environment)
        if self.ports.calls.may_ask(environment, now):
            apis = sorted({stream.api for stream in self.ports.store.streams.values()})
            told = {api: self._told(environment, api, now) for api in apis}
            self.ports.calls.learn(environment, told, now)

    def _told(self, environment: str, api: str, now: datetime) -> Quota:
        quota = believed(self.ports.quotas.ask(environment, api, timeout=ASK_S), now)
        return replace(quota, reset_at=quota.reset_at or next_reset(now))

    def renew(self) -> None:
        self.ports.store.renew(self.context.run_id)

    def _take(self, free: int) -> Sequence[Unit]:
        run_id, now = self.context.run_id, self.context.clock.now()
        if self.waiting is None:
            return self.ports.store.take_due(run_id, now, free, self.slowed)
        while self.waiting and self.crew.may_start(self):
            unit = self._take_named(self.waiting.popleft(), run_id, now)
            if unit is not None:
                return (unit,)
        return ()

    def _take_named(self, candidate: Candidate, run_id: RunId, now: datetime) -> Unit | None:
        unit = None
        if candidate.refused is None:
            unit = self.ports.store.take(run_id, now, candidate)
        if unit is None:
            self._skip(self._as_it_stands(candidate))
        return unit

    def _as_it_stands(self, candidate: Candidate) -> Candidate:
        """It was free when it was named: meanwhile it was leased, or its account stopped."""
        if candidate.refused is not None:
            return candidate
        account, stream = candidate.unit.account.name, candidate.unit.stream.name
        again = self.ports.store.candidates([account], [stream])
        same = (each for each in again if each.unit.pass_ is candidate.unit.pass_)
        return next(same, candidate)

    def _skip(self, candidate: Candidate) -> None:
        now = self.context.clock.now()
        reason = candidate.refused or Reason.ALREADY_RUNNING
        held = candidate.holder if reason is Reason.ALREADY_RUNNING else None
        self.holder = held or self.holder
        tally = Tally(started_at=now, cursor_at=candidate.unit.cursor_at)
        verdict = Verdict(outcome=Outcome.SKIPPED, reason=reason, detail=_held_by(held))
        self.unrecorded.append(tally.report(candidate.unit, verdict, 0, now))

    def _record(self) -> None:
        """All that was skipped in one statement."""
        if not self.unrecorded:
            return
        skipped, self.unrecorded = self.unrecorded, []
        self.crew.reports += skipped
        self.ports.store.record(self.context.run_id, skipped)

    def _start(self, unit: Unit) -> None:
        self.crew.may_start(self)
        unit_run, now = self._unit_run(unit), self.context.clock.now()
        until = self._blocked_until(unit)
        if until is not None and until > now:
            self.crew.take(unit_run.put_off(until), self)
            return
        until = self.breakers.blocked_until(unit, now)
        if until is not None:
            self.crew.take(unit_run.put_off(until, Reason.CIRCUIT_OPEN), self)
            return
        self.started[UnitKey(unit.account.id, unit.stream.name, unit.pass_)] = unit
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


def _held_by(holder: Holder | None) -> str:
    if holder is None:
        return ""
    return f"held by run {holder.run_id} until {instant(holder.until)}"
