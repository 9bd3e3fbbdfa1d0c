"""Which database, read from what people paste.

pg8000 knows neither `sslmode` nor the names that libpq gives to its options, so both are read here.
"""

import ipaddress
import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode

from core.errors import ConfigurationError
from core.secret import Secret

SCHEMES = ("postgres", "postgresql", "postgresql+pg8000", "postgresql+psycopg2")
DEFAULT_PORT = 5432

# Tuning of other clients, which this one decides for itself, and labels that change nothing.
IGNORED = frozenset(
    {
        "application_name",
        "client_encoding",
        "connect_timeout",
        "connection_limit",
        "fallback_application_name",
        "gssencmode",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "pgbouncer",
        "pool_timeout",
        "schema",
        "sslcompression",
        "sslsni",
        "supa",
        "target_session_attrs",
        "tcp_user_timeout",
        "workaround",
    }
)
UNDERSTOOD = frozenset(
    {"channel_binding", "dbname", "host", "options", "password", "port", "sslmode", "sslrootcert"}
    | {"user"}
)

_SHAPE = re.compile(
    r"(?P<scheme>[A-Za-z0-9+.-]+)://"
    r"(?:(?P<user>[^:/?#]*?)(?::(?P<password>[^/?#]*))?@)?"
    r"(?P<host>\[[^\]/?#]*\]|[^:/?#@\[\]]*)(?::(?P<port>[0-9]*))?"
    r"(?:/(?P<database>[^?#@]*))?(?:\?(?P<query>[^#]*))?",
)


class SslMode(StrEnum):
    """How the connection is secured, in libpq's words; over a Unix socket never.

    disable      plain text.
    require      encrypted, the server's certificate unchecked: anybody in between can pose as it.
                 With `sslrootcert` it is verify-ca (as in libpq), and with
                 `channel_binding=require` the log-in proves that nobody sits in between.
    verify-ca    the certificate is signed by a trusted authority, for whatever name.
    verify-full  ... and for this host name.

    Absent (or `prefer` and `allow`, which promise nothing): disable on a loopback address,
    verify-full anywhere else. There is no silent fallback to plain text.
    """

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """`socket_dir` set: a Unix socket in that folder; else `host`."""

    host: str
    port: int
    user: str
    password: Secret | None
    database: str
    socket_dir: Path | None = None
    sslmode: SslMode = SslMode.DISABLE
    sslrootcert: Path | None = None
    channel_binding_required: bool = False

    def safe(self) -> str:
        """For people: where, which database, as whom; never the password."""
        place = str(self.socket_dir) if self.socket_dir else f"{self.host}:{self.port}"
        return f"{place}/{self.database} as {self.user}"

    def with_database(self, database: str) -> "DatabaseUrl":
        return replace(self, database=database)

    def reveal(self) -> str:
        """The whole address with its password, to hand to another process of ours."""
        password = f":{quote(self.password.reveal(), safe='')}" if self.password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = "" if self.socket_dir else f"{host}:{self.port}"
        query = urlencode(self._options())
        return (
            f"postgresql://{quote(self.user, safe='')}{password}@{place}"
            f"/{quote(self.database, safe='')}?{query}"
        )

    def _options(self) -> dict[str, str]:
        options = {"sslmode": str(self.sslmode)}
        if self.socket_dir:
            options = {"host": str(self.socket_dir), "port": str(self.port)}
        if self.sslrootcert:
            options["sslrootcert"] = str(self.sslrootcert)
        if self.channel_binding_required:
            options["channel_binding"] = "require"
        return options


