"""`/api/v1/queues`: whether they are open, and what is in them."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from core.jobs.control import COUNTED, NoSuchQueueError
from handlers import job_desk
from handlers.job_asks import word
from handlers.job_views import queue_json
from handlers.rest.answers import database, problems

router = APIRouter(prefix="/api/v1/queues", tags=["jobs"])


class Queue(BaseModel):
    queue: str
    state: str = Field(description="open, paused or tripped")
    enabled: bool
    faults: int = Field(description="failures of our own in a row; the tenth trips it")
    tripped_at: str | None
    probe_at: str | None = Field(description="when one job of a tripped queue is tried")
    due: int
    later: int
    processing: int
    waiting: int
    dead: int
    keys: int
    paused_keys: int
    oldest_due_at: str | None


class Queues(BaseModel):
    queues: list[Queue] = Field(description=f"counts end at {COUNTED}")


class Switched(BaseModel):
    queue: str
    enabled: bool


@router.get("", response_model=Queues, responses=problems())
def list_queues() -> dict[str, Any]:
    """Every queue with jobs, or with a switch of its own."""
    with database() as ready:
        return {"queues": [queue_json(each) for each in job_desk.reader(ready).queues()]}


@router.post("/{queue}/pause", response_model=Switched, responses=problems(404))
def pause_queue(queue: str) -> dict[str, Any]:
    """Nothing of it is begun any more; what is at work ends."""
    return _switched(queue, enabled=False)


@router.post("/{queue}/resume", response_model=Switched, responses=problems(404))
def resume_queue(queue: str) -> dict[str, Any]:
    """Its jobs may begin again, also after ten failures in a row."""
    return _switched(queue, enabled=True)


def _switched(queue: str, *, enabled: bool) -> dict[str, Any]:
    name = word("queue", queue) or ""
    with database() as ready:
        if not job_desk.queues(ready).switch(name, enabled=enabled):
            raise NoSuchQueueError(f"there is no queue {name!r}")
    return {"queue": name, "enabled": enabled}
