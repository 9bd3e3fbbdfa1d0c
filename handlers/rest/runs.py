"""`/api/v1/runs`: what ran, as `runs` shows it."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from core.report import Outcome, instant
from handlers import opening, wiring
from handlers.parameters import Parameters, read_since
from handlers.rest.answers import database, problems

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])
MOST = 200


class Run(BaseModel):
    id: str
    worker: str
    status: str
    outcome: str | None
    reason: str | None
    detail: str | None
    more: bool
    counts: dict[str, int | dict[str, int]]
    via: str
    started_at: str
    finished_at: str | None


class Runs(BaseModel):
    runs: list[Run] = Field(description="newest first")


@router.get("", response_model=Runs, responses=problems(400))
def list_runs(
    worker: Annotated[str | None, Query(max_length=100)] = None,
    outcome: Outcome | None = None,
    since: Annotated[
        str | None, Query(max_length=64, description="2026-11-01, or a span ago: 7d")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 20,
) -> dict[str, Any]:
    """What ran, newest first."""
    began = None if since is None else read_since(since)
    at = Parameters(since=began).selection(opening.WallClock().now()).since
    with database() as ready:
        found = wiring.run_history(ready).list(_printable(worker), outcome, at, limit)
        return {"runs": [_run(each) for each in found]}


def _printable(worker: str | None) -> str | None:
    """PostgreSQL refuses a text with a NUL; no worker is called so."""
    return worker if worker is None or worker.isprintable() else ""


def _run(run: dict[str, Any]) -> dict[str, Any]:
    instants = {name: instant(at) for name, at in run.items() if isinstance(at, datetime)}
    return run | instants | {"id": str(run["id"])}
