"""Where a request on somebody's behalf may go: hosts that are listed, at public addresses.

1. The address is parsed once, here; its parts are what is sent and what is connected to.
2. Its host and port stand in HTTP_ALLOWED_HOSTS.
3. All the addresses of the host are public; the sender resolves it once and asks `refusal`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from core.jobs.kinds import BadPayloadError
from core.jobs.shipped import address

LONGEST = 2000
SETTING = "HTTP_ALLOWED_HOSTS"
PORTS = {"https": 443, "http": 80}
_VISIBLE = re.compile(r"[\x21-\x7e]+")
# What browsers and resolvers take for an address however it is written (0x7f.1, 127.1, 2130706433).
_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*")
_ENTRY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|(\*\.)?[a-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?")
_HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An address, taken apart; the host without brackets, `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)

    @property
    def place(self) -> str:
        """For people: without the path, which may be a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Host:
    """`*.example.com` is every name below it. None: the scheme's own port, any on loopback."""

    name: str
    port: int | None

    def is_of(self, target: Target) -> bool:
        if self.port is not None and self.port != target.port:
            return False
        if self.name.startswith("*."):
            return target.host.endswith(self.name[1:])
        return self.name == target.host


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """`loopback`: this machine too, without TLS; for development."""

    hosts: tuple[Host, ...] = ()
    loopback: bool = False

    def check(self, target: Target, name: str) -> None:
        """Raises BadPayloadError, which says what to do."""
        is_here = self.loopback and is_this_machine(target.host)
        if target.scheme != "https" and not is_here:
            raise BadPayloadError(
                f"{name}: must begin with https:// (HTTP_ALLOW_LOOPBACK=1 lets http:// reach this"
                " machine, for development)"
            )
        listed = [host for host in self.hosts if host.is_of(target)]
        if not listed:
            raise BadPayloadError(f"{name}: {target.place} is not in {SETTING}; add it there")
        own_port = target.port == PORTS[target.scheme] or is_here
        if not own_port and all(host.port is None for host in listed):
            raise BadPayloadError(f"{name}: {SETTING} must name the port: {target.place}")

    def refusal(self, addresses: Sequence[str], *, secured: bool) -> str | None:
        """Why none of a host's addresses is connected to; None: each of them may be.

        One that is not public condemns them all: who answers so wants one of them to be taken.
        """
        if self.loopback and addresses and all(map(address.is_loopback, addresses)):
            return None
        if not secured:
            return "without TLS only this machine is reached"
        if not addresses or not all(map(address.is_public, addresses)):
            return "an address of the host is not public"
        return None


def read_hosts(text: str) -> tuple[Host, ...]:
    """`executor.example.com, *.example.org:8443`. Raises ValueError."""
    return tuple(_host(each.strip().lower()) for each in text.split(",") if each.strip())


def read_host(text: str) -> Host:
    return _host(text.strip().lower())


def _host(entry: str) -> Host:
    found = _ENTRY.fullmatch(entry)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 0 < port <= _HIGHEST_PORT):
        raise ValueError("must look like executor.example.com,*.example.org:8443")
    return Host(found["host"].strip("[]"), port)


def read_target(url: str, name: str) -> Target:
    """Raises BadPayloadError: only what means one thing to everybody is taken."""
    if len(url) > LONGEST or not _VISIBLE.fullmatch(url) or "\\" in url:
        raise BadPayloadError(
            f"{name}: must be an address of at most {LONGEST} visible ASCII characters without \\"
            " (write a name with others as xn--…)"
        )
    parts = _split(url, name)
    port = parts.port or PORTS[parts.scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=_named(parts, name), port=port, path=path)


def _split(url: str, name: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
        if parts.netloc.startswith("["):
            # A zone (%eth0) is this machine's own affair.
            usable &= IPv6Address(parts.hostname or "").scope_id is None
    except ValueError:
        usable = False
        parts = urlsplit("")
    if not usable:
        raise BadPayloadError(f"{name}: must look like https://host.example.com/path")
    if "@" in parts.netloc:
        raise BadPayloadError(f"{name}: must not hold a user or a password; see HTTP_BEARER_TOKENS")
    if parts.fragment or url.endswith("#"):
        raise BadPayloadError(f"{name}: must not have a part after #")
    return parts


def _named(parts: SplitResult, name: str) -> str:
    host = (parts.hostname or "").lower()
    if parts.netloc.startswith("["):
        return str(IPv6Address(host))
    if _NUMBER.fullmatch(host) and not _is_plain(host):
        raise BadPayloadError(f"{name}: an address must be written as four decimal numbers")
    if not _NAME.fullmatch(host):
        raise BadPayloadError(f"{name}: its host must be a name, without a dot at the end")
    return host


def _is_plain(host: str) -> bool:
    try:
        return str(IPv4Address(host)) == host
    except ValueError:
        return False


def is_this_machine(host: str) -> bool:
    """By what is written, so that a name which somebody points here is none of it."""
    return host == "localhost" or address.is_loopback(host)
