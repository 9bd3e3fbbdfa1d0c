"""The kinds whose effects are outside, put together: executors, chats, hooks, mailboxes, workers.

Imported with the first job of them; what is known of them before stands in `late_kinds.py`.
"""

from collections.abc import Callable

from pydantic import SecretStr

from core.errors import ConfigurationError
from core.jobs.asked_run import RunOnce
from core.jobs.kinds import JobKind
from core.jobs.shipped.http_request import SubmitOverHttp
from core.jobs.shipped.mail import Mail, Post, Posted, SendMails
from core.jobs.shipped.run_worker import RunWorkers
from core.jobs.shipped.target import Reach, read_hosts
from core.jobs.shipped.telegram import Blocks, Bot, SendToChats
from core.jobs.shipped.webhook import PostWebhooks
from core.secret import Secret
from handlers.opening import Opened
from infra.http.client import BoundedHttp
from infra.http.outward import MAX_CONNECTIONS, OutwardHttp, guarded_http
from infra.outward_settings import read_credentials, read_smtp_url
from infra.postgres.chat_blocks import PostgresBlocks
from infra.settings import Settings
from infra.telegram.bot import TelegramBot

RUNNABLE = ("ebay-cycle", "token-refresh")
"""What `run_worker` may run: every worker but the drain that it is performed in."""


def outside_kinds(
    settings: Settings, *, stopping: Callable[[], bool], run_once: RunOnce, blocks: Blocks
) -> tuple[JobKind, ...]:
    """Nothing is connected before the first job, and nothing is left to be closed after one."""
    reach = _reach(settings)
    guarded = guarded_http(reach, stopping=stopping)
    trusted = BoundedHttp(max_connections=MAX_CONNECTIONS, stopping=stopping, keep=False)
    given = settings.http_bearer_tokens
    credentials = {} if given is None else read_credentials(given)
    webhooks = PostWebhooks(
        # Without the executors' credentials: a hook is told nothing but what it is sent.
        send=OutwardHttp(http=guarded),
        reach=reach,
        keys=_secrets(settings.notify_webhook_secret, settings.notify_webhook_secret_previous),
        default=_secret(settings.alert_webhook_url),
    )
    return (
        SubmitOverHttp(send=OutwardHttp(http=guarded, credentials=credentials), reach=reach).kind(),
        SendToChats(bot=_bot(settings, trusted), blocks=blocks).kind(),
        webhooks.kind(),
        SendMails(post=_post(settings)).kind(),
        RunWorkers(run_once=run_once, workers=RUNNABLE).kind(),
    )


def blocks(ready: Opened) -> Blocks:
    return PostgresBlocks(ready.database)


def _reach(settings: Settings) -> Reach:
    if settings.http_allow_loopback and settings.on_lambda:
        raise ConfigurationError(
            "HTTP_ALLOW_LOOPBACK is for development on a machine; on Lambda leave it unset"
        )
    return Reach(
        hosts=read_hosts(settings.http_allowed_hosts), loopback=settings.http_allow_loopback
    )


def _bot(settings: Settings, http: BoundedHttp) -> Bot | None:
    token = _secret(settings.telegram_bot_token)
    if token is None:
        return None
    return TelegramBot(http=http, base=settings.telegram_api_url.rstrip("/"), token=token)


def _post(settings: Settings) -> Post | None:
    if settings.smtp_url is None or settings.smtp_from is None:
        return None
    return _LatePost(settings.smtp_url, settings.smtp_from)


class _LatePost:
    """smtplib and the writing of mails are imported with the first one."""

    def __init__(self, url: SecretStr, sender: str) -> None:
        self._url = url
        self.sender = sender

    def send(self, mail: Mail, /) -> Posted:
        from infra.smtp import SmtpPost

        return SmtpPost(server=read_smtp_url(self._url), sender=self.sender).send(mail)


def _secret(given: SecretStr | None) -> Secret | None:
    return None if given is None else Secret(given.get_secret_value())


def _secrets(*given: SecretStr | None) -> tuple[Secret, ...]:
    return tuple(Secret(each.get_secret_value()) for each in given if each is not None)
