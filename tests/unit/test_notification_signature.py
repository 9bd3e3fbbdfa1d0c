"""X-EBAY-SIGNATURE, and the key from eBay, against the published vectors."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import respx
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.errors import BadAnswerError, RateLimitedError, UpstreamUnavailableError
from core.notifications.challenge import challenge_response
from core.notifications.model import NotOursError
from core.secret import Secret
from core.sync.model import Environment
from infra.ebay.client import EbayHttp
from infra.ebay.hosts import EbayHosts
from infra.ebay.notification_keys import EbayPublicKeys, Line
from infra.ebay.notification_signature import EcdsaSignatures, public_key
from infra.ebay.oauth import ApplicationTokens, OAuth
from tests.support.ebay import KEYS, clock
from tests.support.ebay_shared import vectors

TOKEN_URL = "https://api.ebay.com/identity/v1/oauth2/token"
KEY_URL = "https://api.ebay.com/commerce/notification/v1/public_key/"
KEY_ID = "9936261a-7d7b-4621-a0f1-96ccb428af49"
GRANTED = {"access_token": "canary-app-token", "expires_in": 7200}


def header(**changes: Any) -> str:
    said = {"alg": "ecdsa", "kid": KEY_ID, "signature": "AAAA", "digest": "SHA1"} | changes
    return base64.b64encode(json.dumps(said).encode()).decode()


def pem(key: Any) -> str:
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b64encode(der).decode()
    return f"-----BEGIN PUBLIC KEY-----{text}-----END PUBLIC KEY-----"


def test_the_published_vectors_are_accepted_and_refused_as_published() -> None:
    told = vectors("event_notification_vectors")
    signatures = EcdsaSignatures()
    key = next(each["public_key_response"]["key"] for each in told["notifications"])
    accepted = {}
    for each in told["notifications"]:
        claim = signatures.read(each["x_ebay_signature"])
        try:
            signatures.check(claim, key, each["payload_raw"].encode())
            accepted[each["id"]] = True
        except NotOursError:
            accepted[each["id"]] = False

    # node-ERROR is well signed: there the key could not be had.
    assert accepted == {
        "node-VALID": True,
        "node-INVALID": False,
        "node-SIGNATURE_MISMATCH": False,
        "node-ERROR": True,
    }
    for each in told["challenge"]:
        word = Secret(each["verification_token"])
        answered = challenge_response(each["challenge_code"], word, each["endpoint"])
        assert answered == each["challenge_response_sha256_hex"]


def test_the_bytes_are_signed_not_what_they_mean() -> None:
    each = vectors("event_notification_vectors")["notifications"][0]
    signatures = EcdsaSignatures()
    claim = signatures.read(each["x_ebay_signature"])

    written_again = json.dumps(json.loads(each["payload_raw"])).encode()

    with pytest.raises(NotOursError):
        signatures.check(claim, each["public_key_response"]["key"], written_again)


@pytest.mark.parametrize("digest", ["SHA256", "SHA-256", "sha256"])
def test_a_signature_over_sha256_is_accepted(digest: str) -> None:
    private, body = ec.generate_private_key(ec.SECP256R1()), b'{"a":1}'
    signature = base64.b64encode(private.sign(body, ec.ECDSA(SHA256()))).decode()
    signatures = EcdsaSignatures()

    claim = signatures.read(header(signature=signature, digest=digest))

    signatures.check(claim, pem(private.public_key()), body)
    with pytest.raises(NotOursError):
        signatures.check(claim, pem(private.public_key()), body + b" ")


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "garbage",
        "x" * 5000,
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b"\xff").decode(),
        base64.b64encode(b"[" * 2000).decode(),
        header(alg="none"),
        header(alg="hmac"),
        header(digest="MD5"),
        header(digest=None),
        header(kid=None),
        header(kid="../../sell/finances/v1/payout"),
        header(kid="a/b?c"),
        header(kid="a" * 65),
        header(signature=None),
        header(signature="%%%"),
        header(signature="ä"),
    ],
)
def test_a_malformed_header_is_refused(sent: str) -> None:
    with pytest.raises(NotOursError):
        EcdsaSignatures().read(sent)


@pytest.mark.parametrize("signature", ["", "AAAA", base64.b64encode(b"0" * 5000).decode()[:3000]])
def test_what_is_no_signature_does_not_fit(signature: str) -> None:
    key = pem(ec.generate_private_key(ec.SECP256R1()).public_key())
    signatures = EcdsaSignatures()

    with pytest.raises(NotOursError):
        signatures.check(signatures.read(header(signature=signature)), key, b"body")


def test_only_a_key_of_the_curve_p256_is_one() -> None:
    others = [
        "",
        "-----BEGIN PUBLIC KEY-----AAAA-----END PUBLIC KEY-----",
        "<html>",
        pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
        pem(rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()),
    ]

    for text in others:
        with pytest.raises(BadAnswerError):
            public_key(text)


@pytest.fixture
def ebay() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as router:
        router.post(TOKEN_URL).respond(200, json=GRANTED)
        yield router


@pytest.fixture
def keys() -> EbayPublicKeys:
    @contextmanager
    def line() -> Iterator[Line]:
        http = EbayHttp()
        oauth = OAuth(http=http, hosts=EbayHosts(), keys=KEYS, clock=clock())
        try:
            yield Line(http=http, tokens=ApplicationTokens(oauth))
        finally:
            http.close()

    return EbayPublicKeys(
        line=line, hosts=EbayHosts(), environment=Environment.PRODUCTION, clock=clock()
    )


def test_a_key_is_asked_for_with_an_application_token(
    keys: EbayPublicKeys, ebay: respx.MockRouter
) -> None:
    route = ebay.get(KEY_URL + KEY_ID).respond(200, json={"key": "pem", "algorithm": "ECDSA"})

    assert keys.fetch(KEY_ID, timeout=2) == "pem"
    assert route.calls.last.request.headers["authorization"] == "Bearer canary-app-token"


@pytest.mark.parametrize("status", [400, 404])
def test_a_key_that_ebay_does_not_know_is_none(
    keys: EbayPublicKeys, ebay: respx.MockRouter, status: int
) -> None:
    ebay.get(KEY_URL + KEY_ID).respond(status, json={"errors": [{"errorId": 195012}]})

    assert keys.fetch(KEY_ID, timeout=2) is None


def test_a_refused_token_is_replaced_once(keys: EbayPublicKeys, ebay: respx.MockRouter) -> None:
    bad = {"errors": [{"errorId": 1001}]}
    route = ebay.get(KEY_URL + KEY_ID)
    route.side_effect = [
        respx.MockResponse(401, json=bad),
        respx.MockResponse(200, json={"key": "p"}),
    ]

    assert keys.fetch(KEY_ID, timeout=2) == "p"


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b"", UpstreamUnavailableError),
        (200, b"", UpstreamUnavailableError),
        (200, b"<html>", UpstreamUnavailableError),
        (200, b"{}", BadAnswerError),
        (200, b'{"key": 7}', BadAnswerError),
        (429, b"{}", RateLimitedError),
    ],
)
def test_a_key_that_cannot_be_had_is_an_error_that_shows_no_token(
    keys: EbayPublicKeys, ebay: respx.MockRouter, status: int, body: bytes, error: type[Exception]
) -> None:
    ebay.get(KEY_URL + KEY_ID).respond(status, content=body)

    with pytest.raises(error) as caught:
        keys.fetch(KEY_ID, timeout=2)

    assert "canary" not in repr(caught.value) + str(caught.value)
