"""A dry run: one page of each unit is read and compared, nothing is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.context import RunContext
from core.errors import AppError, StoreUnavailableError
from core.outcome import add_up
from core.renewal import Renewal
from core.report import Outcome, UnitReport, WorkReport
from core.sync.begin import begin, has_past
from core.sync.details import joined, unfolded
from core.sync.fetch import Fetched, UnitPages
from core.sync.model import Pass, Stream, Unit, Window
from core.sync.ports import Candidate
from core.sync.tally import Tally
from core.sync.unit import PAGE_NEEDS_S, SyncPorts
from core.sync.verdict import Verdict, judge
from core.sync.walk import query_for
from core.sync.worker import Selection

DRY_RUN = "dry run: one page of each stream that was read is compared, nothing is kept"
NOTHING_READ = "dry run: no stream was read, nothing is kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewAccounts:
    """What a run would do. Takes no lease and writes only its run row and its units' reports."""

    ports: SyncPorts

    def run_once(self, context: RunContext, selection: Selection) -> WorkReport:
        """A second pass reads again what is stored already; it has nothing to show."""
        candidates, renewal = self._candidates(selection), Renewal.begun(context)
        reports = []
        for candidate in candidates:
            if not self._goes_on(context, renewal):
                break
            reports.append(self._preview(candidate, selection.since, context))
        self.ports.store.record(context.run_id, reports)
        out_of_time = len(reports) < len(candidates) and not renewal.lost
        accounts = self.ports.store.summary()
        work = add_up(reports, accounts, lease_lost=renewal.lost, out_of_time=out_of_time)
        read = any(each.outcome is not Outcome.SKIPPED for each in reports)
        return replace(work, detail=DRY_RUN if read else NOTHING_READ)

    def _goes_on(self, context: RunContext, renewal: Renewal) -> bool:
        if renewal.due_in() == 0.0:
            renewal.renew()
        if context.stop_requested() or renewal.lost:
            return False
        return context.deadline.allows(PAGE_NEEDS_S)

    def _candidates(self, selection: Selection) -> Sequence[Candidate]:
        found = self.ports.store.candidates(selection.accounts, selection.streams)
        if selection.since is not None:
            return [each for each in found if has_past(each.unit)]
        return [each for each in found if each.unit.pass_ is Pass.NEW]

    def _preview(
        self, candidate: Candidate, since: datetime | None, context: RunContext
    ) -> UnitReport:
        unit = candidate.unit
        tally = Tally(started_at=context.clock.now(), cursor_at=unit.cursor_at)
        pages = self.ports.pages_of(unit, context)
        if candidate.refused is None:
            verdict = self._look(unit, since, pages, tally)
        else:
            verdict = Verdict(outcome=Outcome.SKIPPED, reason=candidate.refused, detail="")
        pages.allowance.close()
        return tally.report(unit, verdict, pages.calls.made, context.clock.now())

    def _look(
        self, unit: Unit, since: datetime | None, pages: UnitPages, tally: Tally
    ) -> Verdict | None:
        try:
            window = begin(unit, since, tally.started_at, self.ports.store.open_range).window
            if window is None:
                return None
            tally.reading(window)
            fetched = _one_page(unit.stream, window, pages)
            saved = self.ports.store.preview_page(unit, fetched.page, read_at=fetched.read_at)
        except StoreUnavailableError:
            raise
        except AppError as error:
            now = pages.context.clock.now()
            return judge(error, failures=unit.failures, now=now)
        tally.stored(len(fetched.page.rows), saved, None)
        return None


def _one_page(stream: Stream, window: Window, pages: UnitPages) -> Fetched:
    """As it would be stored, but without the details: they are compared with nothing."""
    fetched = pages.fetch(query_for(window))
    if stream.folded:
        return unfolded(fetched, stream, pages)
    if stream.details_per_call:
        return replace(fetched, page=joined(fetched.page, stream.list_field))
    return fetched
