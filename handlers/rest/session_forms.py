"""Sessions on the wire: what callers send, and what they are answered."""

from pydantic import BaseModel, Field

from core.chat.words import MAX_TEXT
from handlers.rest.answers import Body
from handlers.rest.jobs import JobEvent


class Said(Body):
    text: str = Field(min_length=1, max_length=MAX_TEXT, description="what is said to it")


class Input(Body):
    """One of the two."""

    approval: bool | None = Field(default=None, description="true: do it; false: do not")
    answer: str | None = Field(
        default=None, min_length=1, max_length=MAX_TEXT, description="in words: yes"
    )


class Received(BaseModel):
    task_id: str
    said: str = Field(description="queued: a new task; answered: the active one was waiting for it")
    status: str
    phase: str | None
    position_in_queue: int | None = Field(description="0: the active one; null: it has ended")
    created: bool = Field(description="false: it came before under the same Idempotency-Key")
    reply: str | None = Field(description="where it is done already")


class Session(BaseModel):
    source: str
    chat_id: str
    queue_len: int = Field(description="tasks that have not ended, the active one too")
    active_id: str | None
    status: str | None = Field(description="of the active task")
    phase: str | None = Field(description="planning, plan_approval or in_progress")
    next_task_id: str | None
    paused: bool
    blocked_at: str | None = Field(description="it takes no messages since then")
    last_message_at: str | None


class Sessions(BaseModel):
    total: int
    items: list[Session] = Field(description="those with the latest messages first")
    next: str | None = Field(description="give it as `after` for the next page")


class SessionTask(BaseModel):
    id: str
    source: str
    chat_id: str
    status: str
    phase: str | None
    outcome: str | None
    position_in_queue: int | None = Field(description="0: the active one; null: it has ended")
    awaiting_input: bool = Field(description="a plan waits for its approval")
    answer_by: str | None
    text: str | None = Field(description="null: it was erased")
    plan: str | None
    reply: str | None = Field(description="what was told last")
    error: str | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class WholeSession(Session):
    tasks: list[SessionTask] = Field(
        description="the unfinished in their order, then the ended, newest first"
    )


class WholeTask(SessionTask):
    events: list[JobEvent] = Field(description="retries, lost leases and the like, oldest first")
