"""What the assistant's replies are made of: lines, sums, instants, within one message."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

LIMIT = 4096
"""UTF-16 units of one message of Telegram's."""
TITLE = 60
_UNIT_BYTES = 2
_HUGE = Decimal(10) ** 15
_CENT = Decimal("0.01")
# What a chat would make a button of, or a link, whoever wrote it.
_COMMAND, _LINK, _MENTION = re.compile(r"/(?=\w)"), "://", re.compile(r"@(?=\w)")


def harmless(text: object, most: int = TITLE) -> str:
    """One line of what somebody else wrote: nothing in it is obeyed, none of it turns the line."""
    given = str(text)
    # Most of a megabyte would be thrown away; what is taken out may be several times the rest.
    shown = "".join(_shown(each) for each in given[: 10 * most])
    plain = _MENTION.sub("@ ", _COMMAND.sub("/ ", shown.replace(_LINK, ": //")))
    line = " ".join(plain.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _shown(each: str) -> str:
    if each.isprintable():
        return each
    return "" if unicodedata.category(each) == "Cf" else " "


def money(value: Decimal, currency: str | None) -> str:
    """`1,234.50 EUR`; what has more than cents keeps it."""
    told = f"{value:.6E}"
    if abs(value) < _HUGE:
        whole = value == value.quantize(_CENT)
        told = f"{value:,.2f}" if whole else f"{value.normalize():,f}"
    return f"{told} {harmless(currency or '?', 10)}"


def moment(at: datetime | None) -> str:
    return "never" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def within(
    head: Sequence[str], rows: Sequence[str], see: str, *, more: int = 0, foot: Sequence[str] = ()
) -> str:
    """One message: rows that do not fit, and `more` that nobody read, are counted."""
    kept = list(rows)
    while True:
        left = len(rows) - len(kept) + more
        told = [f"… and {left:,} more; see {see}"] if left else []
        text = "\n".join([*head, *kept, *told, *foot])
        if not kept or _units(text) <= LIMIT:
            return cut(text)
        kept.pop()


def cut(text: str) -> str:
    """At most one message."""
    while _units(text) > LIMIT:
        text = text[: min(len(text) - 1, LIMIT) - 1] + "…"
    return text


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // _UNIT_BYTES
