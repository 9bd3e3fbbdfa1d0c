"""How a family of APIs is given its token, and how it says no."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from infra.simulator.answers import (
    ACCESS_DENIED,
    INTERNAL_ERROR,
    INVALID_TOKEN,
    TOO_MANY_REQUESTS,
    Answer,
    Request,
    missing_token,
)


class Refusal(StrEnum):
    MISSING_TOKEN = "missing_token"  # noqa: S105 -- the name of a refusal
    INVALID_TOKEN = "invalid_token"  # noqa: S105 -- the name of a refusal
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 -- the name of a refusal
    ACCESS_DENIED = "access_denied"
    TOO_MANY_REQUESTS = "too_many_requests"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class Manners:
    """`refuse` is given the status of a missing token, which differs between eBay's APIs."""

    token: Callable[[Request], str]
    refuse: Callable[[Request, Refusal, int], Answer]


_REST = {
    Refusal.INVALID_TOKEN: INVALID_TOKEN,
    Refusal.EXPIRED_TOKEN: INVALID_TOKEN,
    Refusal.ACCESS_DENIED: ACCESS_DENIED,
    Refusal.TOO_MANY_REQUESTS: TOO_MANY_REQUESTS,
    Refusal.INTERNAL_ERROR: INTERNAL_ERROR,
}


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _refuse(_request: Request, refusal: Refusal, status: int) -> Answer:
    return missing_token(status) if refusal is Refusal.MISSING_TOKEN else _REST[refusal]


REST = Manners(token=_bearer, refuse=_refuse)
