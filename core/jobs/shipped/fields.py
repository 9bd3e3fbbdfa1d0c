"""A payload's fields, read. What is wrong is told with the field's name, and never repeated."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import Any

from core.jobs.kinds import BadPayloadError
from core.jobs.model import Job

NOT_AFTER = "not_after"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def only(payload: Mapping[str, object], known: Sequence[str]) -> None:
    unknown = sorted(set(payload) - set(known))
    if unknown:
        raise BadPayloadError(
            f"{quoted(unknown[0], 40)}: there is no such field; there are: {', '.join(known)}"
        )


def text(payload: Mapping[str, object], name: str, longest: int) -> str:
    given = payload.get(name)
    if not isinstance(given, str) or not given.strip():
        raise BadPayloadError(f"{name}: must be a text that is not empty")
    if len(given) > longest:
        raise BadPayloadError(f"{name}: is longer than {longest:,} characters")
    if _UNSTORABLE.search(given):
        raise BadPayloadError(f"{name}: holds a character that is none (NUL, half of a pair)")
    return given


def line(payload: Mapping[str, object], name: str, longest: int) -> str:
    """As a header may carry it: nothing in it begins a new line."""
    given = text(payload, name, longest)
    if _BREAKS.search(given):
        raise BadPayloadError(f"{name}: must be one line without control characters")
    return given.strip()


def optional(
    payload: Mapping[str, object],
    name: str,
    longest: int,
    read: Callable[[Mapping[str, object], str, int], str] = line,
) -> str | None:
    return None if payload.get(name) is None else read(payload, name, longest)


def flag(payload: Mapping[str, object], name: str) -> bool:
    given = payload.get(name, False)
    if not isinstance(given, bool):
        raise BadPayloadError(f"{name}: must be true or false")
    return given


def mapping(payload: Mapping[str, object], name: str) -> Mapping[str, object]:
    given = payload.get(name, {})
    if not isinstance(given, Mapping):
        raise BadPayloadError(f"{name}: must be a JSON object")
    return given


def names(payload: Mapping[str, object], name: str) -> tuple[str, ...]:
    given = payload.get(name, [])
    if not isinstance(given, list) or not all(isinstance(each, str) and each for each in given):
        raise BadPayloadError(f"{name}: must be a list of names")
    return tuple(line({name: each}, name, 200) for each in dict.fromkeys(given))


def not_after(payload: Mapping[str, object]) -> datetime | None:
    """When nobody wants it any more: later than that it is not begun."""
    given = payload.get(NOT_AFTER)
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given) if isinstance(given, str) else None
        in_utc = None if at is None or at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        in_utc = None
    if in_utc is None:
        raise BadPayloadError(f"{NOT_AFTER}: must be an instant with a zone, 2026-11-22T08:00:00Z")
    return in_utc


def expires(job: Job) -> datetime | None:
    """For `JobKind.expires`."""
    try:
        return not_after(job.payload)
    except BadPayloadError:
        # Told when the payload is checked.
        return None


def as_bytes(value: object, name: str) -> bytes:
    """The same bytes for the same value: what is signed is what is sent."""
    try:
        encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return encoded.encode()
    except (ValueError, TypeError, RecursionError):
        raise BadPayloadError(f"{name}: cannot be written as JSON") from None


def parsed(given: str) -> Any:
    """JSON as PostgreSQL stores it. Raises ValueError."""

    def refused(constant: str) -> float:
        raise ValueError(constant)

    def finite(number: str) -> float:
        value = float(number)
        return value if isfinite(value) else refused(number)

    try:
        return json.loads(given, parse_constant=refused, parse_float=finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def quoted(given: str, longest: int) -> str:
    """Somebody else's words, on one line and cut."""
    return _BREAKS.sub(" ", given)[:longest].strip()
