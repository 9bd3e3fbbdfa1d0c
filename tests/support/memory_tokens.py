"""An in-memory TokenStore, a token endpoint and a cipher: tokens without a database or eBay."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock

from core.errors import DecryptError, LeaseLostError, MaybeWrittenError, StoreUnavailableError
from core.grants import NewTokens
from core.ids import AccountId, Fence
from core.secret import Secret
from core.tokens.model import Grant, Refresh, SealedGrant, StoredToken

BEGINNING = datetime(2026, 11, 1, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)


@dataclass(slots=True, kw_only=True)
class Row:
    """An account with its token, and when the account's units are due."""

    status: str = "active"
    reason: str | None = None
    refresh_token: str = "sealed(refresh)"
    access_token: str | None = None
    access_expires_at: datetime | None = None
    refresh_expires_at: datetime | None = None
    refreshed_at: datetime | None = None
    retry_at: datetime | None = None
    version: int = 0
    fence: int = 0
    leased_until: datetime | None = None
    due: list[datetime | None] = field(default_factory=lambda: [BEGINNING, BEGINNING])


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What a refresh leaves behind."""

    account_id: AccountId
    triggered_by: str
    success: bool
    error_code: str | None = None
    error_message: str | None = None
    old_expires_at: datetime | None = None
    new_expires_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class MemoryTokens:
    """`before_start` is called as a refresh is about to begin: the moment for a rival.

    `cut_off`: when the connection breaks at each next save, `before` or `after` its COMMIT.
    """

    now: datetime = BEGINNING
    rows: dict[AccountId, Row] = field(default_factory=dict)
    log: list[Logged] = field(default_factory=list)
    before_start: Callable[[], None] = lambda: None
    cut_off: list[str] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)

    def read(self, account_id: AccountId) -> StoredToken | None:
        with self.lock:
            row = self.rows.get(account_id)
            if row is None:
                return None
            return StoredToken(
                needs_reconnect=row.status == "needs_reconnect",
                version=row.version,
                refresh_token=row.refresh_token,
                access_token=row.access_token,
                access_expires_at=row.access_expires_at,
                refreshed_at=row.refreshed_at,
                retry_at=row.retry_at,
                read_at=self.now,
            )

    def start(
        self, account_id: AccountId, version: int, lease: timedelta, triggered_by: str
    ) -> Refresh | None:
        self.before_start()
        with self.lock:
            row = self.rows.get(account_id)
            if row is None or row.version != version:
                return None
            if row.leased_until is not None and row.leased_until > self.now:
                return None
            row.fence += 1
            row.leased_until = self.now + lease
            return Refresh(
                fence=Fence(row.fence),
                started_at=self.now,
                old_expires_at=row.access_expires_at,
                triggered_by=triggered_by,
            )

    def save(self, account_id: AccountId, refresh: Refresh, grant: SealedGrant) -> None:
        cut_off = self.cut_off.pop(0) if self.cut_off else None
        if cut_off == "before":
            raise StoreUnavailableError("cut off")
        self._save(account_id, refresh, grant)
        if cut_off == "after":
            raise MaybeWrittenError("cut off in COMMIT")

    def _save(self, account_id: AccountId, refresh: Refresh, grant: SealedGrant) -> None:
        with self.lock:
            row = self._held(account_id, refresh)
            row.access_token = grant.access_token
            row.access_expires_at = self.now + grant.expires_in
            row.refresh_token = grant.refresh_token or row.refresh_token
            if grant.refresh_token_expires_in is not None:
                row.refresh_expires_at = self.now + grant.refresh_token_expires_in
            row.refreshed_at = self.now
            row.retry_at = None
            row.version += 1
            row.leased_until = None
            ended = self._ended(account_id, refresh)
            self.log.append(replace(ended, new_expires_at=row.access_expires_at))

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
        with self.lock:
            row = self._held(account_id, refresh)
            row.leased_until = None
            row.retry_at = retry_at
            if revoked and row.status == "active":
                row.status, row.reason = "needs_reconnect", message
                row.due = [None for _ in row.due]
            ended = self._ended(account_id, refresh)
            self.log.append(replace(ended, success=False, error_code=code, error_message=message))

    def _held(self, account_id: AccountId, refresh: Refresh) -> Row:
        row = self.rows.get(account_id)
        if row is None or row.fence != refresh.fence or row.leased_until is None:
            raise LeaseLostError("another process refreshed this token meanwhile")
        return row

    def _ended(self, account_id: AccountId, refresh: Refresh) -> Logged:
        return Logged(
            account_id=account_id,
            triggered_by=refresh.triggered_by,
            success=True,
            old_expires_at=refresh.old_expires_at,
        )


@dataclass(slots=True)
class Endpoint:
    """eBay's token endpoint. `answers`: what each next call gets; then `access-1`, `access-2`, …"""

    answers: list[Grant | Exception | Callable[[], Grant]] = field(default_factory=list)
    asked: list[tuple[str, str, float]] = field(default_factory=list)
    lock: RLock = field(default_factory=RLock)

    def refresh(self, environment: str, refresh_token: Secret, *, timeout: float) -> Grant:
        with self.lock:
            self.asked.append((environment, refresh_token.reveal(), timeout))
            answer = self.answers.pop(0) if self.answers else granted(f"access-{len(self.asked)}")
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Grant) else answer()


class PlainCipher:
    """Wraps in words; what is not wrapped does not open."""

    def seal(self, secret: Secret, *, account_id: AccountId, field: str) -> str:
        return f"sealed({secret.reveal()})"

    @property
    def newest(self) -> str:
        return "sealed"

    def key_of(self, sealed: str) -> str:
        if not sealed.startswith("sealed("):
            raise DecryptError("nobody sealed this")
        return "sealed"

    def open(self, sealed: str, *, account_id: AccountId, field: str) -> Secret:
        if not sealed.startswith("sealed("):
            raise DecryptError(f"the {field} of account {account_id} does not open")
        return Secret(sealed.removeprefix("sealed(").removesuffix(")"))


def new_tokens(name: str = "refresh", lasts: timedelta | None = None) -> NewTokens:
    """Of a consent that ends after `lasts`."""
    return NewTokens(
        refresh_token=f"v1.{name}",
        refresh_expires_in=lasts,
        access_token="v1.access",
        access_expires_in=TWO_HOURS,
    )


def granted(access: str, expires_in: timedelta = TWO_HOURS, *, refresh: str | None = None) -> Grant:
    return Grant(
        access_token=Secret(access),
        expires_in=expires_in,
        refresh_token=None if refresh is None else Secret(refresh),
    )
