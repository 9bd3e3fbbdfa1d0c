"""`/webhooks/ebay`: eBay's challenge, and its signed notifications.

The answer tells eBay whether to send again: 204 taken, 412 not eBay's (never again), 503 not taken
(again, please).
"""

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from core.errors import AppError, ConfigurationError, UsageError
from core.notifications.challenge import LONGEST
from core.notifications.model import NotOursError
from handlers import web
from handlers.lambda_http import answer_request, is_request
from handlers.notifications import Endpoint
from handlers.problem import NO_STORE, problem

MAX_BODY = 256 * 1024
LATER = {"Retry-After": "60"}
CLOSED = (
    "EBAY_NOTIFICATION_VERIFICATION_TOKEN and EBAY_NOTIFICATION_ENDPOINT are not set, so this"
    " answers nobody"
)


def routes() -> list[BaseRoute]:
    return [*web.route("/webhooks/ebay", _ebay, ["GET", "POST"])]


def handler(event: Any, context: Any) -> dict[str, Any]:
    """For AWS Lambda: HTTP requests only. Raises UsageError for other events."""
    if not isinstance(event, dict) or not is_request(event):
        raise UsageError("this function answers HTTP requests of eBay, nothing else")
    return answer_request(routes, event, context)


async def _ebay(request: Request) -> Response:
    settings = web.settings_or_problem()
    if isinstance(settings, Response):
        return settings
    endpoint = Endpoint.of(settings)
    if endpoint is None:
        return problem(503, CLOSED, reason="config")
    if request.method == "GET":
        return _challenge(request, endpoint)
    return await _notification(request, endpoint)


def _challenge(request: Request, endpoint: Endpoint) -> Response:
    code = request.query_params.get("challenge_code", "")
    if not 0 < len(code) <= LONGEST:
        return problem(400, f"send ?challenge_code=, at most {LONGEST} characters")
    answer = {"challengeResponse": endpoint.answer_challenge(code)}
    return JSONResponse(answer, headers=NO_STORE)


async def _notification(request: Request, endpoint: Endpoint) -> Response:
    try:
        body = await web.body(request, MAX_BODY)
    except web.BodyTooLargeError:
        return problem(413, f"the body is larger than {MAX_BODY} bytes")
    header = request.headers.get("x-ebay-signature", "")
    return await run_in_threadpool(_take, endpoint, body, header)


def _take(endpoint: Endpoint, body: bytes, header: str) -> Response:
    """Acknowledged when it is committed; what could not be taken is to come again."""
    try:
        endpoint.take(body, header)
    except NotOursError as error:
        endpoint.log.warning("notification.refused", why=str(error))
        return problem(412, str(error))
    except ConfigurationError as error:
        return _not_taken(endpoint, error, web.IN_THE_LOG)
    except AppError as error:
        return _not_taken(endpoint, error, "not taken; send it again")
    return Response(status_code=204, headers=NO_STORE)


def _not_taken(endpoint: Endpoint, error: AppError, detail: str) -> Response:
    endpoint.log.error("notification.not_taken", why=str(error))
    return problem(503, detail, headers=LATER)
