"""A signing key when one is needed: from memory, from the database, or made by one process."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from core.clock import Monotonic
from core.errors import (
    AccessTokenRefusedError,
    AppError,
    ConfigurationError,
    DecryptError,
    LeaseLostError,
    OutOfTimeError,
    PermanentError,
    RateLimitedError,
    SignatureRequiredError,
    UpstreamUnavailableError,
)
from core.events import Log
from core.ids import AccountId
from core.report import instant
from core.secret import Secret
from core.signing.model import (
    MAKING_LEASE,
    Cipher,
    KeyState,
    MadeKey,
    Making,
    Owner,
    SealedKey,
    SigningKey,
)
from core.signing.ports import KeyCipher, KeyService, KeyStore

NOBODY = AccountId(0)
"""A signing key is the application's, no account's."""
LOOK_AGAIN_S = 0.1
REQUEST_S = 10.0
WORTH_ASKING_S = 3.0
"""With less time left a key may be made whose answer nobody waits for."""
KEPT_S = 600.0
"""How long one is used without a look whether there is a newer one."""
AFTER_FAULT = timedelta(minutes=1)
AFTER_LIMIT = timedelta(minutes=15)
AFTER_REFUSAL = timedelta(hours=1)
LONGEST_WAIT = timedelta(hours=24)
ERROR_LENGTH = 1000
FAILURES = (
    AccessTokenRefusedError,
    PermanentError,
    RateLimitedError,
    UpstreamUnavailableError,
)


@dataclass(slots=True, kw_only=True)
class KeepSigningKeys:
    """Single flight per application: threads by a lock, processes by a lease on the row.

    `clients`: the application's client id by environment. What cannot be had now is not asked for
    again before the instant that is stored with it: an eBay whose answers are lost or useless makes
    a key at each call. Holds the opened key in memory; it lives as long as one run.
    """

    store: KeyStore
    service: KeyService
    cipher: KeyCipher
    clients: Mapping[str, str]
    ticks: Monotonic
    sleep: Callable[[float], None]
    stopping: Callable[[], bool] = lambda: False
    log: Log
    _opened: dict[Owner, tuple[SigningKey, float]] = field(default_factory=dict)
    _locks: defaultdict[Owner, Lock] = field(default_factory=lambda: defaultdict(Lock))

    def get(self, environment: str, *, timeout: float) -> SigningKey:
        """A key that is good, made if there is none or the old one nears its end.

        Raises SignatureRequiredError where none can be had now, DecryptError where it does not
        open, ConfigurationError, ApplicationRefusedError. One that cannot be replaced just now is
        used as long as it is good.
        """
        owner = self._owner(environment)
        with self._alone(owner, timeout) as ends:
            key, until = self._opened.get(owner, (None, 0.0))
            if key is not None and self.ticks() < until:
                return key
            return self._obtain(owner, ends)

    def renew(self, environment: str, cipher: str | None, *, timeout: float) -> None:
        """Another key than the one that is stored, whatever is left of that one's life.

        `cipher` None: of the same kind.
        """
        owner = self._owner(environment)
        with self._alone(owner, timeout) as ends:
            old = self.store.read(owner)
            while self.store.read(owner).version == old.version:
                making = self._start(owner, old.version, ends)
                if making is None:
                    self._wait(ends)
                else:
                    self._make(owner, making, cipher or _cipher_of(old), ends)

    def _owner(self, environment: str) -> Owner:
        client_id = self.clients.get(environment)
        if client_id is None:
            prefix = f"EBAY_{environment.upper()}"
            raise ConfigurationError(
                f"{prefix}_CLIENT_ID and {prefix}_CLIENT_SECRET must be set: a signing key is had"
                " with the application's keys (https://developer.ebay.com/my/keys)"
            )
        return Owner(environment, client_id)

    @contextmanager
    def _alone(self, owner: Owner, timeout: float) -> Iterator[float]:
        ends = self.ticks() + timeout
        lock = self._locks[owner]
        if not lock.acquire(timeout=max(timeout, 0.0)):
            raise SignatureRequiredError("another unit has been waiting for the signing key")
        try:
            yield ends
        finally:
            lock.release()

    def _obtain(self, owner: Owner, ends: float) -> SigningKey:
        while True:
            state = self.store.read(owner)
            if not state.is_due() or (state.is_good() and state.must_wait()):
                return self._open(owner, state)
            if state.must_wait():
                raise _cannot_be_had(state.last_error or "eBay refused one", state.retry_at)
            made = self._made(owner, state, ends)
            if made is not None:
                return made
            self._wait(ends)

    def _made(self, owner: Owner, state: KeyState, ends: float) -> SigningKey | None:
        """None while another process is at it and there is no old one to go on with."""
        made = None
        try:
            making = self._start(owner, state.version, ends)
            if making is not None:
                made = self._make(owner, making, _cipher_of(state), ends)
        except (SignatureRequiredError, OutOfTimeError) as error:
            if not state.is_good():
                raise
            self.log.warning(
                "signing_key.used_longer", environment=owner.environment, error=str(error)
            )
        if made is None and state.is_good():
            return self._open(owner, state)
        return made

    def _start(self, owner: Owner, version: int, ends: float) -> Making | None:
        if ends - self.ticks() < WORTH_ASKING_S:
            raise OutOfTimeError("too little time is left to have a signing key made")
        return self.store.start(owner, version, MAKING_LEASE)

    def _wait(self, ends: float) -> None:
        if self.stopping() or self.ticks() + LOOK_AGAIN_S + WORTH_ASKING_S >= ends:
            raise SignatureRequiredError("another process has been making the signing key")
        self.sleep(LOOK_AGAIN_S)

    def _open(self, owner: Owner, state: KeyState) -> SigningKey:
        sealed = state.key
        assert sealed is not None
        key = SigningKey(
            key_id=sealed.key_id,
            cipher=sealed.cipher,
            jwe=sealed.jwe,
            private_key=self._opened_key(owner, sealed),
        )
        left = (sealed.expires_at - state.read_at).total_seconds()
        self._opened[owner] = (key, self.ticks() + min(left, KEPT_S))
        return key

    def _opened_key(self, owner: Owner, sealed: SealedKey) -> Secret:
        try:
            return self.cipher.open(sealed.private_key, account_id=NOBODY, field=owner.field)
        except DecryptError as error:
            raise DecryptError(
                f"{error}; where its key is lost, `signing-key renew --environment"
                f" {owner.environment}` has eBay make another"
            ) from error

    def _make(self, owner: Owner, making: Making, cipher: str, ends: float) -> SigningKey | None:
        """One request. None: eBay took so long that another process made one too."""
        made = self._ask(owner, making, cipher, ends)
        sealed = SealedKey(
            key_id=made.key.key_id,
            cipher=made.key.cipher,
            jwe=made.key.jwe,
            private_key=self.cipher.seal(
                made.key.private_key, account_id=NOBODY, field=owner.field
            ),
            created_at=made.created_at,
            expires_at=made.expires_at,
        )
        facts = {"environment": owner.environment, "key_id": made.key.key_id}
        try:
            self.store.save(owner, making, sealed)
        except LeaseLostError:
            self.log.warning("signing_key.unused", **facts)
            return None
        self.log.info("signing_key.made", **facts, expires_at=made.expires_at.isoformat())
        self._opened[owner] = (made.key, self.ticks() + KEPT_S)
        return made.key

    def _ask(self, owner: Owner, making: Making, cipher: str, ends: float) -> MadeKey:
        timeout = max(min(ends - self.ticks(), REQUEST_S), 0.0)
        try:
            return self.service.create(owner.environment, cipher, timeout=timeout)
        except FAILURES as error:
            raise self._failed(owner, making, error) from error
        except AppError as error:
            # Our own settings or keys: once they are right it is tried at once.
            self._give_back(owner, making, error, timedelta(0))
            raise

    def _failed(self, owner: Owner, making: Making, error: AppError) -> SignatureRequiredError:
        self.log.warning("signing_key.failed", environment=owner.environment, error=str(error))
        wait = self._pause(owner, error)
        return _cannot_be_had(str(error), self._give_back(owner, making, error, wait))

    def _pause(self, owner: Owner, error: AppError) -> timedelta:
        if not isinstance(error, RateLimitedError):
            return AFTER_FAULT if isinstance(error, UpstreamUnavailableError) else AFTER_REFUSAL
        if error.retry_at is None:
            return AFTER_LIMIT
        told = error.retry_at - self.store.read(owner).read_at
        return min(max(told, AFTER_FAULT), LONGEST_WAIT)

    def _give_back(
        self, owner: Owner, making: Making, error: AppError, wait: timedelta
    ) -> datetime | None:
        try:
            return self.store.fail(owner, making, error=str(error)[:ERROR_LENGTH], wait=wait)
        except LeaseLostError:
            return None


def _cipher_of(state: KeyState) -> str:
    return Cipher.ED25519 if state.key is None else state.key.cipher


def _cannot_be_had(why: str, retry_at: datetime | None) -> SignatureRequiredError:
    again = "" if retry_at is None else f"; it is tried again after {instant(retry_at)}"
    return SignatureRequiredError(f"no signing key can be had: {why}{again}", retry_at=retry_at)
