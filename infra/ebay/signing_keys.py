"""Keys for message signatures, as eBay makes them.

https://developer.ebay.com/api-docs/developer/key-management/resources/signing_key/methods/createSigningKey
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from core.clock import Clock
from core.errors import AccessTokenRefusedError, AppError
from core.secret import Secret
from core.signing.model import MadeKey, SigningKey
from core.sync.model import Environment
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.errors import bad_answer, refusal, unreadable
from infra.ebay.hosts import EbayHosts
from infra.ebay.oauth import ApplicationTokens
from infra.ebay.signature import UnusableKeyError, load_private_key
from infra.ebay.stream_api import SCOPE

SIGNING_KEY_PATH = "/developer/key_management/v1/signing_key"
_GOOD = frozenset({200, 201})
# It travels in a header of every signed call. The longest that eBay publishes has 1,100 characters.
_JWE = re.compile(r"[A-Za-z0-9_=-]+(\.[A-Za-z0-9_=-]*){4}")
_MOST = 8192
_Instant = Annotated[int, msgspec.Meta(gt=0, le=253402300799)]


class _Made(msgspec.Struct, rename="camel"):
    signing_key_id: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,200}$")]
    jwe: Annotated[str, msgspec.Meta(max_length=_MOST)]
    private_key: Annotated[str, msgspec.Meta(min_length=1, max_length=_MOST)]
    creation_time: _Instant
    expiration_time: _Instant


class _Known(msgspec.Struct, rename="camel"):
    signing_key_id: str = ""


class _All(msgspec.Struct, rename="camel"):
    signing_keys: list[_Known] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyManagement:
    """The `KeyService` port."""

    http: EbayHttp
    hosts: EbayHosts
    tokens: ApplicationTokens
    clock: Clock

    def create(self, environment: str, cipher: str, *, timeout: float) -> MadeKey:
        body = json.dumps({"signingKeyCipher": cipher}).encode()
        answer, secrets = self._ask(environment, "POST", body, timeout)
        try:
            return self._made(answer, cipher)
        except msgspec.ValidationError as error:
            raise bad_answer(_bare(answer), str(error), secrets) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(_bare(answer), "it is no whole JSON text", secrets) from error
        except UnusableKeyError as error:
            raise bad_answer(_bare(answer), str(error), secrets) from error

    def list(self, environment: str, *, timeout: float) -> Sequence[str]:
        answer, secrets = self._ask(environment, "GET", None, timeout)
        try:
            found = msgspec.json.decode(answer.body, type=_All).signing_keys or ()
        except msgspec.ValidationError as error:
            raise bad_answer(_bare(answer), str(error), secrets) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise unreadable(_bare(answer), "it is no whole JSON text", secrets) from error
        return [each.signing_key_id for each in found]

    def _ask(
        self, environment: str, method: str, body: bytes | None, timeout: float
    ) -> tuple[Answer, tuple[str, ...]]:
        ends = self.clock.monotonic() + timeout
        token = self.tokens.get(Environment(environment), timeout=timeout)
        answer = self.http.request(
            method,
            self.hosts.of(Environment(environment)).apiz + SIGNING_KEY_PATH,
            headers={
                "Authorization": f"Bearer {token.reveal()}",
                "Accept": "application/json",
                "Content-Type": "application/json",
            },
            content=body,
            timeout=max(ends - self.clock.monotonic(), 0.0),
        )
        if answer.status in _GOOD:
            return answer, (token.reveal(),)
        raise self._refused(environment, answer, token)

    def _refused(self, environment: str, answer: Answer, token: Secret) -> AppError:
        secrets = (token.reveal(), *_private_keys(answer.body))
        error = refusal(answer, scope=SCOPE, now=self.clock.now(), secrets=secrets)
        if isinstance(error, AccessTokenRefusedError):
            self.tokens.forget(Environment(environment))
        return error

    def _made(self, answer: Answer, cipher: str) -> MadeKey:
        """Raises UnusableKeyError and what msgspec raises; a key that could not sign is none."""
        made = msgspec.json.decode(answer.body, type=_Made)
        key = SigningKey(
            key_id=made.signing_key_id,
            cipher=cipher,
            jwe=made.jwe,
            private_key=Secret(made.private_key),
        )
        load_private_key(key.private_key)
        if not _JWE.fullmatch(made.jwe):
            raise UnusableKeyError("`jwe` is no JSON Web Encryption")
        if made.expiration_time <= max(made.creation_time, self.clock.now().timestamp()):
            raise UnusableKeyError("the key has expired already")
        return MadeKey(
            key=key,
            created_at=datetime.fromtimestamp(made.creation_time, UTC),
            expires_at=datetime.fromtimestamp(made.expiration_time, UTC),
        )


def _bare(answer: Answer) -> Answer:
    """Without its body, which may hold a private key."""
    return Answer(place=answer.place, status=answer.status, headers=answer.headers, body=b"")


def _private_keys(body: bytes) -> tuple[str, ...]:
    """Where none belongs there may be one all the same."""
    try:
        key = json.loads(body)["privateKey"]
    except (ValueError, TypeError, LookupError, RecursionError):
        return ()
    return (key,) if isinstance(key, str) else ()
