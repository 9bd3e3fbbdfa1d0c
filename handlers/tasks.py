"""Where tasks are put together."""

import time
import uuid
from dataclasses import dataclass
from random import Random

from core.jobs.at_once import PerformAtOnce
from core.jobs.model import JobId
from core.tasks.control import ControlTasks
from core.tasks.model import TaskId
from core.tasks.ports import TaskStore
from handlers.job_kinds import job_kinds
from handlers.opening import STOP, Opened, sleep
from handlers.task_kinds import ENRICH_TASK, second_look
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.jobs import PostgresJobs
from infra.postgres.tasks import PostgresTasks


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Everything that a request about tasks may need."""

    control: ControlTasks
    store: TaskStore
    at_once: PerformAtOnce

    def perform(self, task_id: TaskId, type_: str) -> None:
        """Done when this returns, or left to the next drain."""
        self.at_once.perform(JobId(task_id), type_)


def desk(ready: Opened) -> Desk:
    kinds = job_kinds(ready)
    store = PostgresTasks(
        database=ready.database,
        kinds=kinds,
        jobs=PostgresJobControl(ready.database, kinds),
        second_look=second_look,
    )
    at_once = PerformAtOnce(
        jobs=PostgresJobs(ready.database, kinds),
        kinds=kinds,
        new_id=uuid.uuid4,  # noqa: TID251  (as in wiring)
        ticks=time.monotonic,
        sleep=sleep,
        rng=Random(),  # noqa: S311  (jitter)
        log=ready.log,
        stop_requested=STOP.is_set,
    )
    # What looks at a task again is asked for by tasks only.
    types = frozenset(kinds) - {ENRICH_TASK}
    return Desk(control=ControlTasks(store=store, types=types), store=store, at_once=at_once)
