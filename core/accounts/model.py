"""Connected sellers as people name them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.ids import AccountId
from core.sellers import Seller


class Status(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    NEEDS_RECONNECT = "needs_reconnect"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAccount:
    name: str
    environment: str
    marketplace_ids: tuple[str, ...]
    seller: Seller | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownAccount:
    """An account as `accounts list` shows it.

    `signed_because`: why its calls are signed, `domicile` or `demanded`; None: they are not.
    `scopes`: what its owner has consented to; None: nobody told. `seller_gone`: eBay has deleted
    his account, and nobody else gets into this one.
    """

    id: AccountId
    name: str
    environment: str
    status: Status
    status_reason: str | None
    ebay_user_id: str | None
    username: str | None
    marketplace_ids: tuple[str, ...]
    access_expires_at: datetime | None
    refresh_expires_at: datetime | None
    last_success_at: datetime | None
    failing: int
    country: str | None = None
    registration_marketplace_id: str | None = None
    signed_because: str | None = None
    scopes: tuple[str, ...] | None = None
    seller_gone: bool = False
