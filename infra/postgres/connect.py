"""One connection to PostgreSQL, over a socket of ours."""

import re
import socket
import ssl
import struct
from functools import cache
from pathlib import Path
from typing import Any

import pg8000
from scramp import ScramException  # type: ignore[import-untyped]  # pg8000's; has no stubs

from core.errors import AppError, ConfigurationError, StoreUnavailableError
from infra.postgres.cursor import Cursor
from infra.postgres.readable import read
from infra.postgres.sqlstate import classify, server_words, sqlstate
from infra.postgres.url import DatabaseUrl, SslMode

OLDEST_SERVER = 15
SSL_REQUEST = struct.pack("!ii", 8, 80877103)

# What pg8000 raises when the other end does not speak the protocol, or wants what we do not have.
_DRIVER_ERRORS = (
    OSError,
    pg8000.Error,
    ScramException,
    AttributeError,
    KeyError,
    ValueError,
    struct.error,
)


JSON_TYPES = (114, 3802)
"""`json` and `jsonb`, as PostgreSQL numbers them."""


class Connection(pg8000.Connection):  # type: ignore[misc]  # pg8000 has no types
    """pg8000's, which keeps in sight the socket that it was given."""

    def __init__(self, user: str, *, sock: socket.socket, **arguments: Any) -> None:
        self.socket = sock
        super().__init__(user, sock=sock, **arguments)
        for kind in JSON_TYPES:
            self.register_in_adapter(kind, read)

    def cursor(self) -> Cursor:
        return Cursor(self)


def connect(url: DatabaseUrl, *, application_name: str, timeout: float) -> Connection:
    """Connect, secure and authenticate; `timeout` is in seconds, for each wait on the network.

    Raises StoreUnavailableError where waiting may help, ConfigurationError where it will not.
    """
    sock = _secured(_reach(url, timeout), url)
    try:
        connection = Connection(
            url.user,
            host=url.host,
            port=url.port,
            database=url.database,
            password=url.password.reveal() if url.password else None,
            application_name=application_name,
            sock=sock,
            # The socket is secured already; None would mean TLS without any check.
            ssl_context=False,
        )
        _check(connection, url)
    except _DRIVER_ERRORS as error:
        sock.close()
        raise _refusal(error, url) from error
    except BaseException:
        sock.close()
        raise
    return connection


def _reach(url: DatabaseUrl, timeout: float) -> socket.socket:
    try:
        if url.socket_dir:
            return _reach_unix(url.socket_dir / f".s.PGSQL.{url.port}", timeout)
        sock = socket.create_connection((url.host, url.port), timeout)
    except OSError as error:
        said = error.strerror or error
        raise StoreUnavailableError(
            f"no database at {url.safe()} ({said}); is the server up, and is this its address?"
        ) from error
    # Without it a parameter of 30 KB waits 41 ms for the other end's delayed acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def _reach_unix(path: Path, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(str(path))
    except BaseException:
        sock.close()
        raise
    return sock


def _secured(sock: socket.socket, url: DatabaseUrl) -> socket.socket:
    if url.sslmode is SslMode.DISABLE:
        return sock
    try:
        _ask_for_tls(sock, url)
        context = tls_context(url.sslmode, url.sslrootcert)
        return context.wrap_socket(sock, server_hostname=url.host)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise ConfigurationError(
            f"the certificate of {url.safe()} is not to be trusted: {error.verify_message}; name "
            "its authority with sslrootcert=/path/to/ca.crt in DATABASE_URL, or give up the check "
            "with sslmode=require"
        ) from error
    except OSError as error:
        sock.close()
        raise StoreUnavailableError(f"no TLS with {url.safe()} ({error})") from error
    except BaseException:
        sock.close()
        raise


def _ask_for_tls(sock: socket.socket, url: DatabaseUrl) -> None:
    """Only an outspoken no is one: a proxy hangs up, or tells an error, when it has no server."""
    sock.sendall(SSL_REQUEST)
    answer = sock.recv(1)
    if answer == b"N":
        raise ConfigurationError(
            f"{url.safe()} offers no TLS; where the network in between is trusted, add "
            "sslmode=disable to DATABASE_URL"
        )
    if answer != b"S":
        did = f"answered {answer!r} to" if answer else "hung up at"
        raise StoreUnavailableError(f"{url.safe()} {did} the question for TLS")


@cache
def tls_context(mode: SslMode, root_certificate: Path | None) -> ssl.SSLContext:
    """Built once per process: loading the authorities takes 20 ms and more."""
    context = ssl.create_default_context(cafile=root_certificate)
    context.check_hostname = mode is SslMode.VERIFY_FULL
    if root_certificate:
        # Since Python 3.13 a sound certificate of an own authority is refused for formalities that
        # libpq does not know; who signed it, and for whom, is checked all the same.
        # https://github.com/PyMySQL/PyMySQL/pull/1198
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if mode is SslMode.REQUIRE and root_certificate is None:
        context.verify_mode = ssl.CERT_NONE
    return context


def _check(connection: Connection, url: DatabaseUrl) -> None:
    mechanism = getattr(getattr(connection, "auth", None), "mechanism_name", "")
    if url.channel_binding_required and not mechanism.endswith("-PLUS"):
        raise ConfigurationError(
            f"{url.safe()} does not bind the password to the TLS channel; remove "
            "channel_binding=require from DATABASE_URL where that is accepted"
        )
    if server_version(connection) < (OLDEST_SERVER,):
        raise ConfigurationError(
            f"{url.safe()} is older than PostgreSQL {OLDEST_SERVER}: upgrade it or name another"
        )


def server_version(connection: Any) -> tuple[int, ...]:
    """As the server told it when the session began: no statement is spent on it."""
    told = re.match(r"\d+(?:\.\d+)*", connection.parameter_statuses.get("server_version", ""))
    return tuple(int(part) for part in told.group().split(".")) if told else (OLDEST_SERVER,)


def _said_by_server(error: BaseException) -> BaseException | None:
    """After a refusal pg8000 writes once more before it closes; that fails, and hides why."""
    seen: BaseException | None = error
    while seen is not None and sqlstate(seen) is None:
        seen = seen.__context__
    return seen


def _refusal(error: Exception, url: DatabaseUrl) -> AppError:
    said = _said_by_server(error)
    found = classify(said or error)
    if isinstance(found, AppError):
        return type(found)(f"{url.safe()}: {found}")
    if said is not None:
        # Poolers say with XX000 that nobody is served now, and also that nobody is known.
        internal = (sqlstate(said) or "").startswith("XX")
        kind = StoreUnavailableError if internal else ConfigurationError
        return kind(f"{url.safe()} refuses the log-in: {server_words(said)}")
    if url.password is None and isinstance(error, AttributeError | pg8000.InterfaceError):
        return ConfigurationError(f"{url.safe()} wants a password, and DATABASE_URL has none")
    return ConfigurationError(
        f"{url.safe()} cannot be logged in to ({type(error).__name__}): wrong password, or not a "
        "PostgreSQL server"
    )
