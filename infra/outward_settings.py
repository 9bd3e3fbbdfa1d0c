"""The settings of what is sent to others, read. Each raises ValueError, which repeats no value."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from core.jobs.kinds import BadPayloadError
from core.jobs.shipped.mail import is_address
from core.jobs.shipped.target import Host, is_this_machine, read_host, read_hosts, read_target
from core.jobs.shipped.webhook import signing_key
from core.secret import Secret
from infra.smtp_server import SmtpServer

_BOT_TOKEN = re.compile(r"[0-9]{1,20}:[A-Za-z0-9_-]{20,100}")
# One way to write each number.
_CHAT_ID = re.compile(r"-?[1-9][0-9]{0,15}")
_LARGEST_CHAT = 2**52
_WEBHOOK_SECRET = re.compile(r"[A-Za-z0-9_-]{16,256}")
_TOKEN = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,2000}")
_SMTP_PORTS = {"smtp": 587, "smtps": 465}


def read_credentials(listed: SecretStr) -> Mapping[Host, Secret]:
    """`executor.example.com=TOKEN,other.example.com:8443=TOKEN`."""
    found: dict[Host, Secret] = {}
    for entry in listed.get_secret_value().split(","):
        host, sign, token = entry.strip().partition("=")
        if not sign or not _TOKEN.fullmatch(token) or host.startswith("*"):
            raise ValueError("must look like executor.example.com=TOKEN,other.example.com=TOKEN")
        found[read_host(host)] = Secret(token)
    return found


def read_api_url(url: str) -> None:
    """A token travels in its path, so it is https off this machine."""
    parts = _split(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))
    if not host or not secure or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError("must look like https://api.telegram.org (http:// on this machine only)")


def _read_hook(url: SecretStr) -> None:
    try:
        read_target(url.get_secret_value(), "")
    except BadPayloadError:
        raise ValueError("must look like https://hooks.example.com/…") from None


def _read_bot_token(token: SecretStr) -> None:
    if not _BOT_TOKEN.fullmatch(token.get_secret_value()):
        raise ValueError("must look like 123456789:AAF…, as @BotFather gives it")


def _read_webhook_secret(secret: SecretStr) -> None:
    """The characters that Telegram takes; of its 1 to 256 the short ones could be guessed."""
    if not _WEBHOOK_SECRET.fullmatch(secret.get_secret_value()):
        raise ValueError("must be 16 to 256 letters, digits, `-` and `_`")


def read_chat_ids(listed: str) -> frozenset[str]:
    """`42,-1001234567890`: a person's chat is a number above 0, a group's one below."""
    found = frozenset(filter(None, map(str.strip, listed.split(","))))
    if not all(_CHAT_ID.fullmatch(each) and abs(int(each)) < _LARGEST_CHAT for each in found):
        raise ValueError("must be chats' numbers with commas between: 42,-1001234567890")
    return found


def _read_sender(sender: str) -> None:
    if not is_address(sender):
        raise ValueError("must be one address like cronshot@example.com")


def read_smtp_url(secret: SecretStr) -> SmtpServer:
    """`smtp://user:password@host:587`, `smtps://…`; what is special in a password is %-encoded."""
    parts = _split(secret.get_secret_value())
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    plain = (user + password).isascii() and (user + password).isprintable()
    named = parts.scheme in _SMTP_PORTS and bool(parts.hostname) and bool(user) == bool(password)
    if not named or not plain or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must look like smtp://user:password@mail.example.com:587, or smtps://…")
    return SmtpServer(
        host=parts.hostname or "",
        port=parts.port or _SMTP_PORTS[parts.scheme],
        implicit_tls=parts.scheme == "smtps",
        user=user or None,
        password=Secret(password) if password else None,
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url.strip())
        usable = parts.port != 0
    except ValueError:
        usable = False
        parts = urlsplit("")
    return parts if usable else urlsplit("")


_READ: Mapping[str, Callable[[Any], object]] = {
    "http_allowed_hosts": read_hosts,
    "http_bearer_tokens": read_credentials,
    "telegram_bot_token": _read_bot_token,
    "telegram_api_url": read_api_url,
    "telegram_webhook_secret": _read_webhook_secret,
    "telegram_allowed_chat_ids": read_chat_ids,
    "notify_webhook_secret": lambda given: signing_key(Secret(given.get_secret_value())),
    "notify_webhook_secret_previous": lambda given: signing_key(Secret(given.get_secret_value())),
    "alert_webhook_url": _read_hook,
    "smtp_url": read_smtp_url,
    "smtp_from": _read_sender,
}


def checked(name: str | None, given: object) -> object:
    """What is not set stays so. Raises ValueError."""
    if given is not None and name is not None:
        _READ[name](given)
    return given
