"""Units side by side, and a database that goes away under them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from core.crew import Crew
from core.errors import StoreUnavailableError
from core.ids import AccountId
from core.report import Outcome, Reason, UnitReport
from tests.support.sync_fakes import Run


def report(reason: Reason | None = None) -> UnitReport:
    outcome = Outcome.DONE if reason is None else Outcome.FAILED
    return UnitReport(
        account_id=AccountId(1),
        account="shop",
        stream="orders",
        outcome=outcome,
        reason=reason,
        detail=None if reason is None else "cut off",
    )


@dataclass
class Units:
    """One after the other, as they are given; an error is raised."""

    crew: Crew
    endings: list[UnitReport | StoreUnavailableError]
    seen: list[UnitReport] = field(default_factory=list)

    def start_some(self, free: int) -> bool:
        if not self.endings:
            return False
        self.crew.start(self._work)
        return True

    def _work(self) -> UnitReport:
        ending = self.endings.pop(0)
        if isinstance(ending, StoreUnavailableError):
            raise ending
        return ending

    def ended(self, report: UnitReport) -> None:
        self.seen.append(report)

    def renew(self) -> None: ...


@pytest.mark.parametrize(
    "missed", [StoreUnavailableError("cut off"), report(Reason.DATABASE)], ids=["raised", "told"]
)
def test_a_unit_that_misses_the_database_is_the_last_and_hides_no_other(
    missed: UnitReport | StoreUnavailableError,
) -> None:
    with ThreadPoolExecutor(1) as threads:
        crew = Crew(context=Run().context(), threads=threads, parallel=1, needs_s=1.0)
        units = Units(crew, [report(), missed, report()])

        crew.work(units)

    assert crew.database_away == "cut off"
    assert crew.reports[0].outcome is Outcome.DONE
    assert len(units.endings) == 1


def test_units_that_all_end_miss_nothing() -> None:
    with ThreadPoolExecutor(1) as threads:
        crew = Crew(context=Run().context(), threads=threads, parallel=1, needs_s=1.0)

        crew.work(Units(crew, [report(), report()]))

    assert [each.outcome for each in crew.reports] == [Outcome.DONE, Outcome.DONE]
    assert crew.database_away is None
