"""One call of `token-refresh`: refresh what is due of every account, warn of what will end."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from core.context import RunContext
from core.crew import Crew
from core.errors import (
    AppError,
    ApplicationRefusedError,
    StoreUnavailableError,
    UpstreamUnavailableError,
    UsageError,
)
from core.outcome import NOT_ASKED, Accounts, add_up
from core.reasons import reason_of
from core.report import Outcome, Reason, UnitReport, WorkReport
from core.tokens.keep import BeingRefreshedError
from core.tokens.model import Keeping
from core.tokens.ports import Refreshing, TokenRoster
from core.tries import Tries

STREAM = "token"
NEVER = datetime.min.replace(tzinfo=UTC)
UNIT_S = 25.0
"""All tries for one account take at most this long."""
NEEDS_S = 1.0
DETAIL_LENGTH = 2000
DRY_RUN = "dry run: nothing was refreshed; the units are the tokens that would be"
REFUSED = {
    "active": None,
    "needs_reconnect": Reason.NEEDS_RECONNECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshTokens:
    """`parallel` accounts at once, each in a thread of its own."""

    roster: TokenRoster
    tokens: Refreshing
    sleep: Callable[[float], None]
    parallel: int

    def run_once(self, context: RunContext, accounts: Sequence[str]) -> WorkReport:
        """Refresh the tokens that are due; those of `accounts` due or not.

        Every account tried ends in a report; one that fails does not stop the others. Raises
        StoreUnavailableError when the database is gone before anybody was tried; later it is what
        the report says, beside what was done.
        """
        look = chosen(self.roster.look(), accounts)
        told = self._warn(look, context)
        waiting = deque(_wanted(look, context.clock.now(), named=bool(accounts)))
        with ThreadPoolExecutor(self.parallel, thread_name_prefix="token") as threads:
            crew = Crew(context=context, threads=threads, parallel=self.parallel, needs_s=NEEDS_S)
            crew.work(_Shift(worker=self, crew=crew, context=context, waiting=waiting))
        after = self._accounts_after(crew)
        work = add_up(
            crew.reports,
            after,
            lease_lost=crew.lease_lost,
            out_of_time=crew.out_of_time and bool(waiting),
            database_away=crew.database_away,
        )
        said = [work.detail] if work.detail is not None else []
        return replace(work, detail="; ".join(said + told) or None)

    def preview(self, context: RunContext, accounts: Sequence[str]) -> WorkReport:
        """What a run would refresh; writes its units' reports only."""
        now = context.clock.now()
        wanted = _wanted(chosen(self.roster.look(), accounts), now, named=bool(accounts))
        reports = [_report(each, refused(each), now, now) for each in wanted]
        self.roster.record(context.run_id, reports)
        work = add_up(reports, self._accounts(now), lease_lost=False, out_of_time=False)
        return replace(work, detail=DRY_RUN)

    def _warn(self, look: Sequence[Keeping], context: RunContext) -> list[str]:
        """Noted before it is told: once for each step, whoever runs beside us."""
        told = []
        for each in look:
            days = each.warning(context.clock.now())
            if each.status != "active" or days is None:
                continue
            if self.roster.warned(context.run_id, each, days):
                told.append(_tell(each, days, context))
        return told

    def _accounts_after(self, crew: Crew) -> Accounts:
        if crew.database_away is not None:
            return NOT_ASKED
        try:
            return self._accounts(crew.context.clock.now())
        except StoreUnavailableError as error:
            crew.database_away = str(error)
            return NOT_ASKED

    def _accounts(self, now: datetime) -> Accounts:
        look = self.roster.look()
        states = {each.status for each in look}
        due = [each.due_at(now) for each in look if each.status == "active"]
        return Accounts(
            active="active" in states,
            paused="paused" in states,
            needs_reconnect="needs_reconnect" in states,
            next_due_at=min(due, default=None),
        )


def chosen(look: Sequence[Keeping], accounts: Sequence[str]) -> Sequence[Keeping]:
    """Those of these names; all where there are none. Raises UsageError for a name that is none."""
    unknown = sorted(set(accounts) - {each.account for each in look})
    if unknown:
        raise UsageError(f"there is no account {unknown[0]!r}; see `accounts list`")
    return [each for each in look if not accounts or each.account in accounts]


def _wanted(look: Sequence[Keeping], now: datetime, *, named: bool) -> Sequence[Keeping]:
    """Who has the least time left comes first, and behind all of them who failed, the latest last.

    A run may have time for some only: an account that fails each time must not be in the way of the
    others each time.
    """
    if named:
        return look
    due = [each for each in look if each.status == "active" and each.due_at(now) <= now]
    by_end = sorted(due, key=lambda each: each.access_expires_at or now)
    return sorted(by_end, key=lambda each: each.failed_at or NEVER)


