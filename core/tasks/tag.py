"""What a text is about, by rules: its tags, how urgent they make it, how sure that is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

URGENT, HIGH, NORMAL = 20, 10, 5
PRIORITIES: Mapping[str, int] = {
    "emergency": URGENT,
    "security": HIGH,
    "warning": HIGH,
    "maintenance": NORMAL,
    "normal": NORMAL,
}
"""Most urgent first. Each tag's weight (10, 8, 6, 4, 2) as one of a job's priorities."""

_WORDS: Mapping[str, str] = {
    "emergency": (
        r"emergenc(?:y|ies)|urgent(?:ly)?|immediately|asap|critical|outage|evacuat\w+|explosion"
        r"|on fire|is down|account suspended|chargebacks?"
    ),
    "security": (
        r"secur\w+|unauthori[sz]ed|breach\w*|hacked|phishing|fraud\w*|suspicious|intrusion|malware"
        r"|leaked|stolen|counterfeit|password"
    ),
    "warning": (
        r"warn\w*|alerts?|fail(?:s|ed|ing|ures?)?|errors?|delay(?:s|ed)?|overdue|late|disputes?"
        r"|complain\w*|damaged|broken|missing|low stock|out of stock|refund\w*|returns?|cases?"
    ),
    "maintenance": (
        r"maint(?:enance|ain\w*)|updat\w+|upgrad\w+|clean ?up|back ?ups?|repair\w*|inspect\w*"
        r"|restock\w*|relist\w*|migrat\w+|renew\w*|rotat\w+"
    ),
    "normal": (
        r"normal|routine|tests?|checks?|reports?|list|sync\w*|export\w*|import\w*|remind\w*|send"
        r"|notif\w+|call|schedul\w+|daily|weekly|monthly"
    ),
}
_RULES: Mapping[str, re.Pattern[str]] = {
    tag: re.compile(rf"\b(?:{words})\b", re.IGNORECASE) for tag, words in _WORDS.items()
}
SURE, LIKELY, UNSURE = 0.9, 0.7, 0.3
MANY = 2
"""More different words than these make it sure."""
LONG, VERY_LONG = 200, 2000
LONG_FACTOR = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """`tags`: most urgent first. `priority`: theirs. `needs_more`: rules alone say too little."""

    tags: tuple[str, ...] = ()
    priority: int = NORMAL
    confidence: float = UNSURE
    needs_more: bool = False


def tagged(text: str) -> Tags:
    words = {tag: _words(rule, text) for tag, rule in _RULES.items()}
    tags = tuple(tag for tag, found in words.items() if found)
    matched = sum(len(found) for found in words.values())
    confidence = SURE if matched > MANY else LIKELY if matched else UNSURE
    if len(text) > VERY_LONG:
        confidence = round(confidence * LONG_FACTOR, 2)
    return Tags(
        tags=tags,
        priority=max((PRIORITIES[tag] for tag in tags), default=NORMAL),
        confidence=confidence,
        needs_more=bool(text.strip()) and (not tags or len(text) > LONG),
    )


def _words(rule: re.Pattern[str], text: str) -> set[str]:
    return {found[0].lower() for found in rule.finditer(text)}
