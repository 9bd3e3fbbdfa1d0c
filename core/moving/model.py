"""What the old connector held, and what becomes of it here."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.ids import AccountId
from core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class OldState:
    """A row of `ebay_sync_state`, of which an account may have several for one family."""

    family: str
    enabled: bool
    cursor: str | None
    last_run_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OldToken:
    """A row of `ebay_tokens`, of which an account may have several.

    `refresh_token` as it lies there, sealed or not. `refused`: eBay's last word was invalid_grant.
    """

    refresh_token: Secret | None
    refresh_expires_at: datetime | None
    access_in_clear: bool
    refused: bool
    stored_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OldAccount:
    """`owner` is the user there. `environment` is that user's, for all his accounts.

    `connected_in`: where he has ever connected one.
    """

    id: str
    owner: str
    seller: str | None
    username: str | None
    label: str
    purpose: str | None
    marketplace_id: str | None
    active: bool
    environment: str | None
    connected_in: tuple[str, ...]
    tokens: tuple[OldToken, ...]
    states: tuple[OldState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OldConnector:
    """`workers_enabled`: its switch over all; None: nobody ever touched it."""

    accounts: tuple[OldAccount, ...]
    workers_enabled: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HereAccount:
    """`old_id`: what it was there, None for one that was not moved over.

    `untouched`: paused since, never read, its streams as they were written then, which are
    `states`.
    """

    id: AccountId
    name: str
    environment: str
    ebay_user_id: str | None
    username: str | None
    old_id: str | None = None
    untouched: bool = False
    states: tuple["StreamState", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """`cursor_at` None: read from the beginning."""

    stream: str
    cursor_at: datetime | None
    enabled: bool


class TokenState(StrEnum):
    """Those that may be tried come first."""

    OPENS = "opens"
    IN_CLEAR = "in_clear"
    EXPIRED = "expired"
    MISSING = "missing"
    NOT_OPENED = "not_opened"
    NO_TOKEN = "no_token"  # noqa: S105  (a state, not a token)


USABLE = frozenset({TokenState.OPENS, TokenState.IN_CLEAR})


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundToken:
    """`token` only where it may be tried; eBay alone knows whether it is still good."""

    state: TokenState
    token: Secret | None = None
    consent_ends_at: datetime | None = None
    stored_at: datetime | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStream:
    """`from_`: the families there that it continues. `why`: a sentence for people, or nothing."""

    state: StreamState
    from_: tuple[str, ...]
    why: str


class Fate(StrEnum):
    """NEW: it comes. RENEWED: it is here, untouched, and gets the newest cursors.
    SAME: there is nothing to change. LEFT: it does not come, or stays here as it is.
    """

    NEW = "new"
    RENEWED = "renewed"
    SAME = "same"
    LEFT = "left_out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to become of one account. `reason`: why it is left out; None otherwise."""

    old: OldAccount
    fate: Fate
    name: str
    seller: str
    environment: str | None
    decided_by: str
    token: FoundToken
    streams: tuple[PlannedStream, ...]
    notes: tuple[str, ...]
    reason: str | None = None
    here: HereAccount | None = None

    @property
    def states(self) -> tuple[StreamState, ...]:
        return tuple(each.state for each in self.streams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An account as it is stored here: paused."""

    old_id: str
    name: str
    environment: str
    ebay_user_id: str | None
    username: str | None
    marketplace_ids: tuple[str, ...]
    states: tuple[StreamState, ...]
