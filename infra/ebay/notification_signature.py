"""The signature of a notification: ECDSA over the bytes as they came.

https://developer.ebay.com/api-docs/commerce/notification/overview.html
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from core.errors import BadAnswerError
from core.notifications.model import Claim, NotOursError

HEADER = "X-EBAY-SIGNATURE"
LONGEST_HEADER = 4096
KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_DIGESTS: Mapping[str, Callable[[], HashAlgorithm]] = {
    "SHA1": SHA1,
    "SHA256": SHA256,
}
_FRAME = re.compile(r"-----(BEGIN|END) PUBLIC KEY-----|\s")


class EcdsaSignatures:
    """The `Signatures` port."""

    def read(self, header: str) -> Claim:
        said = _said(header)
        key_id, digest = said.get("kid"), str(said.get("digest", "")).upper().replace("-", "")
        if str(said.get("alg", "")).lower() != "ecdsa" or digest not in _DIGESTS:
            raise NotOursError(f"{HEADER} names another algorithm than ecdsa with SHA1 or SHA256")
        # It becomes a part of an address.
        if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
            raise NotOursError(f"{HEADER} names no key")
        return Claim(key_id=key_id, signature=_bytes(said.get("signature")), digest=digest)

    def check(self, claim: Claim, key: str, body: bytes) -> None:
        try:
            public_key(key).verify(claim.signature, body, ec.ECDSA(_DIGESTS[claim.digest]()))
        except InvalidSignature:
            raise NotOursError(f"{HEADER} does not fit the body") from None


def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """From PEM, which eBay writes in one line. Raises BadAnswerError."""
    try:
        key = load_der_public_key(base64.b64decode(_FRAME.sub("", text), validate=True))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadAnswerError(f"eBay's public key cannot be read: {type(error).__name__}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadAnswerError("eBay's public key is none of the curve P-256")
    return key


def _said(header: str) -> Mapping[str, Any]:
    if not 0 < len(header) <= LONGEST_HEADER:
        raise NotOursError(f"{HEADER} is missing or too long")
    try:
        said = json.loads(base64.b64decode(header, validate=True))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise NotOursError(f"{HEADER} is no base64 of a JSON object")
    return said


def _bytes(signature: object) -> bytes:
    try:
        # Not text: what is no base64 either.
        return base64.b64decode(signature if isinstance(signature, str) else "%", validate=True)
    except ValueError:
        raise NotOursError(f"{HEADER} holds no signature") from None
