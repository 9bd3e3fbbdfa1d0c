"""Texts of another system, made fit to be shown and typed."""

from collections.abc import Set as AbstractSet

from core.moving.model import OldAccount

LONGEST_NAME = 100
LONGEST_SHOWN = 60
UNKNOWN = frozenset({"", "unknown"})
"""What the old connector stored where it did not learn who the seller is."""


def clean(text: str | None) -> str:
    """One line of printable characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in text or "").split())


def shown(text: str | None) -> str:
    told = clean(text)
    return told if len(told) <= LONGEST_SHOWN else f"{told[: LONGEST_SHOWN - 1]}…"


def seller_names(account: OldAccount) -> frozenset[str]:
    """Every name that it has at eBay, as names are compared; the old connector mixed them."""
    names = {clean(name).casefold() for name in (account.seller, account.username)}
    return frozenset(names - UNKNOWN)


def seller_shown(account: OldAccount) -> str:
    names = [clean(name) for name in (account.username, account.seller)]
    known = [name for name in names if name.casefold() not in UNKNOWN]
    return shown(known[0]) if known else "unknown"


def name_for(account: OldAccount, taken: AbstractSet[str]) -> str:
    """Its label there, or what else names it; with a number behind it where that is taken."""
    # A leading dash would be read as an option wherever the name is typed.
    given = (account.label, account.username, account.seller, f"account {account.id}", "account")
    names = (clean(name).lstrip("- ")[:LONGEST_NAME].strip() for name in given)
    wanted = next(name for name in names if name)
    number, name = 1, wanted
    while name in taken:
        number += 1
        tail = f" {number}"
        name = wanted[: LONGEST_NAME - len(tail)].strip() + tail
    return name
