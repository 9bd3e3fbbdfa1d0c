"""An access token when one is needed: from memory, from the database, or by one refresh."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from core.clock import Monotonic
from core.errors import (
    AppError,
    ApplicationRefusedError,
    LeaseLostError,
    NoTokenError,
    ReauthorizationRequiredError,
    UpstreamUnavailableError,
)
from core.ids import AccountId
from core.secret import Secret
from core.tokens.model import (
    ACCESS_TOKEN,
    REFRESH_LEASE,
    REFRESH_TOKEN,
    Grant,
    Refresh,
    SealedGrant,
    StoredToken,
)
from core.tokens.ports import Cipher, TokenEndpoint, TokenStore

LOOK_AGAIN_S = 0.1


@dataclass(slots=True, kw_only=True)
class KeepTokens:
    """Single flight per account: threads by a lock, processes by a lease on the row.

    Holds opened tokens in memory; it lives as long as one run. An application that eBay refuses
    (`invalid_client`) is not asked again in that time.
    """

    store: TokenStore
    endpoint: TokenEndpoint
    cipher: Cipher
    ticks: Monotonic
    sleep: Callable[[float], None]
    triggered_by: str
    _opened: dict[AccountId, tuple[Secret, float]] = field(default_factory=dict)
    _locks: defaultdict[AccountId, Lock] = field(default_factory=lambda: defaultdict(Lock))
    _refused: dict[str, ApplicationRefusedError] = field(default_factory=dict)

    def get(
        self, account_id: AccountId, environment: str, *, rejected: Secret | None, timeout: float
    ) -> Secret:
        """A token that is good for a while, and another one than `rejected`.

        Raises ReauthorizationRequiredError, ApplicationRefusedError, NoTokenError, DecryptError,
        UpstreamUnavailableError (also when another process refreshes for longer than `timeout`).
        """
        with self._locks[account_id]:
            token, good_until = self._opened.get(account_id, (None, 0.0))
            if token is not None and token != rejected and self.ticks() < good_until:
                return token
            return self._obtain(account_id, environment, rejected, self.ticks() + timeout)

    def _obtain(
        self, account_id: AccountId, environment: str, rejected: Secret | None, ends: float
    ) -> Secret:
        while True:
            stored = self.store.read(account_id)
            if stored is None:
                raise NoTokenError("the account has no refresh token")
            if stored.needs_reconnect:
                raise ReauthorizationRequiredError("eBay wants the owner's consent again")
            token = self._usable(account_id, stored, rejected)
            if token is not None:
                return token
            token = self._refresh(account_id, environment, stored, ends)
            if token is not None:
                return token
            if self.ticks() + LOOK_AGAIN_S >= ends:
                raise UpstreamUnavailableError("another process has been refreshing this token")
            self.sleep(LOOK_AGAIN_S)

    def _usable(
        self, account_id: AccountId, stored: StoredToken, rejected: Secret | None
    ) -> Secret | None:
        left = stored.left().total_seconds()
        if stored.access_token is None or left <= 0:
            return None
        token = self.cipher.open(stored.access_token, account_id=account_id, field=ACCESS_TOKEN)
        if token == rejected:
            return None
        self._opened[account_id] = (token, self.ticks() + left)
        return token

    def _refresh(
        self, account_id: AccountId, environment: str, stored: StoredToken, ends: float
    ) -> Secret | None:
        """One refresh by us; None when another process is at it or was faster."""
        if environment in self._refused:
            raise self._refused[environment]
        refresh_token = self.cipher.open(
            stored.refresh_token, account_id=account_id, field=REFRESH_TOKEN
        )
        refresh = self.store.start(account_id, stored.version, REFRESH_LEASE, self.triggered_by)
        if refresh is None:
            return None
        grant = self._ask(account_id, environment, refresh, refresh_token, ends)
        try:
            self.store.save(account_id, refresh, self._seal(account_id, grant))
        except LeaseLostError:
            return None
        good_for = grant.expires_in.total_seconds() * 0.8
        self._opened[account_id] = (grant.access_token, self.ticks() + good_for)
        return grant.access_token

    def _ask(
        self,
        account_id: AccountId,
        environment: str,
        refresh: Refresh,
        refresh_token: Secret,
        ends: float,
    ) -> Grant:
        timeout = max(ends - self.ticks(), 0.0)
        try:
            return self.endpoint.refresh(environment, refresh_token, timeout=timeout)
        except ReauthorizationRequiredError as error:
            self._fail(account_id, refresh, error, "invalid_grant", revoked=True)
            raise
        except ApplicationRefusedError as error:
            self._refused[environment] = error
            self._fail(account_id, refresh, error, "invalid_client", revoked=False)
            raise
        except AppError as error:
            self._fail(account_id, refresh, error, type(error).__name__, revoked=False)
            raise

    def _fail(
        self, account_id: AccountId, refresh: Refresh, error: AppError, code: str, *, revoked: bool
    ) -> None:
        try:
            self.store.fail(account_id, refresh, code=code, message=str(error), revoked=revoked)
        except LeaseLostError:
            return

    def _seal(self, account_id: AccountId, grant: Grant) -> SealedGrant:
        """A refresh token that comes with the answer replaces ours; without one ours stays."""
        renewed = None
        if grant.refresh_token is not None:
            renewed = self.cipher.seal(
                grant.refresh_token, account_id=account_id, field=REFRESH_TOKEN
            )
        return SealedGrant(
            access_token=self.cipher.seal(
                grant.access_token, account_id=account_id, field=ACCESS_TOKEN
            ),
            expires_in=grant.expires_in,
            refresh_token=renewed,
            refresh_token_expires_in=grant.refresh_token_expires_in,
        )
