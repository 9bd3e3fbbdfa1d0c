"""What may be kept of a person in a text: nothing that reaches or identifies him.

E-mail addresses, phone numbers, US social security numbers and payment cards. Ids of orders, items
and transactions stay: work is found by them.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import UsageError

EMAIL, PHONE, SSN, CARD = "email", "phone", "ssn", "card"
TOKENS: Mapping[str, str] = {
    EMAIL: "[EMAIL_REDACTED]",
    PHONE: "[PHONE_REDACTED]",
    SSN: "[SSN_REDACTED]",
    CARD: "[CC_REDACTED]",
}
DEEPEST = 32
"""Lists and objects inside each other: deeper ones are nobody's parameters."""

# Possessive, and begun at the beginning of a run only: each run of letters is read once.
_EMAIL = re.compile(
    r"(?<![\w.+-])(?<![\w.+-]')[\w.+-]++(?:'[\w.+-]++)*+(?:@|%40|\uff20)[\w-]++(?:\.[\w-]++)++"
)
_GAP = r"[ \-.\u00a0\u2010-\u2015]"
_CARD = re.compile(
    # What eBay calls an item and its transaction: kept, though half of it may look like a card.
    rf"(?P<kept>(?<![\d-])\d{{12}}-\d{{10,14}}(?![\d-]))"
    rf"|(?<!\d)(?:\d{{13,19}}"
    rf"|\d{{4}}(?:{_GAP}{{1,2}}\d{{4}}){{2}}{_GAP}{{1,2}}\d{{1,4}}(?P<more>{_GAP}\d{{1,3}})?"
    rf"|\d{{4}}{_GAP}{{1,2}}\d{{6}}{_GAP}{{1,2}}\d{{4,5}})(?!\d)"
)
# Ids of ours, of jobs and files: one in five hundred has in it what looks like a number of a phone.
_UUID = re.compile(
    r"(?<![0-9A-Za-z])((?=[0-9-]{0,35}[a-fA-F])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})"
    r"(?![0-9A-Za-z])"
)
_FIRST_DIGITS = re.compile(r"\d+")
_SSN = re.compile(r"(?<!\d)(?<!\d[-.])\d{3}[-\u2010-\u2015]\d{2}[-\u2010-\u2015]\d{4}(?!\d)")
_NAMED = r"(?:phone|telephone|tel|mobile|cell|fax|whatsapp|sms)"
_CALLED = rf"{_NAMED}\w{{0,10}}(?:\s(?:number|no|nr|is)\b){{0,2}}[\s:.#=-]{{0,3}}"
_PHONE = re.compile(
    # Ten digits in a row are an order's id, unless they are called a phone or begin with a plus.
    rf"(?<![\d.])(?<!\d-)(?:\+?1{_GAP}?)?(?:\(\d{{3}}\){_GAP}?|\d{{3}}{_GAP})\d{{3}}{_GAP}?\d{{4}}(?!\d)"
    rf"|\+\d(?:{_GAP}?[()]?{_GAP}?\d){{7,14}}(?!\d)"
    rf"|\b(?P<said>{_CALLED})1?\d{{10}}(?!\d)",
    re.IGNORECASE,
)
_PHONE_MEMBER = re.compile(_NAMED, re.IGNORECASE)
_PHONE_VALUE = re.compile(r"\+?1?\d{10}")
_SSN_MEMBER = re.compile(r"ssn|social.?security", re.IGNORECASE)
_SSN_VALUE = re.compile(r"\d{9}")
_SHORTEST, _LONGEST = 13, 19
_CARD_BRANDS = "23456"
_TWO_DIGITS = 9
"""A doubled digit above this counts as the sum of its own two."""


@dataclass(slots=True)
class Redactor:
    """Counts what it took out, by kind."""

    found: Counter[str] = field(default_factory=Counter)

    def text(self, text: str) -> str:
        """The same text with a token in place of what is personal."""
        text = _EMAIL.sub(lambda _: self._token(EMAIL), text)
        # Every other one is the text of an id.
        parts = _UUID.split(text)
        parts[::2] = [self._without_numbers(part) for part in parts[::2]]
        return "".join(parts)

    def _without_numbers(self, text: str) -> str:
        text = self._without_cards(text)
        text = _SSN.sub(lambda _: self._token(SSN), text)
        return _PHONE.sub(lambda found: (found["said"] or "") + self._token(PHONE), text)

    def members(self, value: object, name: str = "", depth: int = 0) -> object:
        """JSON without it, in names and values. Raises UsageError where it is nested too deep."""
        if depth > DEEPEST:
            raise UsageError(f"params are nested deeper than {DEEPEST}")
        if isinstance(value, str):
            return self._called(name, value)
        if isinstance(value, Mapping):
            return {
                self.text(key): self.members(each, key, depth + 1) for key, each in value.items()
            }
        if isinstance(value, list):
            return [self.members(each, name, depth + 1) for each in value]
        return self._number(name, value)

    def _called(self, name: str, value: str) -> str:
        """What has no shape of its own is known by its name."""
        digits = value.strip()
        if _PHONE_MEMBER.search(name) and _PHONE_VALUE.fullmatch(digits):
            return self._token(PHONE)
        if _SSN_MEMBER.search(name) and _SSN_VALUE.fullmatch(digits):
            return self._token(SSN)
        return self.text(value)

    def _number(self, name: str, value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, int):
            return value
        told = str(value)
        digits = told.lstrip("-")
        # Instants in milliseconds have thirteen digits as well, and no card begins as they do.
        if len(digits) >= _SHORTEST and digits[0] not in _CARD_BRANDS:
            return value
        clean = self._called(name, told)
        return value if clean == told else clean

    def _without_cards(self, text: str) -> str:
        """What is none may have one behind its first digits: it is looked at from there again."""
        done, place = [], 0
        while (found := _CARD.search(text, place)) is not None:
            end = found.end() if found["kept"] else _end_of_card(found)
            if end is None:
                first = _FIRST_DIGITS.match(text, found.start())
                assert first is not None
                kept, end = first[0], first.end()
            else:
                kept = found["kept"] or self._token(CARD)
            done.append(text[place : found.start()] + kept)
            place = end
        return "".join(done) + text[place:]

    def _token(self, kind: str) -> str:
        self.found[kind] += 1
        return TOKENS[kind]


def _end_of_card(found: re.Match[str]) -> int | None:
    """With the group behind it, or without: that may be the month in which it expires."""
    ends = [found.end()] if found["more"] is None else [found.end(), found.start("more")]
    return next((end for end in ends if _is_card(found.string[found.start() : end])), None)


def _is_card(text: str) -> bool:
    digits = [int(each) for each in text if each.isdigit()]
    return _SHORTEST <= len(digits) <= _LONGEST and luhn(digits)


def luhn(digits: list[int]) -> bool:
    """Whether the last digit is the one that the others demand."""
    doubled = [2 * each for each in digits[-2::-2]]
    small = [each - _TWO_DIGITS if each > _TWO_DIGITS else each for each in doubled]
    return (sum(digits[-1::-2]) + sum(small)) % 10 == 0


_OPAQUE = re.compile(r"sha256-[0-9a-f]{64}")


def is_opaque(name: str) -> bool:
    return _OPAQUE.fullmatch(name) is not None


def opaque(name: str) -> str:
    """A name that tells things apart: as it is, or a digest where it holds something personal."""
    if Redactor().text(name) == name:
        return name
    return f"sha256-{hashlib.sha256(name.encode()).hexdigest()}"
