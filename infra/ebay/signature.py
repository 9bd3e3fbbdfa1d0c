"""HTTP message signatures as eBay wants them: RFC 9421 over fixed parts, RFC 9530 digests.

https://developer.ebay.com/develop/guides/digital-signatures-for-apis
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from core.secret import Secret

DIGEST, KEY = "content-digest", "x-ebay-signature-key"
INPUT, SIGNATURE = "signature-input", "signature"
_REQUEST = ("@method", "@path", "@authority")
_DIGESTS = MappingProxyType({"sha-256": hashlib.sha256, "sha-512": hashlib.sha512})
_ARMOUR = re.compile(r"-----[A-Z ]+-----")
PrivateKey = Ed25519PrivateKey | RSAPrivateKey


class UnusableKeyError(Exception):
    """What should be a private key is none. Repeats nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedParts:
    """What a signature covers. `path` is as it is sent, without the query; `body` byte by byte.

    `authority` is the host that is called, with its port where that is not the scheme's own.
    """

    method: str
    path: str
    authority: str
    body: bytes = field(default=b"", repr=False)


def content_digest(body: bytes, algorithm: str = "sha-256") -> str:
    digest = _DIGESTS[algorithm](body).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode('ascii')}:"


def signature_params(*, created: int, has_body: bool) -> str:
    """A call without a body has no digest, and says so by leaving it out."""
    covered = (*((DIGEST,) if has_body else ()), KEY, *_REQUEST)
    names = " ".join(f'"{name}"' for name in covered)
    return f"({names});created={created}"


def signature_base(parts: SignedParts, headers: Mapping[str, str], params: str) -> bytes:
    """Lines without one at the end; `headers` in lower case hold what `params` names."""
    covered = {
        **({DIGEST: headers[DIGEST]} if DIGEST in headers else {}),
        KEY: headers[KEY],
        "@method": parts.method,
        "@path": parts.path,
        "@authority": parts.authority,
        "@signature-params": params,
    }
    return "\n".join(f'"{name}": {value}' for name, value in covered.items()).encode()


def signed_headers(
    parts: SignedParts, *, jwe: str, private_key: PrivateKey, created: int
) -> dict[str, str]:
    """The headers that a call is sent with, three of them where it has no body."""
    params = signature_params(created=created, has_body=bool(parts.body))
    headers = {KEY: jwe}
    if parts.body:
        headers[DIGEST] = content_digest(parts.body)
    signature = sign(private_key, signature_base(parts, headers, params))
    return {
        **headers,
        INPUT: f"sig1={params}",
        SIGNATURE: f"sig1=:{base64.b64encode(signature).decode('ascii')}:",
    }


def sign(private_key: PrivateKey, base: bytes) -> bytes:
    if isinstance(private_key, Ed25519PrivateKey):
        return private_key.sign(base)
    # With PSS eBay refuses it.
    return private_key.sign(base, PKCS1v15(), SHA256())


def load_private_key(text: Secret) -> PrivateKey:
    """From base64 of PKCS 8, as eBay shows it; armour around it does no harm.

    Raises UnusableKeyError.
    """
    encoded = "".join(_ARMOUR.sub("", text.reveal()).split())
    try:
        key = load_der_private_key(base64.b64decode(encoded, validate=True), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm, binascii.Error):
        # Not chained: the cause may repeat what it could not read.
        raise UnusableKeyError("the private key is no PKCS 8 key") from None
    if not isinstance(key, Ed25519PrivateKey | RSAPrivateKey):
        raise UnusableKeyError("the private key is neither Ed25519 nor RSA")
    return key
