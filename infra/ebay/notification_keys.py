"""The public keys that eBay signs its notifications with.

https://developer.ebay.com/api-docs/commerce/notification/resources/public_key/methods/getPublicKey
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import msgspec

from core.clock import Clock
from core.errors import AccessTokenRefusedError
from core.sync.model import Environment
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.errors import bad_answer, refusal, unreadable
from infra.ebay.hosts import EbayHosts
from infra.ebay.oauth import ApplicationTokens
from infra.ebay.stream_api import SCOPE

PUBLIC_KEY_PATH = "/commerce/notification/v1/public_key/"
_OK = 200
_UNKNOWN = frozenset({400, 404})


class _Key(msgspec.Struct):
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Connections for one question, and tokens that are asked for over them."""

    http: EbayHttp
    tokens: ApplicationTokens


@dataclass(frozen=True, slots=True, kw_only=True)
class EbayPublicKeys:
    """The `KeySource` port.

    `line` is opened for each question, one an hour: a connection kept in a process that was frozen
    meanwhile would be a dead one.
    """

    line: Callable[[], AbstractContextManager[Line]]
    hosts: EbayHosts
    environment: Environment
    clock: Clock

    def fetch(self, key_id: str, *, timeout: float) -> str | None:
        ends_at = self.clock.monotonic() + timeout
        with self.line() as line:
            try:
                return self._ask(line, key_id, ends_at)
            except AccessTokenRefusedError:
                line.tokens.forget(self.environment)
                return self._ask(line, key_id, ends_at)

    def _ask(self, line: Line, key_id: str, ends_at: float) -> str | None:
        token = line.tokens.get(self.environment, timeout=self._left(ends_at)).reveal()
        answer = line.http.request(
            "GET",
            self.hosts.of(self.environment).api + PUBLIC_KEY_PATH + key_id,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=self._left(ends_at),
        )
        if answer.status == _OK:
            return _read(answer, token)
        error = refusal(answer, scope=SCOPE, now=self.clock.now(), secrets=(token,))
        if answer.status in _UNKNOWN and not isinstance(error, AccessTokenRefusedError):
            return None
        raise error

    def _left(self, ends_at: float) -> float:
        return max(ends_at - self.clock.monotonic(), 0.0)


def _read(answer: Answer, token: str) -> str:
    try:
        return msgspec.json.decode(answer.body, type=_Key).key
    except msgspec.ValidationError as error:
        raise bad_answer(answer, str(error), (token,)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(answer, "it is no whole JSON text", (token,)) from error
