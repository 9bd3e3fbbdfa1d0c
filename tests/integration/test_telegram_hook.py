"""A bot's webhook, told to a Telegram of the test's own on loopback."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from core.chat.hook import HookState
from core.errors import ConfigurationError, TransientError, UsageError
from core.secret import Secret
from infra.http.client import BoundedHttp
from infra.telegram.hook import TelegramHook
from tests.support.answering import Said, service

TOKEN = "123456789:AAF-canary_canary_canary_canary"  # a bot's that nobody has
WORD = Secret("canary-word-of-the-webhook")
URL = "https://cronshot.example.com/webhooks/telegram"


@pytest.fixture
def client() -> Iterator[BoundedHttp]:
    http = BoundedHttp(max_connections=2)
    yield http
    http.close()


def hook(client: BoundedHttp, base: str) -> TelegramHook:
    return TelegramHook(http=client, base=base, token=Secret(TOKEN))


def refusal(code: int, description: str = "no") -> Said:
    return Said({"ok": False, "error_code": code, "description": description}, code)


def test_it_is_registered_for_messages_alone_and_with_the_secret(client: BoundedHttp) -> None:
    with service(lambda _: Said({"ok": True, "result": True})) as telegram:
        hook(client, telegram.url).set(URL, WORD)

    [asked] = telegram.asked
    assert asked.path == f"/bot{TOKEN}/setWebhook"
    assert asked.json == {
        "url": URL,
        "secret_token": WORD.reveal(),
        "allowed_updates": ["message"],
        "max_connections": 4,
    }


def test_its_state_is_read(client: BoundedHttp) -> None:
    result = {
        "url": URL, "pending_update_count": 3, "allowed_updates": ["message"], "max_connections": 4,
        "last_error_date": 1_790_000_000, "last_error_message": "Wrong response:\n503",
    }  # fmt: skip
    with service(lambda _: Said({"ok": True, "result": result})) as telegram:
        state = hook(client, telegram.url).state()

    assert state == HookState(
        url=URL,
        pending=3,
        allowed_updates=["message"],
        max_connections=4,
        last_error_at=datetime.fromtimestamp(1_790_000_000, UTC),
        last_error="Wrong response: 503",
    )


@pytest.mark.parametrize(
    "result",
    [{}, True, None, {"url": 5, "allowed_updates": 7, "last_error_date": 10**30, "x": []}],
)
def test_a_state_of_another_form_is_an_empty_one(client: BoundedHttp, result: object) -> None:
    with service(lambda _: Said({"ok": True, "result": result})) as telegram:
        state = hook(client, telegram.url).state()

    assert (state.url, state.pending, state.allowed_updates, state.last_error_at) == (
        "",
        0,
        [],
        None,
    )


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (refusal(401), ConfigurationError, "TELEGRAM_BOT_TOKEN"),
        (refusal(404), ConfigurationError, "TELEGRAM_BOT_TOKEN"),
        (
            refusal(400, "Bad Request: bad webhook: HTTPS"),
            UsageError,
            "400: Bad Request: bad webhook",
        ),
        (refusal(429), TransientError, "try again"),
        (refusal(502), TransientError, "try again"),
        (Said(b"<html>hello</html>"), TransientError, "not Telegram's"),
    ],
)
def test_a_refusal_says_what_helps(
    client: BoundedHttp, said: Said, error: type[Exception], words: str
) -> None:
    with service(lambda _: said) as telegram, pytest.raises(error, match=words):
        hook(client, telegram.url).set(URL, WORD)


def test_neither_token_nor_secret_is_in_a_log_or_an_error(
    client: BoundedHttp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told = refusal(400, f"/bot{TOKEN}/setWebhook?secret_token={WORD.reveal()}")
    with service(lambda _: told) as telegram:
        setting = hook(client, telegram.url)
        with pytest.raises(UsageError) as refused:
            setting.set(URL, WORD)
    with pytest.raises(TransientError) as gone:
        setting.set(URL, WORD)

    shown = caplog.text + str(refused.value) + str(gone.value) + repr(setting)
    assert "canary" not in shown.replace(URL, "")
