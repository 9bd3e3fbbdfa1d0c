"""What a signing key is, and when it is due to be replaced."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from core.ids import Fence
from core.secret import Secret

RENEW_BEFORE = timedelta(days=30)
RENEW_SHARE = 0.1
MAKING_LEASE = timedelta(seconds=12)
"""Longer than the one request that makes a key."""


class Cipher(StrEnum):
    """eBay recommends the first: its keys are shorter, and they travel with each call."""

    ED25519 = "ED25519"
    RSA = "RSA"


class Owner(NamedTuple):
    """Whose key it is: eBay binds it to one application, and refuses it with another's token."""

    environment: str
    client_id: str

    @property
    def field(self) -> str:
        """What the private key is sealed for: it opens in no other row."""
        return f"signing_key/{self.environment}/{self.client_id}"

    @property
    def place(self) -> str:
        """For people."""
        return f"the signing key of {self.environment} ({self.client_id})"

    @classmethod
    def of_field(cls, field: str) -> "Owner":
        _, environment, client_id = field.split("/", 2)
        return cls(environment, client_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """`jwe` is the public key as eBay sealed it, for the header `x-ebay-signature-key`.

    `private_key`: base64 of its PKCS 8 form, as eBay shows it once.
    """

    key_id: str
    cipher: str
    jwe: str
    private_key: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """What eBay answered; the instants are eBay's."""

    key: SigningKey
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    key_id: str
    cipher: str
    jwe: str
    private_key: str
    created_at: datetime
    expires_at: datetime

    def renewal_at(self) -> datetime:
        """30 days before its end, or a tenth of its life: eBay gives three years."""
        return self.expires_at - min(
            RENEW_BEFORE, (self.expires_at - self.created_at) * RENEW_SHARE
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """An owner's key as it lies in the database; `read_at` is the database's clock.

    `retry_at`: no key is asked for before, because the last time ended in `last_error`.
    """

    version: int
    key: SealedKey | None
    retry_at: datetime | None
    last_error: str | None
    read_at: datetime

    def is_good(self) -> bool:
        return self.key is not None and self.read_at < self.key.expires_at

    def is_due(self) -> bool:
        """Whether another one should take its place."""
        return self.key is None or self.read_at >= self.key.renewal_at()

    def must_wait(self) -> bool:
        return self.retry_at is not None and self.read_at < self.retry_at


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A row as a person sees it; `sealed` names nothing but which of ENCRYPTION_KEYS sealed it."""

    owner: Owner
    state: KeyState
    making: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """The right to make one, held under `fence`."""

    fence: Fence
