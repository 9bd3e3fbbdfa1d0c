"""Sessions as JSON: the same for the command line and the REST API."""

from collections.abc import Sequence
from typing import Any

from core.chat.model import Chat, Phase
from core.chat.ports import Received, Session, Sessions, SessionTask
from core.jobs.control import JobEvent
from core.jobs.model import Status
from core.report import instant
from handlers.job_views import event_json


def sessions_json(found: Sessions, most: int) -> dict[str, Any]:
    full = len(found.sessions) == most
    return {
        "total": found.total,
        "items": [session_json(each) for each in found.sessions],
        "next": found.sessions[-1].chat.ordering_key if full else None,
    }


def session_json(session: Session) -> dict[str, Any]:
    return {
        **_chat(session.chat),
        "queue_len": session.queue_len,
        "active_id": _id(session.active_id),
        "status": session.active_status,
        "phase": session.active_phase,
        "next_task_id": _id(session.next_task_id),
        "paused": session.paused,
        "blocked_at": instant(session.blocked_at),
        "last_message_at": instant(session.last_message_at),
    }


def whole_session_json(session: Session, tasks: Sequence[SessionTask]) -> dict[str, Any]:
    return session_json(session) | {"tasks": [task_json(each) for each in tasks]}


def task_json(task: SessionTask) -> dict[str, Any]:
    return {
        "id": str(task.id),
        **_chat(task.chat),
        "status": task.status.value,
        "phase": task.phase,
        "outcome": task.outcome,
        "position_in_queue": task.position,
        "awaiting_input": awaits(task),
        "answer_by": instant(task.answer_by),
        "text": task.text,
        "plan": task.plan,
        "reply": task.reply,
        "error": _error(task),
        "created_at": instant(task.created_at),
        "started_at": instant(task.started_at),
        "finished_at": instant(task.finished_at),
    }


def whole_task_json(task: SessionTask, events: Sequence[JobEvent]) -> dict[str, Any]:
    return task_json(task) | {"events": [event_json(each) for each in events]}


def received_json(received: Received, task: SessionTask) -> dict[str, Any]:
    return {
        "task_id": str(received.task_id),
        "said": received.said.value,
        "status": task.status.value,
        "phase": task.phase,
        "position_in_queue": task.position,
        "created": received.created,
        "reply": task.reply,
    }


def awaits(task: SessionTask) -> bool:
    return task.status is Status.WAITING and task.phase == Phase.PLAN_APPROVAL


def _chat(chat: Chat) -> dict[str, Any]:
    return {"source": chat.source, "chat_id": chat.chat_id}


def _id(given: object) -> str | None:
    return None if given is None else str(given)


def _error(task: SessionTask) -> str | None:
    """Its code, and what is said beside it."""
    if task.error_code is None or task.error_detail is None:
        return task.error_code
    return f"{task.error_code}: {task.error_detail}"
