"""An access token when one is needed: from memory, from the database, or by one refresh."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

from core.clock import Monotonic
from core.errors import (
    AppError,
    ApplicationRefusedError,
    LeaseLostError,
    NoTokenError,
    RateLimitedError,
    ReauthorizationRequiredError,
    StoreUnavailableError,
    UpstreamFacts,
    UpstreamUnavailableError,
)
from core.events import Log
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
    spare,
)
from core.tokens.ours import OurKeys
from core.tokens.ports import Cipher, TokenEndpoint, TokenStore

LOOK_AGAIN_S = 0.1
LAST_MINUTE_S = 60.0
"""What an old token must have left to be used when it cannot be refreshed."""
TRY_AGAIN_S = 60.0
REQUEST_S = 20.0
WRITES, WRITE_AGAIN_S = 3, 0.3
NOT_OPENED = Secret("")
"""Somebody else's new token, for those who only want it to be there."""


class BeingRefreshedError(UpstreamUnavailableError):
    """Somebody else has been refreshing this token all the time."""


@dataclass(slots=True, kw_only=True)
class KeepTokens:
    """Single flight per account: threads by a lock, processes by a lease on the row.

    Holds opened tokens in memory; it lives as long as one run. Keys of ours that eBay refuses
    (`invalid_client`) are not tried again in that time, and until eBay has accepted them once one
    refresh goes ahead of the others: wrong keys cost one call, not one for each account.
    """

    store: TokenStore
    endpoint: TokenEndpoint
    cipher: Cipher
    ticks: Monotonic
    sleep: Callable[[float], None]
    triggered_by: str
    stopping: Callable[[], bool] = lambda: False
    log: Log
    _asked: Counter[AccountId] = field(default_factory=Counter)
    _opened: dict[AccountId, tuple[Secret, float]] = field(default_factory=dict)
    _locks: defaultdict[AccountId, Lock] = field(default_factory=lambda: defaultdict(Lock))
    _ours: OurKeys = field(default_factory=OurKeys)

    def get(
        self, account_id: AccountId, environment: str, *, rejected: Secret | None, timeout: float
    ) -> Secret:
        """A token that is good for a while, and another one than `rejected`.

        Raises ReauthorizationRequiredError, ApplicationRefusedError, NoTokenError, DecryptError,
        UpstreamUnavailableError (also when somebody else refreshes for longer than `timeout`). A
        token that cannot be refreshed just now is used as long as it is good.
        """
        with self._alone(account_id, timeout) as ends:
            token, good_until = self._opened.get(account_id, (None, 0.0))
            if token is not None and token != rejected and self.ticks() < good_until:
                return token
            try:
                return self._obtain(
                    account_id,
                    environment,
                    ends,
                    lambda stored: self._usable(account_id, stored, rejected),
                )
            except (UpstreamUnavailableError, RateLimitedError) as error:
                return self._old_one(account_id, rejected, error)

    def renew(
        self, account_id: AccountId, environment: str, version: int, *, timeout: float
    ) -> None:
        """A pair newer than `version` is stored, whoever did it; raises as `get`."""
        with self._alone(account_id, timeout) as ends:
            self._obtain(
                account_id,
                environment,
                ends,
                lambda stored: None if stored.version == version else NOT_OPENED,
            )

    def asked(self, account_id: AccountId) -> int:
        return self._asked[account_id]

    @contextmanager
    def _alone(self, account_id: AccountId, timeout: float) -> Iterator[float]:
        """Until when, for this thread only.

        The wait for another thread is part of the time: four of them would make 100 s of 25.
        """
        ends = self.ticks() + timeout
        lock = self._locks[account_id]
        if not lock.acquire(timeout=max(timeout, 0.0)):
            raise BeingRefreshedError("another unit has been refreshing this token")
        try:
            yield ends
        finally:
            lock.release()

    def _obtain(
        self,
        account_id: AccountId,
        environment: str,
        ends: float,
        good: Callable[[StoredToken], Secret | None],
    ) -> Secret:
        """What `good` says of the stored pair, or else a new one."""
        while True:
            stored = self._read(account_id)
            token = good(stored) or self._refresh(account_id, environment, stored, ends)
            if token is not None:
                return token
            if self.stopping() or self.ticks() + LOOK_AGAIN_S >= ends:
                raise BeingRefreshedError("another process has been refreshing this token")
            self.sleep(LOOK_AGAIN_S)

    def _read(self, account_id: AccountId) -> StoredToken:
        stored = self.store.read(account_id)
        if stored is None:
            raise NoTokenError(
                "the account has no refresh token; `accounts connect` asks its owner for one,"
                " `accounts reconnect` imports one"
            )
        if stored.needs_reconnect:
            raise ReauthorizationRequiredError(
                "eBay wants the owner's consent again; `accounts connect` asks for it,"
                " `accounts reconnect` imports a new refresh token"
            )
        return stored

    def _old_one(self, account_id: AccountId, rejected: Secret | None, error: AppError) -> Secret:
        """The token that should have been replaced, for another minute; else raises `error`."""
        stored = self._read(account_id)
        left = stored.still_good().total_seconds() - LAST_MINUTE_S
        if stored.access_token is None or left <= 0:
            raise error
        token = self.cipher.open(stored.access_token, account_id=account_id, field=ACCESS_TOKEN)
        if token == rejected:
            raise error
        self.log.warning("token.used_longer", account_id=account_id, error=str(error))
        self._opened[account_id] = (token, self.ticks() + min(left, TRY_AGAIN_S))
        return token

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
        if stored.retry_at is not None and stored.read_at < stored.retry_at:
            raise RateLimitedError(
                "eBay asked for no refresh before an instant that has not come yet",
                retry_at=stored.retry_at,
                quota=False,
                facts=UpstreamFacts(),
            )
        refresh_token = self.cipher.open(
            stored.refresh_token, account_id=account_id, field=REFRESH_TOKEN
        )
        with self._ours.vouched_for(environment, ends - self.ticks()):
            refresh = self.store.start(account_id, stored.version, REFRESH_LEASE, self.triggered_by)
            if refresh is None:
                return None
            grant = self._ask(account_id, environment, refresh, refresh_token, ends)
        sealed = self._seal(account_id, grant)
        if not self._kept(ends, lambda: self.store.save(account_id, refresh, sealed)):
            return None
        good_for = grant.expires_in - spare(grant.expires_in)
        self._opened[account_id] = (grant.access_token, self.ticks() + good_for.total_seconds())
        return grant.access_token

    def _ask(
        self,
        account_id: AccountId,
        environment: str,
        refresh: Refresh,
        refresh_token: Secret,
        ends: float,
    ) -> Grant:
        timeout = max(min(ends - self.ticks(), REQUEST_S), 0.0)
        self._asked[account_id] += 1
        try:
            grant = self.endpoint.refresh(environment, refresh_token, timeout=timeout)
        except ReauthorizationRequiredError as error:
            self._ours.accept(environment)
            self._fail(account_id, refresh, error, "invalid_grant", ends, revoked=True)
            raise
        except ApplicationRefusedError as error:
            self._ours.refuse(environment, error)
            self._fail(account_id, refresh, error, "invalid_client", ends, revoked=False)
            raise
        except AppError as error:
            self._fail(account_id, refresh, error, type(error).__name__, ends, revoked=False)
            raise
        self._ours.accept(environment)
        return grant

    def _fail(
        self,
        account_id: AccountId,
        refresh: Refresh,
        error: AppError,
        code: str,
        ends: float,
        *,
        revoked: bool,
    ) -> None:
        event = "account.reauthorization_required" if revoked else "token.refresh_failed"
        self.log.warning(event, account_id=account_id, code=code, error=str(error))
        retry_at = error.retry_at if isinstance(error, RateLimitedError) else None
        self._kept(
            ends,
            lambda: self.store.fail(
                account_id,
                refresh,
                code=code,
                message=str(error),
                revoked=revoked,
                retry_at=retry_at,
            ),
        )

    def _kept(self, ends: float, write: Callable[[], None]) -> bool:
        """Whether this is how the refresh ended: False where it was over by then.

        Tried again where the database was cut off: the new refresh token may be the only one that
        is good, and eBay's no must not be asked for twice.
        """
        for _ in range(WRITES - 1):
            try:
                return _written(write)
            except StoreUnavailableError as error:
                if self.ticks() + WRITE_AGAIN_S >= ends:
                    raise
                self.log.warning("token.written_again", error=str(error))
                self.sleep(WRITE_AGAIN_S)
        return _written(write)

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


def _written(write: Callable[[], None]) -> bool:
    """False: another process followed us, or the try before was committed unseen."""
    try:
        write()
    except LeaseLostError:
        return False
    return True
