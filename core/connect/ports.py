"""What connecting needs from outside. One method of a store is one transaction."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from core.connect.model import (
    Attempt,
    Consent,
    KnownSeller,
    NewAttempt,
    Refusal,
    Step,
    Via,
)
from core.grants import SealFor
from core.ids import AccountId
from core.secret import Secret
from core.sellers import Seller


class Consents(Protocol):
    """eBay's consent page and the endpoints behind it."""

    def check(self, environment: str) -> None:
        """Raises ConfigurationError where the application's keys or its RuName are not set."""
        ...

    def link(self, environment: str, scopes: Sequence[str], state: Secret) -> str:
        """The consent page, which asks who signs in even where somebody is signed in."""
        ...

    def exchange(self, environment: str, code: Secret, *, timeout: float) -> Consent:
        """A code is good once, for five minutes.

        Raises ReauthorizationRequiredError (`invalid_grant`), ApplicationRefusedError,
        UpstreamUnavailableError, RateLimitedError, ConfigurationError, BadAnswerError.
        """
        ...


class Revoker(Protocol):
    def revoke(self, environment: str, refresh_token: Secret, *, timeout: float) -> None:
        """eBay honours it no more, or never did. Raises as `Consents.exchange`."""
        ...


class Opener(Protocol):
    def open(self, sealed: str, *, account_id: AccountId, field: str) -> Secret:
        """Raises DecryptError."""
        ...


class SellerBook(Protocol):
    def find(self, name: str) -> KnownSeller | None: ...


class ConnectStore(SellerBook, Protocol):
    def owner(self, environment: str, ebay_user_id: str) -> KnownSeller | None:
        """The account of this eBay user."""
        ...

    def begin(self, attempt: NewAttempt, lasts: timedelta) -> datetime:
        """Keep it until the instant that is returned; those long over are forgotten."""
        ...

    def take(
        self, state_digest: str, *, via: Via, browser_digest: str | None, name: str | None
    ) -> Attempt | Refusal:
        """Use the state up: of two that come at once, one gets it.

        A state that another browser began, or with `name` for another account, is foreign and
        stays for whom it belongs to. What was received or refused is noted.
        """
        ...

    def is_connected(self, state_digest: str) -> bool:
        """Whether an account was connected by this state."""
        ...

    def note(
        self,
        attempt: Attempt,
        step: Step,
        *,
        reason: Refusal | None = None,
        detail: str | None = None,
    ) -> None: ...

    def note_stray(self, via: Via, reason: Refusal) -> None:
        """An answer that belongs to no attempt. Anybody can send those: few of them are kept."""
        ...

    def save(
        self,
        attempt: Attempt,
        seller: Seller,
        account_id: AccountId | None,
        seal: SealFor,
        *,
        marketplace_ids: Sequence[str],
        scopes: Sequence[str],
        scopes_told: bool,
    ) -> str:
        """Account, tokens, the states of its streams and the note that it is connected, at once.

        `account_id`: the one that gets another consent; a pause of its owner's stays. Returns its
        status. Raises ConnectRefusedError where name or seller were taken meanwhile.
        """
        ...


class DisconnectStore(SellerBook, Protocol):
    def token(self, account_id: AccountId) -> str | None:
        """The refresh token, sealed."""
        ...

    def disconnect(self, seller: KnownSeller, *, revoked: bool | None, detail: str | None) -> None:
        """Tokens forgotten, streams stopped, and noted with how the revocation went."""
        ...

    def rows(self, account_id: AccountId) -> Sequence[tuple[str, int]]:
        """Tables that hold rows of this account, in the order in which to erase them."""
        ...

    def erase(self, account_id: AccountId, table: str, most: int) -> int:
        """Some rows of that table; how many it were. None of an account that is connected again."""
        ...

    def note_erased(self, seller: KnownSeller, detail: str) -> None: ...
