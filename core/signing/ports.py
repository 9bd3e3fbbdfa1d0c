"""What signing keys need from outside. One method of the store is one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from core.ids import AccountId
from core.secret import Secret
from core.signing.model import KeyState, KnownKey, MadeKey, Making, Owner, SealedKey


class KeyService(Protocol):
    """eBay's Key Management API (https://developer.ebay.com/api-docs/developer/key-management)."""

    def create(self, environment: str, cipher: str, *, timeout: float) -> MadeKey:
        """Each call that arrives makes a key, also when its answer is lost: never tried twice.

        Raises what PageSource.fetch and TokenEndpoint.refresh raise.
        """
        ...

    def list(self, environment: str, *, timeout: float) -> Sequence[str]:
        """The ids of all keys that eBay knows of this application; it deletes none."""
        ...


class KeyCipher(Protocol):
    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str: ...

    def open(self, sealed: str, *, account_id: AccountId, field: str) -> Secret:
        """Raises DecryptError; never returns ciphertext."""
        ...


class KeyStore(Protocol):
    def read(self, owner: Owner) -> KeyState: ...

    def start(self, owner: Owner, version: int, lease: timedelta) -> Making | None:
        """The right to make a key; None while another has it, or when there is a newer one."""
        ...

    def save(self, owner: Owner, making: Making, key: SealedKey) -> None:
        """Raises LeaseLostError."""
        ...

    def fail(self, owner: Owner, making: Making, *, error: str, wait: timedelta) -> datetime:
        """Give the right back; until when nobody asks again. Raises LeaseLostError."""
        ...

    def list(self) -> Sequence[KnownKey]: ...
