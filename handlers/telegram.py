"""`/webhooks/telegram`: what people write to the bot.

Telegram repeats an update until the answer is 2xx, for a day, and holds back the chat's later ones
meanwhile: so 200 is also the answer to what is not obeyed or not understood, and only what should
come again (503), or never came from Telegram (400, 401, 413), is answered otherwise.
"""

import hmac
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from core.chat.hook import PATH
from core.chat.take_updates import heeded
from core.chat.updates import Update, read_update
from core.errors import ConfigurationError, TransientError, UsageError
from handlers import opening, sessions, web
from handlers.lambda_http import answer_request, is_request
from handlers.opening import Opened
from handlers.problem import NO_STORE, problem
from infra.settings import Settings

MAX_BODY = 256 * 1024
"""A message of 4,096 characters is some 50 KB as Telegram escapes it, and may quote another one."""
HEADER = "x-telegram-bot-api-secret-token"
LATER = {"Retry-After": "60"}
CLOSED = "TELEGRAM_WEBHOOK_SECRET is not set, so this answers nobody"
REFUSED = "this is not what TELEGRAM_WEBHOOK_SECRET says; `sessions webhook` registers it"


def routes(kept: Opened | None = None) -> list[BaseRoute]:
    """`kept`: the database of a process that stays; without it each request opens its own."""
    return [*web.route(PATH, _endpoint(kept), ["POST"])]


def handler(event: Any, context: Any) -> dict[str, Any]:
    """For AWS Lambda: HTTP requests only. Raises UsageError for other events."""
    if not isinstance(event, dict) or not is_request(event):
        raise UsageError("this function answers HTTP requests of Telegram, nothing else")
    return answer_request(routes, event, context)


def _endpoint(kept: Opened | None) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def telegram(request: Request) -> Response:
        return await _answer(request, kept)

    return telegram


async def _answer(request: Request, kept: Opened | None) -> Response:
    """1. Secret, before anything is read. 2. Size. 3. Form. 4. Taken, when it is committed."""
    settings = web.settings_or_problem()
    if isinstance(settings, Response):
        return settings
    refusal = _refusal(settings, request)
    if refusal is not None:
        return refusal
    try:
        update = read_update(await web.body(request, MAX_BODY))
    except web.BodyTooLargeError:
        return problem(413, f"the body is larger than {MAX_BODY} bytes")
    except UsageError as error:
        return problem(400, str(error))
    return await run_in_threadpool(partial(_take, settings, kept, update))


def _refusal(settings: Settings, request: Request) -> Response | None:
    """None for the secret; missing and wrong are answered alike, in constant time."""
    secret = settings.telegram_webhook_secret
    if secret is None:
        return problem(503, CLOSED, reason="config")
    # The bytes as they came: Starlette reads headers as Latin-1.
    given = request.headers.get(HEADER, "").encode("latin-1")
    if hmac.compare_digest(given, secret.get_secret_value().encode()):
        return None
    return problem(401, REFUSED)


def _take(settings: Settings, kept: Opened | None, update: Update) -> Response:
    """Nothing is opened for a stranger."""
    log = opening.log_for(settings)
    chat = heeded(update, sessions.allowed(settings), log)
    if chat is None:
        return Response(status_code=200, headers=NO_STORE)
    try:
        with _opened(settings, kept) as ready:
            sessions.taking(ready).take(chat, update)
    except TransientError as error:
        log.warning("telegram.not_stored", why=str(error))
        return problem(503, "not taken; send it again", headers=LATER)
    except ConfigurationError as error:
        log.error("settings.refused", error=str(error))  # noqa: TRY400  (no traceback for a setting)
        return problem(503, web.IN_THE_LOG, headers=LATER)
    return Response(status_code=200, headers=NO_STORE)


def _opened(settings: Settings, kept: Opened | None) -> AbstractContextManager[Opened]:
    if kept is not None:
        return nullcontext(kept)
    return opening.opened(settings, opening.log_for(settings))
