"""From what is asked for to what may be stored: nothing before this has been written anywhere."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from uuid import UUID

from core.errors import UsageError
from core.tasks.model import MAX_KEY, MAX_TEXT, MAX_WORD, PRIORITIES, KeptTask, NewTask
from core.tasks.redact import DEEPEST, Redactor, opaque
from core.tasks.tag import Tags, tagged

_DIGITS = 32
_NO_TEXT = "holds a character that cannot be stored (NUL, or half of a surrogate pair)"


def prepare(asked: NewTask, tag: Callable[[str], Tags] = tagged) -> KeptTask:
    """1. What cannot be stored is refused. 2. What is personal goes. 3. What is left is tagged.

    Raises UsageError.
    """
    _check(asked)
    redactor = Redactor()
    clean = redactor.text(asked.description)
    domain = None if asked.domain is None else redactor.text(asked.domain)
    params = redactor.members(asked.params)
    description = clip(clean)
    tags, tagging_error = _tags(tag, description)
    original = asked.description if asked.preserve_original_text else None
    kept_params = asked.params if asked.preserve_original_text else params
    assert isinstance(kept_params, Mapping)
    return KeptTask(
        type=asked.type,
        description=description,
        original_text=original,
        params=kept_params,
        domain=domain,
        drift_score=asked.drift_score,
        draft=asked.draft,
        priority=tags.priority if asked.priority is None else asked.priority,
        run_at=asked.run_at,
        ordering_key=None if asked.ordering_key is None else opaque(asked.ordering_key),
        idempotency_key=None if asked.idempotency_key is None else opaque(asked.idempotency_key),
        same_within=asked.same_within,
        event_tags=tags.tags,
        confidence=tags.confidence,
        attributes={"length": len(asked.description), "clipped": description != clean},
        redacted=dict(redactor.found),
        tagging_error=tagging_error,
        enrich=tags.needs_more,
        digest=_digest(asked),
    )


def clip(text: str, most: int = MAX_TEXT) -> str:
    """Its beginning, up to the end of a word."""
    if len(text) <= most:
        return text
    end = max(text.rfind(space, 0, most + 1) for space in " \n\t")
    return text[: end if end > 0 else most].rstrip()


def _tags(tag: Callable[[str], Tags], text: str) -> tuple[Tags, str | None]:
    try:
        return tag(text), None
    except Exception as error:  # noqa: BLE001  (no text is a reason to refuse a task: it is told beside it)
        return Tags(needs_more=bool(text)), type(error).__name__


def _check(asked: NewTask) -> None:
    for name, value, most in (
        ("domain", asked.domain, MAX_WORD),
        ("ordering_key", asked.ordering_key, MAX_KEY),
        ("idempotency key", asked.idempotency_key, MAX_KEY),
    ):
        if value is not None and not 0 < len(value) <= most:
            raise UsageError(f"{name} must have 1 to {most} characters")
    if asked.priority not in {None, *PRIORITIES}:
        raise UsageError(f"priority must be one of {', '.join(map(str, PRIORITIES))}")
    words = (asked.description, asked.domain, asked.ordering_key, asked.idempotency_key)
    if not all(_storable(each) for each in words if each is not None):
        raise UsageError(f"the task {_NO_TEXT}")
    _check_members(asked.params)
    if not math.isfinite(asked.drift_score):
        raise UsageError("drift_score must be a finite number")


def _check_members(value: object, depth: int = 0) -> None:
    """What jsonb refuses, before it does."""
    if depth > DEEPEST:
        raise UsageError(f"params are nested deeper than {DEEPEST}")
    if isinstance(value, str) and not _storable(value):
        raise UsageError(f"params: a text {_NO_TEXT}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError("params: numbers must be finite")
    if isinstance(value, Mapping):
        _check_members(list(value), depth)
        _check_members(list(value.values()), depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check_members(each, depth + 1)


def _storable(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= each <= "\udfff" for each in text)


def _digest(asked: NewTask) -> bytes:
    """Of what makes it the same task, before anything was taken out of it."""
    told = json.dumps(
        [asked.type, asked.description, asked.params, asked.domain], sort_keys=True, default=str
    )
    return hashlib.sha256(told.encode()).digest()


def read_id(given: str) -> tuple[UUID, UUID]:
    """A whole id, or its beginning: the first and the last one that it may stand for.

    Raises UsageError for what no id begins with.
    """
    digits = given.replace("-", "").lower()
    if not 1 <= len(digits) <= _DIGITS or set(digits) - set("0123456789abcdef"):
        raise UsageError("an id is a UUID, or the beginning of one: letters a to f and digits")
    return UUID(digits.ljust(_DIGITS, "0")), UUID(digits.ljust(_DIGITS, "f"))
