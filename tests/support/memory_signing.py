"""An in-memory KeyStore and a Key Management API: signing keys without a database or eBay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import RLock

from core.errors import LeaseLostError
from core.ids import Fence
from core.secret import Secret
from core.signing.model import KeyState, KnownKey, MadeKey, Making, Owner, SealedKey, SigningKey
from tests.support.memory_tokens import BEGINNING

THREE_YEARS = timedelta(days=3 * 365)


@dataclass(slots=True)
class Row:
    key: SealedKey | None = None
    version: int = 0
    fence: int = 0
    leased_until: datetime | None = None
    retry_at: datetime | None = None
    last_error: str | None = None


@dataclass(slots=True, kw_only=True)
class MemorySigningKeys:
    now: datetime = BEGINNING
    rows: dict[Owner, Row] = field(default_factory=dict)
    lock: RLock = field(default_factory=RLock)

    def read(self, owner: Owner) -> KeyState:
        with self.lock:
            return self._state(self.rows.get(owner, Row()))

    def start(self, owner: Owner, version: int, lease: timedelta) -> Making | None:
        with self.lock:
            row = self.rows.setdefault(owner, Row())
            held = row.leased_until is not None and row.leased_until > self.now
            if held or row.version != version:
                return None
            row.fence += 1
            row.leased_until = self.now + lease
            return Making(fence=Fence(row.fence))

    def save(self, owner: Owner, making: Making, key: SealedKey) -> None:
        with self.lock:
            row = self._held(owner, making)
            row.key, row.version = key, row.version + 1
            row.leased_until = row.retry_at = row.last_error = None

    def fail(self, owner: Owner, making: Making, *, error: str, wait: timedelta) -> datetime:
        with self.lock:
            row = self._held(owner, making)
            row.leased_until, row.last_error = None, error
            row.retry_at = self.now + wait
            return row.retry_at

    def list(self) -> Sequence[KnownKey]:
        with self.lock:
            return [
                KnownKey(
                    owner=owner,
                    state=self._state(row),
                    making=row.leased_until is not None and row.leased_until > self.now,
                )
                for owner, row in sorted(self.rows.items())
            ]

    def _state(self, row: Row) -> KeyState:
        return KeyState(
            version=row.version,
            key=row.key,
            retry_at=row.retry_at,
            last_error=row.last_error,
            read_at=self.now,
        )

    def _held(self, owner: Owner, making: Making) -> Row:
        row = self.rows.get(owner)
        if row is None or row.fence != making.fence:
            raise LeaseLostError("another process made the signing key meanwhile")
        return row


@dataclass(slots=True, kw_only=True)
class KeyMaker:
    """Makes `key-1`, `key-2`, …; an answer of `answers` goes first."""

    store: MemorySigningKeys
    answers: list[Exception | Callable[[], None]] = field(default_factory=list)
    asked: list[tuple[str, float]] = field(default_factory=list)
    ciphers: list[str] = field(default_factory=list)
    life: timedelta = THREE_YEARS

    def create(self, environment: str, cipher: str, *, timeout: float) -> MadeKey:
        self.ciphers.append(cipher)
        self.asked.append((environment, timeout))
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            answer()
        return made(len(self.asked), self.store.now, self.life, cipher)

    def list(self, environment: str, *, timeout: float) -> Sequence[str]:
        return [f"key-{number}" for number in range(1, len(self.asked) + 1)]


def made(
    number: int,
    at: datetime = BEGINNING,
    life: timedelta = THREE_YEARS,
    cipher: str = "ED25519",
) -> MadeKey:
    return MadeKey(
        key=SigningKey(
            key_id=f"key-{number}",
            cipher=cipher,
            jwe=f"jwe-{number}",
            private_key=Secret(f"private-{number}"),
        ),
        created_at=at,
        expires_at=at + life,
    )


def sealed(number: int, at: datetime = BEGINNING, life: timedelta = THREE_YEARS) -> SealedKey:
    return SealedKey(
        key_id=f"key-{number}",
        cipher="ED25519",
        jwe=f"jwe-{number}",
        private_key=f"sealed(private-{number})",
        created_at=at,
        expires_at=at + life,
    )


def lost(key: SealedKey) -> SealedKey:
    """No key opens it."""
    return replace(key, private_key="gone")
