"""An account's new tokens: as eBay grants them, and as they are stored."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from core.ids import AccountId
from core.secret import Secret


class Grant(Protocol):
    """What a refresh answered; a refresh token that comes with it replaces the one before."""

    @property
    def access_token(self) -> Secret: ...

    @property
    def expires_in(self) -> timedelta: ...

    @property
    def refresh_token(self) -> Secret | None: ...

    @property
    def refresh_token_expires_in(self) -> timedelta | None: ...


class Refresher(Protocol):
    def refresh(self, environment: str, refresh_token: Secret, *, timeout: float) -> Grant: ...


class Sealer(Protocol):
    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokens:
    """Sealed for one account. `refresh_expires_in` None: nobody told."""

    refresh_token: str
    refresh_expires_in: timedelta | None
    access_token: str
    access_expires_in: timedelta


SealFor = Callable[[AccountId], NewTokens]
"""An account that is new has its id only when its row is written."""


def seal_for(
    sealer: Sealer,
    *,
    refresh_token: Secret,
    refresh_expires_in: timedelta | None,
    access_token: Secret,
    access_expires_in: timedelta,
) -> SealFor:
    def seal(account_id: AccountId) -> NewTokens:
        return NewTokens(
            refresh_token=sealer.seal(refresh_token, account_id=account_id, field="refresh_token"),
            refresh_expires_in=refresh_expires_in,
            access_token=sealer.seal(access_token, account_id=account_id, field="access_token"),
            access_expires_in=access_expires_in,
        )

    return seal
