"""Where `queue-drain` is put together."""

import sys
from collections.abc import Callable
from datetime import timedelta

from core.context import RunContext
from core.errors import UsageError
from core.jobs.asked_run import RunOnce
from core.jobs.lanes import Selection
from core.jobs.worker import DrainQueue
from core.report import WorkReport
from handlers import job_desk
from handlers.firing import LateSchedules
from handlers.opening import Opened, sleep
from handlers.parameters import Parameters
from handlers.watching import LateWatch

QUEUE_DRAIN = "queue-drain"
SWITCH_S = 0.0005


def queue_drain(
    ready: Opened, parameters: Parameters, run_once: RunOnce | None = None
) -> Callable[[RunContext], WorkReport]:
    """The work of `queue-drain`; wrong names are found before the run begins.

    `run_once`: how a job runs another worker.
    """
    _refuse_others(parameters)
    worker = drain_queue(ready, run_once)
    selection = Selection(kinds=parameters.kinds, queues=parameters.queues)
    _refuse_unknown(worker, selection)

    def work(context: RunContext) -> WorkReport:
        if parameters.dry_run:
            return worker.preview(context, selection)
        # The thread that claims has little to compute between two answers of the database; after
        # each it would wait Python's 5 ms for the one that performs jobs, and the database as well.
        sys.setswitchinterval(SWITCH_S)
        return worker.run_once(context, selection)

    return work


def drain_queue(ready: Opened, run_once: RunOnce | None = None) -> DrainQueue:
    kinds = job_desk.kinds(ready, run_once)
    return DrainQueue(
        jobs=job_desk.store(ready),
        queues=job_desk.queues(ready),
        schedules=LateSchedules(ready, kinds),
        kinds=kinds,
        retention=job_desk.retention(ready),
        sleep=sleep,
        parallel=ready.settings.workers_max_parallel,
        lease=timedelta(seconds=ready.settings.lease_s),
        keep=timedelta(days=ready.settings.retention_days),
        watch=LateWatch(ready, kinds),
    )


def _refuse_others(parameters: Parameters) -> None:
    if parameters.names_units:
        raise UsageError(f"{QUEUE_DRAIN} has no accounts, streams and past; name queues or kinds")
    if parameters.take_over:
        raise UsageError(
            f"runs of {QUEUE_DRAIN} share the work, so there is nothing to take over: jobs of one"
            " that died are done when their leases have run out"
        )


def _refuse_unknown(worker: DrainQueue, selection: Selection) -> None:
    for kind in selection.kinds:
        if kind not in worker.kinds:
            known = ", ".join(sorted(worker.kinds))
            raise UsageError(f"there is no kind of job {kind!r}; there are: {known}")
    if selection.queues:
        known_queues = {each.queue for each in worker.queues.look()}
        known_queues |= {kind.queue for kind in worker.kinds.values()}
        for queue in selection.queues:
            if queue not in known_queues:
                raise UsageError(f"there is no queue {queue!r}; see `queues list`")
