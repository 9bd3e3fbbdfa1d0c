"""`/api/v1/streams`: how each account's streams are; pausing, resuming and rewinding them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from core.streams.control import ControlStreams
from handlers.parameters import names, read_since
from handlers.rest.answers import VIA, Body, database, problems
from handlers.stream_control import control_streams, judge
from handlers.stream_views import listing, plan_json

router = APIRouter(prefix="/api/v1/streams", tags=["streams"])
UNIT = "/{account:path}/{stream}"


class Rewind(BaseModel):
    id: int
    at: str
    via: str
    reason: str | None
    old_cursor: str | None
    new_cursor: str
    undone_at: str | None


class OpenPass(BaseModel):
    due_at: str | None
    last_success_at: str | None
    failures: int
    last_reason: str | None


class Stream(BaseModel):
    account: str
    environment: str
    stream: str
    state: str = Field(
        description="on_time, late, running, failing, paused, off, never or action_required"
    )
    label: str
    sentence: str | None
    enabled: bool
    interval_s: int
    cursor: str | None = Field(description="everything up to here is stored")
    behind_s: int | None
    progress_percent: int | None
    due_at: str | None
    last_attempt_at: str | None
    last_success_at: str | None
    failures: int
    last_reason: str | None
    last_error: str | None
    switched_at: str | None
    switched_via: str | None
    open_pass: OpenPass | None
    rewind: Rewind | None


class Streams(BaseModel):
    streams: list[Stream]


class Switched(Streams):
    changed: int = Field(description="how many streams were not so before")


class Interval(Body):
    interval_s: int = Field(ge=0, le=30 * 86_400, description="0 switches it off")


class RewindTo(Body):
    to: str = Field(
        max_length=64, description="2026-10-01, 2026-10-01T08:00:00Z, or a span ago: 7d"
    )
    reason: str | None = Field(default=None, max_length=500)
    dry_run: bool = Field(default=False, description="tell the cost and change nothing")


class Plan(BaseModel):
    """What is read again, and about what that costs."""

    account: str
    stream: str
    from_: str | None = Field(alias="from")
    to: str
    rows: int
    rows_stored: int | None
    rows_a_day: float | None
    windows: int
    pages: int
    calls: int
    api: str
    calls_left: int
    call_limit: int
    calls_reset_at: str | None
    affordable: bool
    estimate: str


class Rewound(BaseModel):
    changed: bool = Field(description="false: it was so already, or this was a dry run")
    plan: Plan
    stream: Stream


class Undone(BaseModel):
    changed: bool = Field(description="false: it was undone already")
    stream: Stream


@router.get("", response_model=Streams, responses=problems(404))
def list_streams(
    account: Annotated[list[str] | None, Query(description="of these accounts only")] = None,
    stream: Annotated[list[str] | None, Query(description="of these streams only")] = None,
) -> dict[str, Any]:
    """Every account's streams, with what helps where one is not well."""
    chosen = names("account", account or None), names("stream", stream or None)
    with database() as ready:
        return {"streams": _listed(control_streams(ready), *chosen)}


@router.get(UNIT, response_model=Stream, responses=problems(404))
def one_stream(account: str, stream: str) -> dict[str, Any]:
    """One stream of one account."""
    with database() as ready:
        return _one(control_streams(ready), *_unit(account, stream))


@router.post(UNIT + "/pause", response_model=Switched, responses=problems(404))
def pause(account: str, stream: str) -> dict[str, Any]:
    """Never due; a run that is reading it stops at its next page. `all` stands for every one."""
    return _switched(account, stream, enabled=False)


@router.post(UNIT + "/resume", response_model=Switched, responses=problems(404))
def resume(account: str, stream: str) -> dict[str, Any]:
    """Read again, and due now. `all` stands for every one."""
    return _switched(account, stream, enabled=True)


@router.post(UNIT + "/every", response_model=Switched, responses=problems(400, 404))
def every(account: str, stream: str, asked: Interval) -> dict[str, Any]:
    """How often it is read. `all` stands for every one."""
    unit = _unit(account, stream)
    with database() as ready:
        control = control_streams(ready)
        interval = timedelta(seconds=asked.interval_s)
        done = control.every(*_lists(unit), interval, via=VIA)
        return {"changed": done.changed, "streams": _listed(control, *_lists(unit))}


@router.post(UNIT + "/rewind", response_model=Rewound, responses=problems(400, 404, 409))
def rewind(account: str, stream: str, asked: RewindTo) -> dict[str, Any]:
    """Set its cursor back, so that everything from there on is read again; the cost is told."""
    unit, to = _unit(account, stream), read_since(asked.to)
    with database() as ready:
        control = control_streams(ready)
        if asked.dry_run:
            plan, changed = control.plan(*unit, to), False
        else:
            plan, rewound = control.rewind(*unit, to, via=VIA, reason=asked.reason)
            changed = rewound.changed
        return {"changed": changed, "plan": plan_json(plan), "stream": _one(control, *unit)}


@router.post(UNIT + "/undo", response_model=Undone, responses=problems(404, 409))
def undo(account: str, stream: str) -> dict[str, Any]:
    """Its cursor where it stood before it was rewound; what was read again stays."""
    unit = _unit(account, stream)
    with database() as ready:
        control = control_streams(ready)
        done = control.undo(*unit, via=VIA)
        return {"changed": done.changed, "stream": _one(control, *unit)}


def _switched(account: str, stream: str, *, enabled: bool) -> dict[str, Any]:
    unit = _unit(account, stream)
    with database() as ready:
        control = control_streams(ready)
        done = control.switch(*_lists(unit), enabled=enabled, via=VIA)
        return {"changed": done.changed, "streams": _listed(control, *_lists(unit))}


def _unit(account: str, stream: str) -> tuple[str, str]:
    """Raises UsageError for what no account can be called."""
    return names("account", [account])[0], names("stream", [stream])[0]


def _lists(unit: tuple[str, str]) -> tuple[list[str], list[str]]:
    return [unit[0]], [unit[1]]


def _listed(
    control: ControlStreams, accounts: Sequence[str], streams: Sequence[str]
) -> list[dict[str, object]]:
    return listing(control.list(accounts, streams), judge())


def _one(control: ControlStreams, account: str, stream: str) -> dict[str, Any]:
    return listing(control.one(account, stream), judge())[0]
