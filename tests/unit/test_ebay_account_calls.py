"""getUser and getRateLimits."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import respx

from core.errors import (
    AccessTokenRefusedError,
    BadAnswerError,
    MissingScopeError,
    UpstreamUnavailableError,
)
from core.sync.model import Environment
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.identity import EbayUser, Identity
from infra.ebay.oauth import ApplicationTokens, OAuth
from infra.ebay.rate_limits import RateLimit, RateLimits
from tests.support.ebay import CANARY, KEYS, TOKEN, clock
from tests.support.ebay_shared import contract, sample

USER = "https://apiz.ebay.com/commerce/identity/v1/user/"
LIMITS = "https://api.ebay.com/developer/analytics/v1_beta/rate_limit/"
GRANTED = {"access_token": "app-token", "expires_in": 7200}


@pytest.fixture
def identity(http: EbayHttp) -> Identity:
    return Identity(http=http, hosts=EbayHosts(), clock=clock())


@pytest.fixture
def limits(http: EbayHttp) -> RateLimits:
    oauth = OAuth(http=http, hosts=EbayHosts(), keys=KEYS, clock=clock())
    return RateLimits(http=http, hosts=EbayHosts(), tokens=ApplicationTokens(oauth), clock=clock())


@pytest.fixture
def ebay() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.post(path="/identity/v1/oauth2/token").respond(200, json=GRANTED)
        yield router


def test_a_token_tells_whose_it_is(identity: Identity, ebay: respx.MockRouter) -> None:
    route = ebay.get(USER).respond(200, json=sample("identity_getUser_200")["body"])

    user = identity.user(Environment.PRODUCTION, TOKEN, timeout=5)

    assert user == EbayUser(
        user_id="sampleImmutableUserId000",
        username="sample_seller",
        registration_marketplace_id="EBAY_DE",
    )
    assert route.calls.last.request.headers["authorization"] == f"Bearer {CANARY}"
    assert "/user/" in contract("commerce_identity_v1")["paths"]


@pytest.mark.parametrize(
    ("told", "country"),
    [
        ({"businessAccount": {"address": {"country": "DE"}}}, "DE"),
        ({"individualAccount": {"registrationAddress": {"country": "GB"}}}, "GB"),
        ({"businessAccount": {"address": {}}, "individualAccount": None}, None),
        ({"businessAccount": {"address": {"country": "Germany"}}}, None),
        ({"businessAccount": {"address": {"country": 49}}}, None),
        ({"businessAccount": "DE", "individualAccount": ["GB"]}, None),
    ],
)
def test_where_a_seller_lives_is_told_or_not(
    identity: Identity, ebay: respx.MockRouter, told: dict[str, object], country: str | None
) -> None:
    ebay.get(USER).respond(200, json={"userId": "u", **told})

    assert identity.user(Environment.PRODUCTION, TOKEN, timeout=5).country == country


def test_a_user_may_show_no_name(identity: Identity, ebay: respx.MockRouter) -> None:
    ebay.get(USER).respond(200, json={"userId": "u"})

    user = identity.user(Environment.PRODUCTION, TOKEN, timeout=5)

    assert user == EbayUser(user_id="u", username=None, registration_marketplace_id=None)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, b"{}", BadAnswerError),
        (200, b'{"userId": 1}', BadAnswerError),
        (200, b"<html>", UpstreamUnavailableError),
        (200, b"", UpstreamUnavailableError),
        (204, b"", UpstreamUnavailableError),
        (401, b"", AccessTokenRefusedError),
        (403, b'{"errors": [{"errorId": 1100}]}', MissingScopeError),
        (404, b"", BadAnswerError),
        (500, b"", UpstreamUnavailableError),
    ],
)
def test_a_user_that_is_not_told_is_an_error_of_its_kind(
    identity: Identity, ebay: respx.MockRouter, status: int, content: bytes, kind: type[Exception]
) -> None:
    ebay.get(USER).respond(status, content=content)

    with pytest.raises(kind):
        identity.user(Environment.PRODUCTION, TOKEN, timeout=5)


def test_limits_are_rows_of_api_and_resource(limits: RateLimits, ebay: respx.MockRouter) -> None:
    route = ebay.get(LIMITS).respond(200, json=sample("analytics_getRateLimits_200")["body"])

    rows = limits.read(Environment.PRODUCTION, timeout=5)

    assert len(rows) == 5
    assert rows[2] == RateLimit(
        context="sell",
        name="Fulfillment",
        resource="sell.fulfillment",
        limit=100_000,
        remaining=99_988,
        reset_at=datetime(2026, 8, 14, 7, tzinfo=UTC),
    )
    assert route.calls.last.request.headers["authorization"] == "Bearer app-token"
    assert "/rate_limit/" in contract("developer_analytics_v1_beta")["paths"]


def test_limits_of_one_context_may_be_asked_for(limits: RateLimits, ebay: respx.MockRouter) -> None:
    route = ebay.get(LIMITS, params={"api_context": "sell"}).respond(204)

    assert limits.read(Environment.PRODUCTION, context="sell", timeout=5) == ()
    assert route.called


def test_gaps_in_limits_are_left_out(limits: RateLimits, ebay: respx.MockRouter) -> None:
    rate = {"limit": 5, "remaining": 1}
    ebay.get(LIMITS).respond(
        200,
        json={
            "rateLimits": [
                {"apiContext": "sell", "apiName": "X"},
                {
                    "resources": [
                        {"name": "r"},
                        {"name": "s", "rates": [{}, {**rate, "reset": "?"}]},
                        {"name": "t", "rates": [{**rate, "timeWindow": 5}]},
                    ]
                },
            ]
        },
    )

    rows = limits.read(Environment.PRODUCTION, timeout=5)

    assert rows == (
        RateLimit(context="", name="", resource="s", limit=5, remaining=1, reset_at=None),
    )


def test_a_refused_application_token_is_not_used_again(
    limits: RateLimits, ebay: respx.MockRouter
) -> None:
    ebay.get(LIMITS).respond(401)
    for _ in range(2):
        with pytest.raises(AccessTokenRefusedError):
            limits.read(Environment.PRODUCTION, timeout=5)

    assert ebay.routes[0].call_count == 2


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"rateLimits": 1}', BadAnswerError),
        (b"[]", BadAnswerError),
        (b"<html>", UpstreamUnavailableError),
        (b"", UpstreamUnavailableError),
    ],
)
def test_limits_that_cannot_be_read_are_an_error_of_their_kind(
    limits: RateLimits, ebay: respx.MockRouter, content: bytes, kind: type[Exception]
) -> None:
    ebay.get(LIMITS).respond(200, content=content)

    with pytest.raises(kind):
        limits.read(Environment.PRODUCTION, timeout=5)
