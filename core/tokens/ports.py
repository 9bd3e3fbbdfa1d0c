"""What keeping tokens needs from outside."""

from datetime import timedelta
from typing import Protocol

from core.ids import AccountId
from core.secret import Secret
from core.tokens.model import Grant, Refresh, SealedGrant, StoredToken


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
        """Store the new pair, fenced, and log the refresh. Raises LeaseLostError."""
        ...

    def fail(
        self, account_id: AccountId, refresh: Refresh, *, code: str, message: str, revoked: bool
    ) -> None:
        """Log the failure and give the right back.

        `revoked` stops the account's units until its owner consents again. Raises LeaseLostError.
        """
        ...
