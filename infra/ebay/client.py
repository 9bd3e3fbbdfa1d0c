"""HTTP as eBay's APIs need it: one request, one answer, within limits of time and size."""

import re
import time
from collections.abc import Callable, Mapping

import httpx

from core.clock import Monotonic
from infra.ebay.answer import Answer
from infra.ebay.errors import given_up, no_answer, unusable_body
from infra.http.client import BoundedHttp, UnusableBodyError

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
        self._http = BoundedHttp(max_connections=max_connections, ticks=ticks, stopping=stopping)

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
        address = f"{url}?{query}" if query else url
        sent = _checked(headers or {})
        try:
            got = self._http.exchange(
                method,
                address,
                timeout=timeout,
                limit=MAX_BODY_BYTES,
                headers=sent,
                content=content,
            )
        except httpx.HTTPError as error:
            if self._http.is_cut_short:
                raise given_up(place) from error
            raise no_answer(error, place, timeout) from error
        except UnusableBodyError as error:
            raise unusable_body(error.cause, place, error.status) from error
        return Answer(place=place, status=got.status, headers=got.headers, body=got.body)

    def close(self) -> None:
        self._http.close()


def _checked(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _HEADER_VALUE.fullmatch(value):
            # Sent as it is, h11 would refuse it too, and repeat the value in its message.
            raise ValueError(f"the header {name} holds characters that HTTP does not allow")
    return dict(headers)
