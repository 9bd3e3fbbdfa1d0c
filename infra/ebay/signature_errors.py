"""What eBay says about signatures, and what a person can do about it.

https://developer.ebay.com/develop/guides/digital-signatures-for-apis
"""

from collections.abc import Iterable
from datetime import datetime

from core.report import instant

SIGNATURE_IDS = range(215000, 215123)
# Of eBay's own making: "Internal errors", and parameters that its own services lost.
SIGNATURE_FAULTS = frozenset({215002, 215003, 215109})
_TIME = frozenset({215113, 215114})
_KEY = range(215115, 215120)


def signature_way_out(
    error_ids: Iterable[int], signed_by: str | None, ebay_says: str | None, now: datetime
) -> str | None:
    """None where it is not about signatures.

    `signed_by`: the environment whose key signed the call; `ebay_says`: the answer's `Date`.
    """
    error_id = min((each for each in error_ids if each in SIGNATURE_IDS), default=None)
    if error_id is None:
        return None
    if signed_by is None:
        return "eBay wants a message signature for this seller (EU and UK)"
    if error_id in _TIME:
        return (
            f"it was signed at {instant(now)} by the database's clock, and eBay's says"
            f" {ebay_says or 'nothing'}: set the clock of the database's server right"
        )
    renew = f"`python -m core.run signing-key renew --environment {signed_by}`"
    if error_id in _KEY:
        return f"eBay does not take our signing key; {renew} has it make another"
    return (
        "the call was signed, and eBay reads the signature otherwise; try another key with"
        f" {renew}, and if that does not help, report it with this line"
    )
