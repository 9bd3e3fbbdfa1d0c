"""Message signatures: what we sign verifies, as eBay's vectors do, and nothing else does."""

import base64
import re
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from core.secret import Secret
from infra.ebay.signature import (
    PrivateKey,
    SignedParts,
    UnusableKeyError,
    content_digest,
    load_private_key,
    sign,
    signature_base,
    signature_params,
    signed_headers,
)
from infra.ebay.signer import parts_of
from infra.simulator import jwe, signatures
from infra.simulator.answers import Request
from infra.simulator.signatures import PublicKey, SignatureRefusedError
from tests.support.ebay_shared import vectors

DIGESTS = ("node-sha256", "node-sha512", "java-sha256", "java-sha256-text")
VERIFIED = (
    "node-ed25519-verify",
    "node-rsa-verify",
    "verif-testVerificationEd25519",
    "verif-testVerificationRSA",
    "java-ed25519-verify",
)
REFUSED = {
    "verif-testVerificationSignatureInvalidFormat": 215120,
    "verif-testVerificationInvalidSignature": 215122,
    "verif-testVerificationInvalidContentDigestFormat": 215103,
    "verif-testVerificationInvalidContentDigestValue": 215105,
}
REFUSED_DIGESTS = {"java-digest-bad-cipher": 215103, "java-digest-mismatch-empty-body": 215105}
ED25519 = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWE = "a.b.c.d.e"


def published() -> dict[str, Any]:
    return vectors("digital_signature_vectors")


def vector(section: str, name: str) -> dict[str, Any]:
    [found] = [each for each in published()[section] if each["id"] == name]
    return dict(found)


def parts_in(found: dict[str, Any]) -> SignedParts:
    request = found["request"]
    return SignedParts(
        method=request["method"],
        path=request["path"],
        authority=request["authority"],
        body=request["body"].encode(),
    )


def as_received(parts: SignedParts, headers: dict[str, str], query: str = "") -> Request:
    return Request(
        method=parts.method,
        target=parts.path + query,
        headers=headers,
        body=parts.body,
        base_url=f"http://{parts.authority}",
    )


def private_key(name: str) -> PrivateKey:
    return load_private_key(Secret(published()["keys"][name]["private_pem"]))


def public_key(name: str) -> PublicKey:
    key = load_pem_public_key(published()["keys"][name]["public_pem"].encode())
    assert isinstance(key, PublicKey)
    return key


@pytest.mark.parametrize("name", DIGESTS)
def test_published_digests_are_ours(name: str) -> None:
    found = vector("digest", name)

    assert content_digest(found["body"].encode(), found["alg"]) == found["content_digest"]


def test_a_call_without_a_body_has_no_digest() -> None:
    assert vector("digest", "java-empty-body")["content_digest"] is None

    headers = signed(parts_of("GET", "https://apiz.ebay.com/sell/finances/v1/payout", b""))

    assert "content-digest" not in headers
    covered = '("x-ebay-signature-key" "@method" "@path" "@authority")'
    assert headers["signature-input"] == f"sig1={covered};created=7"


def test_the_published_signature_is_ours_to_the_byte() -> None:
    found = vector("sign", "node-ed25519-sign")
    headers = found["headers"]

    made = signed_headers(
        parts_in(found),
        jwe=headers["x-ebay-signature-key"],
        private_key=private_key("ed25519"),
        created=found["created"],
    )

    assert made == headers
    assert made["signature"] == (
        "sig1=:gkk7dqudw21DFHDVBoRUWe/F6/2hTEmWRFDBxiN6COD4PjozXziiDFML1nFHu+0UcMXC/niltxzABjnugu4D"
        "CA==:"
    )


def test_the_published_base_is_ours_to_the_byte() -> None:
    found = vector("base", "java-signature-base")
    params = signature_params(created=1658440308, has_body=True)

    base = signature_base(parts_in(found), found["headers"], params)

    assert base.decode() == found["signature_base"]


@pytest.mark.parametrize("name", VERIFIED)
def test_published_signatures_verify_and_are_what_we_would_have_sent(name: str) -> None:
    found = vector("verify", name)
    headers, parts = found["headers"], parts_in(found)
    master = base64.b64decode(published()["keys"]["jwe_master_key_b64"])

    signatures.verify(as_received(parts, headers), public_key(found["key"]))
    sealed_key = signatures.public_key_of(headers["x-ebay-signature-key"], master)
    signatures.verify(as_received(parts, headers), sealed_key)

    made = signed_headers(
        parts,
        jwe=headers["x-ebay-signature-key"],
        private_key=private_key(found["key"]),
        created=found["created"],
    )
    assert made == headers


@pytest.mark.parametrize("number", range(7))
def test_published_jwe_open_with_the_published_master_key(number: int) -> None:
    master = base64.b64decode(published()["keys"]["jwe_master_key_b64"])
    found = published()["jwe"][number]

    assert jwe.open_sealed(found["jwe"], master)["pkey"] == found["expect_pkey"]


@pytest.mark.parametrize("name", REFUSED)
def test_published_negatives_are_refused(name: str) -> None:
    found = vector("negative", name)

    with pytest.raises(SignatureRefusedError) as refused:
        signatures.verify(as_received(parts_in(found), found["headers"]), public_key("rsa"))

    assert refused.value.code == REFUSED[name]


@pytest.mark.parametrize("name", REFUSED_DIGESTS)
def test_published_wrong_digests_are_refused(name: str) -> None:
    found = vector("negative", name)

    with pytest.raises(SignatureRefusedError) as refused:
        signatures.check_digest(as_received(parts_in(found), found["headers"]))

    assert refused.value.code == REFUSED_DIGESTS[name]


