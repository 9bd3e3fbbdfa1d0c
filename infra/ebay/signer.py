"""Who signs calls: with the application's key, at the instant of the database's clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from core.clock import Clock
from core.errors import SignatureRequiredError
from core.signing.model import SigningKey
from infra.ebay.signature import (
    PrivateKey,
    SignedParts,
    UnusableKeyError,
    load_private_key,
    signed_headers,
)

_AT_HAND_S = 5.0
_USUAL_PORTS = {"http": 80, "https": 443}


class KeySource(Protocol):
    def get(self, environment: str, *, timeout: float) -> SigningKey:
        """Raises SignatureRequiredError, DecryptError, ConfigurationError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EbaySigner:
    """The `Signatures` port of one run; threads may share it."""

    keys: KeySource
    clock: Clock
    _loaded: dict[str, PrivateKey] = field(default_factory=dict)

    def prepare(self, environment: str, *, timeout: float) -> None:
        self._load(environment, self.keys.get(environment, timeout=timeout))

    def headers(self, environment: str, method: str, url: str, body: bytes) -> Mapping[str, str]:
        key = self.keys.get(environment, timeout=_AT_HAND_S)
        return signed_headers(
            parts_of(method, url, body),
            jwe=key.jwe,
            private_key=self._load(environment, key),
            created=int(self.clock.now().timestamp()),
        )

    def _load(self, environment: str, key: SigningKey) -> PrivateKey:
        if key.key_id not in self._loaded:
            try:
                self._loaded[key.key_id] = load_private_key(key.private_key)
            except UnusableKeyError as error:
                raise SignatureRequiredError(
                    f"the stored signing key cannot sign: {error}; `python -m core.run signing-key"
                    f" renew --environment {environment}` has eBay make another"
                ) from error
        return self._loaded[key.key_id]


def parts_of(method: str, url: str, body: bytes) -> SignedParts:
    """Of the address that is called; its query is covered by no signature."""
    address = urlsplit(url)
    host, port = address.hostname or "", address.port
    host = f"[{host}]" if ":" in host else host
    usual = port in {None, _USUAL_PORTS.get(address.scheme)}
    return SignedParts(
        method=method,
        path=address.path or "/",
        authority=host if usual else f"{host}:{port}",
        body=body,
    )
