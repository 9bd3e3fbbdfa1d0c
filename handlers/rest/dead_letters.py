"""`/api/v1/dead-letters`: dead jobs by cause; trying them again, or saying that nobody need."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from core.jobs.control import DeadFilter, NoSuchJobError
from core.jobs.model import Status
from core.jobs.ports import JobView
from handlers import job_desk
from handlers.job_asks import ago, word
from handlers.job_views import event_json, group_json, whole_job_json
from handlers.opening import Opened, WallClock
from handlers.rest.answers import Body, database, problems
from handlers.rest.jobs import Changed, Made, WholeJob

router = APIRouter(prefix="/api/v1/dead-letters", tags=["jobs"])
AT_ONCE = 500


class Group(BaseModel):
    queue: str
    kind: str
    error_code: str
    jobs: int
    oldest_at: str
    newest_at: str
    newest: str = Field(description="the id of the newest")
    detail: str | None = Field(description="the newest one's")


class Groups(BaseModel):
    dead: list[Group]


class RetryAll(Body):
    """Empty: all there are."""

    queue: str | None = Field(default=None, max_length=512)
    kind: str | None = Field(default=None, max_length=512)
    code: str | None = Field(default=None, max_length=128)
    since: str | None = Field(default=None, max_length=64)
    dry_run: bool = Field(default=False, description="count them, and change nothing")


class Retried(BaseModel):
    matching: int
    retried: int
    more: bool = Field(description="call again: there are others")


class Discard(Body):
    reason: str = Field(min_length=1, max_length=500)


@router.get("", response_model=Groups, responses=problems())
def list_dead(
    queue: Annotated[str | None, Query(max_length=512)] = None,
    kind: Annotated[str | None, Query(max_length=512)] = None,
    code: Annotated[str | None, Query(max_length=128)] = None,
    since: Annotated[str | None, Query(max_length=64, description="2026-11-01, or 7d")] = None,
) -> dict[str, Any]:
    """Dead jobs that nobody has tried again, by cause."""
    wanted = _wanted(queue, kind, code, since)
    with database() as ready:
        return {"dead": [group_json(each) for each in job_desk.reader(ready).dead(wanted)]}


@router.get("/{job}", response_model=WholeJob, responses=problems(404, 409))
def one_dead(job: str) -> dict[str, Any]:
    """One dead job, with its payload and events."""
    with database() as ready:
        found = _dead(ready, job)
        events = job_desk.reader(ready).events(found.id)
        return whole_job_json(found, [event_json(each) for each in events])


@router.post("/retry", response_model=Retried, responses=problems())
def retry_all(asked: RetryAll) -> dict[str, Any]:
    """A new job for each dead one that matches; at most 500 in one call."""
    wanted = _wanted(asked.queue, asked.kind, asked.code, asked.since)
    with database() as ready:
        matching = sum(group.jobs for group in job_desk.reader(ready).dead(wanted))
        made = 0 if asked.dry_run else job_desk.control(ready).retry_dead(wanted, AT_ONCE)
    return {"matching": matching, "retried": made, "more": made == AT_ONCE}


@router.post("/{job}/retry", response_model=Made, responses=problems(404, 409))
def retry_dead(job: str) -> dict[str, Any]:
    """A new job for it; the second time, the id of the first."""
    with database() as ready:
        made = job_desk.control(ready).retry(_dead(ready, job).id)
    return {"id": str(made.id), "created": made.created}


@router.post("/{job}/discard", response_model=Changed, responses=problems(404, 409))
def discard_dead(job: str, asked: Discard) -> dict[str, Any]:
    """It needs no retry: it stays dead, with the reason, and is listed here no more."""
    with database() as ready:
        found = _dead(ready, job)
        job_desk.control(ready).discard(found.id, asked.reason)
    return {"id": str(found.id), "status": found.status}


def _wanted(queue: str | None, kind: str | None, code: str | None, since: str | None) -> DeadFilter:
    return DeadFilter(
        queue=word("queue", queue),
        kind=word("kind", kind),
        error_code=word("code", code),
        since=ago(since, WallClock().now()),
    )


def _dead(ready: Opened, job: str) -> JobView:
    found = job_desk.reader(ready).find(job)
    if found.status is not Status.DEAD:
        raise NoSuchJobError(f"the job {found.id} is {found.status}, not dead")
    return found
