"""HTTP as eBay's APIs need it: one request, one answer, within limits of time and size."""

import re
import time
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx

from core.clock import Monotonic
from infra.ebay.answer import Answer
from infra.ebay.errors import given_up, no_answer, unusable_body
from infra.ebay.transport import Countdown, LazyTransport, PooledTransport, Stop
from infra.ebay.unpack import BodyBrokenError, BodyTooLargeError, unpack

MAX_BODY_BYTES = 10 * 1024 * 1024
# WORKERS_MAX_PARALLEL is at most 64, and a token may be asked for beside each page.
_MAX_CONNECTIONS = 128
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*")


class EbayHttp:
    """One pool of connections for every thread, account and host.

    It follows no redirects, keeps no cookies (the accounts would share them) and reads no proxy or
    password from the environment.
    """

    def __init__(
        self,
        *,
        ticks: Monotonic = time.monotonic,
        max_connections: int = _MAX_CONNECTIONS,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Once `stopping`, the requests under way have four seconds left, and new ones fail."""
        countdown = Countdown(ticks, Stop(ticks, stopping))

        def plain() -> httpx.BaseTransport:
            return PooledTransport(countdown, max_connections, None)

        def secured() -> httpx.BaseTransport:
            context = httpx.create_ssl_context(trust_env=False)
            return PooledTransport(countdown, max_connections, context)

        self._countdown = countdown
        self._client = httpx.Client(
            headers={"Accept-Encoding": "gzip", "User-Agent": "cronshot"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
            transport=LazyTransport(plain),
            mounts={"https://": LazyTransport(secured)},
        )

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Whatever status eBay answered, with its whole body.

        `query` is sent as it stands, so it must be encoded. Raises UpstreamUnavailableError when
        there is no whole answer within `timeout` seconds in all, BadAnswerError for a body over
        10 MB unpacked.
        """
        place = f"{method} {url}"
        request = self._client.build_request(
            method,
            f"{url}?{query}" if query else url,
            headers=_checked(headers or {}),
            content=content,
            # For the wait for a connection of the pool; the countdown limits all the others.
            timeout=httpx.Timeout(timeout),
        )
        try:
            with self._countdown.of(timeout):
                return self._answer(request, place)
        except httpx.HTTPError as error:
            if self._countdown.is_cut_short:
                raise given_up(place) from error
            raise no_answer(error, place, timeout) from error

    def close(self) -> None:
        self._client.close()

    def _answer(self, request: httpx.Request, place: str) -> Answer:
        response = self._client.send(request, stream=True)
        try:
            encoding = response.headers.get("content-encoding", "")
            body = unpack(response.iter_raw(), encoding, MAX_BODY_BYTES)
        except (BodyBrokenError, BodyTooLargeError) as error:
            raise unusable_body(error, place, response.status_code) from error
        finally:
            # Unread rests are thrown away with their connection.
            response.close()
        return Answer(
            place=place, status=response.status_code, headers=dict(response.headers), body=body
        )


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            # Sent as it is, h11 would refuse it too, and repeat the value in its message.
            raise ValueError(f"the header {name} holds characters that HTTP does not allow")
    return dict(headers)
