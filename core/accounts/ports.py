"""What looking after accounts needs from outside. One method of the store is one transaction."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from core.accounts.model import Identity, KnownAccount, NewAccount
from core.ids import AccountId
from core.secret import Secret

SealFor = Callable[[AccountId], "SealedPair"]


class SealedPair(Protocol):
    """A refresh token and a fresh access token, sealed for one account."""

    @property
    def refresh_token(self) -> str: ...

    @property
    def refresh_expires_in(self) -> timedelta | None: ...

    @property
    def access_token(self) -> str | None: ...

    @property
    def access_expires_in(self) -> timedelta | None: ...


class AccountStore(Protocol):
    def find(self, name: str) -> KnownAccount | None: ...

    def list(self) -> Sequence[KnownAccount]: ...

    def add(self, account: NewAccount, seal: SealFor) -> AccountId:
        """Account, tokens and the states of all its streams, due at once.

        Raises UsageError when the name, or the same eBay user in that environment, is there.
        """
        ...

    def replace_token(self, account_id: AccountId, identity: Identity, seal: SealFor) -> None:
        """Another consent of its seller's: new tokens, active again, every stream due at once.

        Raises UsageError, and changes nothing, where the account is not this seller's.
        """
        ...

    def identify(self, account_id: AccountId, identity: Identity) -> None:
        """What eBay says of its seller now; what it does not say stays. Nothing of another's."""
        ...

    def switch(self, account_id: AccountId, *, active: bool) -> None:
        """Pause or resume; its units become never due, or due at once.

        Raises UsageError where the account is neither active nor paused any more.
        """
        ...


class IdentityService(Protocol):
    def who(self, environment: str, token: Secret, *, timeout: float) -> Identity | None:
        """The token's owner; None where the consent does not allow the question."""
        ...
