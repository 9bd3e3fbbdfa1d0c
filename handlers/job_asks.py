"""What people ask of jobs, read from a command line or a request."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.errors import UsageError
from core.jobs.control import JobMark
from core.jobs.model import JobId, Priority
from handlers.parameters import names, read_since

PRIORITIES = {priority.name.lower(): priority for priority in Priority}


def read_payload(text: str) -> Mapping[str, Any]:
    """Raises UsageError for what is no JSON object, and for NaN, which is no JSON either."""
    try:
        payload = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise UsageError('the payload is no JSON; write it like \'{"text": "hello"}\'') from None
    if not isinstance(payload, dict):
        raise UsageError("the payload must be a JSON object, for example {}")
    return payload


def _no_constant(_: str) -> Any:
    raise ValueError


def read_priority(given: str) -> Priority:
    """`high`, or its number. Raises UsageError."""
    named = PRIORITIES.get(given.strip().lower())
    numbers = {str(int(priority)): priority for priority in Priority}
    found = named or numbers.get(given.strip())
    if found is None:
        known = ", ".join(f"{name} ({int(priority)})" for name, priority in PRIORITIES.items())
        raise UsageError(f"there is no priority {given!r}; there are: {known}")
    return found


def read_at(text: str, now: datetime) -> datetime:
    """An instant, or a span from now: `10m`, `2h`. Raises UsageError."""
    try:
        given = read_since(text)
    except UsageError as error:
        raise UsageError(str(error).replace("since:", "at:", 1)) from None
    return now + given if isinstance(given, timedelta) else given


def ago(text: str | None, now: datetime) -> datetime | None:
    """An instant, or a span before now."""
    if text is None:
        return None
    given = read_since(text)
    return now - given if isinstance(given, timedelta) else given


def read_mark(text: str | None) -> JobMark | None:
    """What `job_views.mark_text` wrote. Raises UsageError."""
    if text is None:
        return None
    at, _, job_id = text.partition("~")
    try:
        return JobMark(at=datetime.fromisoformat(at).astimezone(UTC), id=JobId(UUID(job_id)))
    except (ValueError, OverflowError):
        raise UsageError(f"after: {text!r} is no place in a list; take `next` as it came") from None


def word(parameter: str, given: str | None) -> str | None:
    """Raises UsageError for what no name is; PostgreSQL refuses a text with a NUL."""
    return None if given is None else names(parameter, given)[0]
