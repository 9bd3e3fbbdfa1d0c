"""`/cron/*`, `/health` and `/readyz`: what an external cron and a monitor call."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from core.errors import ConfigurationError, StoreUnavailableError, UsageError
from core.report import SENTENCES, Reason, RunReport, Trigger
from core.runs.protocol import KeyReusedError
from handlers import opening, web, wiring
from handlers.answers import http_status, retry_after
from handlers.invoke import Call, run_once
from handlers.parameters import LISTS, delivery_name, read
from handlers.problem import NO_STORE, problem

MAX_BODY = 64 * 1024
METHODS = ["GET", "POST"]


def routes() -> list[BaseRoute]:
    return [
        *web.route("/cron/{worker}", _cron, METHODS),
        *web.route("/health", _health, ["GET", "HEAD"]),
        *web.route("/readyz", _readyz, ["GET", "HEAD"]),
    ]


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def _readyz(_: Request) -> Response:
    return await run_in_threadpool(_ready)


def _ready() -> Response:
    """Database and schema version; what is wrong stands in the log, not in the answer."""
    log = opening.log_for(None)
    try:
        settings = opening.load_settings()
        with opening.connected(settings, log) as ready:
            opening.require_schema(ready)
    except (ConfigurationError, StoreUnavailableError) as error:
        log.warning("database.not_ready", error=str(error))
        return problem(
            503, "the database or its schema is not ready", headers={"Retry-After": "60"}
        )
    return JSONResponse({"status": "ready"}, headers=NO_STORE)


async def _cron(request: Request) -> Response:
    """1. Method. 2. Secret. 3. Worker. 4. Body and parameters. 5. The run."""
    settings = web.settings_or_problem()
    if isinstance(settings, Response):
        return settings
    refusal = web.unauthorized(request, settings.cron_secrets, "CRON_SECRET")
    if refusal is not None:
        return refusal
    worker = request.path_params["worker"]
    if worker not in wiring.WORKERS:
        known = ", ".join(sorted(wiring.WORKERS))
        return problem(404, f"there is no worker {worker!r}; there are: {known}")
    return await _call(request, worker, settings.http_deadline_s)


async def _call(request: Request, worker: str, limit_s: float) -> Response:
    try:
        parameters = read(_given(request, await web.body(request, MAX_BODY)))
        call = Call(
            worker=worker,
            trigger=Trigger(via="http", delivery_id=delivery_id(request.headers)),
            parameters=parameters,
            limit_s=_limit_s(request, limit_s),
            keyed=bool(request.headers.get("idempotency-key")),
        )
        report = await run_in_threadpool(run_once, call)
    except web.BodyTooLargeError:
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


def _given(request: Request, body: bytes) -> dict[str, Any]:
    """The query, and over it the JSON body."""
    query = request.query_params
    given: dict[str, Any] = {
        name: query.getlist(name) if name in LISTS else query[name] for name in query
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
        sentence = web.IN_THE_LOG
    members = report.as_json() | {"message": sentence, "retry_after_s": wait}
    members.pop("detail")
    return problem(status, sentence, headers=headers, **members)
