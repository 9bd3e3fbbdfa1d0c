"""`/api/v1/intake`: files for the intake, sent to us as they are."""

from collections.abc import Iterator
from typing import Annotated, Any

from anyio import fail_after, from_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import Message

from core.errors import UsageError
from core.intake.uploads import LARGEST, LONGEST_NAME
from handlers.intake_places import keep_uploads
from handlers.opening import WallClock
from handlers.rest.answers import database, problems

FILES = "/api/v1/intake/files"
router = APIRouter(prefix=FILES, tags=["intake"])
PIECE_S, WHOLE_S = 10.0, 300.0
CREATED, THERE = 201, 200
MULTIPART = "multipart/"
CONTENT = {"schema": {"type": "string", "format": "binary"}}
BODY = {
    "requestBody": {
        "required": True,
        "description": f"the file itself, at most {LARGEST} bytes",
        "content": {"text/csv": CONTENT, "application/octet-stream": CONTENT},
    }
}


class Sent(BaseModel):
    place: str = Field(description="names it in jobs: upload:ID")
    sha256: str
    size: int = Field(description="in bytes")
    created: bool = Field(description="false: the same content had been sent before")


ALSO: dict[int | str, dict[str, Any]] = {
    THERE: {"description": "it was there already", "model": Sent}
}


@router.post(
    "",
    response_model=Sent,
    status_code=CREATED,
    responses=ALSO | problems(),
    openapi_extra=BODY,
)
def send_file(
    request: Request,
    answer: Response,
    name: Annotated[
        str | None, Query(max_length=LONGEST_NAME, description="what to call it in reports")
    ] = None,
) -> dict[str, Any]:
    """Send a file: `curl --data-binary @judgments.csv`. The same content again is the same place.

    It is kept for RETENTION_DAYS from the last time that it was sent.
    """
    _require_a_file(request)
    if name is not None and not name.isprintable():
        raise UsageError("name: must be a text without control characters")
    with database() as ready:
        kept = keep_uploads(ready).keep(_pieces(request), name or None)
    answer.status_code = CREATED if kept.created else THERE
    return {
        "place": kept.place,
        "sha256": kept.sha256,
        "size": kept.size,
        "created": kept.created,
    }


def _require_a_file(request: Request) -> None:
    """Before anything of it is read."""
    if request.headers.get("content-type", "").strip().lower().startswith(MULTIPART):
        raise HTTPException(
            415, "send the file itself, not a form: curl --data-binary @judgments.csv"
        )
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > LARGEST:
        raise HTTPException(413, f"the file is larger than {LARGEST} bytes")


def _pieces(request: Request) -> Iterator[bytes]:
    """As they arrive at the event loop, to this thread."""
    clock = WallClock()
    ends_at = clock.monotonic() + WHOLE_S
    while True:
        left = min(PIECE_S, ends_at - clock.monotonic())
        message = from_thread.run(_next, request, left)
        if message["type"] == "http.disconnect":
            raise UsageError("the file broke off: its sender is gone")
        yield message.get("body", b"")
        if not message.get("more_body"):
            return


async def _next(request: Request, within_s: float) -> Message:
    try:
        with fail_after(within_s):
            return await request.receive()
    except TimeoutError:
        raise HTTPException(
            408, f"nothing arrived for {PIECE_S:.0f} seconds, or not all within {WHOLE_S:.0f}"
        ) from None
