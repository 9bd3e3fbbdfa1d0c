"""eBay's OAuth token endpoint.

https://developer.ebay.com/api-docs/static/oauth-refresh-token-request.html
"""

import base64
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlencode

import msgspec

from core.clock import Clock, Monotonic
from core.errors import (
    AppError,
    ApplicationRefusedError,
    BadAnswerError,
    ConfigurationError,
    PermanentError,
    ReauthorizationRequiredError,
    UpstreamUnavailableError,
)
from core.secret import Secret
from core.sync.model import Environment
from core.tokens.model import Grant
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.errors import facts_of, refusal, scrubbed, unreadable
from infra.ebay.hosts import EbayHosts
from infra.ebay.stream_api import SCOPE

TOKEN_PATH = "/identity/v1/oauth2/token"  # noqa: S105  (a path)
# eBay grants two hours and 18 months; what lies beyond these is a mistake, and would overflow.
MAX_ACCESS_LIFE = timedelta(days=1)
MAX_REFRESH_LIFE = timedelta(days=3650)
_NEARLY_EXPIRED = timedelta(minutes=5)
_MAX_DESCRIPTION = 300
_OK = 200
_NO_CONTENT = 204
_SECRET_FIELDS = ("refresh_token", "code", "token")
_TOKEN = "no longer accepts the account's refresh token"  # noqa: S105  (a sentence)
_CODE = (
    "does not accept the code: it was used already, is older than five minutes, or was made for"
    " another application"
)
# Where an OAuth error is to be expected (RFC 6749 §5.2).
_OAUTH_ERRORS = frozenset({400, 401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationKeys:
    client_id: str
    client_secret: Secret


class Granted(msgspec.Struct):
    """A token answer as it comes; eBay tells the scopes sometimes."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,8192}$")]
    expires_in: Annotated[int, msgspec.Meta(gt=0)]
    refresh_token: str | None = None
    # Nobody needs it to go on, so an odd one is no reason to throw the token away.
    refresh_token_expires_in: object = None
    scope: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuth:
    """The TokenEndpoint of every environment; threads may share it.

    `keys` lacks the environments whose variables are not set: they are demanded when an account
    needs them.
    """

    http: EbayHttp
    hosts: EbayHosts
    keys: Mapping[Environment, ApplicationKeys]
    clock: Clock

    def refresh(self, environment: str, refresh_token: Secret, *, timeout: float) -> Grant:
        """As the port says; also RateLimitedError, and PermanentError for `invalid_scope`."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal()}
        return self._grant(Environment(environment), form, timeout)

    def application(self, environment: Environment, *, timeout: float) -> Grant:
        """A token of our own, for no account. eBay grants 1,000 a day: keep it."""
        form = {"grant_type": "client_credentials", "scope": SCOPE}
        return self._grant(environment, form, timeout)

    def _grant(self, environment: Environment, form: Mapping[str, str], timeout: float) -> Grant:
        answer, secrets = self.post(environment, form, timeout=timeout)
        return grant_of(read_granted(answer, secrets))

    def post(
        self,
        environment: Environment,
        form: Mapping[str, str],
        *,
        timeout: float,
        path: str = TOKEN_PATH,
    ) -> tuple[Answer, tuple[str, ...]]:
        """An answer 200 (or 204), and the secrets that it may repeat. Raises as `refresh`."""
        keys = self.keys_of(environment)
        basic = _basic(keys)
        answer = self.http.request(
            "POST",
            self.hosts.of(environment).api + path,
            headers={
                "Authorization": f"Basic {basic}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
            content=urlencode(form).encode(),
            timeout=timeout,
        )
        given = tuple(form[name] for name in _SECRET_FIELDS if name in form)
        secrets = (*given, keys.client_secret.reveal(), basic)
        if answer.status == _OK or (path != TOKEN_PATH and answer.status == _NO_CONTENT):
            return answer, secrets
        raise self._refused(answer, environment, secrets, form.get("grant_type", ""))

    def keys_of(self, environment: Environment) -> ApplicationKeys:
        """Raises ConfigurationError, naming the variables."""
        keys = self.keys.get(environment)
        if keys is None or not keys.client_id or not keys.client_secret.reveal():
            raise ConfigurationError(
                f"{_variables(environment)} must be set: an account of {environment} needs the"
                " application's keys (docs/connect.md says where they come from)"
            )
        return keys

    def _refused(
        self, answer: Answer, environment: Environment, secrets: tuple[str, ...], grant_type: str
    ) -> AppError:
        code, description = _complaint(answer)
        said = scrubbed(f"{code}: {description}", secrets, _MAX_DESCRIPTION)
        facts = facts_of(answer, secrets)
        match code:
            case _ if answer.status not in _OAUTH_ERRORS:
                return refusal(answer, scope=SCOPE, now=self.clock.now(), secrets=secrets)
            case "" | "server_error" | "temporarily_unavailable":
                told = said if code else "without a reason"
                return UpstreamUnavailableError(
                    f"eBay's token endpoint answered {answer.status} {told}", facts
                )
            case "invalid_grant":
                what = _CODE if grant_type == "authorization_code" else _TOKEN
                return ReauthorizationRequiredError(f"eBay {what} ({said})")
            case "invalid_client" | "unauthorized_client":
                return ApplicationRefusedError(
                    f"eBay refuses the application's keys ({said}); check {_variables(environment)}"
                )
            case "invalid_scope":
                return PermanentError(
                    f"eBay refuses the scopes ({said}); the account's owner must consent again",
                    facts,
                )
            case _:
                return BadAnswerError(f"eBay's token endpoint answered {said}", facts)


class ApplicationTokens:
    """Application tokens, kept in memory until shortly before they expire."""

    def __init__(self, oauth: OAuth, *, ticks: Monotonic = time.monotonic) -> None:
        self._oauth = oauth
        self._ticks = ticks
        self._held: dict[Environment, tuple[Secret, float]] = {}
        self._lock = threading.Lock()

    def get(self, environment: Environment, *, timeout: float) -> Secret:
        asked_at = self._ticks()
        if not self._lock.acquire(timeout=max(timeout, 0)):
            raise UpstreamUnavailableError("the application token was not granted in time")
        try:
            now = self._ticks()
            token, good_until = self._held.get(environment, (Secret(""), now))
            if now < good_until:
                return token
            grant = self._oauth.application(environment, timeout=timeout - (now - asked_at))
            life = (grant.expires_in - _NEARLY_EXPIRED).total_seconds()
            self._held[environment] = (grant.access_token, now + life)
            return grant.access_token
        finally:
            self._lock.release()

    def forget(self, environment: Environment) -> None:
        """For a token that eBay refused before its time."""
        with self._lock:
            self._held.pop(environment, None)


def read_granted(answer: Answer, secrets: tuple[str, ...]) -> Granted:
    try:
        return msgspec.json.decode(answer.body, type=Granted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Not `from` it, and without its facts: this body may hold a token in any form.
        raise unreadable(_without_body(answer), "it grants no usable token", secrets) from None


def grant_of(granted: Granted) -> Grant:
    return Grant(
        access_token=Secret(granted.access_token),
        expires_in=_capped(granted.expires_in, MAX_ACCESS_LIFE),
        refresh_token=Secret(granted.refresh_token) if granted.refresh_token else None,
        refresh_token_expires_in=_life(granted.refresh_token_expires_in),
    )


def _life(seconds: object) -> timedelta | None:
    return _capped(seconds, MAX_REFRESH_LIFE) if type(seconds) is int and seconds > 0 else None


def _capped(seconds: int, most: timedelta) -> timedelta:
    return timedelta(seconds=min(seconds, int(most.total_seconds())))


def _without_body(answer: Answer) -> Answer:
    return Answer(place=answer.place, status=answer.status, headers=answer.headers, body=b"")


def _complaint(answer: Answer) -> tuple[str, str]:
    """Code and description of an OAuth error; empty where the body holds none."""
    try:
        body = json.loads(answer.body)
        return str(body["error"]), str(body.get("error_description", ""))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return "", ""


def _basic(keys: ApplicationKeys) -> str:
    pair = f"{keys.client_id}:{keys.client_secret.reveal()}"
    return base64.b64encode(pair.encode()).decode("ascii")


def _variables(environment: Environment) -> str:
    if environment is Environment.SIMULATOR:
        return "the simulator's built-in client id and secret"
    prefix = f"EBAY_{environment.upper()}"
    return f"{prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET"
