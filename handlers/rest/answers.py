"""What the routers share: the database of a request, and how errors are told."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict

from handlers import opening
from handlers.opening import Opened

VIA = "api"
EVERYWHERE = (400, 401, 408, 413, 415, 422, 503)
"""What any request may be answered: for its form, its secret, or a database that is away."""


class Body(BaseModel):
    """What a caller sends: a misspelt field is told, not passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For the schema."""
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*statuses, *EVERYWHERE})
    }


KEPT: ContextVar[Opened | None] = ContextVar("KEPT", default=None)
"""Of a process that stays: many requests at once share its few connections."""


@contextmanager
def database() -> Iterator[Opened]:
    """Opened for this request alone, where nothing runs between two."""
    kept = KEPT.get()
    if kept is not None:
        yield kept
        return
    settings = opening.load_settings()
    with opening.opened(settings, opening.log_for(settings)) as ready:
        yield ready
