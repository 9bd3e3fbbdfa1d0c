"""`/api/v1/jobs`: what was asked for and what came of it; making, ending, trying again."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field

from core.jobs.control import JobFilter
from core.jobs.model import MAX_ATTEMPTS, MAX_KEY, NewJob, Status
from handlers import job_desk
from handlers.job_asks import ago, read_at, read_mark, read_priority, word
from handlers.job_views import event_json, job_json, mark_text, whole_job_json
from handlers.opening import WallClock
from handlers.rest.answers import Body, database, problems

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])
MOST = 200
Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY)]


class Urgency(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    URGENT = "urgent"


class Job(BaseModel):
    id: str
    kind: str
    queue: str
    status: Status
    phase: str | None
    ordering_key: str | None
    priority: int
    run_at: str
    attempts: int
    max_attempts: int
    outcome: str | None
    error_code: str | None
    error_detail: str | None
    origin: str | None = Field(description="the dead or failed job that this one tries again")
    created_at: str
    updated_at: str
    started_at: str | None
    finished_at: str | None


class JobEvent(BaseModel):
    at: str
    event: str
    run_id: str | None
    code: str | None
    detail: str | None
    data: dict[str, Any] | None


class WholeJob(Job):
    payload: dict[str, Any]
    result: dict[str, Any] | None
    events: list[JobEvent]


class Jobs(BaseModel):
    jobs: list[Job] = Field(description="newest first")
    total: int = Field(description="all that the filters let through")
    next: str | None = Field(description="give it as `after` for the next page")


class Made(BaseModel):
    id: str
    created: bool = Field(description="false: a job with the same key stood there already")


class Changed(BaseModel):
    id: str
    status: Status


class JobAsked(Body):
    kind: str = Field(max_length=MAX_KEY)
    payload: dict[str, Any] = Field(default_factory=dict)
    queue: Key | None = None
    ordering_key: Key | None = Field(
        default=None, description="jobs of one key run in order, one at a time"
    )
    priority: Urgency = Field(default=Urgency.NORMAL, strict=False)
    run_at: str | None = Field(
        default=None, max_length=64, description="2026-12-01T08:00:00Z, or a span from now: 10m"
    )
    max_attempts: int | None = Field(default=None, ge=1, le=MAX_ATTEMPTS)
    dedupe_key: Key | None = Field(default=None, description="made once until it has ended")
    draft: bool = Field(default=False, description="not before it is run")


@router.get("", response_model=Jobs, responses=problems())
def list_jobs(
    *,
    status: Annotated[list[Status] | None, Query(description="only these")] = None,
    queue: Annotated[list[str] | None, Query(description="of these queues only")] = None,
    kind: Annotated[list[str] | None, Query(description="of these kinds only")] = None,
    key: Annotated[str | None, Query(max_length=MAX_KEY, description="ordering key")] = None,
    code: Annotated[str | None, Query(max_length=128, description="error code")] = None,
    since: Annotated[str | None, Query(max_length=64, description="2026-11-01, or 7d")] = None,
    search: Annotated[str | None, Query(max_length=200)] = None,
    after: Annotated[str | None, Query(max_length=100, description="`next` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
) -> dict[str, Any]:
    """Jobs, newest first."""
    wanted = JobFilter(
        statuses=status or (),
        queues=[each for name in queue or () if (each := word("queue", name))],
        kinds=[each for name in kind or () if (each := word("kind", name))],
        ordering_key=word("key", key),
        error_code=word("code", code),
        since=ago(since, WallClock().now()),
        search=word("search", search),
    )
    mark = read_mark(after)
    with database() as ready:
        page = job_desk.reader(ready).page(wanted, mark, limit)
    jobs = [job_json(each) for each in page.jobs]
    return {"jobs": jobs, "total": page.total, "next": mark_text(page.next)}


@router.get("/{job}", response_model=WholeJob, responses=problems(404, 409))
def one_job(job: str) -> dict[str, Any]:
    """One job, by its id or the beginning of it, with its payload, result and events."""
    with database() as ready:
        reader = job_desk.reader(ready)
        found = reader.find(job)
        return whole_job_json(found, [event_json(each) for each in reader.events(found.id)])


@router.post("", response_model=Made, responses=problems())
def make_job(
    asked: JobAsked,
    idempotency_key: Annotated[
        str | None, Header(max_length=MAX_KEY, description="the same one makes no second job")
    ] = None,
) -> dict[str, Any]:
    """Make a job; the next drain does it when it is due."""
    job = NewJob(
        kind=asked.kind,
        payload=asked.payload,
        queue=asked.queue,
        ordering_key=asked.ordering_key,
        priority=read_priority(asked.priority.value),
        run_at=None if asked.run_at is None else read_at(asked.run_at, WallClock().now()),
        max_attempts=asked.max_attempts,
        idempotency_key=idempotency_key or None,
        dedupe_key=asked.dedupe_key,
        draft=asked.draft,
    )
    with database() as ready:
        [made] = job_desk.store(ready).enqueue([job])
    return {"id": str(made.id), "created": made.created}


@router.post("/{job}/run", response_model=Changed, responses=problems(404, 409))
def run_job(job: str) -> dict[str, Any]:
    """Put a draft in line, or make a delayed job due now."""
    with database() as ready:
        found = job_desk.reader(ready).find(job)
        return {"id": str(found.id), "status": job_desk.control(ready).run_now(found.id)}


@router.post("/{job}/cancel", response_model=Changed, responses=problems(404, 409))
def cancel_job(job: str) -> dict[str, Any]:
    """End it; one that is at work ends as cancelled when that is over, its result discarded."""
    with database() as ready:
        found = job_desk.reader(ready).find(job)
        return {"id": str(found.id), "status": job_desk.control(ready).cancel(found.id)}


@router.post("/{job}/retry", response_model=Made, responses=problems(404, 409))
def retry_job(job: str) -> dict[str, Any]:
    """A new job for a dead or failed one; the second time, the id of the first."""
    with database() as ready:
        found = job_desk.reader(ready).find(job)
        made = job_desk.control(ready).retry(found.id)
    return {"id": str(made.id), "created": made.created}
