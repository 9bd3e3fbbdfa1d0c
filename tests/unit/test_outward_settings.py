"""The settings of what is sent to others: a wrong one is named, and never repeated."""

import os
from unittest.mock import patch

import pytest
from pydantic import SecretStr

from core.errors import ConfigurationError
from core.jobs.shipped.target import Host
from core.secret import Secret
from infra.outward_settings import read_chat_ids, read_credentials, read_smtp_url
from infra.settings import Settings
from infra.smtp_server import SmtpServer

CANARY = "canary-2c9e"


def load(**environment: str) -> Settings:
    with patch.dict(os.environ, {"CRONSHOT_ENV_FILE": "", **environment}, clear=True):
        return Settings.load()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HTTP_ALLOWED_HOSTS", f"https://{CANARY}.example/", "executor.example.com"),
        ("HTTP_ALLOW_LOOPBACK", CANARY, "bool"),
        ("HTTP_BEARER_TOKENS", CANARY, "executor.example.com=TOKEN"),
        ("HTTP_BEARER_TOKENS", f"a.example={CANARY} x", "executor.example.com=TOKEN"),
        ("HTTP_BEARER_TOKENS", f"*.a.example={CANARY}", "executor.example.com=TOKEN"),
        ("HTTP_BEARER_TOKENS", f"a.example:0={CANARY}", "must look like"),
        ("TELEGRAM_BOT_TOKEN", CANARY, "@BotFather"),
        ("TELEGRAM_BOT_TOKEN", f"1:{CANARY}/../{CANARY}", "@BotFather"),
        ("TELEGRAM_API_URL", f"http://{CANARY}.example", "on this machine only"),
        ("TELEGRAM_API_URL", f"https://{CANARY}@api.telegram.org", "https://api.telegram.org"),
        ("TELEGRAM_API_URL", f"https://api.telegram.org/?{CANARY}", "https://api.telegram.org"),
        ("TELEGRAM_API_URL", f"https://[{CANARY}", "https://api.telegram.org"),
        ("TELEGRAM_WEBHOOK_SECRET", CANARY, "16 to 256"),
        ("TELEGRAM_WEBHOOK_SECRET", f"{CANARY}-{CANARY}.{CANARY}", "16 to 256"),
        ("TELEGRAM_WEBHOOK_SECRET", CANARY * 30, "16 to 256"),
        ("TELEGRAM_ALLOWED_CHAT_IDS", f"42,{CANARY}", "42,-1001234567890"),
        ("TELEGRAM_ALLOWED_CHAT_IDS", "42,@orders", "42,-1001234567890"),
        ("TELEGRAM_ALLOWED_CHAT_IDS", "042", "42,-1001234567890"),
        ("TELEGRAM_ALLOWED_CHAT_IDS", "4503599627370496", "42,-1001234567890"),
        ("NOTIFY_WEBHOOK_SECRET", CANARY, "whsec_"),
        ("NOTIFY_WEBHOOK_SECRET_PREVIOUS", f"whsec_{CANARY}", "24 to 64 bytes"),
        ("ALERT_WEBHOOK_URL", f"https://user:{CANARY}@hooks.example/", "https://hooks.example.com"),
        ("SMTP_URL", f"smtp://user@{CANARY}.example", "smtp://user:password@"),
        ("SMTP_URL", f"http://u:{CANARY}@mail.example", "smtp://user:password@"),
        ("SMTP_URL", f"smtp://u:{CANARY}@mail.example/path", "smtp://user:password@"),
        ("SMTP_URL", f"smtp://u:{CANARY}%0A@mail.example", "smtp://user:password@"),
        ("SMTP_URL", f"smtp://u:{CANARY}@mail.example:99999", "smtp://user:password@"),
        ("SMTP_FROM", f"{CANARY}\r\nBcc: x@example.com", "cronshot@example.com"),
        ("SMTP_FROM", f"{CANARY} <a@example.com>", "cronshot@example.com"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as caught:
        load(**{name: value})

    assert says in str(caught.value)
    assert CANARY not in str(caught.value)


def test_good_settings_are_taken_and_secrets_do_not_show() -> None:
    settings = load(
        HTTP_ALLOWED_HOSTS="executor.example.com,*.example.org",
        HTTP_ALLOW_LOOPBACK="1",
        HTTP_BEARER_TOKENS=f"executor.example.com={CANARY}",
        TELEGRAM_BOT_TOKEN=f"123456789:{CANARY}_{CANARY}_{CANARY}",
        TELEGRAM_API_URL="http://127.0.0.1:8081/",
        NOTIFY_WEBHOOK_SECRET="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ALERT_WEBHOOK_URL=f"https://hooks.example.com/{CANARY}",
        SMTP_URL=f"smtps://user:{CANARY}@mail.example.com",
        SMTP_FROM="cronshot@example.com",
    )

    assert settings.http_allow_loopback
    assert CANARY not in repr(settings)


def test_the_chats_that_are_obeyed_are_read() -> None:
    assert read_chat_ids(" 42, -1001234567890,,42 ") == {"42", "-1001234567890"}
    assert read_chat_ids("") == frozenset()


def test_a_mail_server_is_read() -> None:
    assert read_smtp_url(SecretStr("smtp://a%40b:p%3Aw@Mail.example")) == SmtpServer(
        host="mail.example", port=587, implicit_tls=False, user="a@b", password=Secret("p:w")
    )
    assert read_smtp_url(SecretStr("smtps://mail.example:4465/")) == SmtpServer(
        host="mail.example", port=4465, implicit_tls=True
    )


def test_a_credential_is_for_one_host() -> None:
    found = read_credentials(SecretStr("a.example=x=y, b.example:8443=z"))

    assert found == {Host("a.example", None): Secret("x=y"), Host("b.example", 8443): Secret("z")}