def test_no_published_vector_is_left_out() -> None:
    found = published()
    negatives = {each["id"] for each in found["negative"]}

    assert {each["id"] for each in found["digest"]} == {*DIGESTS, "java-empty-body"}
    assert {each["id"] for each in found["verify"]} == set(VERIFIED)
    assert negatives == {*REFUSED, *REFUSED_DIGESTS}
    assert [len(found[name]) for name in ("jwe", "base", "sign")] == [7, 1, 1]


def signed(parts: SignedParts, key: PrivateKey = ED25519, created: int = 7) -> dict[str, str]:
    return signed_headers(parts, jwe=JWE, private_key=key, created=created)


WORDS = st.from_regex(r"[a-z0-9.-]{1,12}", fullmatch=True)
CALLS = st.builds(
    SignedParts,
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.lists(WORDS, min_size=1, max_size=4).map(lambda words: "/" + "/".join(words)),
    authority=st.one_of(WORDS, st.builds("{}:{}".format, WORDS, st.integers(1, 65535))),
    body=st.binary(max_size=200),
)


@dataclass(frozen=True)
class Change:
    """What somebody did to a signed call on its way."""

    parts: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


@given(parts=CALLS, created=st.integers(0, 10**11), which=st.booleans())
def test_what_we_sign_verifies(parts: SignedParts, created: int, which: bool) -> None:
    key: PrivateKey = ED25519 if which else RSA

    headers = signed(parts, key, created)

    signatures.verify(as_received(parts, headers, "?limit=1"), key.public_key())


@given(parts=CALLS, created=st.integers(1, 10**11), seed=st.integers(0, 10**6))
def test_no_change_of_a_covered_part_does(parts: SignedParts, created: int, seed: int) -> None:
    headers = signed(parts, created=created)
    other = Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "little"))
    value = headers["signature"]
    place = 6 + seed % 80
    changes = [
        Change({"method": "PATCH"}),
        Change({"path": parts.path + "/"}),
        Change({"path": parts.path.upper() + "x"}),
        Change({"authority": f"x{parts.authority}"}),
        Change({"body": parts.body + b"\n"}),
        Change(headers={"x-ebay-signature-key": JWE + "e"}),
        Change(headers={"signature-input": headers["signature-input"][:-1] + "x"}),
        Change(headers={"signature-input": headers["signature-input"] + ";alg=none"}),
        Change(headers={"signature": signed(parts, other, created)["signature"]}),
        Change(
            headers={
                "signature": value[:place]
                + ("A" if value[place] != "A" else "B")
                + value[place + 1 :]
            }
        ),
    ]
    if parts.body:
        changes += [
            Change({"body": b""}),
            Change(headers={"content-digest": content_digest(parts.body, "sha-512")}),
        ]

    for change in changes:
        received = as_received(replace(parts, **change.parts), {**headers, **change.headers})
        with pytest.raises(SignatureRefusedError):
            signatures.verify(received, ED25519.public_key())


@pytest.mark.parametrize("left_out", ["x-ebay-signature-key", "@method", "@path", "@authority"])
def test_a_signature_that_leaves_a_part_out_is_refused(left_out: str) -> None:
    parts = parts_of("GET", "http://127.0.0.1:8900/sell/finances/v1/payout", b"")
    covered = ["x-ebay-signature-key", "@method", "@path", "@authority"]
    covered.remove(left_out)
    params = "({});created=7".format(" ".join(f'"{name}"' for name in covered))
    headers = signed(parts)
    base = signatures.base_of(as_received(parts, headers), covered, params)
    headers["signature-input"] = f"sig1={params}"
    headers["signature"] = f"sig1=:{base64.b64encode(sign(ED25519, base)).decode()}:"

    with pytest.raises(SignatureRefusedError) as refused:
        signatures.verify(as_received(parts, headers), ED25519.public_key())

    assert refused.value.code == 215121


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://apiz.ebay.com/sell/v1/payout", "apiz.ebay.com", "/sell/v1/payout"),
        ("https://apiz.ebay.com:443/a?b=c", "apiz.ebay.com", "/a"),
        ("https://apiz.ebay.com:8443/a", "apiz.ebay.com:8443", "/a"),
        ("http://127.0.0.1:8900/a%20b", "127.0.0.1:8900", "/a%20b"),
        ("http://LOCALHOST:80", "localhost", "/"),
        ("http://[::1]:8900/a", "[::1]:8900", "/a"),
    ],
)  # fmt: skip
def test_authority_and_path_are_those_of_the_call(url: str, authority: str, path: str) -> None:
    parts = parts_of("GET", url, b"")

    assert (parts.authority, parts.path) == (authority, path)


def pkcs8(key: Any) -> str:
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return base64.b64encode(der).decode()


@pytest.mark.parametrize("key", [ED25519, RSA], ids=["ed25519", "rsa"])
@pytest.mark.parametrize("armoured", [False, True])
def test_private_keys_are_read_as_ebay_shows_them(key: PrivateKey, armoured: bool) -> None:
    text = pkcs8(key)
    if armoured:
        lines = re.findall(r".{1,64}", text)
        text = "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])

    loaded = load_private_key(Secret(text))

    assert sign(loaded, b"base") == sign(key, b"base")


ELLIPTIC = pkcs8(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize(
    "text",
    ["", "canary", "Y2FuYXJ5", "ünlü", "v^1.1#canary", ELLIPTIC],
    ids=["nothing", "a word", "base64", "no ASCII", "a token", "another curve"],
)
def test_what_is_no_private_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UnusableKeyError) as refused:
        load_private_key(Secret(text))

    assert refused.value.__cause__ is None
    assert "canary" not in str(refused.value)
