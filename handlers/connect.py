"""`/ebay/connect` and `/ebay/callback`: a seller connects his account in a browser.

Who begins must know ADMIN_TOKEN: an account that anybody could add would fill somebody else's
database. Whom eBay sends back needs no more than the state of what was begun, and the cookie of the
browser that began it.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from core.connect.finish import FinishConsent
from core.connect.model import Connected, ConnectRefusedError, Refusal, Reply, Via, Wish
from core.connect.reply import STATE, read_query
from core.connect.scopes import lacks
from core.errors import (
    AppError,
    ApplicationRefusedError,
    ConfigurationError,
    RateLimitedError,
    ReauthorizationRequiredError,
    StoreUnavailableError,
    UpstreamUnavailableError,
    UsageError,
)
from core.secret import Secret
from handlers import connections, opening, pages, web
from handlers.lambda_http import answer_request, is_request
from infra.settings import Settings

CONNECT, CALLBACK = "/ebay/connect", "/ebay/callback"
MAX_BODY = 16 * 1024
COOKIE, COOKIE_S = "cronshot_connect", 600
ENVIRONMENTS = ("production", "sandbox", "simulator")
ON_THE_COMMAND_LINE = "`python -m core.run accounts connect --name NAME` does it there."
CLOSED = (
    "ADMIN_TOKEN is not set, so accounts are connected on the command line only:"
    f" {ON_THE_COMMAND_LINE}"
)
AWAY = "The database cannot be reached just now, so nothing was stored. Try again in a minute."
STATUS: tuple[tuple[type[AppError], int], ...] = (
    (ConnectRefusedError, 400),
    (ReauthorizationRequiredError, 400),
    (UsageError, 400),
    (ConfigurationError, 503),
    (ApplicationRefusedError, 503),
    (StoreUnavailableError, 503),
    (RateLimitedError, 503),
    (UpstreamUnavailableError, 503),
    (AppError, 502),
)


def routes() -> list[BaseRoute]:
    return [
        *web.route(CONNECT, _connect, ["GET", "POST"]),
        *web.route(CALLBACK, _callback, ["GET"]),
    ]


def handler(event: Any, context: Any) -> dict[str, Any]:
    """For AWS Lambda: HTTP requests only. Raises UsageError for other events."""
    if not isinstance(event, dict) or not is_request(event):
        raise UsageError("this function answers HTTP requests of browsers, nothing else")
    return answer_request(routes, event, context)


async def _connect(request: Request) -> Response:
    settings = _settings(request)
    if isinstance(settings, Response):
        return settings
    if settings.admin_token is None:
        return pages.page(503, "Nobody may connect accounts here", pages.paragraph(CLOSED))
    try:
        given = await _given(request)
    except web.BodyTooLargeError:
        return pages.page(413, "That was too much", _begin_again(request))
    except ValueError:
        return pages.page(400, "Nobody asks so much", _begin_again(request))
    return await _admitted(request, settings, given, settings.admin_token.get_secret_value())


async def _admitted(
    request: Request, settings: Settings, given: Mapping[str, list[str]], wanted: str
) -> Response:
    token = _bearer(request) or _typed_token(request, given)
    if not token:
        return _form(request, settings, given)
    if not hmac.compare_digest(token.encode(), wanted.encode()):
        opening.log_for(settings).warning("connect.unauthorized")
        return _form(request, settings, given, status=401, said="This is not the ADMIN_TOKEN.")
    return await run_in_threadpool(_begin, request, settings, given)


async def _callback(request: Request) -> Response:
    settings = _settings(request)
    if isinstance(settings, Response):
        return settings
    return await run_in_threadpool(_finish, request, settings)


def _settings(request: Request) -> Settings | Response:
    settings = web.settings_or_problem()
    if isinstance(settings, Response):
        told = pages.paragraph(web.IN_THE_LOG)
        return pages.page(503, "Not ready", told, _begin_again(request))
    return settings


async def _given(request: Request) -> Mapping[str, list[str]]:
    """The query of a GET, the form of a POST. Raises ValueError for a hundred fields."""
    if request.method == "GET":
        return parse_qs(_query(request), max_num_fields=100)
    body = await web.body(request, MAX_BODY)
    return parse_qs(body.decode("utf-8", "replace"), max_num_fields=100)


def _query(request: Request) -> str:
    """As it came: what is no UTF-8 is no reason to fail, but an answer that is not eBay's."""
    query: bytes = request.scope["query_string"]
    return query.decode("latin-1")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _typed_token(request: Request, given: Mapping[str, list[str]]) -> str:
    """Never out of an address: those are kept in histories and logs."""
    return given.get("token", [""])[0] if request.method == "POST" else ""


def _begin(request: Request, settings: Settings, given: Mapping[str, list[str]]) -> Response:
    log = opening.log_for(settings)
    browser = _browser(request) or Secret(connections.new_secret())
    try:
        with (
            opening.opened(settings, log) as ready,
            connections.begin_consent(ready) as begin,
        ):
            begun = begin.run(_wish(given), Via.WEB, browser)
    except AppError as error:
        log.warning("connect.not_begun", error=str(error))
        status = _status(error)
        told = AWAY if isinstance(error, StoreUnavailableError) else str(error)
        return _form(request, settings, given, status=status, said=told)
    log.info("connect.begun", account=begun.name, environment=begun.environment)
    answer = RedirectResponse(begun.link, 302, {"Cache-Control": "no-store"})
    answer.headers["Referrer-Policy"] = "no-referrer"
    _remember(answer, request, settings, browser)
    return answer


