"""One run from call to report: whatever happens is a report, a log line, and a row."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from random import Random
from uuid import UUID

import pytest

from core.context import RunContext
from core.deadline import Deadline
from core.errors import ConfigurationError, LeaseLostError, StoreUnavailableError
from core.ids import AccountId, Fence, RunId
from core.report import Outcome, Reason, RunReport, Trigger, UnitReport, WorkReport
from core.runs.model import Beginning, RunRequest
from core.runs.protocol import KeyReusedError, RunProtocol, Work, unreached
from tests.support.log import ListLog
from tests.support.memory_runs import MemoryRuns
from tests.support.moments import BEGAN, Moments

WORKER = "ebay-cycle"
LEASE = timedelta(seconds=60)
UNIT = UnitReport(account_id=AccountId(1), account="shop", stream="orders", outcome=Outcome.DONE)
DONE = WorkReport(outcome=Outcome.DONE, units=(UNIT,), counts={"written": 0})
IDLE = WorkReport(outcome=Outcome.DONE, reason=Reason.NOTHING_DUE)


@dataclass
class Runs(MemoryRuns):
    """A store that can be away at its beginnings, refusals and ends."""

    away: set[str] = field(default_factory=set)

    def begin(self, run_id: RunId, request: RunRequest) -> Beginning:
        self._reach("begin")
        return super().begin(run_id, request)

    def refuse(self, report: RunReport, request: RunRequest) -> None:
        self._reach("refuse")
        super().refuse(report, request)

    def _reach(self, what: str) -> None:
        if what in self.away:
            raise StoreUnavailableError("the database is away")
        if f"{what}:config" in self.away:
            raise ConfigurationError("run `python -m core.run migrate`")


@dataclass
class Stage:
    """A protocol over a store in memory, and what it said."""

    moments: Moments = field(default_factory=Moments)
    log: ListLog = field(default_factory=ListLog)
    pinged: list[RunReport] = field(default_factory=list)
    stopping: bool = False

    def __post_init__(self) -> None:
        numbers = count(1)
        self.runs = Runs(self.moments, LEASE)
        self.protocol = RunProtocol(
            store=self.runs,
            pings=self,
            new_id=lambda: UUID(int=next(numbers)),
            ticks=self.moments.monotonic,
            wall=self.moments.now,
            sleep=self.moments.sleep,
            rng=Random(1),
            log=self.log,
            lease=LEASE,
            stop_requested=lambda: self.stopping,
            observe=lambda _: None,
        )

    def ping(self, worker: str, report: RunReport) -> None:
        assert worker == WORKER
        self.pinged.append(report)

    def run(self, work: Work, asked: RunRequest | None = None) -> RunReport:
        deadline = Deadline.after(None, self.moments.monotonic)
        return self.protocol.run_once(asked or request(), deadline, work)

    def last(self) -> tuple[str, str, dict[str, object]]:
        return self.log.told[-1]


def request(
    delivery_id: str | None = None, *, request_hash: str = "h", exclusive: bool = True
) -> RunRequest:
    return RunRequest(
        worker=WORKER,
        trigger=Trigger(via="http", delivery_id=delivery_id),
        request_hash=request_hash,
        exclusive=exclusive,
        keyed=delivery_id is not None,
    )


def does(report: WorkReport) -> Work:
    return lambda _: report


def raises(error: Exception) -> Work:
    def work(_: RunContext) -> WorkReport:
        raise error

    return work


def test_a_run_that_works_is_reported_logged_stored_and_pinged() -> None:
    stage = Stage()

    def work(context: RunContext) -> WorkReport:
        stage.moments.sleep(2.5)
        return DONE

    report = stage.run(work)

    assert (report.outcome, report.reason, report.units) == (Outcome.DONE, None, (UNIT,))
    assert report.started_at == BEGAN
    assert report.finished_at == BEGAN + timedelta(seconds=2.5)
    assert report.duration_ms == 2500
    assert stage.log.events() == ["run.started", "run.finished"]
    assert stage.last()[0] == "info"
    assert stage.pinged == [report]
    assert stage.runs.rows[report.run_id].report == report.as_json()


def test_the_work_is_given_what_a_run_carries() -> None:
    stage = Stage(stopping=True)
    seen: list[RunContext] = []

    def work(context: RunContext) -> WorkReport:
        seen.append(context)
        stage.moments.sleep(30)
        assert context.renew()
        return IDLE

    report = stage.run(work)

    [context] = seen
    assert context.run_id == report.run_id
    assert context.worker == WORKER
    assert context.started_at == BEGAN
    assert context.renew_every_s == 20.0
    assert context.stop_requested()
    assert stage.runs.rows[report.run_id].expires_at == BEGAN + timedelta(seconds=90)


@pytest.mark.parametrize(
    ("error", "reason", "detail"),
    [
        (StoreUnavailableError("away"), Reason.DATABASE, "away"),
        (ConfigurationError("no key"), Reason.CONFIG, "no key"),
        (ZeroDivisionError("canary"), Reason.BUG, "ZeroDivisionError"),
        (LeaseLostError("canary"), Reason.BUG, "LeaseLostError"),
    ],
)
def test_work_that_raises_is_a_failed_run_and_releases_its_lease(
    error: Exception, reason: Reason, detail: str
) -> None:
    stage = Stage()

    report = stage.run(raises(error))

    assert (report.outcome, report.reason, report.detail) == (Outcome.FAILED, reason, detail)
    told = ["worker.raised"] if reason is Reason.BUG else []
    assert stage.log.events() == ["run.started", *told, "run.failed"]
    assert stage.last()[0] == "error"
    assert stage.pinged == [report]
    assert stage.runs.rows[report.run_id].outcome is Outcome.FAILED
    assert stage.runs.leases[WORKER].run_id is None


@pytest.mark.parametrize(
    ("away", "reason"), [("begin", Reason.DATABASE), ("begin:config", Reason.CONFIG)]
)
def test_a_run_that_cannot_begin_is_reported_without_a_row(away: str, reason: Reason) -> None:
    stage = Stage()
    stage.runs.away.add(away)

    report = stage.run(does(DONE))

    assert (report.outcome, report.reason) == (Outcome.FAILED, reason)
    assert stage.log.events() == ["run.failed"]
    assert stage.pinged == [report]
    assert stage.runs.rows == {}


def test_a_mistake_before_the_row_is_told_by_its_kind_alone() -> None:
    report = unreached(
        RunId(UUID(int=1)), request(), ZeroDivisionError("canary"), BEGAN, took_s=0.25
    )

    assert (report.outcome, report.reason, report.detail) == (
        Outcome.FAILED, Reason.BUG, "ZeroDivisionError",
    )  # fmt: skip
    assert report.duration_ms == 250


def hold(stage: Stage) -> RunId:
    run_id = RunId(UUID(int=999))
    stage.runs.begin(run_id, request())
    return run_id


def pause(stage: Stage) -> None:
    stage.runs.all_enabled = False


def trip(stage: Stage) -> None:
    stage.runs.switch(WORKER).probe_at = BEGAN + timedelta(hours=1)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [(hold, Reason.ALREADY_RUNNING), (pause, Reason.PAUSED), (trip, Reason.TRIPPED)],
)
def test_a_run_that_may_not_begin_is_skipped_with_a_row_and_without_a_ping(
    prepare: Callable[[Stage], object], reason: Reason
) -> None:
    stage = Stage()
    prepare(stage)

    report = stage.run(does(DONE))

    assert (report.outcome, report.reason) == (Outcome.SKIPPED, reason)
    assert not report.tripped
    assert stage.log.events() == ["run.finished"]
    assert stage.pinged == []
    assert stage.runs.rows[report.run_id].outcome is Outcome.SKIPPED


def test_who_stands_in_the_way_is_named() -> None:
    stage = Stage()
    holder = hold(stage)

    report = stage.run(does(DONE))

    assert report.holder is not None
    assert report.holder.run_id == holder
    assert report.holder.until == BEGAN + LEASE


def test_a_skip_that_cannot_be_written_is_still_a_report() -> None:
    stage = Stage()
    pause(stage)
    stage.runs.away.add("refuse")

    report = stage.run(does(DONE))

    assert report.reason is Reason.PAUSED
    assert report.detail is not None
    assert f"`workers resume {report.worker}`" in report.detail
    assert stage.log.events() == ["run.unrecorded", "run.finished"]


def test_a_worked_delivery_is_replayed() -> None:
    stage = Stage()
    first = stage.run(does(DONE), request("d"))

    again = stage.run(raises(AssertionError("worked twice")), request("d"))

    assert again.stored == first.as_json()
    assert again.as_json() == first.as_json()
    assert (again.outcome, again.reason) == (Outcome.DONE, None)
    assert stage.log.events() == ["run.started", "run.finished", "run.replayed"]
    assert len(stage.runs.rows) == 1


def test_a_replay_tells_the_reason_of_its_report_and_pings_nobody() -> None:
    stage = Stage()
    stage.run(does(IDLE), request("d"))

    again = stage.run(does(DONE), request("d"))

    assert again.reason is Reason.NOTHING_DUE
    assert len(stage.pinged) == 1


def test_one_key_with_two_requests_is_refused() -> None:
    stage = Stage()
    stage.run(does(DONE), request("d"))

    with pytest.raises(KeyReusedError):
        stage.run(does(DONE), request("d", request_hash="other"))


def test_a_run_that_was_overtaken_says_so_and_asks_for_no_more() -> None:
    stage = Stage()

    def work(context: RunContext) -> WorkReport:
        stage.moments.go_by(LEASE)
        stage.runs.begin(RunId(UUID(int=999)), request())
        assert not context.renew()
        return WorkReport(outcome=Outcome.PARTIAL, reason=Reason.DEADLINE, more=True)

    report = stage.run(work)

    assert (report.outcome, report.reason, report.more) == (
        Outcome.PARTIAL, Reason.LEASE_LOST, False,
    )  # fmt: skip
    assert stage.runs.leases[WORKER].fence == Fence(2)


def test_a_dead_run_that_is_followed_is_told() -> None:
    stage = Stage()
    dead = hold(stage)
    stage.moments.go_by(LEASE)

    report = stage.run(does(DONE))

    assert report.outcome is Outcome.DONE
    [told] = [facts for _, event, facts in stage.log.told if event == "run.abandoned"]
    assert told["run_id"] == str(dead)


def test_the_tenth_mistake_is_a_crash_loop() -> None:
    stage = Stage()

    reports = [stage.run(raises(ZeroDivisionError())) for _ in range(10)]

    assert [report.tripped for report in reports] == [False] * 9 + [True]
    [loud] = [facts for level, event, facts in stage.log.told if level == "critical"]
    assert loud["worker"] == WORKER
    assert "Crash loop detected" in stage.log.events()


def test_dead_runs_too_many_are_a_crash_loop() -> None:
    stage = Stage()
    for _ in range(9):
        stage.run(raises(ZeroDivisionError()))
    hold(stage)
    stage.moments.go_by(LEASE)

    report = stage.run(does(DONE))

    assert (report.outcome, report.reason, report.tripped) == (
        Outcome.SKIPPED, Reason.TRIPPED, True,
    )  # fmt: skip
    assert "Crash loop detected" in stage.log.events()
    assert "run.abandoned" in stage.log.events()


FAILED = WorkReport(outcome=Outcome.FAILED, reason=Reason.UNITS_FAILED, units=(UNIT,))
DEGRADED = WorkReport(outcome=Outcome.DEGRADED, units=(UNIT,))
PARTIAL = WorkReport(outcome=Outcome.PARTIAL, reason=Reason.DEADLINE, units=(UNIT,))


@pytest.mark.parametrize(
    ("work", "faults"),
    [(DONE, 0), (DEGRADED, 0), (IDLE, 1), (FAILED, 1), (PARTIAL, 1)],
    ids=["done", "degraded", "idle", "failed", "partial"],
)
def test_only_work_that_was_done_forgives_a_mistake(work: WorkReport, faults: int) -> None:
    stage = Stage()
    stage.run(raises(ZeroDivisionError()))

    stage.run(does(work))

    assert stage.runs.switch(WORKER).faults == faults


@pytest.mark.parametrize("error", [StoreUnavailableError(""), ConfigurationError("")])
def test_what_is_not_our_mistake_does_not_count(error: Exception) -> None:
    stage = Stage()

    stage.run(raises(error))

    assert stage.runs.switch(WORKER).faults == 0


@pytest.mark.parametrize(
    ("work", "level"),
    [
        (DONE, "info"),
        (DEGRADED, "warning"),
        (WorkReport(outcome=Outcome.SKIPPED, reason=Reason.NO_ACCOUNTS), "warning"),
        (WorkReport(outcome=Outcome.SKIPPED, reason=Reason.PAUSED), "info"),
        (FAILED, "error"),
    ],
)
def test_the_log_is_as_loud_as_the_end_is_bad(work: WorkReport, level: str) -> None:
    stage = Stage()

    stage.run(does(work))

    assert stage.last()[0] == level
    assert stage.last()[1] == ("run.failed" if level == "error" else "run.finished")
