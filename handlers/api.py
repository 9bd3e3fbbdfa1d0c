"""`/api/v1/…`, `/docs` and `/openapi.json`: the REST API, behind one bearer.

FastAPI is imported here and by the routers only: by `serve` when it starts, and by this function.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import anyio
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.chat.control import NoSuchSessionError
from core.errors import ConfigurationError, StoreUnavailableError, UsageError
from core.intake.uploads import UploadTooLargeError
from core.jobs.control import (
    AmbiguousJobError,
    JobConflictError,
    NoSuchJobError,
    NoSuchQueueError,
)
from core.schedules import control as schedule_control
from core.streams.control import NoSuchStreamError, RefusedError
from core.tasks.model import (
    AmbiguousTaskError,
    KeyTakenError,
    NoSuchTaskError,
    TaskConflictError,
)
from handlers import opening, web
from handlers.lambda_http import answer_request, is_request
from handlers.opening import Opened
from handlers.problem import NO_STORE, problem
from handlers.rest import (
    accounts,
    dead_letters,
    intake,
    jobs,
    queues,
    runs,
    schedules,
    sessions,
    streams,
    tasks,
)
from handlers.rest.answers import KEPT
from handlers.rest.page import page

BELOW = "/api/"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
OPEN = ("/docs", "/openapi.json")
"""They say what everybody may read in the source, and nothing of this installation."""
AS_THEY_ARRIVE = (intake.FILES,)
"""Routes that read their body themselves, piece by piece, with limits of their own."""
MAX_BODY = 64 * 1024
BODY_S = 10.0
RETRY_S = 60
TITLE = "Cronshot"
ABOUT = (
    "What the command line shows, and what it may change, as JSON. Send"
    " `Authorization: Bearer <API_TOKEN>`. Instants are RFC 3339 in UTC. Errors are RFC 9457"
    " problems. Every POST may be repeated: done twice it is done once, if what makes something"
    " comes with the same Idempotency-Key."
)
NOTHING_HERE = "there is nothing here; /docs lists what there is"
BAD_REQUEST, NOT_FOUND, CONFLICT, UNPROCESSABLE, INTERNAL, AWAY = 400, 404, 409, 422, 500, 503


def routes(kept: Opened | None = None) -> list[BaseRoute]:
    """`kept`: the database of a process that stays; without it each request opens its own."""
    return [Whole(Guarded(make_api(), kept))]


def handler(event: Any, context: Any) -> dict[str, Any]:
    """On AWS Lambda. Raises UsageError for an event that is no HTTP request."""
    if not isinstance(event, Mapping) or not is_request(event):
        raise UsageError("this function answers HTTP requests only")
    return answer_request(routes, event, context)


GROUPS = (
    streams,
    accounts,
    runs,
    jobs,
    queues,
    dead_letters,
    tasks,
    schedules,
    sessions,
    intake,
)


def make_api() -> FastAPI:
    api = FastAPI(
        title=TITLE,
        description=ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers=ANSWERS,
    )
    for group in GROUPS:
        api.include_router(group.router)
    api.add_route("/docs", _docs, methods=["GET"], include_in_schema=False)
    api.add_route("/openapi.json", _openapi, methods=["GET"], include_in_schema=False)
    return api


async def _docs(request: Request) -> Response:
    return page(_schema(request), request.scope.get("root_path", ""))


async def _openapi(request: Request) -> Response:
    prefix = request.scope.get("root_path", "")
    return JSONResponse(_schema(request) | {"servers": [{"url": prefix or "/"}]})


def _schema(request: Request) -> dict[str, Any]:
    schema: dict[str, Any] = request.app.openapi()
    schemes = {"bearer": {"type": "http", "scheme": "bearer", "description": "API_TOKEN"}}
    schema.setdefault("components", {})["securitySchemes"] = schemes
    return schema | {"security": [{"bearer": []}]}


class Whole(BaseRoute):
    """An application that answers everything below `/api/`, `/docs` and `/openapi.json`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        path = _path(scope)
        ours = path.startswith(BELOW) or path.rstrip("/") in OPEN
        return (Match.FULL, {}) if ours else (Match.NONE, {})

    def url_path_for(self, name: str, /, **path_params: Any) -> Any:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class Guarded:
    """1. Secret, before anything is told. 2. Body: its size, its kind, its time. 3. The answer.

    Nothing is stored on the way of an answer, and whatever goes wrong is a problem.
    """

    def __init__(self, app: ASGIApp, kept: Opened | None = None) -> None:
        self._app = app
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        KEPT.set(self._kept)
        request = Request(scope, receive)
        if _path(scope).rstrip("/") not in OPEN:
            refusal = _refused(request)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        if _path(scope).rstrip("/") in AS_THEY_ARRIVE:
            await self._answer(_without_slash(scope), receive, send)
            return
        body = await _body(request)
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        await self._answer(_as_json(_without_slash(scope), body), _replayed(body), send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = Sent(send)
        try:
            await self._app(scope, receive, sent)
        except Exception:  # noqa: BLE001  (never in silence, and never without an answer)
            opening.log_for(None).exception("api.failed", path=scope["path"])
            if not sent.begun:
                await _bug()(scope, receive, sent)


class Sent:
    """What goes out: never kept by anybody on the way. `begun`: it is too late for another one."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            MutableHeaders(scope=message).setdefault("Cache-Control", NO_STORE["Cache-Control"])
        await self._send(message)


def _refused(request: Request) -> Response | None:
    settings = web.settings_or_problem()
    if isinstance(settings, Response):
        return settings
    return web.unauthorized(request, settings.api_tokens, "API_TOKEN")


async def _body(request: Request) -> bytes | Response:
    try:
        with anyio.fail_after(BODY_S):
            body = await web.body(request, MAX_BODY)
    except web.BodyTooLargeError:
        return problem(413, f"the body is larger than {MAX_BODY} bytes")
    except TimeoutError:
        return problem(408, f"the body did not arrive within {BODY_S:.0f} seconds")
    if body and _kind(request) != JSON and not _typed_for_curl(request, body):
        return problem(
            415, "send `Content-Type: application/json`", headers={"Accept": "application/json"}
        )
    return body


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _typed_for_curl(request: Request, body: bytes) -> bool:
    """`curl -d '{…}'` calls everything a form, and no form begins like an object.

    Who got here has shown the secret: no other site's form can.
    """
    return _kind(request) == FORM and body.lstrip().startswith(b"{")


def _as_json(scope: Scope, body: bytes) -> Scope:
    if not body:
        return scope
    others = [pair for pair in scope["headers"] if pair[0].lower() != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", JSON.encode())]}


def _replayed(body: bytes) -> Receive:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _path(scope: Scope) -> str:
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _without_slash(scope: Scope) -> Scope:
    return {**scope, "path": scope["path"].rstrip("/") or "/"}


def _told(text: str) -> str:
    """A name that came with half of a surrogate pair cannot be sent back."""
    return text.encode(errors="replace").decode()


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if "Allow" in headers:
        return problem(405, f"use one of {headers['Allow']}", headers=headers)
    detail = NOTHING_HERE if error.status_code == NOT_FOUND else str(error.detail)
    return problem(error.status_code, _told(detail), headers=headers)


async def _invalid(_: Request, error: Exception) -> Response:
    """Which field and why; never the value, which may be a secret in the wrong place."""
    assert isinstance(error, RequestValidationError)
    if any(each["type"] == "json_invalid" for each in error.errors()):
        return problem(BAD_REQUEST, "the body is no JSON")
    fields = [
        {"field": _told(".".join(map(str, each["loc"]))), "message": _told(each["msg"])}
        for each in error.errors()
    ]
    first = fields[0]
    return problem(UNPROCESSABLE, f"{first['field']}: {first['message']}", errors=fields)


async def _usage(_: Request, error: Exception) -> Response:
    return problem(BAD_REQUEST, _told(str(error)))


async def _too_large(_: Request, error: Exception) -> Response:
    return problem(413, str(error))


async def _no_such(_: Request, error: Exception) -> Response:
    return problem(NOT_FOUND, _told(str(error)))


async def _conflict(_: Request, error: Exception) -> Response:
    return problem(CONFLICT, _told(str(error)))


async def _ambiguous(_: Request, error: Exception) -> Response:
    assert isinstance(error, AmbiguousTaskError | AmbiguousJobError)
    return problem(CONFLICT, _told(str(error)), candidates=[str(each) for each in error.candidates])


async def _key_taken(_: Request, error: Exception) -> Response:
    return problem(UNPROCESSABLE, str(error))


async def _away(_: Request, error: Exception) -> Response:
    opening.log_for(None).warning("api.database_away", error=str(error))
    detail = "the database did not answer, or another run holds the row; try again"
    return problem(AWAY, detail, headers={"Retry-After": str(RETRY_S)})


async def _misconfigured(_: Request, error: Exception) -> Response:
    opening.log_for(None).error("settings.refused", error=str(error))
    return problem(AWAY, web.IN_THE_LOG)


async def _broken(_: Request, __: Exception) -> Response:
    return _bug()


def _bug() -> Response:
    return problem(INTERNAL, "Cronshot made a mistake; the log has the traceback, please report it")


ANSWERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    HTTPException: _http_error,
    RequestValidationError: _invalid,
    NoSuchStreamError: _no_such,
    NoSuchJobError: _no_such,
    NoSuchQueueError: _no_such,
    NoSuchTaskError: _no_such,
    RefusedError: _conflict,
    JobConflictError: _conflict,
    TaskConflictError: _conflict,
    AmbiguousJobError: _ambiguous,
    AmbiguousTaskError: _ambiguous,
    KeyTakenError: _key_taken,
    schedule_control.NoSuchScheduleError: _no_such,
    NoSuchSessionError: _no_such,
    schedule_control.RefusedError: _conflict,
    UploadTooLargeError: _too_large,
    UsageError: _usage,
    StoreUnavailableError: _away,
    ConfigurationError: _misconfigured,
    Exception: _broken,
}
