"""Key Management: what is sent for a key, and what is taken for one."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from core.errors import (
    AccessTokenRefusedError,
    AppError,
    BadAnswerError,
    RateLimitedError,
    UpstreamUnavailableError,
)
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.oauth import ApplicationTokens, OAuth
from infra.ebay.signing_keys import KeyManagement
from tests.support.ebay import KEYS, clock
from tests.support.ebay_shared import contract

PATH = "https://apiz.ebay.com/developer/key_management/v1/signing_key"
PKCS8 = Ed25519PrivateKey.from_private_bytes(b"canary" + bytes(26)).private_bytes(
    Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
)
PRIVATE = base64.b64encode(PKCS8).decode()
NOW = int(clock().now().timestamp())
MADE: dict[str, Any] = {
    "signingKeyId": "key-1",
    "signingKeyCipher": "ED25519",
    "publicKey": "MCow",
    "jwe": "eyJ6aXAiOiJERUYifQ.a.b.c.d",
    "privateKey": PRIVATE,
    "creationTime": NOW,
    "expirationTime": NOW + 94_608_000,
}


@pytest.fixture
def ebay() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.post(path="/identity/v1/oauth2/token").respond(
            200, json={"access_token": "app-token", "expires_in": 7200}
        )
        yield router


@pytest.fixture
def management() -> Iterator[KeyManagement]:
    http = EbayHttp()
    oauth = OAuth(http=http, hosts=EbayHosts(), keys=KEYS, clock=clock())
    yield KeyManagement(
        http=http,
        hosts=EbayHosts(),
        tokens=ApplicationTokens(oauth),
        clock=clock(),
    )
    http.close()


def refused(management: KeyManagement) -> AppError:
    with pytest.raises(AppError) as raised:
        management.create("production", "ED25519", timeout=5)
    assert PRIVATE not in str(raised.value)
    assert PRIVATE not in repr(vars(raised.value))
    assert raised.value.__cause__ is None or PRIVATE not in repr(vars(raised.value.__cause__))
    return raised.value


def test_a_key_is_asked_for_with_a_token_of_the_applications(
    management: KeyManagement, ebay: respx.MockRouter
) -> None:
    route = ebay.post(PATH).respond(200, json=MADE)

    made = management.create("production", "ED25519", timeout=5)

    assert (made.key.key_id, made.key.jwe) == ("key-1", MADE["jwe"])
    assert made.key.private_key.reveal() == PRIVATE
    assert PRIVATE not in repr(made)
    assert made.created_at == datetime.fromtimestamp(NOW, UTC)
    assert (made.expires_at - made.created_at).days == 3 * 365
    request = route.calls.last.request
    assert request.headers["authorization"] == "Bearer app-token"
    assert json.loads(request.content) == {"signingKeyCipher": "ED25519"}
    assert "/signing_key" in contract("developer_key_management_v1")["paths"]


def test_created_is_as_good_as_ok(management: KeyManagement, ebay: respx.MockRouter) -> None:
    ebay.post(PATH).respond(201, json=MADE)

    assert management.create("production", "ED25519", timeout=5).key.key_id == "key-1"


@pytest.mark.parametrize(
    "change",
    [
        {"privateKey": None}, {"privateKey": ""}, {"privateKey": "Y2FuYXJ5"}, {"privateKey": 7},
        {"jwe": None}, {"jwe": "a.b"}, {"jwe": "a.b.c.d.e\r\nx: y"}, {"jwe": "ü.b.c.d.e"},
        {"jwe": "a" * 9000 + ".b.c.d.e"}, {"signingKeyId": ""}, {"signingKeyId": None},
        {"signingKeyId": "a\u0000b"}, {"expirationTime": NOW}, {"expirationTime": None},
        {"expirationTime": 10**15}, {"expirationTime": -1}, {"creationTime": "2026"},
    ],
)  # fmt: skip
def test_what_could_not_sign_is_no_key(
    management: KeyManagement, ebay: respx.MockRouter, change: dict[str, Any]
) -> None:
    ebay.post(PATH).respond(200, json={**MADE, **change})

    assert isinstance(refused(management), BadAnswerError)


@pytest.mark.parametrize(
    ("status", "content", "kind"),
    [
        (200, b"", UpstreamUnavailableError),
        (200, b"<html>", UpstreamUnavailableError),
        (200, json.dumps(MADE).encode()[:-40], UpstreamUnavailableError),
        (200, b"[]", BadAnswerError),
        (200, b"\xff\xfe", UpstreamUnavailableError),
        (204, b"", UpstreamUnavailableError),
        (400, b'{"errors": [{"errorId": 210005, "message": "no"}]}', BadAnswerError),
        (401, b"", AccessTokenRefusedError),
        (403, b"", BadAnswerError),
        (429, b"", RateLimitedError),
        (500, b'{"errors": [{"errorId": 210000}]}', UpstreamUnavailableError),
    ],
)
def test_an_answer_that_is_no_key_is_an_error_of_its_kind(
    management: KeyManagement,
    ebay: respx.MockRouter,
    status: int,
    content: bytes,
    kind: type[Exception],
) -> None:
    ebay.post(PATH).respond(status, content=content)

    assert type(refused(management)) is kind


@pytest.mark.parametrize("status", [202, 400, 403, 429, 500])
def test_a_private_key_in_a_refusal_is_not_repeated(
    management: KeyManagement, ebay: respx.MockRouter, status: int
) -> None:
    told = {"privateKey": PRIVATE, "errors": [{"errorId": 1, "message": f"it is {PRIVATE}"}]}
    ebay.post(PATH).respond(status, json=told)

    error = refused(management)

    assert isinstance(error, BadAnswerError | RateLimitedError | UpstreamUnavailableError)
    assert PRIVATE not in error.facts.body


def test_a_token_that_is_refused_is_not_used_again(
    management: KeyManagement, ebay: respx.MockRouter
) -> None:
    token = ebay.post(path="/identity/v1/oauth2/token").respond(
        200, json={"access_token": "another", "expires_in": 7200}
    )
    ebay.post(PATH).side_effect = [httpx.Response(401), httpx.Response(200, json=MADE)]
    refused(management)

    management.create("production", "ED25519", timeout=5)

    assert token.call_count == 2


def test_all_keys_are_told_by_their_ids(management: KeyManagement, ebay: respx.MockRouter) -> None:
    route = ebay.get(PATH).respond(200, json={"signingKeys": [{"signingKeyId": "a"}, {"x": 1}]})
    assert management.list("production", timeout=5) == ["a", ""]

    route.respond(200, json={})
    assert management.list("production", timeout=5) == []

    route.respond(200, json={"signingKeys": 7})
    with pytest.raises(BadAnswerError):
        management.list("production", timeout=5)

    route.respond(200, content=b"<html>")
    with pytest.raises(UpstreamUnavailableError):
        management.list("production", timeout=5)
