"""What eBay's gateway makes of a message signature: right, or refused with one of its codes."""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from infra.simulator.answers import Answer, Request, error
from infra.simulator.jwe import JweFormatError, JweSealError, open_sealed

# https://developer.ebay.com/develop/guides/digital-signatures-for-apis
MESSAGES: Mapping[int, str] = MappingProxyType(
    {
        215000: "Missing content-digest header",
        215001: "Missing x-ebay-signature-key header",
        215002: "Internal errors as fetching master key",
        215003: "Internal errors as validating digital signature",
        215101: "Missing content digest",
        215102: "Missing payload",
        215103: "Parsing value of sha failed",
        215104: "Base64 decoding sha failed",
        215105: "Incorrect content digest of sha-256",
        215106: "Incorrect content digest of sha-512",
        215107: "Incorrect content digest of sha",
        215108: "Content digest validation failed",
        215109: "Missing parameters (internal error)",
        215110: "Missing content-digest header",
        215111: "Missing signature header",
        215112: "Missing signature-input header",
        215113: "Invalid timestamp in signature parameters",
        215114: "The create time of signature parameters is not in right range",
        215115: "Decrypting JWE failed",
        215116: "Incorrect JWE format",
        215117: "The appid in signature doesn't match app in token",
        215118: "Missing pkey in JWE",
        215119: "Decoding public key failed",
        215120: "Signature validation failed",
        215121: "Signature validation failed",
        215122: "Signature validation failed",
    }
)
_INPUT = re.compile(r"sig1=(\((?P<parts>[^()]*)\)(?P<rest>[^()]*))")
_SIGNATURE = re.compile(r"sig1=:(?P<value>[A-Za-z0-9+/=]+):")
_DIGEST = re.compile(r"(?P<name>[a-z0-9-]+)=:(?P<value>[^:]*):")
_CREATED = re.compile(r"(?:^|;)created=(?P<at>[^;]*)(?:;|$)")
_DIGESTS = {"sha-256": (hashlib.sha256, 215105), "sha-512": (hashlib.sha512, 215106)}
_ALWAYS = ("x-ebay-signature-key", "@method", "@path", "@authority")
PublicKey = Ed25519PublicKey | RSAPublicKey


class SignatureRefusedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(f"{code}: {MESSAGES[code]}")
        self.code = code

    @property
    def answer(self) -> Answer:
        message = MESSAGES[self.code]
        told = f"{message} to fulfill the request."
        return error(403, self.code, "ACCESS", message, long_message=told)


def check(
    request: Request,
    *,
    master: bytes,
    app_id: str,
    is_timely: Callable[[int], bool],
) -> None:
    """Raises SignatureRefusedError.

    1. What is there, 2. when it was made, 3. whose key, 4. the body, 5. the signature itself.
    """
    headers = request.headers
    _all_there(headers, has_body=bool(request.body))
    parts, params = _input(headers["signature-input"])
    if not is_timely(_created(params)):
        raise SignatureRefusedError(215114)
    claims = _claims(headers["x-ebay-signature-key"], master)
    if claims.get("appid") != app_id:
        raise SignatureRefusedError(215117)
    check_signed(request, parts, params, _public_key(claims))


def check_signed(request: Request, parts: list[str], params: str, key: PublicKey) -> None:
    """Body and signature, whoever's key it is and whenever they were made."""
    needed = {*_ALWAYS, *(["content-digest"] if request.body else [])}
    if not needed <= set(parts) or len(set(parts)) != len(parts):
        raise SignatureRefusedError(215121)
    if "content-digest" in request.headers:
        check_digest(request)
    _verify(key, _signature(request.headers["signature"]), base_of(request, parts, params))


def verify(request: Request, key: PublicKey) -> None:
    """As eBay's own verifier does: no word about when, and the key as it is given."""
    _all_there(request.headers, has_body=bool(request.body))
    parts, params = _input(request.headers["signature-input"])
    check_signed(request, parts, params, key)


def public_key_of(jwe: str, master: bytes) -> PublicKey:
    return _public_key(_claims(jwe, master))


def base_of(request: Request, parts: list[str], params: str) -> bytes:
    """Raises SignatureRefusedError where it names what is not there."""
    special = {
        "@method": request.method,
        "@path": request.path,
        "@authority": request.base_url.partition("//")[2].lower(),
    }
    lines = []
    for name in parts:
        value = special.get(name, request.headers.get(name))
        if value is None:
            raise SignatureRefusedError(215121)
        lines.append(f'"{name}": {value}')
    return "\n".join([*lines, f'"@signature-params": {params}']).encode()


def _all_there(headers: Mapping[str, str], *, has_body: bool) -> None:
    if not headers.get("x-ebay-signature-key"):
        raise SignatureRefusedError(215001)
    if has_body and not headers.get("content-digest"):
        raise SignatureRefusedError(215000)
    if not headers.get("signature"):
        raise SignatureRefusedError(215111)
    if not headers.get("signature-input"):
        raise SignatureRefusedError(215112)


def _input(value: str) -> tuple[list[str], str]:
    """The covered parts, and the parameters as they are signed."""
    found = _INPUT.fullmatch(value)
    names = found["parts"].split(" ") if found else []
    if found is None or not all(re.fullmatch(r'"[@a-z0-9-]+"', name) for name in names):
        raise SignatureRefusedError(215120)
    return [name.strip('"') for name in names], found[1]


def _created(params: str) -> int:
    found = _CREATED.search(params.partition(")")[2])
    if found is None or not re.fullmatch(r"[0-9]{1,12}", found["at"]):
        raise SignatureRefusedError(215113)
    return int(found["at"])


def _claims(jwe: str, master: bytes) -> dict[str, Any]:
    try:
        return open_sealed(jwe, master)
    except JweFormatError as cause:
        raise SignatureRefusedError(215116) from cause
    except JweSealError as cause:
        raise SignatureRefusedError(215115) from cause


def _public_key(claims: Mapping[str, Any]) -> PublicKey:
    encoded = claims.get("pkey")
    if not isinstance(encoded, str) or not encoded:
        raise SignatureRefusedError(215118)
    try:
        key = load_der_public_key(base64.b64decode(encoded, validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm) as cause:
        raise SignatureRefusedError(215119) from cause
    if not isinstance(key, Ed25519PublicKey | RSAPublicKey):
        raise SignatureRefusedError(215119)
    return key


def check_digest(request: Request) -> None:
    """Raises SignatureRefusedError."""
    found = _DIGEST.fullmatch(request.headers["content-digest"])
    if found is None or found["name"] not in _DIGESTS:
        raise SignatureRefusedError(215103)
    digest, wrong = _DIGESTS[found["name"]]
    try:
        given = base64.b64decode(found["value"], validate=True)
    except binascii.Error as cause:
        raise SignatureRefusedError(215104) from cause
    if given != digest(request.body).digest():
        raise SignatureRefusedError(wrong)


def _signature(value: str) -> bytes:
    found = _SIGNATURE.fullmatch(value)
    try:
        return base64.b64decode(found["value"] if found else "?", validate=True)
    except binascii.Error as cause:
        raise SignatureRefusedError(215120) from cause


def _verify(key: PublicKey, signature: bytes, base: bytes) -> None:
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, base)
        else:
            key.verify(signature, base, PKCS1v15(), SHA256())
    except InvalidSignature as cause:
        raise SignatureRefusedError(215122) from cause
