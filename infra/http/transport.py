"""Connections that keep one deadline for a whole request.

httpx limits each read by itself, so a server that sends a byte a second, in the headers or in the
body, holds a request for ever. Here every wait is cut to what is left of the request's time. A
process that is asked to stop waits a few seconds more, not the twenty of a request.
"""

import math
import queue
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from ssl import SSLContext
from typing import Any

import httpcore
import httpx

from core.clock import Monotonic

_KEEPALIVE_S = 30.0
# Of one address; a host that answers at all does so within one.
_CONNECT_S = 5.0
_AFTER_STOP_S = 3.5
# How late it is seen that the process was asked to stop: reading cannot be interrupted.
_LOOK_UP_S = 0.5
_SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)
_TimeoutError = type[httpcore.ConnectTimeout | httpcore.ReadTimeout | httpcore.WriteTimeout]
Resolve = Callable[[str, int, float], list[str]]
"""The addresses of a host and port, within so many seconds; what it raises ends the request."""


class Stop:
    """When the requests of a process that is asked to stop end, all together."""

    def __init__(self, ticks: Monotonic, asked: Callable[[], bool]) -> None:
        self._ticks = ticks
        self._asked = asked
        self._ends_at: float | None = None

    def ends_at(self) -> float:
        """`inf` until it is asked."""
        if self._ends_at is None:
            if not self._asked():
                return math.inf
            self._ends_at = self._ticks() + _AFTER_STOP_S
        return self._ends_at


class Countdown(threading.local):
    """The deadline of the request that this thread is making."""

    ends_at = math.inf

    def __init__(self, ticks: Monotonic, stop: Stop | None = None) -> None:
        self._ticks = ticks
        self._stop = stop or Stop(ticks, lambda: False)

    @contextmanager
    def of(self, seconds: float) -> Iterator[None]:
        self.ends_at = self._ticks() + seconds
        try:
            yield
        finally:
            self.ends_at = math.inf

    @property
    def is_cut_short(self) -> bool:
        return self._stop.ends_at() <= self._ticks()

    def left(self, error: _TimeoutError, at_most: float | None) -> float:
        """Seconds, more than none; raises `error` when they are used up."""
        seconds = min(self.ends_at, self._stop.ends_at()) - self._ticks()
        if seconds <= 0:
            raise error("the request's time is used up")
        return seconds if at_most is None else min(seconds, at_most)


class DeadlineStream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, countdown: Countdown) -> None:
        self._inner = inner
        self._countdown = countdown

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        while True:
            left = self._countdown.left(httpcore.ReadTimeout, timeout)
            try:
                return self._inner.read(max_bytes, min(left, _LOOK_UP_S))
            except httpcore.ReadTimeout:
                # Nothing was read, so nothing is lost by reading again.
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._countdown.left(httpcore.WriteTimeout, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._countdown.left(httpcore.ConnectTimeout, timeout)
        secured = self._inner.start_tls(ssl_context, server_hostname, min(left, _CONNECT_S))
        return DeadlineStream(secured, self._countdown)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class DeadlineBackend(httpcore.NetworkBackend):
    def __init__(self, countdown: Countdown, resolve_with: Resolve | None = None) -> None:
        self._countdown = countdown
        self._resolve = resolve_with
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Tries the host's addresses in turn, each with its share of the time that is left.

        The name is resolved here and nowhere else: what was looked at is what is connected to.
        """
        left = self._countdown.left(httpcore.ConnectTimeout, timeout)
        addresses = (self._resolve or resolve)(host, port, min(left, _CONNECT_S))
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for tried, address in enumerate(addresses):
            left = self._countdown.left(httpcore.ConnectTimeout, timeout)
            share = min(left / (len(addresses) - tried), _CONNECT_S)
            try:
                stream = self._inner.connect_tcp(
                    address, port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return DeadlineStream(stream, self._countdown)
        raise failure or httpcore.ConnectError("the host has no address")


def resolve(host: str, port: int, timeout: float) -> list[str]:
    """The host's addresses. Raises ConnectError, and ConnectTimeout after `timeout` seconds."""
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(str(address[0]) for *_, address in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error)

    # getaddrinfo takes no timeout, and a daemon thread that still waits does not hold the exit up.
    threading.Thread(target=look_up, name=f"resolve-{host}", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout)
    except queue.Empty:
        raise httpcore.ConnectTimeout("the host's name was not resolved in time") from None
    if isinstance(answer, Exception):
        raise httpcore.ConnectError(f"the host's name has no address: {answer}") from answer
    return answer


class PooledTransport(httpx.HTTPTransport):
    """httpx's own transport over a pool whose connections keep the deadline."""

    def __init__(
        self,
        countdown: Countdown,
        max_connections: int,
        ssl_context: SSLContext | None,
        resolve_with: Resolve | None = None,
        *,
        keep: bool = True,
    ) -> None:
        # Not HTTPTransport.__init__, which offers no way to say how the pool connects, and reads
        # the certificates (70 ms) where none are needed. httpx is pinned to its minor version.
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl_context,
            max_connections=max_connections,
            max_keepalive_connections=max_connections if keep else 0,
            keepalive_expiry=_KEEPALIVE_S,
            network_backend=DeadlineBackend(countdown, resolve_with),
        )


class LazyTransport(httpx.BaseTransport):
    """Made at the first request: a run without one, or without TLS, reads no certificates."""

    def __init__(self, make: Callable[[], httpx.BaseTransport]) -> None:
        self._make = make
        self._made: httpx.BaseTransport | None = None
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            if self._made is None:
                self._made = self._make()
        return self._made.handle_request(request)

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()
