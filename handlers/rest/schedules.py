"""`/api/v1/schedules`: jobs that the clock brings."""

from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Header, Query
from pydantic import BaseModel, Field

from core.schedules.control import MOST_SHOWN, ControlSchedules
from core.schedules.cron import Cron
from core.schedules.model import Definition, Misfire, Saved, Schedule, Wanted
from handlers.parameters import delivery_name
from handlers.rest.answers import Body, database, problems
from handlers.schedule_views import coming_json, schedule_json
from handlers.schedules import control_schedules

router = APIRouter(prefix="/api/v1/schedules", tags=["schedules"])
ONE = "/{name}"
MOST = 200
Policy = Literal["coalesce", "skip", "catch_up"]
Count = Annotated[int, Query(ge=1, le=MOST_SHOWN)]
PAYLOAD = "what its jobs are given; its kind says which fields"


class Listed(BaseModel):
    id: str
    name: str
    kind: str
    queue: str | None = Field(description="null: its kind is not installed")
    ordering_key: str | None
    priority: int
    cron: str
    zone: str
    when: str | None = Field(description="the expression in words")
    enabled: bool
    misfire: str
    catch_up: int | None
    grace_s: int
    overlap: bool
    next_fire_at: str | None = Field(description="null: it is paused")
    last_fire_at: str | None
    last_outcome: str | None = Field(description="fired or skipped")
    last_reason: str | None
    last_sentence: str | None
    last_job_id: str | None
    created_at: str
    updated_at: str


class One(Listed):
    payload: dict[str, Any]


class Listing(BaseModel):
    schedules: list[Listed] = Field(description="by name, without their payloads")
    total: int
    after: str | None = Field(description="for the next page; null: this is the last")


class Changed(BaseModel):
    changed: bool = Field(description="false: it was so already")
    schedule: One


class Terms(Body):
    """Absent fields stay as they are, or are the usual ones of a new schedule."""

    zone: str = Field(default="UTC", max_length=100, description="IANA: Europe/Berlin")
    queue: str | None = Field(default=None, max_length=500, description="null: its kind's own")
    payload: dict[str, Any] = Field(default={}, description=PAYLOAD)
    ordering_key: str | None = Field(default=None, max_length=500)
    priority: int = Field(default=5, description="1, 5, 10 or 20; higher goes first")
    misfire: Policy = Field(
        default="coalesce",
        description="of instants that were missed: one job for all, none, or one for each",
    )
    catch_up: int | None = Field(default=None, description="with catch_up: how many at most")
    grace_s: int = Field(default=300, ge=0, le=10_000_000, description="with skip: how late")
    overlap: bool = Field(default=True, description="false: not while the job before goes on")


class New(Terms):
    name: str = Field(max_length=200)
    kind: str = Field(max_length=200, description="of job: test, http_request, ...")
    cron: str = Field(max_length=200, description="minute hour day month weekday, or @daily")
    enabled: bool | None = Field(default=None, description="null: as it is; a new one is on")
    replace: bool = Field(default=False, description="change the one of this name")


class Change(Terms):
    kind: str = Field(default="", max_length=200)
    cron: str = Field(default="", max_length=200)
    enabled: bool = True


class Asked(Body):
    cron: str = Field(max_length=200)
    zone: str = Field(default="UTC", max_length=100)
    count: int = Field(default=5, ge=1, le=MOST_SHOWN)


class Instant(BaseModel):
    at: str
    local: str


class Coming(BaseModel):
    cron: str
    zone: str
    when: str | None
    instants: list[Instant]


class Made(BaseModel):
    job_id: UUID


class Removed(BaseModel):
    removed: str


