"""Where the registration of the webhook is put together."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from core.chat.hook import Hook, HookState, check_url
from core.errors import ConfigurationError
from core.secret import Secret
from infra.http.client import BoundedHttp
from infra.settings import Settings
from infra.telegram.hook import TelegramHook


@contextmanager
def hook(settings: Settings) -> Iterator[Hook]:
    """Raises ConfigurationError without a token."""
    token = settings.telegram_bot_token
    if token is None:
        raise ConfigurationError("TELEGRAM_BOT_TOKEN is not set; see docs/sessions.md")
    with closing(BoundedHttp(max_connections=1)) as http:
        yield TelegramHook(
            http=http,
            base=settings.telegram_api_url.rstrip("/"),
            token=Secret(token.get_secret_value()),
        )


def register(settings: Settings, url: str) -> HookState:
    """What Telegram says of it then. Raises UsageError, ConfigurationError, TransientError."""
    address, secret = check_url(url), settings.telegram_webhook_secret
    if secret is None:
        raise ConfigurationError(
            "TELEGRAM_WEBHOOK_SECRET is not set, so the webhook would answer 503; see .env.example"
        )
    with hook(settings) as telegram:
        telegram.set(address, Secret(secret.get_secret_value()))
        return telegram.state()
