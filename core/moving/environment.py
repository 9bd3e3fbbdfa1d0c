"""Where an account belongs: the old connector knew it of users only."""

from core.moving.model import OldAccount
from core.moving.naming import clean, shown

ENVIRONMENTS = ("production", "sandbox")


def decide_environment(account: OldAccount, given: str | None) -> tuple[str | None, str]:
    """Where the account belongs, and how that is known; None: it cannot be known.

    There the last account that a user connected decided for all of his.
    """
    there = clean(account.environment)
    if given is not None:
        return given, f"as --environment says; its user's there: {shown(there) or 'none'}"
    if there not in ENVIRONMENTS:
        return None, f"the environment of its user there is {shown(there) or 'none'!r}"
    others = [each for each in account.connected_in if each != there and each in ENVIRONMENTS]
    if others:
        return None, f"its user there has connected accounts in {there} and in {others[0]}"
    return there, "the environment of its user there"
