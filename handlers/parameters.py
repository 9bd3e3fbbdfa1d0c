"""What a caller may ask of a run: the same for the command line, HTTP and Lambda events."""

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import UsageError
from core.report import instant
from core.sync.worker import Selection

KNOWN = ("account", "stream", "since", "queue", "kind", "deadline_s", "dry_run", "strict")
LISTS = {"account", "stream", "queue", "kind"}
LONGEST_DELIVERY_ID = 255
_FIRST_YEAR = 1994
_SPAN = re.compile(r"(\d{1,4})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TRUE, _FALSE = frozenset({"1", "true", "yes", "on", ""}), frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """`since` is an instant, or a span before the run's start. `deadline_s`: seconds."""

    accounts: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()
    since: datetime | timedelta | None = None
    queues: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    deadline_s: float | None = None
    dry_run: bool = False
    strict: bool = False
    take_over: bool = False

    def selection(self, now: datetime) -> Selection:
        since = now - self.since if isinstance(self.since, timedelta) else self.since
        return Selection(accounts=self.accounts, streams=self.streams, since=since)

    def check(self, now: datetime) -> None:
        """What can only be told when the run begins. Raises UsageError."""
        since = self.selection(now).since
        if since is None:
            return
        if since >= now:
            raise UsageError(f"since: {instant(since)} lies in the future, so nothing can be read")
        if since.year <= _FIRST_YEAR:
            raise UsageError(f"since: {instant(since)} lies before eBay began")

    def expanded(self, aliases: Mapping[str, Sequence[str]]) -> "Parameters":
        """With the streams that a word stands for in place of the word."""
        meant = [name for given in self.streams for name in aliases.get(given, (given,))]
        return replace(self, streams=tuple(dict.fromkeys(meant)))

    @property
    def named(self) -> bool:
        return self.names_units or self.names_jobs

    @property
    def names_units(self) -> bool:
        """Some of the accounts' data, not all that is due."""
        return bool(self.accounts or self.streams or self.since is not None)

    @property
    def names_jobs(self) -> bool:
        return bool(self.queues or self.kinds)

    def as_json(self) -> dict[str, object]:
        since = instant(self.since) if isinstance(self.since, datetime) else self.since
        asked = {
            "account": list(self.accounts),
            "stream": list(self.streams),
            "since": None if since is None else str(since),
            "queue": list(self.queues),
            "kind": list(self.kinds),
            "deadline_s": self.deadline_s,
            "dry_run": self.dry_run,
        }
        return {name: value for name, value in asked.items() if value}

    def fingerprint(self) -> str:
        """The same for the same request; `strict` changes the answer only."""
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True).encode()).hexdigest()


def delivery_name(given: str) -> str:
    """What names a delivery, short enough for an index: a long name becomes its digest."""
    if len(given) <= LONGEST_DELIVERY_ID and given.isprintable():
        return given
    return "sha256:" + hashlib.sha256(given.encode(errors="surrogatepass")).hexdigest()


def read(given: Mapping[str, Any]) -> Parameters:
    """From a query or a JSON body. Raises UsageError, which names the parameter."""
    unknown = sorted(set(given) - set(KNOWN))
    if unknown:
        raise UsageError(f"there is no parameter {unknown[0]!r}; there are: {', '.join(KNOWN)}")
    return Parameters(
        accounts=names("account", given.get("account")),
        streams=names("stream", given.get("stream")),
        since=None if given.get("since") is None else read_since(str(given["since"])),
        queues=names("queue", given.get("queue")),
        kinds=names("kind", given.get("kind")),
        deadline_s=_seconds("deadline_s", given.get("deadline_s")),
        dry_run=_flag("dry_run", given.get("dry_run")),
        strict=_flag("strict", given.get("strict")),
    )


def read_since(text: str) -> datetime | timedelta:
    """`2026-11-01`, `2026-11-01T08:00:00Z`, `2h`, `7d`; a date is its midnight in UTC."""
    span = _span(text)
    if span is not None:
        return span
    at = _instant(text)
    if at is None:
        raise UsageError(
            f"since: {text!r} is neither an instant like 2026-11-01T08:00:00Z nor a span like 7d"
        )
    return at


def read_instant(name: str, text: str) -> datetime:
    """`2026-11-01T08:00:00Z`; without a zone it is UTC. Raises UsageError."""
    at = _instant(text)
    if at is None:
        raise UsageError(f"{name}: must be an instant like 2026-11-01T08:00:00Z")
    return at


def _instant(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def read_span(name: str, text: str) -> float:
    """`20`, `20s`, `5m`: seconds."""
    span = _span(text)
    seconds = _seconds(name, text if span is None else span.total_seconds())
    assert seconds is not None
    return seconds


def _span(text: str) -> timedelta | None:
    span = _SPAN.fullmatch(text.strip())
    return None if span is None else timedelta(**{_UNITS[span[2]]: int(span[1])})


def names(parameter: str, given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    told: Sequence[Any] = given if isinstance(given, list) else [given]
    if not all(isinstance(name, str) and name.strip() and name.isprintable() for name in told):
        raise UsageError(f"{parameter}: must be a name or a list of names")
    return tuple(dict.fromkeys(name.strip() for name in told))


def _seconds(parameter: str, given: Any) -> float | None:
    if given is None:
        return None
    try:
        seconds = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UsageError(f"{parameter}: {given!r} is not a number of seconds above 0")
    return seconds


def _flag(parameter: str, given: Any) -> bool:
    if given is None or isinstance(given, bool):
        return bool(given)
    word = str(given).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise UsageError(f"{parameter}: {given!r} is neither true nor false")
