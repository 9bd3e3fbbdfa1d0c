"""Where Telegram posts what is written to a bot. https://core.telegram.org/bots/api#setwebhook"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.chat.hook import HookState
from core.errors import ConfigurationError, TransientError, UsageError
from core.jobs.shipped.fields import quoted
from core.secret import Secret
from infra.http.client import BoundedHttp
from infra.telegram.call import Told, call, whole

ALLOWED_UPDATES = ("message",)
MAX_CONNECTIONS = 4
"""At once; Telegram's 40 would be as many functions and database connections for a few chats."""
_BAD_TOKEN = frozenset({401, 404})
_TOO_MANY = 429
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramHook:
    """The `Hook` port."""

    http: BoundedHttp
    base: str
    token: Secret

    def set(self, url: str, secret: Secret) -> None:
        given = {
            "url": url,
            "secret_token": secret.reveal(),
            "allowed_updates": list(ALLOWED_UPDATES),
            "max_connections": MAX_CONNECTIONS,
        }
        self._called("setWebhook", given, secret)

    def state(self) -> HookState:
        found = self._called("getWebhookInfo", {}).result
        at = whole(found, "last_error_date")
        return HookState(
            url=_text(found, "url") or "",
            pending=whole(found, "pending_update_count") or 0,
            allowed_updates=_texts(found.get("allowed_updates")),
            max_connections=whole(found, "max_connections"),
            last_error_at=None if at is None else _instant(at),
            last_error=_text(found, "last_error_message"),
        )

    def _called(self, method: str, given: Mapping[str, object], *confidential: Secret) -> Told:
        told = call(self.http, self.base, self.token, method, given, confidential=confidential)
        if not isinstance(told, Told):
            raise TransientError(f"Telegram did not answer {method}: {told.why}; try again")
        if told.is_success:
            return told
        if told.code in _BAD_TOKEN:
            raise ConfigurationError(
                f"Telegram knows no bot with this TELEGRAM_BOT_TOKEN ({told.code})"
            )
        said = f"Telegram answered {method} with {told.code}: {quoted(told.description, _LONGEST)}"
        if told.code == _TOO_MANY or told.code >= 500:  # noqa: PLR2004  (HTTP's own classes)
            raise TransientError(f"{said}; try again")
        raise UsageError(said)


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    return quoted(value, _LONGEST) if isinstance(value, str) and value else None


def _texts(given: object) -> Sequence[str]:
    return (
        [quoted(each, _LONGEST) for each in given if isinstance(each, str)]
        if isinstance(given, list)
        else []
    )


def _instant(at: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return None
