"""Requests on somebody's behalf: the guard stands between the name's addresses and the connection.

The name is resolved once, all its addresses are judged, and one of the judged is connected to; TLS
and the Host header carry the name. There is nothing left to rebind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import httpx

from core.jobs.shipped.answers import (
    MAX_BODY,
    TIMEOUT_S,
    HttpAnswer,
    HttpRequest,
    NoAnswer,
    NotSent,
    Refused,
    Sent,
)
from core.jobs.shipped.target import PORTS, Host, Reach, Target
from core.secret import Secret
from infra.clean import clean_json_text
from infra.http import transport
from infra.http.client import BoundedHttp, Received, UnusableBodyError
from infra.http.transport import Resolve
from infra.http.unpack import BodyTooLargeError
from infra.redaction import without

MAX_CONNECTIONS = 8
# Nothing was sent yet: no name, no connection, no TLS, no turn in the pool.
_BEFORE_SENDING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_TOLD = 200


class AddressRefusedError(Exception):
    """Raised where it resolves, and nobody's HTTP error: it comes through to us as it is."""


def guarded_http(
    reach: Reach,
    *,
    stopping: Callable[[], bool] = lambda: False,
    resolve: Resolve | None = None,
) -> BoundedHttp:
    """A client that connects to nothing that `reach` refuses."""
    return BoundedHttp(
        max_connections=MAX_CONNECTIONS,
        stopping=stopping,
        resolve_plain=_judged(reach, resolve, secured=False),
        resolve_secured=_judged(reach, resolve, secured=True),
        keep=False,
    )


def _judged(reach: Reach, resolve: Resolve | None, *, secured: bool) -> Resolve:
    def judged(host: str, port: int, timeout: float) -> list[str]:
        addresses = (resolve or transport.resolve)(host, port, timeout)
        why = reach.refusal(addresses, secured=secured)
        if why is not None:
            raise AddressRefusedError(why)
        return addresses

    return judged


@dataclass(frozen=True, slots=True, kw_only=True)
class OutwardHttp:
    """The `Send` port. `credentials` are put on last, and only for the hosts that they are for."""

    http: BoundedHttp
    credentials: Mapping[Host, Secret] = field(default_factory=dict)

    def __call__(self, request: HttpRequest, /) -> Sent:
        secret = self._credential(request.target)
        headers = dict(request.headers)
        if secret is not None:
            headers["Authorization"] = f"Bearer {secret.reveal()}"
        url = _url(request.target)
        if url is None:
            return Refused(code="bad_url", why="it is not an address that HTTP allows")
        got = exchanged(self.http, request.method, url, headers, request.content)
        if not isinstance(got, Received):
            return got
        return HttpAnswer(
            status=got.status,
            retry_after=got.headers.get("retry-after"),
            text=readable(got.body, [*request.confidential, *([secret] if secret else [])]),
        )

    def _credential(self, target: Target) -> Secret | None:
        """Of a host that names no port, at its own port alone: another one is another's."""
        if target.scheme != "https":
            return None
        own = target.port == PORTS[target.scheme]
        held = (
            secret
            for host, secret in self.credentials.items()
            if host.is_of(target) and (own or host.port is not None)
        )
        return next(held, None)


def exchanged(
    http: BoundedHttp,
    method: str,
    url: httpx.URL,
    headers: Mapping[str, str],
    content: bytes | None,
) -> Received | NotSent | NoAnswer | Refused:
    """One request within the limits of all of them. Its address is repeated nowhere."""
    try:
        return http.exchange(
            method, url, timeout=TIMEOUT_S, limit=MAX_BODY, headers=headers, content=content
        )
    except AddressRefusedError as error:
        return Refused(code="address_refused", why=str(error))
    except UnusableBodyError as error:
        if isinstance(error.cause, BodyTooLargeError):
            return Refused(code="answer_too_large", why="its answer is over 1 MB")
        return NoAnswer(why=f"its answer is unreadable: {error.cause}")
    except _BEFORE_SENDING as error:
        return NotSent(why=_words(error))
    except httpx.HTTPError as error:
        return NoAnswer(why=f"gave no whole answer within {TIMEOUT_S:.0f} s ({_name(error)})")


def readable(body: bytes, secrets: Sequence[Secret]) -> str:
    """As PostgreSQL stores it, and without what we sent along in confidence."""
    text = body.decode("utf-8", errors="replace")
    return clean_json_text(without(text, (secret.reveal() for secret in secrets)))


def _url(target: Target) -> httpx.URL | None:
    """From the parts that were checked: a second parser might read the text in its own way.

    None where that one does not agree to them.
    """
    try:
        url = httpx.URL(
            scheme=target.scheme,
            host=target.host,
            port=target.port,
            raw_path=target.path.encode("ascii"),
        )
    except httpx.InvalidURL:
        return None
    agreed = (url.scheme, url.host) == (target.scheme, target.host)
    return url if agreed else None


def _words(error: httpx.HTTPError) -> str:
    """What resolving and connecting say names a host at most."""
    said = without(str(error), ())[:_TOLD] or "no connection"
    return f"{said} ({_name(error)})"


def _name(error: httpx.HTTPError) -> str:
    return type(error).__name__
