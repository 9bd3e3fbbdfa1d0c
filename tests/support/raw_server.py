"""A server on loopback that answers with exact bytes, at the pace that a test wants."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Script = Callable[[socket.socket, bytes, threading.Event], None]


@dataclass
class RawServer:
    """`requests` are the heads and bodies as they came; `connections` counts the accepted ones."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextmanager
def raw_server(script: Script) -> Iterator[RawServer]:
    """Calls `script(connection, request, stopped)` for each request of each connection.

    A script that closes the connection, or raises OSError, ends it; the event is set when the test
    is over, so that a slow script waits on it and never holds the suite up.
    """
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}")

    def serve(connection: socket.socket) -> None:
        with connection:
            while (request := _read_request(connection)) and not stopped.is_set():
                server.requests.append(request)
                try:
                    script(connection, request, stopped)
                except OSError:
                    return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        stopped.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def fixed(answer: bytes) -> Script:
    """The same answer to every request."""

    def script(connection: socket.socket, _request: bytes, _stopped: threading.Event) -> None:
        connection.sendall(answer)

    return script


def closing(answer: bytes) -> Script:
    """An answer, after which the connection ends."""

    def script(connection: socket.socket, _request: bytes, _stopped: threading.Event) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_RDWR)

    return script


def dripping(first: bytes, rest: bytes, *, every: float) -> Script:
    """`first` at once, then `rest` byte by byte, again and again until the test is over."""

    def script(connection: socket.socket, _request: bytes, stopped: threading.Event) -> None:
        connection.sendall(first)
        while True:
            for byte in rest:
                if stopped.wait(every):
                    return
                connection.sendall(bytes([byte]))

    return script


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole answer; `headers` are lines that end in CRLF."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    try:
        while b"\r\n\r\n" not in received:
            if not (part := connection.recv(65536)):
                return b""
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        while len(body) < _content_length(head):
            body += connection.recv(65536)
    except OSError:
        return b""
    return head + b"\r\n\r\n" + body


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
