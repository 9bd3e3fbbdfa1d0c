"""Requests as they arrive, answers as they leave, and eBay's error envelopes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from infra.simulator.accounts import Account


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None: no content at all. `headers` are added to the usual ones."""

    status: int
    body: bytes | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True, kw_only=True)
class Request:
    """`headers` have lower-case names. `account` is known once the token was looked at."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""
    base_url: str = ""
    account: Account | None = None
    scopes: frozenset[str] = frozenset()
    path: str = field(init=False)
    query: str = field(init=False)
    parameters: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.target)
        self.path, self.query = parts.path, parts.query
        self.parameters = parse_qsl(parts.query, keep_blank_values=True)

    def get(self, name: str) -> str | None:
        """The last value of that query parameter."""
        return next((value for key, value in reversed(self.parameters) if key == name), None)

    def get_all(self, name: str) -> list[str]:
        return [value for key, value in self.parameters if key == name]

    @property
    def seller(self) -> Account:
        assert self.account is not None, "the gateway lets user calls through with a user only"
        return self.account


class RefusedError(Exception):
    """Ends the request with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"answered {answer.status}")
        self.answer = answer


def json_answer(status: int, value: Any) -> Answer:
    return Answer(status, json.dumps(value, ensure_ascii=False).encode())


def error(
    status: int,
    error_id: int,
    domain: str,
    message: str,
    *,
    long_message: str | None = None,
    category: str = "REQUEST",
    parameters: Mapping[str, str] | None = None,
) -> Answer:
    entry: dict[str, Any] = {
        "errorId": error_id,
        "domain": domain,
        "category": category,
        "message": message,
        "longMessage": long_message or message,
    }
    if parameters:
        entry["parameters"] = [{"name": key, "value": text} for key, text in parameters.items()]
    return json_answer(status, {"errors": [entry]})


INVALID_TOKEN = error(
    401,
    1001,
    "OAuth",
    "Invalid access token",
    long_message="Invalid access token. Check the value of the Authorization HTTP request header.",
)
ACCESS_DENIED = error(
    403,
    1100,
    "ACCESS",
    "Access denied",
    long_message="Insufficient permissions to fulfill the request.",
)
TOO_MANY_REQUESTS = error(
    429,
    2001,
    "ACCESS",
    "Too many requests.",
    long_message="The request limit has been reached for the resource.",
)
NOT_FOUND = error(404, 2002, "ACCESS", "Resource not found")
INTERNAL_ERROR = error(
    500,
    2003,
    "ACCESS",
    "Internal error",
    category="APPLICATION",
    long_message=(
        "There was a problem with an eBay internal system or process. "
        "Contact eBay developer support for assistance."
    ),
)
SIGNATURE_MISSING = error(
    403,
    215001,
    "ACCESS",
    "Missing x-ebay-signature-key header",
    long_message="Missing x-ebay-signature-key header to fulfill the request.",
)
WRONG_HOST = Answer(404, b"", content_type="text/plain")
NO_CONTENT = Answer(204)


def missing_token(status: int) -> Answer:
    return error(
        status,
        1002,
        "OAuth",
        "Missing access token",
        long_message="Access token is missing in the Authorization HTTP request header.",
    )
