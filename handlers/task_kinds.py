"""The kind of job that looks at a task's text again, and the job that asks for it."""

import json
from collections.abc import Mapping
from uuid import UUID

from core.jobs.kinds import BadPayloadError, Effect, JobContext, JobKind
from core.jobs.model import Completed, Job, NewJob, Priority, Transaction, Verdict
from core.tasks.enrich import enriched
from core.tasks.model import TaskId

ENRICH_TASK = "enrich_task"
QUEUE = "tasks"
TASK = "task_id"


def enrich_task() -> JobKind:
    return JobKind(
        name=ENRICH_TASK,
        queue=QUEUE,
        effect=Effect.DATABASE,
        check=_check,
        perform=_perform,
        max_attempts=3,
    )


def second_look(task_id: TaskId) -> NewJob:
    """After everything else: nobody waits for it."""
    return NewJob(kind=ENRICH_TASK, payload={TASK: str(task_id)}, priority=Priority.LOW)


def _check(payload: Mapping[str, object]) -> None:
    try:
        UUID(str(payload.get(TASK)))
    except ValueError:
        raise BadPayloadError(f"{TASK} must be a task's id") from None


def _perform(job: Job, _: JobContext, /) -> Verdict:
    task_id = job.payload[TASK]

    def look(transaction: Transaction) -> None:
        # The text is read where its second look is written: it may have been erased meanwhile.
        for row in transaction.execute("tasks.text_of_task", job_id=task_id):
            found = enriched(row["description"])
            transaction.execute(
                "tasks.keep_enrichment",
                job_id=task_id,
                enrichment=json.dumps(found),
                tags=found.get("tags", []),
            )

    return Completed(effect=look)
