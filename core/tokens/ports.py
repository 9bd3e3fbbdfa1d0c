"""What keeping tokens needs from outside."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from core.ids import AccountId, RunId
from core.report import Reason, UnitReport
from core.secret import Secret
from core.tokens.model import (
    Grant,
    Keeping,
    Refresh,
    SealedGrant,
    SealedPair,
    SealedValue,
    StoredToken,
)


class TokenEndpoint(Protocol):
    """eBay's OAuth token endpoint (RFC 6749; https://developer.ebay.com/api-docs/static/oauth-refresh-token-request.html)."""

    def refresh(self, environment: str, refresh_token: Secret, *, timeout: float) -> Grant:
        """Without a `scope` parameter: the scopes stay those of the consent.

        Raises ReauthorizationRequiredError (`invalid_grant`), ApplicationRefusedError
        (`invalid_client`), UpstreamUnavailableError, ConfigurationError (no keys for that
        environment).
        """
        ...


class Cipher(Protocol):
    """Seals secrets for one account and one field, so that no value works in another row."""

    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str: ...

    def open(self, sealed: str, *, account_id: AccountId, field: str) -> Secret:
        """Raises DecryptError; never returns ciphertext."""
        ...


class TokenStore(Protocol):
    """One method is one transaction."""

    def read(self, account_id: AccountId) -> StoredToken | None: ...

    def start(
        self, account_id: AccountId, version: int, lease: timedelta, triggered_by: str
    ) -> Refresh | None:
        """The right to refresh; None while another holds it, or when the pair is newer already."""
        ...

    def save(self, account_id: AccountId, refresh: Refresh, grant: SealedGrant) -> None:
        """Store the new pair, fenced, and log the refresh. Raises LeaseLostError.

        May be called again after StoreUnavailableError; LeaseLostError also where the first call
        was committed unseen.
        """
        ...

    def fail(
        self,
        account_id: AccountId,
        refresh: Refresh,
        *,
        code: str,
        message: str,
        revoked: bool,
        retry_at: datetime | None = None,
    ) -> None:
        """Log the failure and give the right back.

        `revoked` stops the account's units until its owner consents again. `retry_at`: nobody may
        refresh before. Raises LeaseLostError; may be called again, as `save`.
        """
        ...


class TokenRoster(Protocol):
    """What the worker looks at and leaves behind. One method is one transaction."""

    def look(self) -> Sequence[Keeping]:
        """Every account, in the order in which they were added."""
        ...

    def standing(self, run_id: RunId, worker: str, account_id: AccountId) -> Reason | None:
        """Why this run may not refresh this account's token now; None: it may."""
        ...

    def warned(self, run_id: RunId, keeping: Keeping, days: int) -> bool:
        """Note that this step's warning was given, with the run; False where it was already."""
        ...

    def record(self, run_id: RunId, reports: Sequence[UnitReport]) -> None: ...


class Refreshing(Protocol):
    """One refresh at a time, across threads and processes."""

    def renew(
        self, account_id: AccountId, environment: str, version: int, *, timeout: float
    ) -> None:
        """A pair newer than `version` is stored: by us or by another. Raises as a refresh does."""
        ...

    def asked(self, account_id: AccountId) -> int:
        """How often eBay was asked for this account's token."""
        ...


class NamedCipher(Cipher, Protocol):
    """A cipher whose keys have names."""

    @property
    def newest(self) -> str:
        """The key that seals."""
        ...

    def key_of(self, sealed: str) -> str:
        """The key that sealed this. Raises DecryptError for what nobody sealed."""
        ...


class Canary(Protocol):
    """A sealed word in the database: keys that do not open it are not the database's."""

    def read(self) -> str | None: ...

    def make(self, sealed: str) -> str:
        """The first one stands; returns it."""
        ...

    def replace(self, sealed: str) -> None: ...

    def replace_unused(self, sealed: str) -> bool:
        """Only where nothing sealed is stored at all, so that nothing depends on the old key."""
        ...

    def samples(self, most: int) -> Sequence[tuple[AccountId, str]]:
        """Some sealed refresh tokens."""
        ...


class SealedTokens(Protocol):
    """Every sealed value. One method is one transaction."""

    def batch(self, after: AccountId, most: int) -> Sequence[SealedPair]:
        """By account id, the first that come behind `after`."""
        ...

    def reseal(self, pairs: Sequence[tuple[SealedPair, SealedPair]]) -> int:
        """Old values for new ones, each only where the old one still stands; how many it were.

        Rows that somebody holds are left out: waiting for several could end in a deadlock.
        """
        ...

    def discard(self, pair: SealedPair, reason: str) -> bool:
        """Forget values that no key opens, and ask the account's owner; False: they changed."""
        ...

    def earlier_runs(self) -> int:
        """Runs at work that began before the canary was last changed."""
        ...


class SealedValues(Protocol):
    """Sealed values of no account: the signing keys. One method is one transaction."""

    def all(self) -> Sequence[SealedValue]: ...

    def reseal(self, old: SealedValue, new: SealedValue) -> bool:
        """Only where the old one still stands."""
        ...

    def discard(self, value: SealedValue) -> bool:
        """Forget what no key opens; False: it changed."""
        ...
