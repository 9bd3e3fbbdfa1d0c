"""A drain over queues in memory, with kinds that do what a test says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from core.context import RunContext
from core.jobs.kinds import Backoff, BadPayloadError, Effect, JobContext, JobKind
from core.jobs.lanes import Selection
from core.jobs.model import Completed, Job, JobId, NewJob, Verdict
from core.jobs.ports import Fired
from core.jobs.worker import DrainQueue
from core.report import WorkReport
from tests.support.memory_jobs import MemoryJobs, Row
from tests.support.sync_fakes import Run

EXACTLY = Backoff(base=60.0, cap=3600.0, spread=0.0)


def no_check(_: Mapping[str, object]) -> None:
    return


def needs_text(payload: Mapping[str, object]) -> None:
    if "text" not in payload:
        raise BadPayloadError("text: is missing")


def done(_: Job, __: JobContext) -> Verdict:
    return Completed()


def kind(
    name: str,
    perform: Callable[[Job, JobContext], Any] = done,
    *,
    queue: str = "default",
    effect: Effect = Effect.NONE,
    **more: Any,
) -> JobKind:
    batch = {"batch": 1} if effect is Effect.OUTSIDE else {}
    asked = {"check": no_check, "backoff": EXACTLY, **batch, **more}
    return JobKind(name=name, queue=queue, effect=effect, perform=perform, **asked)


@dataclass
class FiredJobs:
    jobs: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    more: bool = False


@dataclass
class FakeSchedules:
    """`act`: what firing does, and how many jobs it makes."""

    act: Callable[[], int] = lambda: 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    more: bool = False

    def fire(self, context: RunContext) -> Fired:
        return FiredJobs(jobs=self.act(), skipped=self.skipped, more=self.more)


@dataclass
class FakeRetention:
    """`left`: so many may be forgotten; `asked`: until when, each time."""

    left: int = 0
    asked: list[datetime] = field(default_factory=list)
    error: Exception | None = None

    def forget(self, before: datetime, most: int) -> int:
        self.asked.append(before)
        if self.error is not None:
            raise self.error
        forgotten = min(self.left, most)
        self.left -= forgotten
        return forgotten


class LooseJobs(MemoryJobs):
    """Whose methods a test may replace."""


@dataclass
class Yard:
    """`jobs` is what the drain works on; `run` what its runs happen in."""

    kinds: Mapping[str, JobKind]
    run: Run = field(default_factory=Run)
    parallel: int = 2
    schedules: FakeSchedules = field(default_factory=FakeSchedules)
    retention: FakeRetention = field(default_factory=FakeRetention)
    jobs: LooseJobs = field(init=False)

    def __post_init__(self) -> None:
        self.jobs = LooseJobs(now=self.run.clock.now, kinds=self.kinds)

    def put(self, kind: str, payload: Mapping[str, object] | None = None, **more: Any) -> JobId:
        return self.jobs.enqueue([NewJob(kind=kind, payload=payload or {}, **more)])[0].id

    def row(self, job_id: JobId) -> Row:
        return self.jobs.rows[job_id]

    def worker(self, **changes: Any) -> DrainQueue:
        ports = {
            "jobs": self.jobs,
            "queues": self.jobs,
            "schedules": self.schedules,
            "kinds": self.kinds,
            "sleep": self.run.clock.advance,
            "parallel": self.parallel,
            "lease": timedelta(seconds=60),
            "retention": self.retention,
            "keep": timedelta(days=30),
        }
        return DrainQueue(**{**ports, **changes})

    def drain(self, *, limit_s: float | None = None, **selection: tuple[str, ...]) -> WorkReport:
        self.run.limit_s = limit_s
        return self.worker().run_once(self.run.context(), Selection(**selection))


def yard(*kinds: JobKind, **more: Any) -> Yard:
    return Yard({each.name: each for each in kinds}, **more)
