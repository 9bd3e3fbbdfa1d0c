"""A bot that sends messages. Its token stands in the address, which is why none is ever shown.

https://core.telegram.org/bots/api#making-requests
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.shipped.fields import parsed
from core.jobs.shipped.telegram import BotAnswer, ChatMessage
from core.secret import Secret
from infra.http.client import BoundedHttp, Received
from infra.http.outward import exchanged, readable

_TAKEN = 200
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class TelegramBot:
    """The `Bot` port. `base` is https://api.telegram.org, or a server of one's own."""

    http: BoundedHttp
    base: str
    token: Secret

    def send(self, message: ChatMessage, /) -> BotAnswer | NotSent | NoAnswer:
        address = httpx.URL(f"{self.base}/bot{self.token.reveal()}/sendMessage")
        content = json.dumps(
            {
                "chat_id": message.chat_id,
                "text": message.text,
                "disable_notification": message.silent,
                "link_preview_options": {"is_disabled": True},
            }
        ).encode()
        headers = {"Content-Type": "application/json"}
        got = exchanged(self.http, "POST", address, headers, content)
        match got:
            case Received():
                return _answer(got.status, readable(got.body, (self.token,)))
            case NotSent() | NoAnswer():
                return got
            case _:
                return NoAnswer(why=got.why)


def _answer(status: int, text: str) -> BotAnswer | NoAnswer:
    """A success that is not Telegram's own may come from anything in between."""
    told = _object(_parsed(text))
    if status in _SUCCESS:
        if told.get("ok") is not True:
            return NoAnswer(why="its answer is not Telegram's")
        return BotAnswer(code=_TAKEN, message_id=_whole(_object(told.get("result")), "message_id"))
    parameters = _object(told.get("parameters"))
    return BotAnswer(
        code=_whole(told, "error_code") or status,
        description=str(told.get("description") or "without a reason"),
        retry_after_s=_seconds(parameters.get("retry_after")),
        migrated_to=_whole(parameters, "migrate_to_chat_id"),
    )


def _parsed(text: str) -> object:
    try:
        return parsed(text)
    except ValueError:
        return None


def _object(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _whole(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _seconds(given: object) -> float | None:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return float(given) if number and math.isfinite(given) else None  # type: ignore[arg-type]  # a number, as said
