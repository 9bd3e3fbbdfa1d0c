"""One listening port: sockets, threads and connections, ended all together."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from infra.simulator.answers import Request
from infra.simulator.exchange import Exchange
from infra.simulator.router import Host
from infra.simulator.wire import Wire


class Listener(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], exchange: Exchange, hosts: frozenset[Host]
    ) -> None:
        self.exchange = exchange
        self.hosts = hosts
        self.closing = threading.Event()
        self.failures: list[BaseException] = []
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def end(self) -> None:
        """Stop listening, end every connection and wait until their threads have let go."""
        self.closing.set()
        self.shutdown()
        self.server_close()
        with self._changed:
            for connection in self._open:
                _hang_up(connection)
            self._changed.wait_for(lambda: not self._open, timeout=5)

    def entered(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.add(connection)
            if self.closing.is_set():
                _hang_up(connection)

    def left(self, connection: socket.socket) -> None:
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients may go at any time; errors of the simulator's own are kept for `stop`."""


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Already gone: a fault has closed it, or the client has.
        return


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _ours(self) -> Listener:
        assert isinstance(self.server, Listener)
        return self.server

    def setup(self) -> None:
        super().setup()
        self._ours.entered(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self._ours.left(self.connection)

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        host = self.headers.get("Host") or self._ours.url.removeprefix("http://")
        request = Request(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if length else b"",
            base_url=f"http://{host}",
        )
        wire = Wire(self.connection, self._ours.closing)
        try:
            usable = self._ours.exchange.serve(request, self._ours.hosts, wire)
        except OSError:
            # The client has gone.
            usable = False
        except BaseException as error:
            self._ours.failures.append(error)
            raise
        if not usable:
            self.close_connection = True

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = answer  # noqa: N815 -- http.server finds them by these names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the parent's name
        """Nothing on stderr: the journal is the log."""
