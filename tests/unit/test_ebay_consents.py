"""The consent link, the code for tokens, and the revocation, as they are on the wire."""

import base64
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import respx

from core.errors import (
    AppError,
    ApplicationRefusedError,
    BadAnswerError,
    ConfigurationError,
    RateLimitedError,
    ReauthorizationRequiredError,
    UpstreamUnavailableError,
)
from core.secret import Secret
from core.sync.model import Environment
from infra.ebay.client import EbayHttp
from infra.ebay.consents import EbayConsents
from infra.ebay.hosts import EbayHosts
from infra.ebay.oauth import OAuth
from tests.support.ebay import KEYS, clock
from tests.support.ebay_shared import sample

TOKEN_URL = "https://api.ebay.com/identity/v1/oauth2/token"
REVOKE_URL = f"{TOKEN_URL}/revoke"
CODE = Secret("v^1.1#i^1#r^1#c^canary+/=%41")
STATE = Secret("s" * 43)
ROOT = "https://api.ebay.com/oauth/api_scope"
SCOPES = (ROOT, f"{ROOT}/sell.finances")
GRANTED = {
    "access_token": "v^1.1#access",
    "expires_in": 7200,
    "refresh_token": "v^1.1#refresh",
    "refresh_token_expires_in": 47304000,
    "token_type": "User Access Token",
}


@pytest.fixture
def consents() -> Iterator[EbayConsents]:
    http = EbayHttp()
    oauth = OAuth(
        http=http,
        hosts=EbayHosts.with_simulator("http://127.0.0.1:8900"),
        keys=KEYS,
        clock=clock(),
    )
    runames = {environment: f"{environment}-runame" for environment in Environment}
    yield EbayConsents(oauth=oauth, runames=runames)
    http.close()


@pytest.fixture
def ebay() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.mark.parametrize(
    ("environment", "page"),
    [
        ("production", "https://auth.ebay.com/oauth2/authorize"),
        ("sandbox", "https://auth.sandbox.ebay.com/oauth2/authorize"),
        ("simulator", "http://127.0.0.1:8900/oauth2/authorize"),
    ],
)
def test_the_link_asks_at_the_environments_own_page(
    consents: EbayConsents, environment: str, page: str
) -> None:
    """R45."""
    link = consents.link(environment, SCOPES, STATE)

    assert link.partition("?")[0] == page
    assert "+" not in link
    assert parse_qs(urlsplit(link).query, strict_parsing=True) == {
        "client_id": [f"cronshot-{environment}"],
        "redirect_uri": [f"{environment}-runame"],
        "response_type": ["code"],
        "scope": [" ".join(SCOPES)],
        "state": [STATE.reveal()],
        "prompt": ["login"],
    }


def test_a_code_is_encoded_once(consents: EbayConsents, ebay: respx.MockRouter) -> None:
    route = ebay.post(TOKEN_URL).respond(200, json=GRANTED)

    consent = consents.exchange("production", CODE, timeout=5)

    request = route.calls.last.request
    basic = base64.b64encode(b"cronshot-production:canary-client-secret").decode()
    assert request.headers["authorization"] == f"Basic {basic}"
    assert request.content.decode().count("%5E1.1%23") == 1
    assert parse_qs(request.content.decode(), strict_parsing=True) == {
        "grant_type": ["authorization_code"],
        "code": [CODE.reveal()],
        "redirect_uri": ["production-runame"],
    }
    assert consent.refresh_token == Secret("v^1.1#refresh")
    assert consent.refresh_token_expires_in is not None
    assert consent.refresh_token_expires_in.days == 547
    assert consent.scopes is None


def test_the_sample_of_ebays_answer_is_understood(
    consents: EbayConsents, ebay: respx.MockRouter
) -> None:
    ebay.post(TOKEN_URL).respond(200, json=sample("oauth_token_user_code_grant")["body"])

    assert consents.exchange("production", CODE, timeout=5).scopes is None


