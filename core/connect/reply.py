"""eBay's answer to a consent, out of an address or out of what somebody pasted."""

import re
from urllib.parse import unquote

from core.connect.model import Reply
from core.secret import Secret

STATE = re.compile(r"[A-Za-z0-9_-]{43}")
CODE = re.compile(r"[\x21-\x7e]{1,2048}")
"""eBay promises at most 1,024 characters."""
ERROR = re.compile(r"[a-z_]{1,64}")
ODD_ERROR = "unnamed"
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_NAMES = ("state", "code", "error")


def read_query(query: str) -> Reply:
    """Each value is decoded once, and a plus stays a plus: codes may hold one, never a space.

    A name that comes twice is not eBay's doing.
    """
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if name in _NAMES and name in found:
            return Reply(malformed=True)
        found[name] = unquote(value)
    return Reply(
        state=_secret(found.get("state")),
        code=_secret(found.get("code")),
        error=_error(found.get("error")),
    )


def read_pasted(text: str) -> Reply:
    """The address where the seller ended up, or the bare code.

    Mail programs break long lines, and some browsers show an address decoded, so that `#` may stand
    in the middle of a code: nothing behind the question mark is taken for a fragment.
    """
    whole = "".join(text.split())
    _, mark, query = whole.partition("?")
    if mark:
        return read_query(query)
    if any(f"{name}=" in whole for name in _NAMES):
        return read_query(whole)
    return Reply(code=_secret(unquote(whole) if _ENCODED.search(whole) else whole))


def _secret(value: str | None) -> Secret | None:
    return Secret(value) if value else None


def _error(value: str | None) -> str | None:
    if not value:
        return None
    return value if ERROR.fullmatch(value) else ODD_ERROR
