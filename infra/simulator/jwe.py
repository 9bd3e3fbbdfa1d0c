"""JSON Web Encryption as eBay seals public keys: A256GCMKW, A256GCM, DEF, in compact form."""

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_TAG = 16
_LONGEST = 64 * 1024


class JweFormatError(Exception):
    """Not five parts of base64url, or another kind of encryption."""


class JweSealError(Exception):
    """Sealed with another master key, or changed."""


def seal(claims: Mapping[str, Any], master: bytes, random: bytes) -> str:
    """`random`: 56 bytes, from which content key and nonces come."""
    content_key, key_nonce, nonce = random[:32], random[32:44], random[44:56]
    wrapped = AESGCM(master).encrypt(key_nonce, content_key, None)
    head = {
        "alg": "A256GCMKW",
        "enc": "A256GCM",
        "zip": "DEF",
        "iv": _encode(key_nonce),
        "tag": _encode(wrapped[-_TAG:]),
    }
    protected = _encode(json.dumps(head, separators=(",", ":")).encode())
    packing = zlib.compressobj(wbits=-15)
    packed = packing.compress(json.dumps(claims).encode()) + packing.flush()
    sealed = AESGCM(content_key).encrypt(nonce, packed, protected.encode())
    parts = (protected, wrapped[:-_TAG], nonce, sealed[:-_TAG], sealed[-_TAG:])
    return ".".join(part if isinstance(part, str) else _encode(part) for part in parts)


def open_sealed(text: str, master: bytes) -> dict[str, Any]:
    """The claims. Raises JweFormatError, JweSealError."""
    try:
        protected, *rest = text.split(".")
        wrapped, nonce, sealed, tag = map(_decode, rest)
        head = json.loads(_decode(protected))
        kind = (head["alg"], head["enc"], head.get("zip"))
        key_nonce, key_tag = _decode(head["iv"]), _decode(head["tag"])
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise JweFormatError("it is no compact JWE") from error
    if kind != ("A256GCMKW", "A256GCM", "DEF"):
        raise JweFormatError("it is another kind of JWE")
    try:
        content_key = AESGCM(master).decrypt(key_nonce, wrapped + key_tag, None)
        packed = AESGCM(content_key).decrypt(nonce, sealed + tag, protected.encode())
        claims = json.loads(zlib.decompressobj(wbits=-15).decompress(packed, _LONGEST))
    except (InvalidTag, ValueError, zlib.error) as error:
        raise JweSealError("it does not open") from error
    if not isinstance(claims, dict):
        raise JweSealError("it holds no claims")
    return claims


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("no base64url") from error
