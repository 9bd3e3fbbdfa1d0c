"""The second look at a text: what it names, so that it can be found and joined by it."""

import re
from collections.abc import Mapping
from decimal import Decimal

from core.tasks.tag import PRIORITIES

MOST = 50
"""Of each kind: a text that names more of them is a list, and nobody joins by that."""

_PATTERNS: Mapping[str, re.Pattern[str]] = {
    "order_ids": re.compile(r"(?<![\d-])\d{2}-\d{5}-\d{5}(?![\d-])"),
    "transaction_ids": re.compile(r"(?<![\d-])\d{12}-\d{10,14}(?![\d-])"),
    "item_ids": re.compile(r"(?<![\d.-])\d{12}(?![\d-])"),
    "numbers": re.compile(r"(?<![\d.,-])\d{10}(?![\d-])"),
    "tracking_numbers": re.compile(r"\b1Z[0-9A-Z]{16}\b"),
    "dates": re.compile(r"(?<![\d-])\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\d-])"),
    "marketplaces": re.compile(r"\bEBAY_[A-Z]{2}\b"),
    "hosts": re.compile(r"(?<=://)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
}
_NUMBER = r"(?P<whole>\d{1,3}(?:,\d{3})+|\d{1,9})(?:\.(?P<cents>\d{2}))?"
_CODES = "USD|EUR|GBP|AUD|CAD|CHF|JPY|PLN|HKD|SGD"
_SIGNS: Mapping[str, str] = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_MONEY = (
    re.compile(rf"(?P<mark>[$€£¥]|\b(?:{_CODES})) ?{_NUMBER}(?!\d|,\d)"),
    re.compile(rf"(?<![\d.,]){_NUMBER} ?(?P<mark>[€£]|(?:{_CODES})\b)"),
)
_HINTS: Mapping[str, re.Pattern[str]] = {
    "emergency": re.compile(r"\b(?:right away|at once|within the hour|911)\b", re.IGNORECASE),
    "security": re.compile(r"\b(?:somebody else|someone else|scam\w*|not me)\b", re.IGNORECASE),
    "warning": re.compile(
        r"\b(?:unhappy|angry|negative feedback|not (?:arrived|received)|wrong item|lost)\b",
        re.IGNORECASE,
    ),
    "maintenance": re.compile(r"\b(?:re-?price|re-?index|archive|vacuum|stock)\w*", re.IGNORECASE),
}


def enriched(text: str) -> dict[str, object]:
    """What stands in it, each thing once; what it has none of is left out.

    `tags`: by hints that are too weak to decide an urgency on.
    """
    named = {name: _once(rule.findall(text)) for name, rule in _PATTERNS.items()}
    tags = [tag for tag in PRIORITIES if tag in _HINTS and _HINTS[tag].search(text)]
    found = named | {"amounts": _amounts(text), "tags": tags}
    return {name: each for name, each in found.items() if each}


def _once(found: list[str]) -> list[str]:
    return list(dict.fromkeys(found))[:MOST]


def _amounts(text: str) -> list[str]:
    """`USD 12.50`: as text, for a number of JSON would lose cents."""
    return _once([_amount(found) for rule in _MONEY for found in rule.finditer(text)])


def _amount(found: re.Match[str]) -> str:
    value = Decimal(found["whole"].replace(",", "") + "." + (found["cents"] or "00"))
    return f"{_SIGNS.get(found['mark'], found['mark'])} {value}"
