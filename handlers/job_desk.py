"""Where jobs, their queues and what people ask of them are put together."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from core.jobs.asked_run import RunOnce
from core.jobs.control import DeadFilter, JobControl, JobReader, Retention
from core.jobs.kinds import JobKind
from core.jobs.ports import JobStore, Queues
from handlers.job_kinds import job_kinds
from handlers.opening import Opened
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.job_queues import PostgresQueues
from infra.postgres.job_view import PostgresJobView
from infra.postgres.jobs import PostgresJobs

IN_BATCHES = 500


def kinds(ready: Opened, run_once: RunOnce | None = None) -> Mapping[str, JobKind]:
    return job_kinds(ready, run_once)


def store(ready: Opened) -> JobStore:
    return PostgresJobs(ready.database, job_kinds(ready))


def reader(ready: Opened) -> JobReader:
    return PostgresJobView(ready.database, job_kinds(ready))


def control(ready: Opened) -> JobControl:
    return PostgresJobControl(ready.database, job_kinds(ready))


def retention(ready: Opened) -> Retention:
    return PostgresJobControl(ready.database, job_kinds(ready))


def queues(ready: Opened) -> Queues:
    return PostgresQueues(ready.database, _queues(ready))


def retry_all(again: JobControl, wanted: DeadFilter, most: int) -> int:
    """How many were tried again, the oldest `most` of them; each batch is a transaction of its own.

    Without an end: what dies again meanwhile would be tried again for as long as drains run.
    """
    total = 0
    while total < most and (made := again.retry_dead(wanted, min(IN_BATCHES, most - total))):
        total += made
    return total


def _queues(ready: Opened) -> AbstractSet[str]:
    return {kind.queue for kind in job_kinds(ready).values()}
