"""`/api/v1/sessions`: what is said to a session, its tasks, and what they wait for."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Response

from core.chat.control import NO, YES
from core.chat.naming import read_chat, read_name
from core.chat.words import MAX_CHAT_ID
from core.errors import UsageError
from handlers import sessions
from handlers.rest.answers import VIA, database, problems
from handlers.rest.session_forms import (
    Input,
    Received,
    Said,
    Sessions,
    SessionTask,
    WholeSession,
    WholeTask,
)
from handlers.session_views import (
    received_json,
    sessions_json,
    task_json,
    whole_session_json,
    whole_task_json,
)

router = APIRouter(prefix="/api/v1/sessions", tags=["sessions"])
MOST, USUAL = 100, 50
LONGEST_SOURCE, LONGEST_KEY = 32, 180
ACCEPTED = 202
SAID: dict[int | str, dict[str, Any]] = {
    200: {"description": "it came before"},
    ACCEPTED: {"description": "the next drain goes on with it", "model": Received},
}
SESSION = "/{source}/{chat_id}"
TASK = SESSION + "/tasks/{task_id}"

Source = Annotated[
    str, Path(max_length=LONGEST_SOURCE, description="the door: telegram, or a word")
]
ChatId = Annotated[str, Path(max_length=MAX_CHAT_ID, description="the chat behind that door")]
TaskId = Annotated[str, Path(max_length=36, description="its id, or a beginning no other one has")]
Key = Annotated[
    str | None,
    Header(max_length=LONGEST_KEY, description="the same one again changes nothing"),
]


@router.get("", response_model=Sessions, responses=problems())
def list_sessions(
    limit: Annotated[int, Query(ge=1, le=MOST)] = USUAL,
    after: Annotated[str | None, Query(max_length=200, description="`next` of a page")] = None,
) -> dict[str, Any]:
    """Sessions, those with the latest messages first."""
    mark = None if after is None else read_name(after)
    with database() as ready:
        return sessions_json(sessions.store(ready).sessions(limit, mark), limit)


@router.get(SESSION, response_model=WholeSession, responses=problems(404))
def one_session(source: Source, chat_id: ChatId) -> dict[str, Any]:
    """One session with its tasks."""
    chat = read_chat(source, chat_id)
    with database() as ready:
        return whole_session_json(*sessions.control(ready, VIA).one(chat))


@router.post(
    SESSION + "/messages",
    response_model=Received,
    responses=SAID | problems(),
)
def say(
    source: Source, chat_id: ChatId, asked: Said, answer: Response, idempotency_key: Key = None
) -> dict[str, Any]:
    """Say something: a new task, last in the queue, or the answer that the active one waits for.

    A chat of Telegram must be one of TELEGRAM_ALLOWED_CHAT_IDS; the replies go there.
    """
    chat = read_chat(source, chat_id)
    with database() as ready:
        control = sessions.control(ready, VIA)
        received = control.say(chat, asked.text, idempotency_key)
        answer.status_code = ACCEPTED if received.created else 200
        return received_json(received, control.task(chat, str(received.task_id)))


@router.get(TASK, response_model=WholeTask, responses=problems(404, 409))
def one_task(source: Source, chat_id: ChatId, task_id: TaskId) -> dict[str, Any]:
    """One task: how it is, its place in the queue, what was told last, and its errors."""
    chat = read_chat(source, chat_id)
    with database() as ready:
        control = sessions.control(ready, VIA)
        found = control.task(chat, task_id)
        return whole_task_json(found, control.events(found))


@router.post(TASK + "/input", response_model=SessionTask, responses=problems(404, 409))
def give_input(
    source: Source, chat_id: ChatId, task_id: TaskId, asked: Input, idempotency_key: Key = None
) -> dict[str, Any]:
    """Approve its plan, reject it, or say it in words; 409 where it waits for nothing."""
    chat, text = read_chat(source, chat_id), _words(asked)
    with database() as ready:
        control = sessions.control(ready, VIA)
        return task_json(control.answer(control.task(chat, task_id), text, idempotency_key))


@router.post(TASK + "/cancel", response_model=SessionTask, responses=problems(404, 409))
def cancel(source: Source, chat_id: ChatId, task_id: TaskId) -> dict[str, Any]:
    """End it, at once or as soon as what is being done ends; then the next one begins."""
    chat = read_chat(source, chat_id)
    with database() as ready:
        control = sessions.control(ready, VIA)
        return task_json(control.cancel(control.task(chat, task_id)))


def _words(asked: Input) -> str:
    if (asked.approval is None) == (asked.answer is None):
        raise UsageError("send either approval (true or false) or answer (a text)")
    if asked.answer is not None:
        return asked.answer
    return YES if asked.approval else NO