def refused(keeping: Keeping) -> Reason | None:
    """Why nothing is done for this account, however due it is."""
    reason = REFUSED.get(keeping.status, Reason.ACCOUNT_INACTIVE)
    return Reason.NO_TOKEN if reason is None and keeping.version is None else reason


def _tell(keeping: Keeping, days: int, context: RunContext) -> str:
    ends_at = keeping.consent_ends_at
    assert ends_at is not None
    context.log.warning(
        "token.expires_soon",
        account_id=keeping.account_id,
        account=keeping.account,
        consent_ends_at=ends_at.isoformat(),
        within_days=days,
    )
    return (
        f"{keeping.account}: the owner's consent ends on {ends_at.date()};"
        " `accounts connect` renews it, or `accounts reconnect` with a new token"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shift:
    """The roster of one run: who waits to be refreshed."""

    worker: RefreshTokens
    crew: Crew
    context: RunContext
    waiting: deque[Keeping]

    def start_some(self, free: int) -> bool:
        some = [self.waiting.popleft() for _ in range(min(free, len(self.waiting)))]
        for each in some:
            self.crew.start(_Unit(worker=self.worker, context=self.context, keeping=each).run)
        return bool(some)

    def ended(self, report: UnitReport) -> None:
        """Nothing to note: the next unit looks for itself."""

    def renew(self) -> None:
        """A refresh is over before its lease is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """One account's token."""

    worker: RefreshTokens
    context: RunContext
    keeping: Keeping

    def run(self) -> UnitReport:
        """Every ending is a report; `database` where it went away, which is stored nowhere."""
        began = self.context.clock.now()
        report = self._report(self._attempt(), began)
        if report.reason in {Reason.LEASE_LOST, Reason.DATABASE}:
            return report
        try:
            self.worker.roster.record(self.context.run_id, [report])
        except StoreUnavailableError as error:
            outcome, reason, detail = _ending(error)
            return replace(report, outcome=outcome, reason=reason, detail=detail)
        return report

    def _attempt(self) -> Exception | Reason | None:
        try:
            return self._refresh()
        except AppError as error:
            return error
        except Exception as error:
            self.context.log.exception("unit.failed", account=self.keeping.account, stream=STREAM)
            return error

    def _refresh(self) -> Reason | None:
        """The switches are looked at first: a pause holds within one account."""
        keeping, context = self.keeping, self.context
        off = refused(keeping) or self.worker.roster.standing(
            context.run_id, context.worker, keeping.account_id
        )
        if off is not None or keeping.version is None:
            return off
        ends = context.clock.monotonic() + min(UNIT_S, context.deadline.remaining())
        tries = Tries(context=context, sleep=self.worker.sleep, ends=ends)
        while True:
            try:
                self.worker.tokens.renew(
                    keeping.account_id,
                    keeping.environment,
                    keeping.version,
                    timeout=max(ends - context.clock.monotonic(), 0.0),
                )
            except BeingRefreshedError:
                # It has been waited for to the end; another try would only hide who holds it.
                raise
            except UpstreamUnavailableError as error:
                tries.after(error)
            else:
                return None

    def _report(self, ending: Exception | Reason | None, began: datetime) -> UnitReport:
        calls = self.worker.tokens.asked(self.keeping.account_id)
        return _report(self.keeping, ending, began, self.context.clock.now(), calls)


def _report(
    keeping: Keeping,
    ending: Exception | Reason | None,
    began: datetime,
    ended: datetime,
    calls: int = 0,
) -> UnitReport:
    outcome, reason, detail = _ending(ending)
    stored = 1 if outcome is Outcome.DONE and calls else 0
    return UnitReport(
        account_id=keeping.account_id,
        account=keeping.account,
        stream=STREAM,
        outcome=outcome,
        reason=reason,
        detail=detail,
        fetched=stored,
        updated=stored,
        calls=calls,
        started_at=began,
        finished_at=ended,
        stops_all=isinstance(ending, ApplicationRefusedError),
    )


def _ending(ending: Exception | Reason | None) -> tuple[Outcome, Reason | None, str | None]:
    if ending is None:
        return Outcome.DONE, None, None
    if isinstance(ending, Reason):
        lost = ending is Reason.LEASE_LOST
        return (Outcome.FAILED if lost else Outcome.SKIPPED), ending, None
    if isinstance(ending, BeingRefreshedError):
        return Outcome.SKIPPED, Reason.ALREADY_RUNNING, str(ending)
    outcome, reason = reason_of(ending)
    told = type(ending).__name__ if reason is Reason.INTERNAL else str(ending)
    return outcome, reason, told[:DETAIL_LENGTH]
