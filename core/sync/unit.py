"""One unit from its lease to its end: windows, pages, cursor."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.context import RunContext
from core.errors import (
    AppError,
    LeaseLostError,
    OutOfCallsError,
    OutOfTimeError,
    RateLimitedError,
    StoreUnavailableError,
)
from core.report import Outcome, Reason, UnitReport, instant
from core.sync.begin import OPEN_LIMIT, begin, extra_end, impossible_cursor, open_window
from core.sync.budget import Allowance, believed
from core.sync.calls import CallStore, Quota, Quotas
from core.sync.details import read_again, unfolded, with_details
from core.sync.due import due_at, usual
from core.sync.fetch import Fetched, UnitPages
from core.sync.keeping import SwitchedOffError, UnitStore
from core.sync.model import PageQuery, Pass, Unit, Walk, Window
from core.sync.ports import AccessTokens, PageSource, Progress, SyncStore, UnitEnd
from core.sync.store_tries import StoreTries
from core.sync.tally import Tally
from core.sync.verdict import Verdict, judge
from core.sync.walk import Step, advance, extra_window, next_window, query_for

PAGE_NEEDS_S = 1.0
ASK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPorts:
    store: SyncStore
    source: PageSource
    tokens: AccessTokens
    quotas: Quotas
    calls: CallStore
    sleep: Callable[[float], None]

    def pages_of(self, unit: Unit, context: RunContext) -> UnitPages:
        return UnitPages(
            source=self.source,
            tokens=self.tokens,
            sleep=self.sleep,
            account=unit.account,
            stream=unit.stream,
            context=context,
            sign_from_now_on=lambda: self._sign_from_now_on(unit, context),
            allowance=Allowance(
                store=self.calls,
                account=unit.account,
                stream=unit.stream,
                pass_=unit.pass_,
                context=context,
            ),
        )

    def _sign_from_now_on(self, unit: Unit, context: RunContext) -> None:
        tries = StoreTries(context=context, sleep=self.sleep)
        tries.run(lambda: self.store.sign_from_now_on(unit.account.id))

    def store_of(self, unit: Unit, context: RunContext, tally: Tally) -> UnitStore:
        return UnitStore(
            unit=unit, context=context, store=self.store, sleep=self.sleep, tally=tally
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitRun:
    """A taken unit. `lookahead` fetches one page while the one before it is stored.

    `since`: read [since, cursor] again in an extra window; window and cursor stay as they are.
    """

    unit: Unit
    context: RunContext
    ports: SyncPorts
    lookahead: Executor
    since: datetime | None
    tally: Tally
    pages: UnitPages
    seen: set[str] = field(default_factory=set)

    @property
    def kept(self) -> UnitStore:
        return self.ports.store_of(self.unit, self.context, self.tally)

    def run(self) -> UnitReport:
        """Read until caught up or out of time; every ending is a report.

        Where the database went away it is `database`, and stored nowhere: the unit is due when its
        lease ends.
        """
        verdict = self._attempt()
        self.pages.allowance.close()
        return self._settle(verdict)

    def put_off(self, until: datetime, reason: Reason = Reason.BUDGET) -> UnitReport:
        """Leave the unit for later without a call: the API's day is used up, or eBay is away."""
        return self._settle(
            Verdict(outcome=Outcome.SKIPPED, reason=reason, detail="", retry_at=until)
        )

    def _settle(self, verdict: Verdict | None) -> UnitReport:
        report = self._report(verdict)
        if report.reason in {Reason.LEASE_LOST, Reason.DATABASE}:
            return report
        try:
            self._finish(report, verdict)
        except (StoreUnavailableError, LeaseLostError) as error:
            return self._report(self._judge(error))
        except Exception as error:
            self.context.log.exception("unit.unfinished", **self.kept.names())
            return self._report(self._judge(error))
        return report

    def _report(self, verdict: Verdict | None) -> UnitReport:
        now = self.context.clock.now()
        return self.tally.report(self.unit, verdict, self.pages.calls.made, now)

    def _attempt(self) -> Verdict | None:
        try:
            self._read(self._begin())
        except SwitchedOffError as off:
            return Verdict(outcome=Outcome.SKIPPED, reason=off.reason, detail=str(off))
        except RateLimitedError as error:
            return self._slow_down(error)
        except (OutOfTimeError, OutOfCallsError) as error:
            return self._cut_short(error)
        except AppError as error:
            return self._judge(error)
        except Exception as error:
            self.context.log.exception("unit.failed", **self.kept.names())
            return self._judge(error)
        return None

    def _cut_short(self, error: OutOfTimeError | OutOfCallsError) -> Verdict:
        """The window of a unit is kept, an extra one is not: who asked for it must ask again."""
        verdict = self._judge(error)
        if self.tally.pages:
            verdict = replace(verdict, outcome=Outcome.PARTIAL)
        if self.since is None:
            self.tally.more = isinstance(error, OutOfTimeError)
            return verdict
        self.tally.go_on_since = self.tally.reading_from or self.since
        return replace(verdict, detail=f"read again up to {instant(self.tally.go_on_since)}")

    def _judge(self, error: Exception, quota: Quota | None = None) -> Verdict:
        now = self.context.clock.now()
        return judge(error, failures=self.unit.failures, now=now, quota=quota)

    def _slow_down(self, error: RateLimitedError) -> Verdict:
        environment, api = self.unit.account.environment, self.unit.stream.api
        timeout = min(ASK_S, self.context.deadline.remaining())
        told = self.ports.quotas.ask(environment, api, timeout=timeout)
        quota = believed(told, self.context.clock.now())
        verdict = self._judge(error, quota)
        try:
            if verdict.reason is Reason.QUOTA and verdict.retry_at is not None:
                now = self.context.clock.now()
                self.ports.store.block(environment, api, verdict.retry_at, quota, now)
        except StoreUnavailableError as away:
            return self._judge(away)
        return verdict

    def _begin(self) -> Window | None:
        at = self.tally.started_at
        beginning = begin(self.unit, self.since, at, self.ports.store.open_range)
        if beginning.given_up:
            days = OPEN_LIMIT.days
            self.kept.warn("open_rows.given_up", rows=beginning.given_up, older_than_days=days)
        if impossible_cursor(self.unit, at):
            self.kept.warn("cursor.impossible", cursor=instant(self.unit.cursor_at))
        return beginning.window

    def _read(self, window: Window | None) -> None:
        """Strictly one page after another, one ahead at most: two fetchers lost rows (measured)."""
        ahead = self._ask(window)
        try:
            while window is not None and ahead is not None:
                self.tally.reading(window)
                fetched, ahead = ahead.result(), None
                step = fetched.step or advance(self.unit.stream, window, fetched.page, self.seen)
                progress, following = self._after(window, step)
                going_on = not fetched.cut_short and step.failure is None
                ahead = self._ask(following) if going_on else None
                if fetched.cut_short:
                    self.kept.save(fetched, None)
                    self._fail(fetched.failure)
                    break
                if step.store:
                    self.kept.save(fetched, progress)
                self._fail(step.failure)
                self._remember(fetched.page.keys, window, following)
                window = following
        finally:
            if ahead is not None:
                ahead.exception()
        if window is not None:
            raise OutOfTimeError("the run's time was used up")

    @staticmethod
    def _fail(failure: AppError | None) -> None:
        if failure is not None:
            raise failure

    def _after(self, window: Window, step: Step) -> tuple[Progress | None, Window | None]:
        """What to store with this page, and what to read next."""
        at, stream = self.tally.started_at, self.unit.stream
        snapshot = window.from_ if stream.walk is Walk.SNAPSHOT else None
        if self.since is not None:
            until = extra_end(self.unit, at)
            return None, step.window or extra_window(stream, window.to, until)
        if step.window is not None:
            return Progress(window=step.window, snapshot=snapshot), step.window
        if step.failure is not None:
            return Progress(window=None, snapshot=snapshot), None
        if self.unit.pass_ is Pass.OPEN:
            further = self._open_above(window.goal)
            return Progress(window=further), further
        following = None if snapshot else next_window(stream, window.goal, at)
        progress = Progress(
            window=None,
            cursor_at=window.goal,
            replace_cursor=impossible_cursor(self.unit, at),
            snapshot=snapshot,
        )
        return progress, following

    def _open_above(self, goal: datetime) -> Window | None:
        """Where open rows lie further apart than one window of the API's may reach."""
        if self.unit.stream.max_window >= OPEN_LIMIT:
            return None
        found = self.kept.open_range(goal + datetime.resolution)
        return open_window(self.unit.stream, found, self.tally.started_at)

    def _remember(self, keys: Sequence[str], window: Window, following: Window | None) -> None:
        """Keys seen belong to one list: another window, or another pass, is another list."""
        self.seen.update(keys)
        if following is None or _list_of(window) != _list_of(following):
            self.seen.clear()

    def _ask(self, window: Window | None) -> Future[Fetched] | None:
        stopping = self.context.stop_requested() or not self.context.deadline.allows(PAGE_NEEDS_S)
        if window is None or stopping:
            return None
        if self.unit.by_key:
            return self.lookahead.submit(self._read_again, window)
        return self.lookahead.submit(self._fetched, query_for(window))

    def _read_again(self, window: Window) -> Fetched:
        rows = self.kept.open_rows(window)
        read_at = self.context.clock.now()
        return read_again(rows, window, self.unit.stream, self.pages, read_at)

    def _fetched(self, query: PageQuery) -> Fetched:
        fetched = self.pages.fetch(query)
        if self.unit.stream.folded:
            return unfolded(fetched, self.unit.stream, self.pages)
        if not self.unit.stream.details_per_call:
            return fetched
        wanted = self.kept.lacking_details(fetched.page)
        return with_details(fetched, self.unit.stream, wanted, self.pages)

    def _finish(self, report: UnitReport, verdict: Verdict | None) -> None:
        end = UnitEnd(
            report=report,
            due_at=due_at(verdict, self._usual(), self.context.clock.now()),
            succeeded=verdict is None and self.since is None,
            gave_up=verdict is not None and verdict.outcome is Outcome.FAILED,
        )
        self.kept.finish(end, self.pages.calls.events)

    def _usual(self) -> datetime:
        """An extra window is no regular reading: what is regular is due now."""
        now = self.context.clock.now()
        if self.since is not None:
            return now
        started = self.context.started_at, self.tally.started_at
        stretch = self.pages.allowance.stretch(now)
        if stretch > 1.0:
            self.kept.warn("interval.stretched", factor=round(stretch, 2))
        unit = replace(self.unit, interval=self.unit.interval * stretch)
        return usual(unit, self.tally.window_from, *started, now)


def _list_of(window: Window) -> tuple[datetime, datetime, int]:
    return window.from_, window.to, window.pass_number
