"""The last write of a run, over a connection that breaks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import pytest

from core.context import RunContext
from core.deadline import Deadline
from core.errors import StoreUnavailableError
from core.ids import Fence, RunId
from core.report import Outcome, Reason, RunReport, Trigger, WorkReport
from core.runs.model import Beginning, Begun, Conduct, Ending, RunRequest
from core.runs.ports import FINISH_S
from core.runs.protocol import FINISH_ATTEMPTS, RunProtocol

RUN_ID = UUID(int=1)
AT = datetime(2026, 11, 1, tzinfo=UTC)


class Quiet:
    """A log and a dead man's switch that nobody reads."""

    def debug(self, event: str, /, **facts: object) -> None: ...
    def info(self, event: str, /, **facts: object) -> None: ...
    def warning(self, event: str, /, **facts: object) -> None: ...
    def error(self, event: str, /, **facts: object) -> None: ...
    def exception(self, event: str, /, **facts: object) -> None: ...
    def critical(self, event: str, /, **facts: object) -> None: ...
    def ping(self, worker: str, report: RunReport) -> None: ...


class BreakingStore:
    """`finish` fails that many times, each after `takes` seconds, before it gives `ending`."""

    def __init__(self, failures: int, ending: Ending, takes: float = 0.0) -> None:
        self.failures = failures
        self.ending = ending
        self.takes = takes
        self.now = 0.0
        self.tries = 0
        self.timeouts: list[float] = []

    def begin(self, run_id: RunId, request: RunRequest) -> Beginning:
        return Begun(run_id=run_id, began_at=AT, fence=Fence(1))

    def renew(self, run_id: RunId, worker: str, fence: Fence | None) -> bool:
        return True

    def finish(
        self,
        report: RunReport,
        fence: Fence | None,
        *,
        conduct: Conduct,
        timeout: float = FINISH_S,
    ) -> Ending:
        self.tries += 1
        self.timeouts.append(timeout)
        self.now += self.takes
        if self.tries <= self.failures:
            raise StoreUnavailableError("the connection to the database broke")
        return self.ending

    def refuse(self, report: RunReport, request: RunRequest) -> None: ...

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def run(store: BreakingStore, limit_s: float | None = None) -> RunReport:
    ticks: Callable[[], float] = lambda: store.now  # noqa: E731  (a port, typed)
    protocol = RunProtocol(
        store=store,
        pings=Quiet(),
        new_id=lambda: RUN_ID,
        ticks=ticks,
        wall=lambda: AT,
        sleep=store.sleep,
        rng=Random(1),
        log=Quiet(),
        lease=timedelta(seconds=60),
        stop_requested=lambda: False,
        observe=lambda _: None,
    )
    request = RunRequest(worker="ebay-cycle", trigger=Trigger(via="cli"))
    return protocol.run_once(request, Deadline.after(limit_s, ticks, margin_s=2.0), work)


def work(_: RunContext) -> WorkReport:
    return WorkReport(outcome=Outcome.DONE)


def test_a_broken_connection_does_not_lose_the_report() -> None:
    store = BreakingStore(failures=2, ending=Ending(lost=False, tripped=False))

    report = run(store)

    assert report.outcome is Outcome.DONE
    assert store.tries == 3


def test_a_run_that_was_overtaken_says_so_after_a_broken_connection() -> None:
    store = BreakingStore(failures=1, ending=Ending(lost=True, tripped=False))

    report = run(store)

    assert (report.outcome, report.reason) == (Outcome.PARTIAL, Reason.LEASE_LOST)


@pytest.mark.parametrize(("takes", "tries"), [(0.0, FINISH_ATTEMPTS), (5.0, 1)])
def test_a_database_that_stays_away_is_told_in_time(takes: float, tries: int) -> None:
    store = BreakingStore(failures=99, ending=Ending(lost=False, tripped=False), takes=takes)

    report = run(store)

    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.DATABASE)
    assert store.tries == tries


@pytest.mark.parametrize(
    ("limit_s", "timeout"), [(None, FINISH_S), (60.0, FINISH_S), (1.0, 2.8), (0.0, 1.8)]
)
def test_the_report_is_written_before_its_caller_stops_listening(
    limit_s: float | None, timeout: float
) -> None:
    store = BreakingStore(failures=0, ending=Ending(lost=False, tripped=False))

    run(store, limit_s)

    assert store.timeouts == [pytest.approx(timeout)]


def test_nothing_is_tried_again_when_its_caller_has_stopped_listening() -> None:
    store = BreakingStore(failures=1, ending=Ending(lost=False, tripped=False), takes=2.0)

    report = run(store, limit_s=0.0)

    assert (report.reason, store.tries) == (Reason.DATABASE, 1)