@router.get("", response_model=Listing, responses=problems(400))
def list_schedules(
    *,
    kind: Annotated[str | None, Query(max_length=200)] = None,
    enabled: bool | None = None,
    after: Annotated[str | None, Query(max_length=200, description="a name")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> dict[str, Any]:
    """By name: what comes when, and what became of the last time."""
    wanted = Wanted(kind=_printable(kind), enabled=enabled, after=_printable(after), limit=limit)
    with database() as ready:
        control = control_schedules(ready)
        page = control.list(wanted)
        listed = [
            schedule_json(each, control.queue_of(each), whole=False) for each in page.schedules
        ]
    return {"schedules": listed, "total": page.total, "after": page.after}


@router.post("", response_model=Changed, responses=problems(400, 409))
def add(asked: New) -> dict[str, Any]:
    """Make one; the same one twice is made once, another one of its name wants `replace`."""
    definition = Definition(
        name=asked.name, kind=asked.kind, cron=asked.cron, **_terms(asked.model_dump(), Terms)
    )
    with database() as ready:
        control = control_schedules(ready)
        return _saved(
            control, control.add(definition, enabled=asked.enabled, replaces=asked.replace)
        )


@router.post("/preview", response_model=Coming, responses=problems(400))
def preview(asked: Asked) -> dict[str, Any]:
    """When an expression would come; nothing is stored."""
    with database() as ready:
        instants = control_schedules(ready).preview(asked.cron, asked.zone, asked.count)
    return _coming(asked.cron, asked.zone, coming_json(instants, asked.zone))


@router.get(ONE, response_model=One, responses=problems(404))
def one(name: str) -> dict[str, Any]:
    """One schedule, with its payload."""
    with database() as ready:
        control = control_schedules(ready)
        return _whole(control, control.one(name))


@router.patch(ONE, response_model=Changed, responses=problems(400, 404))
def change(name: str, asked: Change) -> dict[str, Any]:
    """Other fields; other instants are reckoned from now on."""
    given = asked.model_dump(include=asked.model_fields_set)
    with database() as ready:
        control = control_schedules(ready)
        saved = control.change(name, lambda was: replace(was, **_terms(given, Change)))
        return _saved(control, saved)


@router.delete(ONE, response_model=Removed, responses=problems(404))
def remove(name: str) -> dict[str, Any]:
    """Gone; the jobs that it made stay."""
    with database() as ready:
        control_schedules(ready).remove(name)
    return {"removed": name}


@router.post(ONE + "/pause", response_model=Changed, responses=problems(404))
def pause(name: str) -> dict[str, Any]:
    """Never due; jobs that it made go on."""
    return _switched(name, enabled=False)


@router.post(ONE + "/resume", response_model=Changed, responses=problems(404))
def resume(name: str) -> dict[str, Any]:
    """From now on; what would have come while it was paused is not made up for."""
    return _switched(name, enabled=True)


@router.post(ONE + "/run", response_model=Made, responses=problems(400, 404, 409))
def run(
    name: str,
    idempotency_key: Annotated[
        str | None, Header(description="the same one again is the same job", max_length=1000)
    ] = None,
) -> dict[str, Any]:
    """A job at once, paused or not; when it comes next stays. Each call without a key is a job."""
    key = None if idempotency_key is None else delivery_name(idempotency_key)
    with database() as ready:
        return {"job_id": control_schedules(ready).run(name, key)}


@router.get(ONE + "/next", response_model=Coming, responses=problems(400, 404))
def following(name: str, count: Count = 5) -> dict[str, Any]:
    """When it comes next; of a paused one, when it would."""
    with database() as ready:
        control = control_schedules(ready)
        wanted = control.one(name).definition
        instants = coming_json(control.coming(name, count), wanted.zone)
    return _coming(wanted.cron, wanted.zone, instants)


def _switched(name: str, *, enabled: bool) -> dict[str, Any]:
    with database() as ready:
        control = control_schedules(ready)
        return _saved(control, control.switch(name, enabled=enabled))


def _saved(control: ControlSchedules, saved: Saved) -> dict[str, Any]:
    return {"changed": saved.changed, "schedule": _whole(control, saved.schedule)}


def _whole(control: ControlSchedules, schedule: Schedule) -> dict[str, Any]:
    return schedule_json(schedule, control.queue_of(schedule), whole=True)


def _coming(cron: str, zone: str, instants: list[dict[str, object]]) -> dict[str, Any]:
    read = Cron(cron)
    return {
        "cron": read.expression,
        "zone": zone,
        "when": read.explain(),
        "instants": instants,
    }


def _terms(given: dict[str, Any], of: type[Terms]) -> dict[str, Any]:
    """As a definition has them."""
    terms = {name: value for name, value in given.items() if name in of.model_fields}
    if "grace_s" in terms:
        terms["grace"] = timedelta(seconds=terms.pop("grace_s"))
    if "misfire" in terms:
        terms["misfire"] = Misfire(terms["misfire"])
        if terms["misfire"] is not Misfire.CATCH_UP:
            terms.setdefault("catch_up", None)
    return terms


def _printable(text: str | None) -> str | None:
    """PostgreSQL refuses a text with a NUL; nothing is called so."""
    return text if text is None or text.isprintable() else ""
