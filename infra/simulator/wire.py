"""Bytes on the socket: answers as HTTP, whole, slowly, in part, or not at all."""

import email.utils
import socket
import struct
import threading
from http import HTTPStatus

from infra.simulator.answers import Answer
from infra.simulator.faults import Kind, Rule

_FOREVER_S = 3600.0
_USUAL = (
    ("Cache-Control", "no-cache, no-store, max-age=0, must-revalidate"),
    ("X-Content-Type-Options", "nosniff"),
    ("Server", "ebay-proxy-server"),
)


def head(answer: Answer, request_id: str, now: float, length: int | None) -> bytes:
    """Status line and headers; `length` None: none is said (204)."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    lines = [
        f"HTTP/1.1 {answer.status} {phrase}",
        f"Date: {email.utils.formatdate(now, usegmt=True)}",
    ]
    if length is not None:
        lines += [f"Content-Type: {answer.content_type}", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in (*_USUAL, *answer.headers)]
    lines += [f"x-ebay-request-id: {request_id}", f"rlogid: t6sd%7F{request_id}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


class Wire:
    """One connection. `closing` set: every wait ends at once."""

    def __init__(self, connection: socket.socket, closing: threading.Event) -> None:
        self._connection = connection
        self._closing = closing

    def wait(self, seconds: float) -> None:
        self._closing.wait(seconds)

    def hang(self, seconds: float | None) -> None:
        """Say nothing until the client has gone, the time is up or the simulator stops."""
        left = _FOREVER_S if seconds is None else seconds
        self._connection.settimeout(0.2)
        while left > 0 and not self._closing.is_set():
            try:
                if not self._connection.recv(4096):
                    return
            except TimeoutError:
                left -= 0.2

    def reset(self) -> None:
        """End the connection with RST instead of FIN."""
        linger = struct.pack("ii", 1, 0)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._connection.close()

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def drip(self, data: bytes, seconds: float | None) -> bool:
        """One byte at a time; False when the simulator stopped before the last."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            if self._closing.wait(1.0 if seconds is None else seconds):
                return False
        return True

    def deliver(self, rule: Rule, opening: bytes, body: bytes) -> bool:
        """As this rule has it; True when the connection can still be used."""
        match rule.kind:
            case Kind.TRUNCATED_BODY:
                self.send(opening + body[: len(body) // 2])
            case Kind.RESET_MID_BODY:
                self.send(opening + body[: len(body) // 2])
                self.reset()
            case Kind.RESET_AFTER:
                self.reset()
            case Kind.DRIP:
                self.send(opening)
                return self.drip(body, rule.seconds)
            case Kind.SLOW_HEADERS:
                return self.drip(opening + body, rule.seconds)
            case _:
                self.send(opening + body)
                return True
        return False
