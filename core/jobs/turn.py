"""Some jobs, one after the other, in a thread of their own that may be left behind."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from queue import SimpleQueue
from threading import Event, Lock, Thread

from core.clock import Monotonic
from core.context import RunContext
from core.deadline import Deadline
from core.errors import StoreUnavailableError
from core.jobs.kinds import Effect, JobContext, JobKind
from core.jobs.model import Job, JobId, Settling
from core.jobs.ports import JobStore, Settled
from core.jobs.settler import Settlement, Settler
from core.jobs.trying import frames, try_job

Took = dict[str | None, float]
"""Seconds of work, by ordering key."""

TURN_S = 5.0
"""Jobs not begun after so long are given back: other threads, and other drains, may be idle."""
KEPT_S = 2.0
FRESH_S = 1.0
NEVER = float("-inf")
"""A claim is no renewal: the process may have stood still since."""
SOONEST_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the turns of one run share. `closing`: nothing more is begun."""

    run: RunContext
    jobs: JobStore
    kinds: Mapping[str, JobKind]
    settler: Settler
    lease: timedelta
    inbox: "SimpleQueue[News]"
    closing: Event

    def lease_of(self, job: Job) -> timedelta:
        kind = self.kinds.get(job.kind)
        return self.lease if kind is None else min(kind.lease, self.lease)


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """From a turn to the coordinating thread. `ended`: it is over; `broken`: by our own fault.

    `took`: as of Turn, of these.
    """

    turn: "Turn"
    settled: Settlement = field(default_factory=list)
    took: Took = field(default_factory=dict)
    released: int = 0
    ended: bool = False
    broken: bool = False
    away: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What a turn had in its hands: the job at work, some that are done, some not begun."""

    current: Sequence[Job]
    for_s: float
    kept: Sequence[Settled]
    took: Took
    waiting: Sequence[Job]


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """`lost`, `cancelled`: seen at a renewal.

    `settling`: it is writing down what became of some jobs, which it has in its hands no more.
    """

    tools: Tools
    queue: str
    waiting: deque[Job]
    lost: set[JobId] = field(default_factory=set)
    cancelled: set[JobId] = field(default_factory=set)
    settling: bool = False
    _ticks: Monotonic = field(init=False)
    _ends_at: float = field(init=False)
    _current: Job | None = None
    _current_at: float = 0.0
    _renewed_at: float = NEVER
    _kept: list[Settled] = field(default_factory=list)
    _kept_at: float = 0.0
    _took: Took = field(default_factory=dict)
    _cut: bool = False
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._ticks = self.tools.run.clock.monotonic
        latest = self.tools.run.deadline.at - SOONEST_S
        self._ends_at = min(self._ticks() + TURN_S, latest)

    def start(self) -> None:
        # A daemon: a job that hangs must not keep the process, whose run has long been reported.
        Thread(target=self._run, name=f"jobs {self.queue}", daemon=True).start()

    def held(self) -> Sequence[Job]:
        """Every job whose lease must live on."""
        with self._lock:
            return [*self._at_work(), *(each.job for each in self._kept), *self.waiting]

    def note(self, jobs: Sequence[Job], renewed: Mapping[JobId, bool]) -> None:
        """What a renewal of these said."""
        self.lost |= {job.id for job in jobs if job.id not in renewed}
        self.cancelled |= {job_id for job_id, asked in renewed.items() if asked}

    def overdue(self) -> bool:
        """The job at work has had all the time that its kind may take."""
        with self._lock:
            if self._current is None:
                return False
            kind = self.tools.kinds.get(self._current.kind)
            longest = None if kind is None else kind.longest.total_seconds()
            return longest is not None and self._ticks() - self._current_at > longest

    def cut(self) -> Cut:
        """Take everything out of its hands; what it still says is not heard."""
        with self._lock:
            self._cut = True
            cut = Cut(
                current=self._at_work(),
                for_s=self._ticks() - self._current_at,
                kept=self._kept,
                took=self._took,
                waiting=list(self.waiting),
            )
            self._current = None
            self._kept, self._took = [], {}
            self.waiting.clear()
            return cut

    def _at_work(self) -> list[Job]:
        return [] if self._current is None else [self._current]

    def _run(self) -> None:
        try:
            self._work()
            released = self._release()
            self._tell(News(turn=self, released=released, ended=True))
        except StoreUnavailableError as error:
            self._tell(News(turn=self, ended=True, away=str(error)))
        except Exception as error:  # noqa: BLE001  (a thread that dies unheard is waited for)
            self._tell_broken(error)
            self._tell(News(turn=self, released=self._released(), ended=True, broken=True))

    def _tell_broken(self, error: Exception) -> None:
        self.tools.run.log.error(
            "jobs.unsettled",
            run_id=str(self.tools.run.run_id),
            queue=self.queue,
            error=type(error).__name__,
            traceback=frames(error),
        )

    def _work(self) -> None:
        while (job := self._next()) is not None:
            done = self._try(job)
            if not self._keep(done):
                return
            if self._is_to_settle(done):
                self._settle()
        self._settle()

    def _next(self) -> Job | None:
        now = self._ticks()
        with self._lock:
            while self.lost and self.waiting and self.waiting[0].id in self.lost:
                self.waiting.popleft()
            if not self.waiting or self._is_over(now):
                return None
            self._current = self.waiting.popleft()
            self._current_at, self._renewed_at = now, NEVER
            return self._current

    def _is_over(self, now: float) -> bool:
        ended = self.tools.closing.is_set() or self.tools.run.stop_requested()
        return self._cut or ended or now > self._ends_at

    def _try(self, job: Job) -> Settled:
        run, kind = self.tools.run, self.tools.kinds.get(job.kind)
        context = JobContext(
            clock=run.clock,
            deadline=self._deadline(kind),
            rng=run.rng,
            log=run.log,
            renew=lambda: self._renew(job),
            cancelled=lambda: job.id in self.cancelled,
        )
        return try_job(job, kind, context, run.run_id)

    def _deadline(self, kind: JobKind | None) -> Deadline:
        run = self.tools.run.deadline
        longest = 0.0 if kind is None else kind.longest.total_seconds()
        return Deadline(min(run.at, self._current_at + longest), run.ticks, run.margin_s)

    def _renew(self, job: Job) -> bool:
        """A database that is away is no loss: a lease outlives two tries."""
        if self._ticks() - self._renewed_at >= FRESH_S:
            self._renewed_at = self._ticks()
            try:
                self.note([job], self.tools.jobs.renew([job], self.tools.lease_of(job)))
            except StoreUnavailableError as error:
                self.tools.run.log.warning("lease.renewal_failed", error=str(error))
        return job.id not in self.lost

    def _keep(self, done: Settled) -> bool:
        """False: it was cut off, and somebody else has settled it."""
        now, key = self._ticks(), done.job.ordering_key
        with self._lock:
            if self._cut:
                return False
            self._took[key] = self._took.get(key, 0.0) + now - self._current_at
            self._current = None
            if not self._kept:
                self._kept_at = now
            self._kept.append(done)
            return True

    def _is_to_settle(self, done: Settled) -> bool:
        """At once after an effect; cheap ones together, but not long after they were done."""
        kind = self.tools.kinds.get(done.job.kind)
        has_effect = kind is not None and kind.effect is not Effect.NONE
        writes = isinstance(done.verdict, Settling) and done.verdict.effect is not None
        return has_effect or writes or self._ticks() - self._kept_at > KEPT_S

    def _settle(self) -> None:
        with self._lock:
            done, took = self._kept, self._took
            self._kept, self._took = [], {}
            self.settling = bool(done)
        if done:
            self._tell(News(turn=self, settled=self.tools.settler.settle(done), took=took))
            self.settling = False

    def _released(self) -> int:
        """What was not begun is none the worse for what could not be written down."""
        try:
            return self._release()
        except StoreUnavailableError:
            return 0

    def _release(self) -> int:
        with self._lock:
            left = [job for job in self.waiting if job.id not in self.lost]
            self.waiting.clear()
        if left:
            self.tools.jobs.release(left)
        return len(left)

    def _tell(self, news: News) -> None:
        self.tools.inbox.put(news)