def _wish(given: Mapping[str, list[str]]) -> Wish:
    """Several marketplaces or scopes: named several times, or with spaces between them."""

    def words(name: str) -> tuple[str, ...]:
        return tuple(word for value in given.get(name, []) for word in value.split())

    def word(name: str) -> str:
        return given.get(name, [""])[0].strip()

    return Wish(
        name=word("name"),
        environment=word("environment") or None,
        marketplace_ids=words("marketplace"),
        more_scopes=words("scope"),
        without_scopes=words("without_scope"),
    )


def _finish(request: Request, settings: Settings) -> Response:
    log = opening.log_for(settings)
    reply = read_query(_query(request))
    try:
        with (
            opening.opened(settings, log) as ready,
            connections.finish_consent(ready) as finish,
        ):
            connected = _brought(finish, reply, _browser(request))
    except AppError as error:
        return _not_connected(request, settings, error)
    if connected is None:
        return _connected_already(request)
    log.info(
        "connect.connected",
        account=connected.name,
        environment=connected.environment,
        missing_scopes=dict(connected.missing),
    )
    return _welcome(request, connected)


def _brought(finish: FinishConsent, reply: Reply, browser: Secret | None) -> Connected | None:
    """None for an answer that has connected its account before: a page that is shown again."""
    try:
        return finish.run(reply, via=Via.WEB, browser=browser)
    except ConnectRefusedError as error:
        if error.reason is not Refusal.STATE_REPLAYED or reply.state is None:
            raise
        if not finish.was_finished(reply.state):
            raise
        return None


def _connected_already(request: Request) -> Response:
    told = "This answer of eBay's was used already, and the account is connected."
    another = pages.link(_place(request), "Connect another account")
    return pages.page(400, "Connected already", pages.paragraph(told), another)


def _not_connected(request: Request, settings: Settings, error: AppError) -> Response:
    reason = error.reason if isinstance(error, ConnectRefusedError) else type(error).__name__
    opening.log_for(settings).warning("connect.refused", reason=str(reason), error=str(error))
    told = str(error)
    if isinstance(error, ConfigurationError | ApplicationRefusedError):
        told = web.IN_THE_LOG
    elif isinstance(error, StoreUnavailableError):
        told = AWAY
    title = "Declined" if reason is Refusal.DECLINED else "Not connected"
    status = 403 if reason is Refusal.STATE_FOREIGN else _status(error)
    return pages.page(status, title, pages.paragraph(_sentence(told)), _begin_again(request))


def _status(error: AppError) -> int:
    return next(status for kind, status in STATUS if isinstance(error, kind))


def _sentence(said: str) -> str:
    return said[:1].upper() + said[1:].rstrip(".") + "."


def _welcome(request: Request, connected: Connected) -> Response:
    who = connected.username or "a seller whose name eBay does not tell"
    blocks = [f"{connected.name} is connected: {who}, in {connected.environment}."]
    if connected.missing:
        blocks.append(
            f"The consent lacks scopes: {lacks(connected.missing)}. Those streams will say so."
            " Enable the scopes for the keyset, then connect this account again."
        )
    if connected.status == "paused":
        blocks.append("It is still paused: `python -m core.run accounts resume` ends that.")
    else:
        blocks.append("Every stream is due now: the next run of the eBay cycle reads it.")
    another = pages.link(_place(request), "Connect another account")
    return pages.page(200, "Connected", *map(pages.paragraph, blocks), another)


def _form(
    request: Request,
    settings: Settings,
    given: Mapping[str, list[str]],
    *,
    status: int = 200,
    said: str = "",
) -> Response:
    """What was typed stands there again, but for the token."""
    kept = {name: " ".join(values) for name, values in given.items()}
    shown = [pages.paragraph(_sentence(said))] if said else []
    fields = (
        pages.field("name", "What you want to call the account", kept.get("name", "")),
        pages.choice(
            "environment", "Environment", ENVIRONMENTS, kept.get("environment", ENVIRONMENTS[0])
        ),
        pages.field(
            "marketplace",
            "Marketplaces (empty: where the seller is registered)",
            kept.get("marketplace", ""),
            hint="EBAY_DE EBAY_AT",
        ),
        pages.field(
            "without_scope",
            "Scopes that the keyset lacks (usually none)",
            kept.get("without_scope", ""),
        ),
        pages.field("token", "ADMIN_TOKEN", kind="password"),
    )
    asked = pages.form(_place(request), *fields, submit="Continue to eBay")
    about = "You will be asked to sign in at eBay as the seller, and to agree."
    return pages.page(
        status,
        "Connect an eBay account",
        *shown,
        pages.paragraph(about),
        asked,
        submits_to=_submits_to(settings),
    )


def _submits_to(settings: Settings) -> Sequence[str]:
    """Browsers hold redirects against it, and eBay's consent page redirects to its sign-in."""
    return ["'self'", "https:", *connections.plain_origins(settings)]


def _begin_again(request: Request) -> str:
    return pages.link(_place(request), "Begin again")


def _place(request: Request) -> str:
    """Below the prefix, whatever it is."""
    return str(request.scope.get("root_path", "")) + CONNECT


def _browser(request: Request) -> Secret | None:
    for name in (f"__Host-{COOKIE}", COOKIE):
        value = request.cookies.get(name, "")
        if STATE.fullmatch(value):
            return Secret(value)
    return None


def _remember(answer: Response, request: Request, settings: Settings, browser: Secret) -> None:
    # Lax: eBay's redirect back comes from another site. One for all that a browser begins: two tabs
    # would take it from each other.
    secure = (settings.public_url or f"{request.scope['scheme']}:").startswith("https:")
    answer.set_cookie(
        f"__Host-{COOKIE}" if secure else COOKIE,
        browser.reveal(),
        max_age=COOKIE_S,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )
