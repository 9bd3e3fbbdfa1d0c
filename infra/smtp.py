"""Mail by SMTP, over TLS wherever it leaves this machine, and within one deadline.

smtplib limits each wait by itself, so a server that sends a byte a second would hold a mail for
ever: at the deadline its connection is shut, whatever it is doing.
"""

import functools
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

import httpcore

from core.jobs.shipped.answers import TIMEOUT_S, NoAnswer, NotSent
from core.jobs.shipped.mail import Accepted, Mail, MailRefused, NotTrusted, Posted
from core.jobs.shipped.target import is_this_machine
from infra.http import transport
from infra.http.transport import Resolve
from infra.redaction import without
from infra.smtp_server import SmtpServer

# What a client without a name of its own calls itself (RFC 5321, 4.1.3); looking one up takes time.
_OUR_NAME = "[127.0.0.1]"
_RESOLVE_S = 5.0
_READY = frozenset({220})
_DONE = frozenset({250, 251})
# smtplib's word for a line without a code.
_GARBAGE = -1
_CONNECT, _TLS, _DATA = "the connection", "STARTTLS", "DATA"
# Seven bits: what is sent needs no extension that a server may not have.
_POLICY = SMTP.clone(cte_type="7bit")


class _UnsafeError(Exception):
    pass


class _Talk(smtplib.SMTP):
    """smtplib over a socket of ours; `stage` is what was asked last."""

    def __init__(self, host: str, timeout: float) -> None:
        super().__init__(local_hostname=_OUR_NAME, timeout=timeout)
        # What starttls() verifies; smtplib knows it only where it connects by itself.
        self._host = host
        self.stage = _CONNECT

    def begin(self, opened: socket.socket) -> None:
        self.sock = opened
        self.file = None
        self.expect(_CONNECT, self.getreply(), _READY)

    def expect(self, stage: str, reply: tuple[int, bytes], wanted: frozenset[int]) -> None:
        self.stage = stage
        if reply[0] == _GARBAGE:
            raise smtplib.SMTPServerDisconnected("no SMTP")
        if reply[0] not in wanted:
            raise smtplib.SMTPResponseException(*reply)

    def leave(self) -> None:
        """Nobody waits for the answer: what was taken is taken."""
        with suppress(OSError, ValueError):
            self.putcmd("QUIT")
        self.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpPost:
    """The `Post` port: a connection for each mail. `tls`: None, the machine's own certificates."""

    server: SmtpServer
    sender: str
    timeout: float = TIMEOUT_S
    tls: ssl.SSLContext | None = None
    resolve: Resolve | None = None

    def send(self, mail: Mail, /) -> Posted:
        content = _written(mail, self.sender)
        ends_at = time.monotonic() + self.timeout
        try:
            opened = self._connected(ends_at)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, OSError) as error:
            return NotSent(why=f"{error} ({type(error).__name__})")
        with _shut_at(ends_at, opened):
            talk = _Talk(self.server.host, self.timeout)
            try:
                return self._posted(talk, opened, mail, content)
            finally:
                talk.leave()

    def _connected(self, ends_at: float) -> socket.socket:
        resolve = self.resolve or transport.resolve
        addresses = resolve(self.server.host, self.server.port, _RESOLVE_S)
        return _first(addresses, self.server.port, ends_at)

    def _posted(self, talk: _Talk, opened: socket.socket, mail: Mail, content: bytes) -> Posted:
        """What cannot be told apart from a mail that was taken is no answer."""
        try:
            self._secured(talk, opened)
            self._delivered(talk, mail, content)
        except _UnsafeError as error:
            return NotTrusted(why=str(error))
        except smtplib.SMTPResponseException as error:
            return MailRefused(code=error.smtp_code, stage=talk.stage, text=self._said(error))
        except ssl.SSLError as error:
            return NotTrusted(why=f"TLS failed: {error.reason}")
        except (OSError, smtplib.SMTPException) as error:
            why = f"broke off at {talk.stage} ({type(error).__name__})"
            return NoAnswer(why=why) if talk.stage == _DATA else NotSent(why=why)
        return Accepted()

    def _secured(self, talk: _Talk, opened: socket.socket) -> None:
        context = self.tls or _verifying()
        if self.server.implicit_tls:
            opened = context.wrap_socket(opened, server_hostname=self.server.host)
        talk.begin(opened)
        talk.ehlo_or_helo_if_needed()
        if self.server.implicit_tls or is_this_machine(self.server.host):
            return
        if not talk.has_extn("starttls"):
            raise _UnsafeError("it offers no STARTTLS, and mail leaves this machine over TLS only")
        talk.stage = _TLS
        talk.starttls(context=context)
        talk.ehlo_or_helo_if_needed()

    def _delivered(self, talk: _Talk, mail: Mail, content: bytes) -> None:
        if self.server.user is not None and self.server.password is not None:
            talk.stage = "AUTH"
            talk.login(self.server.user, self.server.password.reveal())
        talk.stage = "MAIL"
        talk.expect("MAIL", talk.mail(self.sender), _DONE)
        talk.stage = "RCPT"
        talk.expect("RCPT", talk.rcpt(mail.to), _DONE)
        talk.stage = _DATA
        talk.expect(_DATA, talk.data(content), _DONE)

    def _said(self, error: smtplib.SMTPResponseException) -> str:
        text = error.smtp_error
        told = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
        secret = self.server.password
        return without(told, () if secret is None else (secret.reveal(),))


@functools.cache
def _verifying() -> ssl.SSLContext:
    """Reading the certificates takes a while."""
    return ssl.create_default_context()


def _first(addresses: Sequence[str], port: int, ends_at: float) -> socket.socket:
    """The first address that answers, each with its share of the time."""
    failure: OSError | None = None
    for tried, address in enumerate(addresses):
        left = max(ends_at - time.monotonic(), 0.01)
        try:
            opened = socket.create_connection((address, port), left / (len(addresses) - tried))
        except OSError as error:
            failure = error
        else:
            opened.settimeout(max(ends_at - time.monotonic(), 0.01))
            return opened
    raise failure or OSError("the host has no address")


@contextmanager
def _shut_at(ends_at: float, opened: socket.socket) -> Iterator[None]:
    """A second handle on the connection: TLS takes the first one over while it shakes hands."""
    with opened.dup() as handle:

        def shut() -> None:
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(max(ends_at - time.monotonic(), 0), shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            # Also where TLS failed halfway and nobody owns the first handle any more.
            opened.close()


def _written(mail: Mail, sender: str) -> bytes:
    message = EmailMessage(policy=_POLICY)
    message["From"] = sender
    message["To"] = mail.to
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.at)
    message["Message-ID"] = mail.message_id
    message["Auto-Submitted"] = "auto-generated"
    if mail.reply_to is not None:
        message["Reply-To"] = mail.reply_to
    message.set_content(mail.text)
    return message.as_bytes()
