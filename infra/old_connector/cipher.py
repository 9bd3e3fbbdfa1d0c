"""How the old connector sealed its tokens: `ENC:v1:` and base64 of nonce, ciphertext and tag.

AES-256-GCM under HKDF-SHA256 of its secret, without salt. Its own reading of what does not open was
to hand on the ciphertext, which then went to eBay; here it is an error.
"""

import base64
import binascii
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from core.errors import DecryptError
from core.secret import Secret

PREFIX = "ENC:v1:"
WELL_KNOWN = "your-secret-key-change-in-production"
"""What it used where nobody had set a secret."""
_INFO = b"ebay-token-encryption"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_NOT_OPENED = "it does not open with this secret"


@dataclass(frozen=True, slots=True)
class OldCipher:
    """The `Opener` port."""

    key: bytes = field(repr=False)

    def is_sealed(self, stored: Secret) -> bool:
        return stored.reveal().startswith(PREFIX)

    def open(self, stored: Secret) -> Secret:
        packed = _unpacked(stored.reveal().removeprefix(PREFIX))
        try:
            opened = AESGCM(self.key).decrypt(packed[:_NONCE_BYTES], packed[_NONCE_BYTES:], None)
            return Secret(opened.decode())
        except (InvalidTag, UnicodeDecodeError):
            # Not chained: a UnicodeDecodeError holds the plaintext.
            raise DecryptError(_NOT_OPENED) from None


def old_cipher(secret: Secret) -> OldCipher:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO)
    return OldCipher(derive.derive(secret.reveal().encode()))


def _unpacked(encoded: str) -> bytes:
    try:
        text = encoded.strip().replace("-", "+").replace("_", "/").encode("ascii")
        packed = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise DecryptError(_NOT_OPENED) from None
    if len(packed) < _NONCE_BYTES + _TAG_BYTES:
        raise DecryptError(_NOT_OPENED)
    return packed
