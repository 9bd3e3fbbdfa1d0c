"""Whose an account is: it belongs to one seller for ever, because his rows lie under it."""

from dataclasses import dataclass
from enum import StrEnum
from shlex import quote
from typing import Protocol

from core.secret import Secret


class Owned(Protocol):
    """An account. `seller_gone`: his eBay account was deleted, so who he was is not kept."""

    @property
    def name(self) -> str: ...

    @property
    def ebay_user_id(self) -> str | None: ...

    @property
    def username(self) -> str | None: ...

    @property
    def seller_gone(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seller:
    """Who eBay says a token's owner is, and where he is registered and domiciled.

    eBay tells the country of a business; of other sellers only to those with a scope for it.
    """

    ebay_user_id: str
    username: str | None
    marketplace_id: str | None
    country: str | None = None


class Sellers(Protocol):
    def who(self, environment: str, token: Secret, *, timeout: float) -> Seller | None:
        """The token's owner; None where the consent does not allow the question."""
        ...


class Closed(StrEnum):
    """Why no token can be shown to be that of an account's own seller."""

    GONE = "seller_gone"
    UNKNOWN = "seller_unknown"


TOLD = {
    Closed.GONE: (
        "the seller of the account {name!r} is gone, his eBay account was deleted, and its rows"
        " stay his: connect another seller under a name of its own,"
        " `python -m core.run accounts connect --name ANOTHER`"
    ),
    Closed.UNKNOWN: (
        "nobody knows whose rows the account {name!r} holds, because eBay did not tell it when its"
        " token was imported: connect this seller under a name of its own,"
        " `python -m core.run accounts connect --name ANOTHER`, and end the old account,"
        " `python -m core.run accounts disconnect {typed}`"
    ),
}


def closed(account: Owned) -> Closed | None:
    if account.seller_gone:
        return Closed.GONE
    known = account.ebay_user_id or account.username
    return Closed.UNKNOWN if known is None else None


def why_closed(account: Owned, reason: Closed) -> str:
    """The sentence, with the way out."""
    return TOLD[reason].format(name=account.name, typed=quote(account.name))


def is_of(account: Owned, seller: Seller) -> bool:
    """By the id, which never changes; by a name only where no id is known.

    The old connector, whose accounts come with a name alone, took ids for names.
    """
    if account.seller_gone:
        return False
    if account.ebay_user_id is not None:
        return account.ebay_user_id == seller.ebay_user_id
    names = {name.casefold() for name in (seller.ebay_user_id, seller.username) if name}
    return account.username is not None and account.username.casefold() in names