@pytest.mark.parametrize(
    ("told", "scopes"),
    [(" ".join(SCOPES), SCOPES), (f"{SCOPES[0]} {SCOPES[0]}", SCOPES[:1]), ("", None), (7, None)],
)
def test_scopes_are_those_that_ebay_tells(
    consents: EbayConsents, ebay: respx.MockRouter, told: object, scopes: tuple[str, ...] | None
) -> None:
    ebay.post(TOKEN_URL).respond(200, json=GRANTED | {"scope": told})

    assert consents.exchange("production", CODE, timeout=5).scopes == scopes


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (httpx.Response(400, json=sample("oauth_error_invalid_grant_code")["body"]),
         ReauthorizationRequiredError, "does not accept the code"),
        (httpx.Response(401, json=sample("oauth_error_invalid_client")["body"]),
         ApplicationRefusedError, "EBAY_PRODUCTION_CLIENT_ID"),
        (httpx.Response(500), UpstreamUnavailableError, "500"),
        (httpx.Response(429), RateLimitedError, "429"),
        (httpx.Response(200, text="<html>"), UpstreamUnavailableError, "no usable token"),
        (httpx.Response(200, json=GRANTED | {"refresh_token": None}), BadAnswerError,
         "no refresh token"),
        (httpx.Response(400, json={"error": "invalid_request", "error_description": CODE.reveal()}),
         BadAnswerError, "invalid_request"),
    ],
)  # fmt: skip
def test_a_code_that_is_not_exchanged_is_not_repeated(
    consents: EbayConsents, ebay: respx.MockRouter, answer: httpx.Response,
    error: type[AppError], said: str,
) -> None:  # fmt: skip
    ebay.post(TOKEN_URL).mock(return_value=answer)

    with pytest.raises(error, match=said) as caught:
        consents.exchange("production", CODE, timeout=5)

    assert "canary" not in repr(caught.value) + repr(vars(caught.value))


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200),
        httpx.Response(204),
        httpx.Response(200, json={}),
        httpx.Response(400, json={"error": "invalid_grant"}),
    ],
)
def test_a_token_is_revoked_with_our_keys(
    consents: EbayConsents, ebay: respx.MockRouter, answer: httpx.Response
) -> None:
    route = ebay.post(REVOKE_URL).mock(return_value=answer)

    consents.revoke("production", Secret("v^1.1#refresh"), timeout=5)

    request = route.calls.last.request
    assert request.headers["authorization"].startswith("Basic ")
    assert parse_qs(request.content.decode()) == {
        "token": ["v^1.1#refresh"],
        "token_type_hint": ["refresh_token"],
    }


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(200, text="<html>be back soon</html>"), UpstreamUnavailableError),
        (httpx.Response(404), AppError),
        (httpx.Response(401, json={"error": "invalid_client"}), ApplicationRefusedError),
        (httpx.Response(503), UpstreamUnavailableError),
    ],
)
def test_what_does_not_say_that_it_was_revoked_is_an_error(
    consents: EbayConsents, ebay: respx.MockRouter, answer: httpx.Response, error: type[AppError]
) -> None:
    ebay.post(REVOKE_URL).mock(return_value=answer)

    with pytest.raises(error) as caught:
        consents.revoke("production", Secret("v^1.1#canary"), timeout=5)

    assert "canary" not in repr(caught.value) + repr(vars(caught.value))


def test_two_environments_in_turn_never_meet(
    consents: EbayConsents, ebay: respx.MockRouter
) -> None:
    """R45: the environment belongs to the account, so nothing of one is left for the next."""
    production = ebay.post(TOKEN_URL).respond(200, json=GRANTED)
    sandbox = ebay.post(TOKEN_URL.replace("api.", "api.sandbox.")).respond(200, json=GRANTED)

    for environment in ("production", "sandbox", "production", "sandbox"):
        consents.exchange(environment, CODE, timeout=5)

    for route, environment in ((production, "production"), (sandbox, "sandbox")):
        assert route.call_count == 2
        for call in route.calls:
            form = parse_qs(call.request.content.decode())
            assert form["redirect_uri"] == [f"{environment}-runame"]


@pytest.mark.parametrize(
    ("runames", "keys", "said"),
    [
        ({}, KEYS, "EBAY_SANDBOX_RUNAME is not set"),
        ({Environment.SANDBOX: "x"}, {}, "EBAY_SANDBOX_CLIENT_ID"),
    ],
)
def test_what_is_not_set_is_named(
    consents: EbayConsents, runames: dict[Environment, str], keys: dict[Environment, object],
    said: str,
) -> None:  # fmt: skip
    oauth = OAuth(
        http=consents.oauth.http, hosts=EbayHosts(), keys=KEYS if keys else {}, clock=clock()
    )

    with pytest.raises(ConfigurationError, match=said):
        EbayConsents(oauth=oauth, runames=runames).check("sandbox")


def test_a_simulator_that_is_not_set_is_named(consents: EbayConsents) -> None:
    oauth = OAuth(http=consents.oauth.http, hosts=EbayHosts(), keys=KEYS, clock=clock())

    with pytest.raises(ConfigurationError, match="EBAY_SIMULATOR_API_URL"):
        EbayConsents(oauth=oauth, runames=consents.runames).check("simulator")
