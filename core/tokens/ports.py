"""What keeping tokens needs from outside."""

from typing import Protocol

from core.ids import AccountId
from core.secret import Secret
from core.tokens.model import Grant


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
