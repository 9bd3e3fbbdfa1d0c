"""JSON text as PostgreSQL takes it: no NUL, no half of a surrogate pair."""

import re

_ESCAPES = re.compile(
    r"\\\\"  # an escaped backslash: what follows it is no escape
    r"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a whole pair
    r"|(?P<bad>\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
# JSON knows these characters in escaped form only, so none of them can carry meaning here.
_RAW = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def clean_json_text(text: str) -> str:
    """The same JSON with U+FFFD where PostgreSQL's `jsonb` would refuse a character.

    Works on the text, so numbers, order, white space and repeated keys stay as they came.
    """
    return clean_text(_ESCAPES.sub(_kept_or_replaced, text))


def clean_text(text: str) -> str:
    """Plain text (an error's, say) as PostgreSQL's `text` takes it."""
    return _RAW.sub(_REPLACEMENT, text)


def clean_row(row: bytes) -> str:
    return clean_json_text(row.decode("utf-8", errors="replace"))


def _kept_or_replaced(match: re.Match[str]) -> str:
    return match.group() if match["bad"] is None else _REPLACEMENT
