"""How many calls the application has left today.

https://developer.ebay.com/api-docs/developer/analytics/resources/rate_limit/methods/getRateLimits
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from core.clock import Clock
from core.errors import AccessTokenRefusedError
from core.sync.model import Environment
from infra.ebay.answer import Answer
from infra.ebay.client import EbayHttp
from infra.ebay.errors import bad_answer, refusal, unreadable
from infra.ebay.hosts import EbayHosts
from infra.ebay.instants import parse_instant
from infra.ebay.oauth import ApplicationTokens
from infra.ebay.stream_api import SCOPE

RATE_LIMIT_PATH = "/developer/analytics/v1_beta/rate_limit/"
_OK = 200
_NO_CONTENT = 204
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """One day's limit of one resource; `reset_at` is when `remaining` becomes `limit` again."""

    context: str
    name: str
    resource: str
    limit: int
    remaining: int
    reset_at: datetime | None


class _Rate(msgspec.Struct, rename="camel"):
    limit: int | None = None
    remaining: int | None = None
    reset: str | None = None
    time_window: int | None = None


class _Resource(msgspec.Struct):
    name: str = ""
    rates: list[_Rate] | None = None


class _Api(msgspec.Struct, rename="camel"):
    api_context: str = ""
    api_name: str = ""
    resources: list[_Resource] | None = None


class _Limits(msgspec.Struct, rename="camel"):
    rate_limits: list[_Api] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    http: EbayHttp
    hosts: EbayHosts
    tokens: ApplicationTokens
    clock: Clock

    def read(
        self, environment: Environment, *, context: str | None = None, timeout: float
    ) -> tuple[RateLimit, ...]:
        """Every limit that eBay knows for us, or those of one API context.

        Raises what PageSource.fetch and TokenEndpoint.refresh raise.
        """
        asked_at = self.clock.monotonic()
        token = self.tokens.get(environment, timeout=timeout)
        answer = self.http.request(
            "GET",
            self.hosts.of(environment).api + RATE_LIMIT_PATH,
            query=urlencode({"api_context": context}) if context else "",
            headers={"Authorization": f"Bearer {token.reveal()}", "Accept": "application/json"},
            timeout=timeout - (self.clock.monotonic() - asked_at),
        )
        if answer.status == _OK:
            return tuple(_rows(answer, token.reveal()))
        if answer.status == _NO_CONTENT:
            return ()
        error = refusal(answer, scope=SCOPE, now=self.clock.now(), secrets=(token.reveal(),))
        if isinstance(error, AccessTokenRefusedError):
            self.tokens.forget(environment)
        raise error


def _rows(answer: Answer, token: str) -> Iterator[RateLimit]:
    try:
        limits = msgspec.json.decode(answer.body, type=_Limits)
    except msgspec.ValidationError as error:
        raise bad_answer(answer, str(error), (token,)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(answer, "it is no whole JSON text", (token,)) from error
    for api in limits.rate_limits or ():
        for resource in api.resources or ():
            yield from _rates(api, resource)


def _rates(api: _Api, resource: _Resource) -> Iterator[RateLimit]:
    for rate in resource.rates or ():
        if rate.time_window not in {None, _DAY_S}:
            # Of some seconds: it says nothing about the day.
            continue
        if rate.limit is not None and rate.remaining is not None:
            yield RateLimit(
                context=api.api_context,
                name=api.api_name,
                resource=resource.name,
                limit=rate.limit,
                remaining=rate.remaining,
                reset_at=parse_instant(rate.reset),
            )