def parse(url: str) -> DatabaseUrl:
    """Read a database address as Neon, Supabase, RDS, Railway and libpq write it.

    Raises ConfigurationError, which names the part and the way out and repeats nothing secret.
    """
    parts = _split(url.strip())
    options = _options(parts.get("query", ""))
    host = _host(options.get("host") or unquote(parts.get("host", "")))
    socket_dir = Path(host) if host.startswith("/") else None
    user = options.get("user") or unquote(parts.get("user", "")) or _os_user()
    password = options.get("password") or unquote(parts.get("password", ""))
    mode = SslMode.DISABLE if socket_dir else _sslmode(options.get("sslmode"), host)
    _refuse_endpoint_without_tls(options, mode)
    return DatabaseUrl(
        host="" if socket_dir else host,
        port=_port(options.get("port") or parts.get("port", "")),
        user=user,
        password=Secret(password) if password else None,
        database=options.get("dbname") or unquote(parts.get("database", "")) or user,
        socket_dir=socket_dir,
        sslmode=mode,
        sslrootcert=_root_certificate(options.get("sslrootcert"), mode),
        channel_binding_required=_channel_binding_required(options, mode),
    )


def _split(url: str) -> Mapping[str, str]:
    scheme, separator, _ = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ConfigurationError(
            "the database address does not begin with postgresql:// (or postgres://, "
            "postgresql+pg8000://); set DATABASE_URL to "
            "postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        )
    if "[YOUR-PASSWORD]" in url:
        raise ConfigurationError(
            "the database address still has the placeholder [YOUR-PASSWORD]: put the password there"
        )
    match = _SHAPE.fullmatch(url)
    if match is None:
        raise ConfigurationError(
            "the database address cannot be read; a password with any of @ : / ? # [ ] % in it "
            "must be percent-encoded, and only one host can be named, with a number as its port"
        )
    return {name: part for name, part in match.groupdict().items() if part is not None}


def _options(query: str) -> Mapping[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name not in UNDERSTOOD and name not in IGNORED:
            raise ConfigurationError(
                f"the database address has the parameter {name!r}, which cannot be honoured here: "
                "remove it"
            )
    return options


def _host(host: str) -> str:
    host = host.removeprefix("[").removesuffix("]")
    if "," in host:
        raise ConfigurationError(
            "the database address names several hosts: name the one that takes writes"
        )
    return host or "localhost"


def _os_user() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def _port(port: str) -> int:
    if not port:
        return DEFAULT_PORT
    # Not echoed: with an unencoded password it may be a piece of it.
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 2**16:
        raise ConfigurationError("the port in the database address is not a number from 1 to 65535")
    return int(port)


def _sslmode(written: str | None, host: str) -> SslMode:
    if written in (None, "", "prefer", "allow"):
        return SslMode.DISABLE if _is_loopback(host) else SslMode.VERIFY_FULL
    try:
        return SslMode(written)
    except ValueError:
        raise ConfigurationError(
            f"sslmode={written} in the database address is not one of {', '.join(SslMode)}"
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _root_certificate(written: str | None, mode: SslMode) -> Path | None:
    if not written or written == "system" or mode is SslMode.DISABLE:
        return None
    path = Path(written).expanduser()
    if not path.is_file():
        raise ConfigurationError(f"sslrootcert={written} in the database address is not a file")
    return path


def _channel_binding_required(options: Mapping[str, str], mode: SslMode) -> bool:
    written = options.get("channel_binding", "prefer")
    if written not in ("prefer", "require"):
        raise ConfigurationError(
            f"channel_binding={written} in the database address: only prefer and require are "
            "possible, leave it out"
        )
    if written == "require" and mode is SslMode.DISABLE:
        raise ConfigurationError(
            "channel_binding=require in the database address needs TLS: use sslmode=verify-full"
        )
    return written == "require"


def _refuse_endpoint_without_tls(options: Mapping[str, str], mode: SslMode) -> None:
    """Neon's `options=endpoint=…` repeats what TLS says anyway; any other one would be lost."""
    written = options.get("options", "")
    if not written:
        return
    if not written.startswith(("endpoint=", "project=")) or mode is SslMode.DISABLE:
        raise ConfigurationError(
            "the database address has the parameter 'options', which poolers refuse: remove it "
            "(ALTER ROLE … SET does the same on the server)"
        )
