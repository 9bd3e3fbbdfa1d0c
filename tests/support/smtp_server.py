"""A mail server on loopback: speaks enough SMTP, over TLS or not, and keeps what it was given."""

import base64
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass(frozen=True)
class Delivered:
    sender: str
    to: str
    content: bytes
    over_tls: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class MailServer:
    """`refuse`: an answer in place of the good one, by command (`GREETING`, `.` for the end of
    the data). `silent_after`: the command that is never answered; `hangs_up_after`: the one after
    which the connection ends. `drips`: the greeting comes for ever, byte by byte.
    """

    port: int = 0
    offers_tls: bool = False
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    password: str | None = None
    refuse: Mapping[str, str] = field(default_factory=dict)
    silent_after: str | None = None
    hangs_up_after: str | None = None
    drips: bool = False
    mails: list[Delivered] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


class _EndError(Exception):
    pass


class _Conversation:
    def __init__(self, server: MailServer, connection: socket.socket) -> None:
        self._server = server
        self._connection = connection
        self._lines = connection.makefile("rb")
        self._over_tls = False
        self._user: str | None = None

    def run(self) -> None:
        if self._server.implicit_tls:
            self._begin_tls()
        if self._server.drips:
            self._drip()
        self._say("GREETING", "220 mail.example ESMTP")
        sender = to = ""
        while line := self._lines.readline().decode(errors="replace").strip():
            command = line.split(":")[0].split(" ")[0].upper()
            self._server.commands.append(command)
            match command:
                case "EHLO":
                    self._say(command, self._greeting())
                case "STARTTLS":
                    self._say(command, "220 go ahead")
                    self._begin_tls()
                case "AUTH":
                    self._authenticate(line)
                case "MAIL":
                    sender = line.split("<")[1].split(">")[0]
                    self._say(command, "250 ok")
                case "RCPT":
                    to = line.split("<")[1].split(">")[0]
                    self._say(command, "250 ok")
                case "DATA":
                    self._say(command, "354 go ahead")
                    self._take(sender, to)
                case "QUIT":
                    self._say(command, "221 bye")
                    return
                case _:
                    self._say(command, "250 ok")

    def _greeting(self) -> str:
        extensions = ["mail.example", "AUTH PLAIN"]
        if self._server.offers_tls and not self._over_tls:
            extensions.append("STARTTLS")
        *first, last = [f"250-{each}" for each in extensions]
        return "\r\n".join([*first, last.replace("-", " ", 1)])

    def _take(self, sender: str, to: str) -> None:
        lines: list[bytes] = []
        while (line := self._lines.readline()) not in {b".\r\n", b""}:
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self._server.commands.append(".")
        if "." not in self._server.refuse and line:
            self._server.mails.append(
                Delivered(sender, to, b"".join(lines), self._over_tls, self._user)
            )
        self._say(".", "250 taken")

    def _authenticate(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        self._user = user
        good = password == self._server.password
        self._say("AUTH", "235 welcome" if good else f"535 bad password {password}")

    def _begin_tls(self) -> None:
        assert self._server.tls is not None
        self._connection = self._server.tls.wrap_socket(self._connection, server_side=True)
        self._lines = self._connection.makefile("rb")
        self._over_tls = True

    def _drip(self) -> None:
        while not self._server.stopped.wait(0.05):
            self._connection.sendall(b"x")

    def _say(self, command: str, line: str) -> None:
        if command == self._server.silent_after:
            self._server.stopped.wait(30)
        if command == self._server.hangs_up_after:
            raise _EndError
        self._connection.sendall(f"{self._server.refuse.get(command, line)}\r\n".encode())

    def end(self) -> None:
        with suppress(OSError):
            self._lines.close()
        self._connection.close()


@contextmanager
def mail_server(server: MailServer) -> Iterator[MailServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def serve(connection: socket.socket) -> None:
        talk = _Conversation(server, connection)
        with suppress(OSError, _EndError):
            talk.run()
        talk.end()

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        server.stopped.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
