"""The bot against a Telegram of the test's own on loopback."""

import logging
from collections.abc import Iterator

import pytest

from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.shipped.telegram import BotAnswer, ChatMessage
from core.secret import Secret
from infra.http.client import BoundedHttp
from infra.telegram.bot import TelegramBot
from tests.support.answering import Said, service

TOKEN = "123456789:AAF-canary_canary_canary_canary"  # a bot's that nobody has
HELLO = ChatMessage(chat_id=-100123, text="<b>hello</b> ü 😀", silent=True)


@pytest.fixture
def client() -> Iterator[BoundedHttp]:
    http = BoundedHttp(max_connections=2)
    yield http
    http.close()


def bot(client: BoundedHttp, base: str) -> TelegramBot:
    return TelegramBot(http=client, base=base, token=Secret(TOKEN))


def test_a_message_is_posted_as_plain_text(client: BoundedHttp) -> None:
    with service(lambda _: Said({"ok": True, "result": {"message_id": 7}})) as telegram:
        answer = bot(client, telegram.url).send(HELLO)

    [asked] = telegram.asked
    assert (asked.method, asked.path) == ("POST", f"/bot{TOKEN}/sendMessage")
    assert asked.json == {
        "chat_id": -100123,
        "text": "<b>hello</b> ü 😀",
        "disable_notification": True,
        "link_preview_options": {"is_disabled": True},
    }
    assert answer == BotAnswer(code=200, message_id=7)


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (
            Said({"ok": False, "error_code": 403,
                  "description": "Forbidden: bot was blocked by the user"}, 403),
            BotAnswer(code=403, description="Forbidden: bot was blocked by the user"),
        ),
        (
            Said({"ok": False, "error_code": 429, "description": "Too Many Requests",
                  "parameters": {"retry_after": 35}}, 429),
            BotAnswer(code=429, description="Too Many Requests", retry_after_s=35),
        ),
        (
            Said({"ok": False, "error_code": 400, "description": "upgraded",
                  "parameters": {"migrate_to_chat_id": -1001234}}, 400),
            BotAnswer(code=400, description="upgraded", migrated_to=-1001234),
        ),
        (
            Said({"ok": False, "parameters": {"retry_after": "soon"}, "error_code": True}, 429),
            BotAnswer(code=429, description="without a reason"),
        ),
        (Said(b"<html>502</html>", 502), BotAnswer(code=502, description="without a reason")),
        (Said([], 500), BotAnswer(code=500, description="without a reason")),
    ],
)  # fmt: skip
def test_a_refusal_is_read(client: BoundedHttp, said: Said, answer: BotAnswer) -> None:
    with service(lambda _: said) as telegram:
        assert bot(client, telegram.url).send(HELLO) == answer


@pytest.mark.parametrize(
    "said",
    [Said(b"<html>log in to the hotel's network</html>"), Said({"ok": False}), Said({}), Said([1])],
)
def test_a_success_that_is_not_telegrams_is_none(client: BoundedHttp, said: Said) -> None:
    with service(lambda _: said) as telegram:
        assert bot(client, telegram.url).send(HELLO) == NoAnswer(why="its answer is not Telegram's")


def test_an_answer_that_is_too_long_leaves_it_open(client: BoundedHttp) -> None:
    with service(lambda _: Said(b"x" * 2_000_000)) as telegram:
        assert isinstance(bot(client, telegram.url).send(HELLO), NoAnswer)


def test_a_token_that_is_sent_back_is_not_kept(client: BoundedHttp) -> None:
    said = Said({"ok": False, "error_code": 404, "description": f"no such path /bot{TOKEN}/x"}, 404)
    with service(lambda _: said) as telegram:
        answer = bot(client, telegram.url).send(HELLO)

    assert isinstance(answer, BotAnswer)
    assert answer.description == "no such path /bot***/x"


def test_a_token_is_in_no_log_and_in_no_error(
    client: BoundedHttp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with service(lambda _: Said({"ok": True, "result": {}})) as telegram:
        sending = bot(client, telegram.url)
        sending.send(HELLO)
    gone = sending.send(HELLO)

    assert isinstance(gone, NotSent | NoAnswer)
    assert "canary" not in caplog.text + repr(gone) + repr(sending)
