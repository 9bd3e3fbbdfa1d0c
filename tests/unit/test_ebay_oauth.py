import base64
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from core.errors import (
    AppError,
    ApplicationRefusedError,
    BadAnswerError,
    ConfigurationError,
    PermanentError,
    RateLimitedError,
    ReauthorizationRequiredError,
    UpstreamUnavailableError,
)
from core.secret import Secret
from core.sync.model import Environment
from core.tokens.model import Grant
from core.tokens.ports import TokenEndpoint
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.oauth import ApplicationKeys, ApplicationTokens, OAuth
from tests.support.ebay import CANARY, KEYS, NOW, TOKEN, clock
from tests.support.ebay_shared import sample

URL = "https://api.ebay.com/identity/v1/oauth2/token"
GRANTED = {"access_token": "v^1.1#granted", "expires_in": 7200, "token_type": "User Access Token"}


@pytest.fixture
def oauth() -> Iterator[OAuth]:
    http = EbayHttp()
    hosts = EbayHosts.with_simulator("http://127.0.0.1:8900")
    yield OAuth(http=http, hosts=hosts, keys=KEYS, clock=clock())
    http.close()


def refresh(endpoint: TokenEndpoint, environment: str = "production") -> Grant:
    return endpoint.refresh(environment, TOKEN, timeout=5)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ("production", URL),
        ("sandbox", "https://api.sandbox.ebay.com/identity/v1/oauth2/token"),
        ("simulator", "http://127.0.0.1:8900/identity/v1/oauth2/token"),
    ],
)
def test_a_refresh_sends_the_token_with_the_applications_keys_and_no_scope(
    oauth: OAuth, ebay: respx.MockRouter, environment: str, url: str
) -> None:
    route = ebay.post(url).respond(200, json=GRANTED)

    refresh(oauth, environment)

    request = route.calls.last.request
    basic = base64.b64encode(f"cronshot-{environment}:canary-client-secret".encode()).decode()
    assert request.headers["authorization"] == f"Basic {basic}"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.content.decode(), strict_parsing=True) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [CANARY],
    }


def test_a_sample_grants_a_token_and_keeps_the_old_refresh_token(
    oauth: OAuth, ebay: respx.MockRouter
) -> None:
    ebay.post(URL).respond(200, json=sample("oauth_token_user_refresh")["body"])

    assert refresh(oauth) == Grant(
        access_token=Secret("v^1.1#i^1#p^3#r^1#I^3#f^0#t^SAMPLE2"), expires_in=timedelta(hours=2)
    )


def test_a_new_refresh_token_is_passed_on(oauth: OAuth, ebay: respx.MockRouter) -> None:
    ebay.post(URL).respond(200, json=sample("oauth_token_user_code_grant")["body"])

    grant = refresh(oauth)

    assert grant.refresh_token == Secret("v^1.1#i^1#p^3#r^1#I^3#f^0#t^SAMPLE_REFRESH")
    assert grant.refresh_token_expires_in == timedelta(seconds=47_304_000)


def test_a_life_without_end_is_cut(oauth: OAuth, ebay: respx.MockRouter) -> None:
    endless = {"expires_in": 10**15, "refresh_token": "x", "refresh_token_expires_in": 10**18}
    ebay.post(URL).respond(200, json={**GRANTED, **endless})

    grant = refresh(oauth)

    assert grant.expires_in == timedelta(days=1)
    assert grant.refresh_token_expires_in == timedelta(days=3650)


@pytest.mark.parametrize("life", [0, -1, None, True, "47304000", 0.5, [], 10**400])
def test_an_odd_life_of_the_refresh_token_does_not_cost_the_grant(
    oauth: OAuth, ebay: respx.MockRouter, life: Any
) -> None:
    ebay.post(URL).respond(200, json={**GRANTED, "refresh_token_expires_in": life})

    grant = refresh(oauth)

    assert grant.access_token == Secret("v^1.1#granted")
    assert grant.refresh_token_expires_in in {None, timedelta(days=3650)}


