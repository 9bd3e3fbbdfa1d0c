"""A message as the assistant understands it: a command, its words, instants and periods."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches

from core.chat.assistant_ports import Period
from core.errors import UsageError

DAY = timedelta(days=1)
MOST_WORDS = 30
FIRST_YEAR, LAST_YEAR = 1995, 2200
USAGE: Mapping[str, str] = {
    "help": "/help",
    "status": "/status",
    "accounts": "/accounts",
    "orders": "/orders [today|yesterday|DATE] [ACCOUNT]",
    "money": "/money [today|week|month|DATE..DATE] [ACCOUNT]",
    "run": "/run [WORKER|ACCOUNT STREAM]",
    "pause": "/pause ACCOUNT [STREAM] | worker NAME | queue NAME | all",
    "resume": "/resume ACCOUNT [STREAM] | worker NAME | queue NAME | all",
    "rewind": "/rewind ACCOUNT STREAM DATE|undo",
    "retry": "/retry JOB|all",
}
OTHER_NAMES = {"start": "help", "pomoc": "help", "cofnij": "undo", "undo": "undo"}
"""What other bots, and the replaced system, call them; `undo` is a hint."""
_COMMAND = re.compile(r"/(\w+)(?:@\w+)?(?:\s+(.*))?", re.DOTALL)
_WORD = re.compile(r"[\"“”„](?P<quoted>[^\"“”„]+)[\"“”]|(?P<plain>\S+)")
_SPAN = re.compile(r"(\d{1,4})([hd])")
_LAST_DAYS = re.compile(r"([1-9]\d{0,2})d")
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_DATE_LIKE = re.compile(r"[\d.:/TZ+-]*\d[\d.:/TZ+-]*")
_UNITS = {"h": "hours", "d": "days"}
_DAYS = {
    "today": "today",
    "dzis": "today",
    "dziś": "today",
    "yesterday": "yesterday",
    "wczoraj": "yesterday",
    "week": "week",
    "tydzien": "week",
    "tydzień": "week",
    "month": "month",
    "miesiac": "month",
    "miesiąc": "month",
}


@dataclass(frozen=True, slots=True)
class Word:
    """`quoted`: a name, whatever else it looks like."""

    text: str
    quoted: bool = False

    @property
    def low(self) -> str | None:
        return None if self.quoted else self.text.lower()


@dataclass(frozen=True, slots=True)
class Asked:
    command: str
    words: tuple[Word, ...] = ()


def asked(text: str) -> Asked | None:
    """None for what is no command. Raises UsageError for one of too many words."""
    found = _COMMAND.fullmatch(text.strip())
    if found is None:
        return None
    name = found[1].lower()
    name = OTHER_NAMES.get(name, name)
    if name not in USAGE and name != "undo":
        return None
    words = [_word(each) for each in _WORD.finditer(found[2] or "")]
    if len(words) > MOST_WORDS:
        raise wrong(name)
    return Asked(name, tuple(words))


def _word(found: re.Match[str]) -> Word:
    quoted = found["quoted"]
    return Word(found["plain"]) if quoted is None else Word(quoted.strip(), quoted=True)


def wrong(command: str, why: str = "") -> UsageError:
    """Names what is wrong, and the way out."""
    return UsageError(f"{why}{'. ' if why else ''}Usage: {USAGE[command]}")


def nearest(text: str) -> str | None:
    """The command that was meant, by its first word."""
    first = text.strip().split(maxsplit=1)[:1]
    word = (first or [""])[0].lower().lstrip("/").split("@")[0]
    known = {**{each: each for each in USAGE}, **OTHER_NAMES}
    close = get_close_matches(word, list(known), n=1, cutoff=0.7)
    # `undo` is told of where rewinds are.
    return known[close[0]].replace("undo", "rewind") if close else None


def take_period(words: Sequence[Word], now: datetime) -> tuple[Period | None, tuple[Word, ...]]:
    """The period among these words, wherever it stands, and the others. Raises UsageError."""
    found: Period | None = None
    others = []
    for word in words:
        read = None if word.quoted else period(word.text, now)
        if read is not None and found is not None:
            raise UsageError("one period at a time, for example 2026-11-01..2026-11-15")
        found = read or found
        if read is None:
            others.append(word)
    return found, tuple(others)


def period(text: str, now: datetime) -> Period | None:
    """None for what is no period; weeks begin on Monday, all days in UTC. Raises UsageError."""
    word = text.lower()
    if word in _DAYS:
        return _called(_DAYS[word], now)
    days = _LAST_DAYS.fullmatch(word)
    if days is not None:
        return _last_days(int(days[1]), now)
    first, dots, last = text.partition("..")
    if dots:
        return _between(first, last)
    month = _MONTH.fullmatch(text)
    if month is not None:
        begin = _date(f"{text}-01")
        return _days(begin, _next_month(begin), text)
    if not _DATE_LIKE.fullmatch(text):
        return None
    begin = _date(text)
    return _days(begin, begin + DAY, begin.isoformat())


def _called(name: str, now: datetime) -> Period:
    today = now.astimezone(UTC).date()
    tomorrow = today + DAY
    if name == "yesterday":
        return _days(today - DAY, today, name)
    begins = {"week": today - today.weekday() * DAY, "month": today.replace(day=1)}
    return _days(begins.get(name, today), tomorrow, name)


def _last_days(number: int, now: datetime) -> Period:
    """Today is the last of them."""
    tomorrow = now.astimezone(UTC).date() + DAY
    return _days(tomorrow - number * DAY, tomorrow, f"{number} days")


def _between(first: str, last: str) -> Period:
    begin, end = _date(first), _date(last)
    if end < begin:
        raise UsageError(f"{begin}..{end} ends before it begins")
    return _days(begin, end + DAY, f"{begin}..{end}")


def _days(since: date, until: date, name: str) -> Period:
    return Period(since=_midnight(since), until=_midnight(until), name=name)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _next_month(day: date) -> date:
    return (day.replace(day=28) + 4 * DAY).replace(day=1)


def _date(text: str) -> date:
    """Raises UsageError: what looks like a date and is none was meant as one."""
    dotted = _DOTTED.fullmatch(text)
    try:
        if dotted is not None:
            read = date(int(dotted[3]), int(dotted[2]), int(dotted[1]))
        else:
            read = date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no date; write 2026-11-20") from None
    if not FIRST_YEAR <= read.year <= LAST_YEAR:
        raise UsageError(f"{text!r}: eBay has no orders of that year")
    return read


def instant_of(word: Word, now: datetime) -> datetime | None:
    """A date's midnight in UTC, an instant, or so long ago. Raises UsageError for a wrong date."""
    if word.quoted:
        return None
    span = _SPAN.fullmatch(word.text.lower())
    if span is not None:
        return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
    if "T" in word.text and _DATE_LIKE.fullmatch(word.text):
        return _instant(word.text)
    found = None if ".." in word.text else period(word.text, now)
    return None if found is None else found.since


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no instant; write 2026-11-20T08:00Z") from None
