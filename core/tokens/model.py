"""What a token is, and when it is due."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.ids import AccountId, Fence
from core.secret import Secret

FRESH_ENOUGH = timedelta(minutes=15)
FRESH_SHARE = 0.2
REFRESH_LEASE = timedelta(seconds=30)
LONG_AGO = timedelta(minutes=60)
"""So old a token is refreshed whatever is left of it: two missed calls of the worker do no harm."""
WARN_DAYS = (30, 7, 1)
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
    retry_at: datetime | None
    read_at: datetime

    def still_good(self) -> timedelta:
        """What is really left of the access token's life."""
        if self.access_expires_at is None:
            return timedelta(0)
        return max(self.access_expires_at - self.read_at, timedelta(0))

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """An account and its token as the worker sees them, nothing opened.

    `version` None: there is no token. `consent_ends_at` None: nobody told. `warned_days`: the last
    warning before that end. `failed_at`: the last try since its last refresh, which brought none.
    """

    account_id: AccountId
    account: str
    environment: str
    status: str
    version: int | None = None
    access_expires_at: datetime | None = None
    refreshed_at: datetime | None = None
    retry_at: datetime | None = None
    consent_ends_at: datetime | None = None
    warned_days: int | None = None
    failed_at: datetime | None = None

    def due_at(self, now: datetime) -> datetime:
        """When its access token should be refreshed; `now` for one that has none."""
        if self.access_expires_at is None or self.refreshed_at is None:
            due = now
        else:
            life = self.access_expires_at - self.refreshed_at
            due = min(self.access_expires_at - spare(life), self.refreshed_at + LONG_AGO)
        return due if self.retry_at is None else max(due, self.retry_at)

    def warning(self, now: datetime) -> int | None:
        """The step that its consent's end has come to and of which nothing was said yet."""
        if self.consent_ends_at is None:
            return None
        left = self.consent_ends_at - now
        reached = [days for days in WARN_DAYS if left <= timedelta(days=days)]
        if not reached or (self.warned_days is not None and self.warned_days <= min(reached)):
            return None
        return min(reached)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedValue:
    """A sealed value of no account. `place` is for people, `field` what it is sealed for."""

    place: str
    field: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPair:
    """An account's values as they lie in the database."""

    account_id: AccountId
    account: str
    refresh_token: str
    access_token: str | None
