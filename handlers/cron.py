"""`/cron/*`, `/health` and `/readyz`: what an external cron and a monitor call."""

import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ConfigurationError, StoreUnavailableError, UsageError
from core.report import SENTENCES, Reason, RunReport, Trigger
from core.runs.protocol import KeyReusedError
from core.secret import Secret
from handlers import wiring
from handlers.answers import http_status, retry_after
from handlers.invoke import Call, run_once
from handlers.parameters import delivery_name, read
from handlers.problem import NO_STORE, problem

MAX_BODY = 64 * 1024
METHODS = ["GET", "POST"]
IN_THE_LOG = "A setting is missing or wrong; the log names it, this answer does not."


class BodyTooLargeError(Exception):
    pass


class Prefixed:
    """Serves the application below a path prefix, whether or not the proxy strips it."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._prefix:
            path = scope["path"]
            if not path.startswith(f"{self._prefix}/"):
                path = self._prefix + path
            scope = {**scope, "path": path, "root_path": self._prefix}
        await self._app(scope, receive, send)


def make_app(prefix: str = "") -> Prefixed:
    """Settings are read with each call, so that a wrong one is an answer and not a crash."""
    routes = [
        Route(path + slash, endpoint, methods=methods)
        for path, endpoint, methods in (
            ("/cron/{worker}", _cron, METHODS),
            ("/health", _health, ["GET"]),
            ("/readyz", _readyz, ["GET"]),
        )
        for slash in ("", "/")
    ]
    app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _wrong_method})
    app.router.redirect_slashes = False
    return Prefixed(app, prefix)


async def _not_found(request: Request, _: Exception) -> Response:
    return problem(404, f"there is nothing at {request.url.path}")


async def _wrong_method(request: Request, _: Exception) -> Response:
    """Starlette's own list has HEAD beside each GET, which here would run a worker."""
    cron = request.url.path.removeprefix(request.scope.get("root_path", "")).startswith("/cron/")
    allowed = ", ".join(METHODS if cron else ["GET", "HEAD"])
    return problem(405, f"use one of {allowed}", headers={"Allow": allowed})


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def _readyz(_: Request) -> Response:
    return await run_in_threadpool(_ready)


def _ready() -> Response:
    """Database and schema version; what is wrong stands in the log, not in the answer."""
    log = wiring.log_for(None)
    try:
        settings = wiring.load_settings()
        with wiring.connected(settings, log) as ready:
            wiring.require_schema(ready)
    except (ConfigurationError, StoreUnavailableError) as error:
        log.warning("database.not_ready", error=str(error))
        return problem(
            503, "the database or its schema is not ready", headers={"Retry-After": "60"}
        )
    return JSONResponse({"status": "ready"}, headers=NO_STORE)


async def _cron(request: Request) -> Response:
    """1. Method. 2. Secret. 3. Worker. 4. Body and parameters. 5. The run."""
    if request.method not in METHODS:
        return await _wrong_method(request, HTTPException(405))
    try:
        settings = wiring.load_settings()
    except ConfigurationError as error:
        wiring.log_for(None).error("settings.refused", error=str(error))
        return problem(503, IN_THE_LOG)
    refusal = _unauthorized(request, settings.cron_secrets)
    if refusal is not None:
        return refusal
    worker = request.path_params["worker"]
    if worker not in wiring.WORKERS:
        known = ", ".join(sorted(wiring.WORKERS))
        return problem(404, f"there is no worker {worker!r}; there are: {known}")
    return await _call(request, worker, settings.http_deadline_s)


def _unauthorized(request: Request, secrets: Sequence[Secret]) -> Response | None:
    """Missing and wrong are answered alike, after comparing with each secret in constant time."""
    if not secrets:
        return problem(503, "CRON_SECRET is not set, so nobody may call this", reason="config")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # The bytes as they came: Starlette reads headers as Latin-1.
    token = given.strip().encode("latin-1")
    matches = [hmac.compare_digest(token, secret.reveal().encode()) for secret in secrets]
    if scheme.lower() == "bearer" and any(matches):
        return None
    headers = {"WWW-Authenticate": 'Bearer realm="cron"'}
    return problem(401, "send `Authorization: Bearer <CRON_SECRET>`", headers=headers)


async def _call(request: Request, worker: str, limit_s: float) -> Response:
    try:
        parameters = read(_given(request, await _body(request)))
        call = Call(
            worker=worker,
            trigger=Trigger(via="http", delivery_id=delivery_id(request.headers)),
            parameters=parameters,
            limit_s=_limit_s(request, limit_s),
            keyed=bool(request.headers.get("idempotency-key")),
        )
        report = await run_in_threadpool(run_once, call)
    except BodyTooLargeError:
        return problem(413, f"the body is larger than {MAX_BODY} bytes")
    except UsageError as error:
        return problem(400, str(error))
    except KeyReusedError:
        return problem(422, "this Idempotency-Key came with another request before")
    return answer(report, strict=parameters.strict)


def _limit_s(request: Request, limit_s: float) -> float:
    """On Lambda the function may have less time left than the caller grants."""
    context = request.scope.get("aws.context")
    if context is None:
        return limit_s
    return min(limit_s, float(context.get_remaining_time_in_millis()) / 1000)


def delivery_id(headers: Mapping[str, str]) -> str | None:
    """The first that is there: what stays the same when one call is delivered again."""
    for name in ("idempotency-key", "upstash-message-id"):
        if headers.get(name):
            return delivery_name(headers[name])
    job = headers.get("x-cloudscheduler-jobname")
    time = headers.get("x-cloudscheduler-scheduletime")
    return delivery_name(f"{job} {time}") if job and time else None


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BodyTooLargeError
    return body


def _given(request: Request, body: bytes) -> dict[str, Any]:
    """The query, and over it the JSON body."""
    query = request.query_params
    given: dict[str, Any] = {
        name: query.getlist(name) if name in {"account", "stream"} else query[name]
        for name in query
    }
    if body.strip():
        given |= _json_object(body)
    return given


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        read_body = json.loads(body)
    except (ValueError, RecursionError):
        raise UsageError("the body is no JSON") from None
    if not isinstance(read_body, dict):
        raise UsageError("the body must be a JSON object")
    return read_body


def answer(report: RunReport, *, strict: bool) -> Response:
    headers = {
        "X-Run-Id": str(report.as_json()["run_id"]),
        "X-Run-Outcome": report.outcome.value,
        **NO_STORE,
    }
    if report.stored is not None:
        headers["Idempotent-Replayed"] = "true"
    status = http_status(report, strict=strict)
    if status == 200:  # noqa: PLR2004  (HTTP's own)
        return JSONResponse(report.as_json(), headers=headers)
    wait = retry_after(report)
    if wait is not None:
        headers["Retry-After"] = str(wait)
    sentence = SENTENCES[report.reason] if report.reason is not None else "the run failed"
    if report.reason is Reason.CONFIG:
        sentence = IN_THE_LOG
    members = report.as_json() | {"message": sentence, "retry_after_s": wait}
    members.pop("detail")
    return problem(status, sentence, headers=headers, **members)
