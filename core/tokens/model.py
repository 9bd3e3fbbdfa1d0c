"""What a token is, and when it is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.ids import Fence
from core.secret import Secret

FRESH_ENOUGH = timedelta(minutes=15)
FRESH_SHARE = 0.2
REFRESH_LEASE = timedelta(seconds=30)
REFRESH_TOKEN, ACCESS_TOKEN = "refresh_token", "access_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the token endpoint answered. eBay sends no new refresh token; others might."""

    access_token: Secret
    expires_in: timedelta
    refresh_token: Secret | None = None
    refresh_token_expires_in: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredToken:
    """An account's pair as it lies in the database, sealed; `read_at` is the database's clock."""

    needs_reconnect: bool
    version: int
    refresh_token: str
    access_token: str | None
    access_expires_at: datetime | None
    refreshed_at: datetime | None
    read_at: datetime

    def left(self) -> timedelta:
        """How long the access token may still be used."""
        if self.access_expires_at is None:
            return timedelta(0)
        life = self.access_expires_at - (self.refreshed_at or self.read_at)
        return max(self.access_expires_at - self.read_at - spare(life), timedelta(0))


def spare(life: timedelta) -> timedelta:
    """What an access token of that life has left when it is refreshed: 15 minutes, or a fifth."""
    return min(FRESH_ENOUGH, life * FRESH_SHARE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """One refresh, held under `fence`; `old_expires_at` is the replaced access token's."""

    fence: Fence
    started_at: datetime
    old_expires_at: datetime | None
    triggered_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedGrant:
    """`expires_in` counts from the answer, by the database's clock."""

    access_token: str
    expires_in: timedelta
    refresh_token: str | None
    refresh_token_expires_in: timedelta | None
