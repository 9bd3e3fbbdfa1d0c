"""One call of a bot's method, and what Telegram told. https://core.telegram.org/bots/api"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.shipped.fields import parsed
from core.secret import Secret
from infra.http.client import BoundedHttp, Received
from infra.http.outward import exchanged, readable

_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Told:
    """`answer`: its JSON object, empty where it gave none."""

    status: int
    answer: Mapping[str, Any] = field(repr=False)

    @property
    def is_success(self) -> bool:
        return self.status in _SUCCESS

    @property
    def result(self) -> Mapping[str, Any]:
        return object_of(self.answer.get("result"))

    @property
    def code(self) -> int:
        return whole(self.answer, "error_code") or self.status

    @property
    def description(self) -> str:
        return str(self.answer.get("description") or "without a reason")


def call(
    http: BoundedHttp,
    base: str,
    token: Secret,
    method: str,
    given: Mapping[str, object],
    *,
    confidential: tuple[Secret, ...] = (),
) -> Told | NotSent | NoAnswer:
    """The token, and what else is confidential, is taken out of what is told."""
    address = httpx.URL(f"{base}/bot{token.reveal()}/{method}")
    headers = {"Content-Type": "application/json"}
    got = exchanged(http, "POST", address, headers, json.dumps(given).encode())
    match got:
        case Received():
            return _told(got.status, readable(got.body, (token, *confidential)))
        case NotSent() | NoAnswer():
            return got
        case _:
            return NoAnswer(why=got.why)


def _told(status: int, text: str) -> Told | NoAnswer:
    """A success that is not Telegram's own may come from anything in between."""
    told = Told(status, object_of(_parsed(text)))
    if told.is_success and told.answer.get("ok") is not True:
        return NoAnswer(why="its answer is not Telegram's")
    return told


def _parsed(text: str) -> object:
    try:
        return parsed(text)
    except ValueError:
        return None


def object_of(given: object) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def whole(given: Mapping[str, Any], name: str) -> int | None:
    value = given.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def seconds(given: object) -> float | None:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return float(given) if number and math.isfinite(given) else None  # type: ignore[arg-type]  # a number, as said
