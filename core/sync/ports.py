"""What the sync needs from outside. One method of a store is one transaction."""

from typing import Protocol

from core.secret import Secret
from core.sync.model import Account, Page, PageQuery, Stream


class PageSource(Protocol):
    def fetch(
        self, account: Account, stream: Stream, query: PageQuery, token: Secret, *, timeout: float
    ) -> Page:
        """One request, answered or given up within `timeout` seconds in all; no retries.

        Raises UpstreamUnavailableError (5xx, timeouts, truncated or unreadable bodies),
        RateLimitedError (429), AccessTokenRefusedError (401), MissingScopeError,
        SignatureRequiredError, BadAnswerError.
        """
        ...


class AccessTokens(Protocol):
    def get(self, account: Account, *, rejected: Secret | None, timeout: float) -> Secret:
        """An access token that is good for a while; one refresh at a time across processes.

        `rejected` is a token that eBay just refused: a newer one is returned. Raises
        ReauthorizationRequiredError, ApplicationRefusedError, DecryptError,
        UpstreamUnavailableError.
        """
        ...
