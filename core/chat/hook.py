"""Where Telegram posts what is written to the bot, and what it says of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from core.errors import UsageError
from core.secret import Secret

PATH = "/webhooks/telegram"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookState:
    """`url` is empty where Telegram posts nowhere; `pending`: updates that wait there."""

    url: str
    pending: int
    allowed_updates: Sequence[str]
    max_connections: int | None
    last_error_at: datetime | None
    last_error: str | None


class Hook(Protocol):
    """Raises ConfigurationError for a token that Telegram does not know, UsageError for what it
    refuses, TransientError where it gives no answer.
    """

    def set(self, url: str, secret: Secret) -> None: ...

    def state(self) -> HookState: ...


def check_url(url: str) -> str:
    """Raises UsageError for what is not the address of our webhook."""
    parts = _split(url)
    wanted = parts.scheme in {"https", "http"} and bool(parts.hostname)
    if not wanted or not parts.path.endswith(PATH) or parts.query or parts.fragment:
        raise UsageError(f"--url must look like https://cronshot.example.com{PATH}")
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        usable, parts = False, urlsplit("")
    return parts if usable else urlsplit("")
