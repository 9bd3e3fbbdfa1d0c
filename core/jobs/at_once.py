"""One job within the request that made it, so that the answer can tell how it ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from threading import Event, Thread

from core.clock import CarriedClock, Monotonic, Sleeper
from core.context import RunContext
from core.deadline import Deadline
from core.events import Log
from core.ids import IdSource, RunId
from core.jobs.kinds import JobContext, JobKind
from core.jobs.model import Job, JobId
from core.jobs.ports import JobStore, NotClaimed
from core.jobs.settler import Settler
from core.jobs.trying import frames, try_job

LONGEST_S = 5.0
"""A kind that says it takes longer is left to the drain."""
WORKER = "task-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformAtOnce:
    """The claim and the settling are the drain's own: whoever comes by finds it leased."""

    jobs: JobStore
    kinds: Mapping[str, JobKind]
    new_id: IdSource
    ticks: Monotonic
    sleep: Sleeper
    rng: Random
    log: Log
    stop_requested: Callable[[], bool]
    longest_s: float = LONGEST_S

    def perform(self, job_id: JobId, kind: str) -> bool:
        """False: it has not ended, and the next drain does it, or whoever is at it now.

        A kind that takes longer than it said is not waited for; it settles when it is done, or
        comes back when its lease has run out.
        """
        quick = self.kinds.get(kind)
        if quick is None or quick.inline_s is None or quick.inline_s > LONGEST_S:
            return False
        run_id = RunId(self.new_id())
        job = self.jobs.claim_one(run_id, job_id, quick.lease)
        return not isinstance(job, NotClaimed) and self._waited_for(run_id, job, quick)

    def _waited_for(self, run_id: RunId, job: Job, kind: JobKind) -> bool:
        ended = Event()

        def work() -> None:
            try:
                self._try(run_id, job, kind)
                ended.set()
            except Exception as error:  # noqa: BLE001  (nobody hears of a thread's death)
                told = {"run_id": str(run_id), "job_id": str(job.id), "traceback": frames(error)}
                self.log.error("job.unsettled", **told)  # noqa: TRY400  (messages may quote a payload)

        # A daemon: a kind that hangs must not keep the process.
        thread = Thread(target=work, name=f"job {job.id}", daemon=True)
        thread.start()
        thread.join(self.longest_s)
        return ended.is_set()

    def _try(self, run_id: RunId, job: Job, kind: JobKind) -> None:
        run = self._run(run_id, job, kind)
        asked_to_end: set[JobId] = set()

        def renew() -> bool:
            held = self.jobs.renew([job], kind.lease)
            asked_to_end.update(job_id for job_id, asked in held.items() if asked)
            return job.id in held

        context = JobContext(
            clock=run.clock,
            deadline=run.deadline,
            rng=self.rng,
            log=self.log,
            renew=renew,
            cancelled=lambda: job.id in asked_to_end,
        )
        settler = Settler(jobs=self.jobs, kinds=self.kinds, run=run, sleep=self.sleep)
        settler.settle([try_job(job, kind, context, run_id)])

    def _run(self, run_id: RunId, job: Job, kind: JobKind) -> RunContext:
        """A run without a row: what is told of it stands in the job."""
        # What the lease was counted from: the database's clock.
        claimed_at = job.leased_until - kind.lease
        return RunContext(
            run_id=run_id,
            started_at=claimed_at,
            worker=WORKER,
            clock=CarriedClock(claimed_at, self.ticks(), self.ticks),
            deadline=Deadline.after(kind.inline_s, self.ticks),
            rng=self.rng,
            log=self.log,
            stop_requested=self.stop_requested,
            renew=lambda: True,
            renew_every_s=LONGEST_S,
            observe=lambda _: None,
        )