@pytest.mark.parametrize(
    "change",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": 7},
        {"access_token": "has space"},
        {"access_token": "line\r\nbreak"},
        {"access_token": "\u20ac"},
        {"access_token": "x" * 9000},
        {"expires_in": None},
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": True},
        {"expires_in": "7200"},
        {"expires_in": 0.5},
    ],
    ids=lambda change: repr(change)[:40],
)
def test_a_grant_that_cannot_be_used_is_an_outage(
    oauth: OAuth, ebay: respx.MockRouter, change: dict[str, Any]
) -> None:
    ebay.post(URL).respond(200, json={**GRANTED, **change})

    with pytest.raises(UpstreamUnavailableError, match="no usable token") as caught:
        refresh(oauth)

    assert "granted" not in repr(caught.value.facts)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"access_token": "v^1.1#granted"', b"[]", b"\xff", b"[" * 99_999]
)
def test_a_grant_that_cannot_be_read_is_an_outage_and_is_not_shown(
    oauth: OAuth, ebay: respx.MockRouter, body: bytes
) -> None:
    ebay.post(URL).respond(200, content=body)

    with pytest.raises(UpstreamUnavailableError) as caught:
        refresh(oauth)

    assert caught.value.facts.body == ""
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("oauth_error_invalid_client", ApplicationRefusedError),
        ("oauth_error_invalid_grant_refresh", ReauthorizationRequiredError),
        ("oauth_error_invalid_grant_code", ReauthorizationRequiredError),
        ("oauth_error_invalid_scope", PermanentError),
        ("oauth_error_unsupported_grant", BadAnswerError),
    ],
)
def test_samples_of_refusals_decide_what_is_done_next(
    oauth: OAuth, ebay: respx.MockRouter, name: str, kind: type[AppError]
) -> None:
    found = sample(name)
    ebay.post(URL).respond(found["status"], json=found["body"])

    with pytest.raises(kind) as caught:
        refresh(oauth)

    assert type(caught.value) is kind
    assert found["body"]["error_description"][:100] in str(caught.value)


def test_refused_keys_name_their_variables(oauth: OAuth, ebay: respx.MockRouter) -> None:
    ebay.post().respond(401, json={"error": "invalid_client"})

    with pytest.raises(ApplicationRefusedError, match="EBAY_SANDBOX_CLIENT_ID"):
        refresh(oauth, "sandbox")


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (500, b'{"error": "server_error"}', UpstreamUnavailableError),
        (503, b'{"error": "invalid_client"}', UpstreamUnavailableError),
        (502, b"<html>", UpstreamUnavailableError),
        (401, b"<html>proxy</html>", UpstreamUnavailableError),
        (400, b"", UpstreamUnavailableError),
        (400, b'{"error":', UpstreamUnavailableError),
        (403, b"[]", UpstreamUnavailableError),
        (204, b"", UpstreamUnavailableError),
        (400, b'{"error": "server_error"}', UpstreamUnavailableError),
        (400, b'{"error": "temporarily_unavailable"}', UpstreamUnavailableError),
        (400, b'{"error": "invalid_request"}', BadAnswerError),
        (404, b"", BadAnswerError),
        (302, b"", BadAnswerError),
        (429, b"", RateLimitedError),
    ],
)
def test_only_eBays_own_word_stops_an_account_or_all(  # noqa: N802  (its name)
    oauth: OAuth, ebay: respx.MockRouter, status: int, content: bytes, kind: type[AppError]
) -> None:
    ebay.post(URL).respond(status, content=content, headers={"Retry-After": "60"})

    with pytest.raises(kind) as caught:
        refresh(oauth)

    assert type(caught.value) is kind


@pytest.mark.parametrize("failure", [httpx.ConnectError, httpx.ReadTimeout, httpx.ReadError])
def test_no_answer_is_an_outage(
    oauth: OAuth, ebay: respx.MockRouter, failure: type[httpx.TransportError]
) -> None:
    ebay.post(URL).side_effect = failure("x")

    with pytest.raises(UpstreamUnavailableError):
        refresh(oauth)


@pytest.mark.parametrize("environment", ["production", "sandbox"])
@pytest.mark.parametrize(
    "keys",
    [
        {},
        {Environment.PRODUCTION: ApplicationKeys(client_id="", client_secret=Secret("x"))},
        {Environment.PRODUCTION: ApplicationKeys(client_id="x", client_secret=Secret(""))},
    ],
)
def test_missing_keys_are_named_before_anything_is_asked(
    environment: str, keys: dict[Environment, ApplicationKeys]
) -> None:
    http = EbayHttp()
    oauth = OAuth(http=http, hosts=EbayHosts(), keys=keys, clock=clock())

    with pytest.raises(ConfigurationError) as caught:
        refresh(oauth, environment)

    http.close()
    prefix = f"EBAY_{environment.upper()}"
    assert f"{prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET" in str(caught.value)


