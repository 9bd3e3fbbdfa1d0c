"""Tasks as JSON."""

from datetime import datetime
from typing import Any

from core.report import instant
from core.tasks.model import Task, TaskEvent

DETAILS = ("params", "result", "original_text", "enrichment", "enriched_at")
_LEFT_OUT = ("error_code", "error_detail", "changed_at")


def summary_json(task: Task) -> dict[str, Any]:
    """As in a list: without what is long."""
    return {name: each for name, each in task_json(task).items() if name not in DETAILS}


def task_json(task: Task) -> dict[str, Any]:
    told = {name: told_as(getattr(task, name)) for name in Task.__slots__ if name not in _LEFT_OUT}
    return told | {
        "id": str(task.id),
        "error": error_of(task),
        "pii": {"redacted": dict(task.redacted), "was_redacted": bool(task.redacted)},
    }


def error_of(task: Task) -> str | None:
    """Its code, and what is said beside it."""
    if task.error_code is None:
        return None
    return (
        task.error_code if task.error_detail is None else f"{task.error_code}: {task.error_detail}"
    )


def status_json(task: Task) -> dict[str, Any]:
    return {
        "id": str(task.id),
        "status": task.status,
        "phase": task.phase,
        "outcome": task.outcome,
        "error": error_of(task),
        "updated_at": instant(task.updated_at),
    }


def event_json(event: TaskEvent) -> dict[str, Any]:
    return {
        "id": event.id,
        "at": instant(event.at),
        "event": event.event,
        "code": event.code,
        "detail": event.detail,
    }


def told_as(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value
