"""What a notification says, and what is to be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.errors import AppError

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class NotOursError(AppError):
    """It is not eBay's, or says nothing to act on: sent again, it stays so."""


class Outcome(StrEnum):
    """Of one notification, as its row says it."""

    ERASED = "erased"
    UNKNOWN_PERSON = "unknown_person"
    NEEDS_RECONNECT = "needs_reconnect"
    DUE = "due"
    UNKNOWN_ACCOUNT = "unknown_account"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Take this person out of everything. `words`: names and ids, as `folded` gives them."""

    words: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AskOwner:
    """The consent is withdrawn."""


@dataclass(frozen=True, slots=True)
class MakeDue:
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ignore:
    pass


Effect = Erase | AskOwner | MakeDue | Ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """`ids` and `names` are those of eBay users in it, one of whom may be a seller of ours."""

    id: str
    topic: str
    attempt: int
    event_at: datetime | None
    ids: tuple[str, ...] = field(repr=False)
    names: tuple[str, ...] = field(repr=False)
    effect: Effect


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """`is_new` False: it was taken before, and nothing was done now."""

    is_new: bool
    outcome: Outcome | None = None
    effects: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the header X-EBAY-SIGNATURE says."""

    key_id: str
    signature: bytes
    digest: str


def folded(word: str) -> str:
    """As PostgreSQL's lower() in the collation C, which the indexes are made by."""
    return word.translate(_ASCII_LOWER)
