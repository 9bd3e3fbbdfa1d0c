"""What looking after accounts needs from outside. One method of the store is one transaction."""

from collections.abc import Sequence
from typing import Protocol

from core.accounts.model import KnownAccount, NewAccount
from core.grants import SealFor
from core.ids import AccountId
from core.sellers import Seller


class AccountStore(Protocol):
    def find(self, name: str) -> KnownAccount | None: ...

    def list(self) -> Sequence[KnownAccount]: ...

    def add(self, account: NewAccount, seal: SealFor) -> AccountId:
        """Account, tokens and the states of all its streams, due at once.

        Raises UsageError when the name, or the same eBay user in that environment, is there.
        """
        ...

    def replace_token(self, account_id: AccountId, seller: Seller, seal: SealFor) -> None:
        """Another consent of its seller's: new tokens, active again, every stream due at once.

        Raises UsageError, and changes nothing, where the account is not this seller's.
        """
        ...

    def identify(self, account_id: AccountId, seller: Seller) -> None:
        """What eBay says of its seller now; what it does not say stays. Nothing of another's."""
        ...

    def switch(self, account_id: AccountId, *, active: bool) -> None:
        """Pause or resume; its units become never due, or due at once.

        Raises UsageError where the account is neither active nor paused any more.
        """
        ...
