"""`/api/v1/tasks`: jobs that callers ask for, watch, begin and cancel."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Response

from core.errors import UsageError
from core.tasks import cursor as cursors
from core.tasks.model import (
    MAX_KEY,
    MAX_WORD,
    Filter,
    Mark,
    NewTask,
)
from core.tasks.model import Task as TaskNow
from core.tasks.words import read_statuses
from handlers import opening, tasks
from handlers.parameters import Parameters, names, read_instant, read_since
from handlers.rest.answers import database, problems
from handlers.rest.task_forms import Changed, Create, Events, Task, Tasks, TaskStatus
from handlers.task_views import event_json, status_json, summary_json, task_json

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"])
MOST, USUAL, MOST_EVENTS = 100, 50, 200
CREATED, ACCEPTED = 201, 202
NOWHERE = UUID(int=0)

Id = Annotated[str, Path(max_length=36, description="its id, or a beginning no other one has")]
Limit = Annotated[int, Query(ge=1, le=MOST)]
Cursor = Annotated[
    str | None, Query(max_length=cursors.LONGEST, description="the answer before this one gave it")
]
Since = Annotated[str | None, Query(max_length=64, description="2026-11-01, or a span ago: 7d")]
Words = Annotated[list[str] | None, Query(max_length=20)]


def _also(made: dict[int | str, str], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Answers with a task beside the problems."""
    tasks_made = {status: {"description": text, "model": Task} for status, text in made.items()}
    return tasks_made | problems(*statuses)


@router.post(
    "",
    response_model=Task,
    responses=_also(
        {
            200: "it was there already",
            CREATED: "a draft, or done within this request",
            ACCEPTED: "the next drain does it",
        }
    ),
)
def create(
    asked: Create,
    answer: Response,
    idempotency_key: Annotated[str | None, Header(max_length=MAX_KEY)] = None,
) -> dict[str, Any]:
    """Make a task, and do it at once where its kind is quick.

    The same task again within `dedupe_window_s`, or under the same idempotency key for ever, is the
    first one. What is personal in the text and the params is taken out before anything is stored.
    """
    wanted = _new_task(asked, idempotency_key)
    with database() as ready:
        desk = tasks.desk(ready)
        made = desk.control.create(wanted)
        if made.created and not wanted.draft:
            desk.perform(made.id, wanted.type)
        task = desk.control.one(str(made.id))
    answer.status_code = _status_of(task) if made.created else 200
    return task_json(task)


def _status_of(task: TaskNow) -> int:
    return CREATED if task.ended or task.status == "draft" else ACCEPTED


@router.get("", response_model=Tasks, responses=problems())
def list_tasks(
    *,
    status: Annotated[
        list[str] | None, Query(max_length=20, description="ours, or created, queued, running")
    ] = None,
    type: Words = None,  # noqa: A002  (the name of the parameter)
    domain: Annotated[str | None, Query(max_length=MAX_WORD)] = None,
    since: Since = None,
    search: Annotated[
        str | None, Query(max_length=200, description="in id, type, description and result")
    ] = None,
    limit: Limit = USUAL,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """What there is, newest first."""
    wanted = Filter(
        statuses=read_statuses(status or ()),
        types=names("type", type or None),
        domain=_printable("domain", domain),
        since=_since(since),
        search=_printable("search", search),
    )
    after = None if cursor is None else cursors.read(cursor)
    with database() as ready:
        found = tasks.desk(ready).store.list(wanted, after, limit)
    return {
        "total": found.total,
        "items": [summary_json(each) for each in found.tasks],
        "next_cursor": None if found.next is None else cursors.written(found.next),
    }


@router.get("/changes", response_model=Changed, responses=problems())
def changes(since: Since = None, limit: Limit = USUAL, cursor: Cursor = None) -> dict[str, Any]:
    """What has changed since the last call, each change once.

    Begin without a cursor or with `since`, then send the one that came with the answer. A change is
    told five seconds after it was made, so that none is missed that was committed late.
    """
    began = _since(since)
    after = None if began is None else Mark(at=began, id=NOWHERE)
    if cursor is not None:
        after = cursors.read(cursor)
    with database() as ready:
        found = tasks.desk(ready).store.changes(after, limit)
    return {
        "items": [summary_json(each) for each in found.tasks],
        "cursor": None if found.next is None else cursors.written(found.next),
        "more": found.more,
    }


@router.get("/{task}", response_model=Task, responses=problems(404, 409))
def one_task(task: Id) -> dict[str, Any]:
    """One task with its params and its result."""
    with database() as ready:
        return task_json(tasks.desk(ready).control.one(task))


@router.get("/{task}/status", response_model=TaskStatus, responses=problems(404, 409))
def status_of(task: Id) -> dict[str, Any]:
    """How it is, and nothing else."""
    with database() as ready:
        return status_json(tasks.desk(ready).control.one(task))


@router.get("/{task}/events", response_model=Events, responses=problems(404, 409))
def events_of(
    task: Id,
    after: Annotated[int, Query(ge=0, le=2**63 - 1, description="events after this one")] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_EVENTS)] = MOST_EVENTS,
) -> dict[str, Any]:
    """What happened to it beside the ordinary: retries, lost leases, cancels."""
    with database() as ready:
        id_, found = tasks.desk(ready).control.events(task, after, limit)
    return {"id": str(id_), "events": [event_json(each) for each in found]}


@router.post(
    "/{task}/run",
    response_model=Task,
    responses=_also({ACCEPTED: "the next drain does it"}, 404, 409),
)
def run(task: Id, answer: Response) -> dict[str, Any]:
    """Begin a draft, at once where its kind is quick; what is under way is left alone."""
    with database() as ready:
        desk = tasks.desk(ready)
        begun = desk.control.run(task)
        desk.perform(begun.id, begun.type)
        now = desk.control.one(str(begun.id))
    answer.status_code = 200 if now.ended else ACCEPTED
    return task_json(now)


@router.post("/{task}/cancel", response_model=Task, responses=problems(404, 409))
def cancel(task: Id) -> dict[str, Any]:
    """At once; where it is being done, as soon as that ends, and what it did is discarded."""
    with database() as ready:
        return task_json(tasks.desk(ready).control.cancel(task))


def _new_task(asked: Create, header: str | None) -> NewTask:
    field = asked.idempotency_key
    if header and field and header != field:
        raise UsageError("idempotency_key and the header Idempotency-Key name different keys")
    return NewTask(
        type=asked.type,
        description=asked.description,
        params=asked.params,
        domain=asked.domain,
        drift_score=asked.drift_score,
        draft=not asked.run_immediately,
        preserve_original_text=asked.preserve_original_text,
        priority=asked.priority,
        run_at=None if asked.run_at is None else read_instant("run_at", asked.run_at),
        ordering_key=asked.ordering_key,
        idempotency_key=field or header or None,
        same_within=timedelta(seconds=asked.dedupe_window_s),
    )


def _since(text: str | None) -> datetime | None:
    began = None if text is None else read_since(text)
    return Parameters(since=began).selection(opening.WallClock().now()).since


def _printable(name: str, text: str | None) -> str | None:
    if text is not None and not text.isprintable():
        raise UsageError(f"{name}: must be a text without control characters")
    return text or None
