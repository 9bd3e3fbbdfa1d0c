"""A Telegram of the tests' own: what it posts to the webhook, and a server to send through."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from handlers import telegram
from tests.support.answering import Asked, Said, service
from tests.support.lambda_runtime import http_event
from tests.support.site import Site
from tests.support.ways import context

TOKEN = "123456789:AAF-canary_token_canary_token_canary"  # a bot's that nobody has
WORD = "canary-word-of-the-webhook"
PATH = "/webhooks/telegram"
HEADER = "x-telegram-bot-api-secret-token"
MARK = "(resent) "
MINE = 42


def with_telegram(site: Site, url: str = "http://127.0.0.1:9", **settings: str) -> Site:
    """Chat 42 is obeyed."""
    return site.with_settings(
        **{
            "TELEGRAM_BOT_TOKEN": TOKEN,
            "TELEGRAM_WEBHOOK_SECRET": WORD,
            "TELEGRAM_ALLOWED_CHAT_IDS": str(MINE),
            "TELEGRAM_API_URL": url,
            **settings,
        }
    )


def update(number: int, text: str | None = "/help", chat_id: int = MINE, **more: Any) -> bytes:
    """As Telegram writes it: everything but ASCII escaped."""
    message = {
        "message_id": number,
        "from": {"id": chat_id, "is_bot": False, "first_name": "Sue"},
        "chat": {"id": chat_id, "first_name": "Sue", "type": "private"},
        "date": 1_795_323_600,
        **({} if text is None else {"text": text}),
        **more,
    }
    return json.dumps({"update_id": number, "message": message}).encode()


def post(site: Site, body: bytes, *, word: str | None = WORD) -> tuple[int, Any]:
    """To the function on AWS Lambda, in this process; the status and the answer."""
    headers = {} if word is None else {HEADER: word}
    event = {**http_event("POST", PATH, **headers), "body": body.decode()}
    with site.in_this_process():
        answer = telegram.handler(event, context(29.0))
    text = answer["body"]
    return answer["statusCode"], json.loads(text) if text else None


@dataclass
class FakeTelegram:
    """`taken`: what arrived and was accepted, in that order. `fault` says for each request what it
    is answered instead: a status, or `no answer` after it was taken.
    """

    url: str = ""
    fault: Callable[[int, str], int | str | None] = lambda chat, text: None
    taken: list[tuple[int, str]] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, asked: Asked) -> Said:
        chat, text = asked.json["chat_id"], asked.json["text"]
        with self._lock:
            fault = self.fault(chat, text)
            if isinstance(fault, int):
                self.faults[str(fault)] += 1
                return refusal(fault)
            self.taken.append((chat, text))
            if fault is not None:
                self.faults[fault] += 1
                return Said(b"", 200)
        return Said({"ok": True, "result": {"message_id": len(self.taken)}})

    def texts(self, chat: int = MINE) -> list[str]:
        return [text for to, text in self.taken if to == chat]


def refusal(code: int) -> Said:
    words = {
        403: "Forbidden: bot was blocked by the user",
        429: "Too Many Requests: retry after 1",
        500: "Internal Server Error",
        502: "Bad Gateway",
    }
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": words[code]}
    if code == 429:
        body["parameters"] = {"retry_after": 1}
    return Said(body, code)


@contextmanager
def fake_telegram(
    fault: Callable[[int, str], int | str | None] = lambda chat, text: None,
) -> Iterator[FakeTelegram]:
    fake = FakeTelegram(fault=fault)
    with service(fake.answer) as running:
        fake.url = running.url
        yield fake


def in_turn(*faults: int | str | None) -> Callable[[int, str], int | str | None]:
    """One after the other, then none."""
    left = list(faults)
    return lambda chat, text: left.pop(0) if left else None


def by_chance(
    seed: int, shares: Mapping[int | str, float]
) -> Callable[[int, str], int | str | None]:
    """Each fault by its share of the requests."""
    rng = random.Random(seed)

    def fault(chat: int, text: str) -> int | str | None:
        drawn = rng.random()
        for kind, share in shares.items():
            drawn -= share
            if drawn < 0:
                return kind
        return None

    return fault


def unmarked(text: str) -> str:
    while text.startswith(MARK):
        text = text.removeprefix(MARK)
    return text
