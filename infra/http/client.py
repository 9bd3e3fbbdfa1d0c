"""One request, one answer, within limits of time and size; nothing comes from the environment."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from core.clock import Monotonic
from infra.http.transport import Countdown, LazyTransport, PooledTransport, Resolve, Stop
from infra.http.unpack import BodyBrokenError, BodyTooLargeError, unpack

_HEADERS = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "cronshot"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class UnusableBodyError(Exception):
    """An answer came, and its body is too large or broken."""

    def __init__(self, cause: BodyBrokenError | BodyTooLargeError, status: int) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.status = status


class BoundedHttp:
    """One pool of connections for every thread and host.

    It follows no redirects, keeps no cookies and reads no proxy or password from the environment.
    It asks the transports themselves: `httpx.Client` tells a logger each address, and an address
    may hold a secret (a bot's token, a hook's path).
    """

    def __init__(
        self,
        *,
        max_connections: int,
        ticks: Monotonic = time.monotonic,
        stopping: Callable[[], bool] = lambda: False,
        resolve_plain: Resolve | None = None,
        resolve_secured: Resolve | None = None,
        keep: bool = True,
    ) -> None:
        """Once `stopping`, the requests under way have four seconds left, and new ones fail.

        Without `keep` each request has a connection of its own, and none is left to be closed: one
        that the other side ended in between leaves open whether a request arrived.
        """
        countdown = Countdown(ticks, Stop(ticks, stopping))

        def plain() -> httpx.BaseTransport:
            return PooledTransport(countdown, max_connections, None, resolve_plain, keep=keep)

        def secured() -> httpx.BaseTransport:
            context = httpx.create_ssl_context(trust_env=False)
            return PooledTransport(countdown, max_connections, context, resolve_secured, keep=keep)

        self._countdown = countdown
        self._plain = LazyTransport(plain)
        self._secured = LazyTransport(secured)

    @property
    def is_cut_short(self) -> bool:
        return self._countdown.is_cut_short

    def exchange(
        self,
        method: str,
        url: str | httpx.URL,
        *,
        timeout: float,
        limit: int,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Received:
        """Whatever status was answered, with its whole body.

        Raises httpx.HTTPError where there is no whole answer within `timeout` seconds in all, and
        UnusableBodyError for a body over `limit` bytes unpacked or a broken one.
        """
        request = httpx.Request(
            method,
            url,
            headers=_HEADERS | dict(headers or {}),
            content=content,
            # For the wait for a connection of the pool; the countdown limits all the others.
            extensions={"timeout": httpx.Timeout(timeout).as_dict()},
        )
        with self._countdown.of(timeout):
            return self._received(request, limit)

    def close(self) -> None:
        self._plain.close()
        self._secured.close()

    def _received(self, request: httpx.Request, limit: int) -> Received:
        transport = self._secured if request.url.scheme == "https" else self._plain
        response = transport.handle_request(request)
        try:
            encoding = response.headers.get("content-encoding", "")
            body = unpack(response.iter_raw(), encoding, limit)
        except (BodyBrokenError, BodyTooLargeError) as error:
            raise UnusableBodyError(error, response.status_code) from error
        finally:
            # Unread rests are thrown away with their connection.
            response.close()
        return Received(status=response.status_code, headers=dict(response.headers), body=body)
