"""One consent from the link to the stored token, and what may go wrong on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import UsageError
from core.ids import AccountId
from core.secret import Secret

STATE_LASTS = timedelta(minutes=10)


class Via(StrEnum):
    """Who began: a browser at our endpoint, or a person at a command line."""

    WEB = "web"
    CLI = "cli"


class Step(StrEnum):
    BEGUN = "begun"
    CALLBACK_RECEIVED = "callback_received"
    CODE_EXCHANGED = "code_exchanged"
    IDENTITY_LOOKED_UP = "identity_looked_up"
    CONNECTED = "connected"
    REFUSED = "refused"
    REVOKED = "revoked"
    REVOKE_FAILED = "revoke_failed"
    DISCONNECTED = "disconnected"
    ERASED = "erased"


class Refusal(StrEnum):
    """Why nobody was connected."""

    STATE_MISSING = "state_missing"
    STATE_UNPARSEABLE = "state_unparseable"
    STATE_UNKNOWN = "state_unknown"
    STATE_EXPIRED = "state_expired"
    STATE_REPLAYED = "state_replayed"
    STATE_FOREIGN = "state_foreign"
    DECLINED = "declined"
    EBAY_REFUSED = "ebay_refused"
    CODE_MISSING = "code_missing"
    CODE_UNUSABLE = "code_unusable"
    CODE_REFUSED = "code_refused"
    KEYS_REFUSED = "keys_refused"
    UPSTREAM = "upstream"
    RATE_LIMITED = "rate_limited"
    CONFIG = "config"
    IDENTITY_UNKNOWN = "identity_unknown"
    OTHER_SELLER = "other_seller"
    SELLER_GONE = "seller_gone"
    SELLER_UNKNOWN = "seller_unknown"
    SELLER_TAKEN = "seller_taken"
    DATABASE = "database"
    BAD_ANSWER = "bad_answer"


class ConnectRefusedError(UsageError):
    """Nothing was stored; the message says the way out."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for. `environment` None: the account's own, else production.

    `more_scopes` and `without_scopes` change what the consent is asked for; short names will do.
    """

    name: str
    environment: str | None = None
    marketplace_ids: tuple[str, ...] = ()
    more_scopes: tuple[str, ...] = ()
    without_scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttempt:
    """What is kept of a consent that was begun: of its secrets only their digests.

    `browser_digest` None: no browser of ours began it, so the answer may come from any.
    """

    state_digest: str
    browser_digest: str | None
    via: Via
    name: str
    environment: str
    marketplace_ids: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A consent whose state was taken: nobody takes it a second time."""

    id: int
    via: Via
    name: str
    environment: str
    marketplace_ids: tuple[str, ...]
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """`link` is for the seller; it carries `state`."""

    name: str
    environment: str
    link: str
    state: Secret
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back from eBay, each value decoded once. `malformed`: it cannot be eBay's."""

    state: Secret | None = None
    code: Secret | None = None
    error: str | None = None
    malformed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What the code was exchanged for. `scopes` None: eBay did not tell them."""

    access_token: Secret
    expires_in: timedelta
    refresh_token: Secret
    refresh_token_expires_in: timedelta | None
    scopes: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSeller:
    """An account as connecting and disconnecting see it."""

    id: AccountId
    name: str
    environment: str
    status: str
    ebay_user_id: str | None
    username: str | None
    marketplace_ids: tuple[str, ...]
    seller_gone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """`missing`: what each stream needs and this consent lacks, by stream."""

    name: str
    environment: str
    username: str | None
    status: str
    renewed: bool
    scopes: tuple[str, ...]
    scopes_told: bool
    missing: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """`revoked` None: there was no token to revoke. `trouble`: why eBay may still honour it.

    `for_good`: nobody can be connected under this name again.
    """

    name: str
    was_disconnected: bool
    for_good: bool
    revoked: bool | None = None
    trouble: str | None = None
    erased: Mapping[str, int] = field(default_factory=dict)
    left: Sequence[str] = ()
