"""What moving over needs from outside. One method of the store is one transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from core.ids import AccountId
from core.moving.model import Arrival, HereAccount, OldConnector, StreamState
from core.secret import Secret


class OldDatabase(Protocol):
    def read(self) -> OldConnector:
        """All of it as of one instant; nothing is written."""
        ...


class Grant(Protocol):
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


class Identity(Protocol):
    @property
    def ebay_user_id(self) -> str: ...

    @property
    def username(self) -> str | None: ...

    @property
    def marketplace_id(self) -> str | None: ...


class IdentityService(Protocol):
    def who(self, environment: str, token: Secret, *, timeout: float) -> Identity | None:
        """The token's owner; None where the consent does not allow the question."""
        ...


class Sealer(Protocol):
    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str: ...


class SealedPair(Protocol):
    @property
    def refresh_token(self) -> str: ...

    @property
    def refresh_expires_in(self) -> timedelta | None: ...

    @property
    def access_token(self) -> str: ...

    @property
    def access_expires_in(self) -> timedelta: ...


SealFor = Callable[[AccountId], SealedPair]


class Destination(Protocol):
    """Our side."""

    def now(self) -> datetime: ...

    def accounts(self) -> Sequence[HereAccount]: ...

    def add(self, arrival: Arrival, seal: SealFor) -> bool:
        """Account, tokens and streams, paused. False: its name or its seller is here already."""
        ...

    def renew(self, account: HereAccount, states: Sequence[StreamState]) -> bool:
        """New cursors. False: somebody has touched it meanwhile, and nothing is done.

        `account` as it was seen.
        """
        ...
