"""Jobs, queues and dead letters as JSON: the same for the command line and the REST API."""

from typing import Any

from core.jobs.control import DeadGroup, JobEvent, JobMark, QueueView
from core.jobs.model import JobId
from core.jobs.ports import JobView
from core.report import instant


def job_json(job: JobView) -> dict[str, Any]:
    """Without payload and result, which `whole_job_json` shows."""
    return {
        "id": str(job.id),
        "kind": job.kind,
        "queue": job.queue,
        "status": job.status.value,
        "phase": job.phase,
        "ordering_key": job.ordering_key,
        "priority": job.priority,
        "run_at": instant(job.run_at),
        "attempts": job.attempts,
        "max_attempts": job.max_attempts,
        "outcome": job.outcome,
        "error_code": job.error_code,
        "error_detail": job.error_detail,
        "origin": _id(job.origin),
        "created_at": instant(job.created_at),
        "updated_at": instant(job.updated_at),
        "started_at": instant(job.started_at),
        "finished_at": instant(job.finished_at),
    }


def whole_job_json(job: JobView, events: list[dict[str, Any]]) -> dict[str, Any]:
    return job_json(job) | {
        "payload": dict(job.payload or {}),
        "result": None if job.result is None else dict(job.result),
        "events": events,
    }


def event_json(event: JobEvent) -> dict[str, Any]:
    return {
        "at": instant(event.at),
        "event": event.event,
        "run_id": event.run_id,
        "code": event.code,
        "detail": event.detail,
        "data": None if event.data is None else dict(event.data),
    }


def queue_json(queue: QueueView) -> dict[str, Any]:
    return {
        "queue": queue.queue,
        "state": state_of(queue),
        "enabled": queue.enabled,
        "faults": queue.faults,
        "tripped_at": instant(queue.tripped_at),
        "probe_at": instant(queue.probe_at),
        "due": queue.due,
        "later": queue.later,
        "processing": queue.processing,
        "waiting": queue.waiting,
        "dead": queue.dead,
        "keys": queue.keys,
        "paused_keys": queue.paused_keys,
        "oldest_due_at": instant(queue.oldest_due_at),
    }


def state_of(queue: QueueView) -> str:
    if queue.tripped_at is not None:
        return "tripped"
    return "open" if queue.enabled else "paused"


def group_json(group: DeadGroup) -> dict[str, Any]:
    return {
        "queue": group.queue,
        "kind": group.kind,
        "error_code": group.error_code,
        "jobs": group.jobs,
        "oldest_at": instant(group.oldest_at),
        "newest_at": instant(group.newest_at),
        "newest": str(group.newest),
        "detail": group.detail,
    }


def mark_text(mark: JobMark | None) -> str | None:
    """Where the next page begins; `read_mark` reads it."""
    return None if mark is None else f"{mark.at.isoformat()}~{mark.id}"


def _id(job_id: JobId | None) -> str | None:
    return None if job_id is None else str(job_id)
