"""What an account may be called, and what a marketplace looks like."""

import re
from collections.abc import Sequence

from core.errors import UsageError

NAME_LENGTH = 100
MARKETPLACE = re.compile(r"EBAY_[A-Z_]{2,30}")


def check_name(name: str) -> None:
    """Raises UsageError."""
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= NAME_LENGTH:
        raise UsageError(
            f"the name {name!r} cannot be used: 1 to {NAME_LENGTH} printable characters,"
            " no space at its ends"
        )


def check_marketplaces(marketplace_ids: Sequence[str]) -> None:
    """Raises UsageError."""
    for each in marketplace_ids:
        if not MARKETPLACE.fullmatch(each):
            raise UsageError(f"the marketplace {each!r} does not look like EBAY_DE")
