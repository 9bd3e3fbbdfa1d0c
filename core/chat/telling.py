"""What a person is told, and the job that sends it."""

import re
from datetime import datetime

from core.chat.model import TELEGRAM, Chat
from core.chat.ports import Asked, Untold
from core.jobs.model import JobId, NewJob, Status
from core.jobs.trying import clean

SEND = "notify.telegram"
MAX_TOLD = 8000
"""Characters: more would take more messages than one job sends."""
MAX_PLAN = 6000
MAX_KEPT = 40_000
NOTHING_SAID = "Done."
QUESTION = "Reply yes to do this, or no to drop it; you have time until {:%Y-%m-%d %H:%M} UTC."
NOT_UNDERSTOOD = "That was neither a clear yes nor a clear no, so nothing is done yet."
UNSEEN = "You have not seen this plan yet, so nothing is done yet."
DROPPED = "Dropped; nothing was done."
TOO_LATE = "Nobody answered within 24 hours, so this was dropped; nothing was done:"
_NUMBER = re.compile(r"-?[0-9]+")
_IN_PART = "Part of it may be done: look before you ask again."
_DIED = {
    "timed_out": "took longer than ten minutes and was given up",
    "attempts_exhausted": "stopped its worker each time it was tried, and is not tried again",
    "bad_payload": "could not be read",
}


def short(task_id: JobId) -> str:
    return str(task_id)[:8]


def kept(text: str) -> str:
    """As it is stored: never empty, for an empty reply looks like none."""
    return clean(text, MAX_KEPT).strip() or NOTHING_SAID


def sending(chat: Chat, task_id: JobId, text: str, key: str) -> tuple[NewJob, ...]:
    """In order per chat, for its kind has a key of the chat; none for chats that are read."""
    if chat.source != TELEGRAM:
        return ()
    number = int(chat.chat_id) if _NUMBER.fullmatch(chat.chat_id) else chat.chat_id
    payload = {"chat_id": number, "text": _fitting(text, task_id)}
    return (NewJob(kind=SEND, payload=payload, idempotency_key=f"chat:{task_id}:{key}"),)


def _fitting(text: str, task_id: JobId) -> str:
    if len(text) <= MAX_TOLD:
        return text
    return f"{text[:MAX_TOLD].rstrip()} …\n(shortened; all of it: `sessions show {short(task_id)}`)"


def question(plan: str, answer_by: datetime) -> str:
    """What is asked must be read, however long the plan is."""
    shown = plan if len(plan) <= MAX_PLAN else f"{plan[:MAX_PLAN].rstrip()} …\n(shortened)"
    return f"{shown}\n\n{QUESTION.format(answer_by)}"


def asked_again(asked: Asked) -> str:
    why = NOT_UNDERSTOOD if asked.shown else UNSEEN
    return f"{why}\n\n{question(asked.plan, asked.answer_by)}"


def ending(task: Untold) -> str:
    """How a task ended that could not say so itself."""
    name = f"Task {short(task.id)}"
    look = f"`sessions show {short(task.id)}` says more."
    if task.status is Status.CANCELLED:
        begun = f" {_IN_PART}" if task.started else ""
        return f"{name} was cancelled.{begun}"
    if task.status is Status.COMPLETED:
        return f"{name} is done. {look}"
    why = _DIED.get(task.error_code or "", "failed, and is not tried again")
    return f"{name} {why}. {_IN_PART} {look}" if task.started else f"{name} {why}. {look}"
