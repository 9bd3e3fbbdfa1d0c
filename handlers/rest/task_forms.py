"""Tasks on the wire: what callers send, and what they are answered."""

from typing import Any

from pydantic import BaseModel, Field

from core.tasks.model import LONGEST_WINDOW, MAX_KEY, MAX_WORD, PRIORITIES, SAME_WINDOW
from handlers.rest.answers import Body

LONGEST_TEXT = 60_000


class Create(Body):
    type: str = Field(min_length=1, max_length=MAX_WORD, description="the kind of job, as `test`")
    description: str = Field(
        default="", max_length=LONGEST_TEXT, description="kept without what is personal"
    )
    params: dict[str, Any] = Field(default={}, description="what its kind wants")
    domain: str | None = Field(default=None, min_length=1, max_length=MAX_WORD)
    drift_score: float = Field(default=0.0, allow_inf_nan=False)
    run_immediately: bool = Field(default=True, description="false: a draft, begun with …/run")
    preserve_original_text: bool = Field(
        default=False, description="keep the text, and the params, as they came"
    )
    priority: int | None = Field(
        default=None,
        description=f"one of {', '.join(map(str, PRIORITIES))}; null: what its tags say",
    )
    run_at: str | None = Field(
        default=None, max_length=64, description="not before: 2026-11-01T08:00:00Z"
    )
    ordering_key: str | None = Field(
        default=None, min_length=1, max_length=MAX_KEY, description="one at a time, in order"
    )
    idempotency_key: str | None = Field(
        default=None, min_length=1, max_length=MAX_KEY, description="as the header"
    )
    dedupe_window_s: float = Field(
        default=SAME_WINDOW.total_seconds(),
        ge=0,
        le=LONGEST_WINDOW.total_seconds(),
        description="the same task again within these seconds is the first one; 0: another one",
    )


class Pii(BaseModel):
    redacted: dict[str, int] = Field(description="how much of what was taken out")
    was_redacted: bool


class TaskSummary(BaseModel):
    id: str
    type: str
    status: str = Field(
        description="draft, pending, processing, waiting, completed, failed, dead or cancelled"
    )
    description: str
    domain: str | None
    drift_score: float
    event_tags: list[str]
    confidence: float = Field(description="how sure the tags are, 0 to 1")
    attributes: dict[str, Any]
    tagging_error: str | None
    pii: Pii
    priority: int
    phase: str | None
    outcome: str | None
    error: str | None
    attempts: int
    max_attempts: int
    run_at: str
    ordering_key: str | None
    cancel_asked_at: str | None
    created_at: str
    updated_at: str
    started_at: str | None
    finished_at: str | None


class Task(TaskSummary):
    params: dict[str, Any]
    result: dict[str, Any] | None
    original_text: str | None = Field(description="only where preserve_original_text asked for it")
    enrichment: dict[str, Any] | None = Field(description="what a second look found in the text")
    enriched_at: str | None


class Tasks(BaseModel):
    total: int = Field(description="all that the filters let through, on this page or not")
    items: list[TaskSummary] = Field(description="newest first")
    next_cursor: str | None = Field(description="for the next page; null: this was the last one")


class Changed(BaseModel):
    items: list[TaskSummary] = Field(description="in the order in which they changed")
    cursor: str | None = Field(description="for the next call; null: nothing has changed ever")
    more: bool = Field(description="call again at once")


class TaskStatus(BaseModel):
    id: str
    status: str
    phase: str | None
    outcome: str | None
    error: str | None
    updated_at: str


class Event(BaseModel):
    id: int
    at: str
    event: str
    code: str | None
    detail: str | None


class Events(BaseModel):
    id: str
    events: list[Event] = Field(description="oldest first")
