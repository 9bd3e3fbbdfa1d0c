"""Secrets at rest: AES-256-GCM, bound to one account and one field.

A sealed value is `v1.<key id>.<base64url of nonce, ciphertext and tag>`. Its associated data is
`v1|<key id>|ebay_token|<account id>|<field>`, so that it opens in no other row.
"""

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import ConfigurationError, DecryptError
from core.ids import AccountId
from core.secret import Secret

KEY_BYTES = 32
NONCE_BYTES = 12
_TAG_BYTES = 16
_VERSION = "v1"
_PURPOSE = "ebay_token"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_ADVICE = (
    "; it must look like `id:base64,older:base64`, newest first, each key 32 bytes"
    " (`python -c \"import os,base64;print('k1:'+base64.b64encode(os.urandom(32)).decode())\"`)"
)


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id. The first seals; all of them open."""

    keys: Mapping[str, bytes] = field(repr=False)

    @property
    def newest(self) -> str:
        return next(iter(self.keys))


def parse_keys(text: str) -> Keyring:
    """From `ENCRYPTION_KEYS`. Raises ConfigurationError, which repeats no key."""
    keys: dict[str, bytes] = {}
    for place, entry in enumerate(text.split(","), start=1):
        key_id, colon, encoded = entry.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ConfigurationError(
                f"ENCRYPTION_KEYS: entry {place} has no id of letters, digits, `-` and `_`{_ADVICE}"
            )
        if key_id in keys:
            raise ConfigurationError(f"ENCRYPTION_KEYS: the id {key_id} stands there twice")
        keys[key_id] = _parse_key(key_id, encoded)
    return Keyring(keys)


def generate_key(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """A new key as it stands behind its id in `ENCRYPTION_KEYS`."""
    return base64.b64encode(random_bytes(KEY_BYTES)).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class AesGcmCipher:
    """The Cipher over a keyring; threads may share it."""

    keyring: Keyring
    random_bytes: Callable[[int], bytes] = os.urandom

    @property
    def newest(self) -> str:
        return self.keyring.newest

    def key_of(self, sealed: str) -> str:
        """Which key seals a stored value. Raises DecryptError."""
        return _parts(sealed)[0]

    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str:
        name = self.keyring.newest
        nonce = self.random_bytes(NONCE_BYTES)
        sealed = AESGCM(self.keyring.keys[name]).encrypt(
            nonce, secret.reveal().encode(), _context(name, account_id, field)
        )
        return f"{_VERSION}.{name}.{base64.urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def open(self, sealed: str, *, account_id: AccountId, field: str) -> Secret:
        name, packed = _parts(sealed)
        key = self.keyring.keys.get(name)
        if key is None:
            raise DecryptError(f"the {field} is sealed with the key {name}, which is not there")
        try:
            opened = AESGCM(key).decrypt(
                packed[:NONCE_BYTES], packed[NONCE_BYTES:], _context(name, account_id, field)
            )
            return Secret(opened.decode())
        except (InvalidTag, UnicodeDecodeError):
            # Not chained: a UnicodeDecodeError holds the plaintext.
            raise DecryptError(
                f"the {field} of account {account_id} does not open: it was changed, or belongs to"
                " another row"
            ) from None


def _parse_key(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"ENCRYPTION_KEYS: the key {name} is no base64{_ADVICE}") from None
    if len(key) != KEY_BYTES:
        raise ConfigurationError(f"ENCRYPTION_KEYS: the key {name} has {len(key)} bytes{_ADVICE}")
    return key


def _parts(sealed: str) -> tuple[str, bytes]:
    try:
        version, name, encoded = sealed.split(".")
        packed = base64.b64decode(encoded.encode("ascii"), altchars=b"-_", validate=True)
    except ValueError:
        raise DecryptError("a stored secret is not in a form that this version knows") from None
    sound = _KEY_ID.fullmatch(name) and len(packed) >= NONCE_BYTES + _TAG_BYTES
    if version != _VERSION or not sound:
        raise DecryptError("a stored secret is not in a form that this version knows")
    return name, packed


def _context(name: str, account_id: AccountId, field: str) -> bytes:
    return f"{_VERSION}|{name}|{_PURPOSE}|{account_id}|{field}".encode()
