"""What every HTTP endpoint shares: one application of routes, secrets, bodies, refusals."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import ConfigurationError
from core.secret import Secret
from handlers import opening
from handlers.problem import problem
from infra.settings import Settings

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


def make_app(routes: Sequence[BaseRoute], prefix: str = "") -> Prefixed:
    """One application; its errors are problems, and nothing is ever redirected for a slash."""
    app = Starlette(routes=routes, exception_handlers={404: _not_found, 405: _wrong_method})
    app.router.redirect_slashes = False
    return Prefixed(app, prefix)


def route(path: str, endpoint: Callable[[Request], Any], methods: Sequence[str]) -> list[Route]:
    """With and without a slash at its end. HEAD only where it is named.

    Starlette's own would let HEAD do what GET does.
    """
    made = [Route(path + slash, endpoint, methods=methods) for slash in ("", "/")]
    for each in made:
        each.methods = set(methods)
    return made


async def body(request: Request, most: int) -> bytes:
    """Raises BodyTooLargeError at the first byte beyond `most`, and reads no further."""
    read = bytearray()
    async for chunk in request.stream():
        read += chunk
        if len(read) > most:
            raise BodyTooLargeError
    return bytes(read)


def settings_or_problem() -> Settings | Response:
    """Read with each request, so that a wrong one is an answer and not a crash."""
    try:
        return opening.load_settings()
    except ConfigurationError as error:
        opening.log_for(None).error("settings.refused", error=str(error))
        return problem(503, IN_THE_LOG)


def unauthorized(request: Request, secrets: Sequence[Secret], variable: str) -> Response | None:
    """None for a bearer of one of the secrets, which the `variable` holds; none set: 503, closed.

    Missing and wrong are answered alike, after comparing with each secret in constant time.
    """
    if not secrets:
        return problem(503, f"{variable} is not set, so nobody may call this", reason="config")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # The bytes as they came: Starlette reads headers as Latin-1.
    token = given.strip().encode("latin-1")
    matches = [hmac.compare_digest(token, secret.reveal().encode()) for secret in secrets]
    if scheme.lower() == "bearer" and any(matches):
        return None
    headers = {"WWW-Authenticate": f'Bearer realm="{variable.split("_", maxsplit=1)[0].lower()}"'}
    return problem(401, f"send `Authorization: Bearer <{variable}>`", headers=headers)


async def _not_found(request: Request, _: Exception) -> Response:
    return problem(404, f"there is nothing at {request.url.path}")


async def _wrong_method(_: Request, error: Exception) -> Response:
    headers: Mapping[str, str] = getattr(error, "headers", None) or {}
    allowed = ", ".join(sorted(headers.get("Allow", "").split(", ")))
    return problem(405, f"use one of {allowed}", headers={"Allow": allowed})