def test_no_error_shows_a_token_or_a_secret(oauth: OAuth, ebay: respx.MockRouter) -> None:
    basic = base64.b64encode(b"cronshot-production:canary-client-secret").decode()
    echo = f"{CANARY} canary-client-secret {basic}"
    answers = [
        httpx.Response(status, content=content, headers={"rlogid": echo})
        for status in (200, 302, 400, 401, 403, 404, 429, 500)
        for content in (
            echo,
            f'{{"error": "{echo}", "error_description": "{echo}"}}',
            f'{{"error": "invalid_grant", "error_description": "{echo}"}}',
            f'{{"error": "invalid_client", "error_description": "{echo}"}}',
            f'{{"access_token": "{echo}", "expires_in": 7200}}',
        )
    ]
    ebay.post(URL).side_effect = answers

    for _ in answers:
        with pytest.raises(AppError) as caught:
            refresh(oauth)

        shown = "".join(traceback.format_exception(caught.value))
        shown += repr(caught.value) + repr(getattr(caught.value, "facts", ""))
        assert "canary0123456789" not in shown
        assert "canary-client-secret" not in shown
        assert basic not in shown


def test_an_application_token_is_asked_for_once_by_all_threads(
    oauth: OAuth, ebay: respx.MockRouter
) -> None:
    route = ebay.post(URL).respond(200, json=sample("oauth_token_application")["body"])
    tokens = ApplicationTokens(oauth)

    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: tokens.get(Environment.PRODUCTION, timeout=5), range(40)))

    assert set(got) == {Secret("v^1.1#i^1#p^1#r^0#I^3#f^0#t^SAMPLE")}
    assert route.call_count == 1
    assert parse_qs(route.calls.last.request.content.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["https://api.ebay.com/oauth/api_scope"],
    }


def test_an_application_token_is_asked_for_again_shortly_before_it_expires(
    oauth: OAuth, ebay: respx.MockRouter
) -> None:
    route = ebay.post(URL).respond(200, json=GRANTED)
    now = 1000.0
    tokens = ApplicationTokens(oauth, ticks=lambda: now)
    tokens.get(Environment.PRODUCTION, timeout=5)

    now += 7200 - 301
    tokens.get(Environment.PRODUCTION, timeout=5)
    before = route.call_count
    now += 1
    tokens.get(Environment.PRODUCTION, timeout=5)

    assert (before, route.call_count) == (1, 2)


def test_environments_have_application_tokens_of_their_own(
    oauth: OAuth, ebay: respx.MockRouter
) -> None:
    ebay.post(URL).respond(200, json={**GRANTED, "access_token": "live"})
    ebay.post(host="api.sandbox.ebay.com").respond(200, json={**GRANTED, "access_token": "test"})
    tokens = ApplicationTokens(oauth)

    got = [tokens.get(e, timeout=5) for e in (Environment.PRODUCTION, Environment.SANDBOX)]

    assert got == [Secret("live"), Secret("test")]


def test_a_forgotten_application_token_is_asked_for_again(
    oauth: OAuth, ebay: respx.MockRouter
) -> None:
    route = ebay.post(URL).respond(200, json=GRANTED)
    tokens = ApplicationTokens(oauth)

    tokens.get(Environment.PRODUCTION, timeout=5)
    tokens.forget(Environment.PRODUCTION)
    tokens.get(Environment.PRODUCTION, timeout=5)

    assert route.call_count == 2


def test_a_limit_of_the_token_endpoint_names_its_instant(
    oauth: OAuth, ebay: respx.MockRouter
) -> None:
    ebay.post(URL).respond(429, headers={"Retry-After": "3600"})

    with pytest.raises(RateLimitedError) as caught:
        refresh(oauth)

    assert caught.value.retry_at is not None
    assert caught.value.retry_at > NOW


@pytest.mark.parametrize("seed", range(5))
def test_r45_accounts_of_different_environments_never_meet_each_others_host(
    oauth: OAuth, ebay: respx.MockRouter, seed: int
) -> None:
    """Interleaved in any order, over one client."""
    hosts = {
        "production": "api.ebay.com",
        "sandbox": "api.sandbox.ebay.com",
        "simulator": "127.0.0.1",
    }
    environments = Random(seed).choices(list(hosts), k=12)
    ebay.post(path="/identity/v1/oauth2/token").respond(200, json=GRANTED)

    for environment in environments:
        oauth.refresh(environment, Secret(f"token-of-{environment}"), timeout=5)

    sent = [
        (call.request.url.host, parse_qs(call.request.content.decode())["refresh_token"])
        for call in ebay.calls
    ]
    assert sent == [(hosts[each], [f"token-of-{each}"]) for each in environments]
