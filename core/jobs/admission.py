"""What may enter a queue: looked at before anything is written, wherever a job is asked for."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from core.errors import UsageError
from core.jobs.kinds import BadPayloadError, JobKind
from core.jobs.model import (
    MAX_ATTEMPTS,
    MAX_DEPTH,
    MAX_KEY,
    MAX_KEY_BYTES,
    MAX_NESTING,
    MAX_PAYLOAD,
    NewJob,
    Status,
)

Kinds = Mapping[str, JobKind]

_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')

# An even number of backslashes before it, or it is a text that shows an escape.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A job as it will be stored; `payload` is its JSON text."""

    job: NewJob
    queue: str
    ordering_key: str | None
    max_attempts: int
    payload: str

    @property
    def status(self) -> Status:
        return Status.DRAFT if self.job.draft else Status.PENDING

    @property
    def line(self) -> tuple[str, str] | None:
        """Queue and key of the line that it joins now; a draft joins none."""
        key = self.ordering_key
        return None if key is None or self.job.draft else (self.queue, key)


def admit(jobs: Sequence[NewJob], kinds: Kinds) -> list[Admitted]:
    """Raises BadPayloadError for a payload, UsageError for everything else."""
    return [_admitted(job, kinds) for job in jobs]


def _admitted(job: NewJob, kinds: Kinds) -> Admitted:
    kind = kinds.get(job.kind)
    if kind is None:
        known = ", ".join(sorted(kinds))
        raise UsageError(f"there is no kind of job {job.kind!r}; there are: {known}")
    _check_fields(job)
    kind.check(job.payload)
    key = job.ordering_key
    if key is None and kind.key is not None:
        key = kind.key(job.payload)
        _check_word("ordering key", key)
    return Admitted(
        job=job,
        queue=job.queue or kind.queue,
        ordering_key=key,
        max_attempts=job.max_attempts or kind.max_attempts,
        payload=payload_text(job),
    )


def _check_fields(job: NewJob) -> None:
    _check_word("queue", job.queue)
    if job.queue is not None and job.queue != job.queue.strip():
        raise UsageError(f"the queue of a {job.kind} job begins or ends with a space")
    _check_word("ordering key", job.ordering_key)
    _check_word("idempotency key", job.idempotency_key)
    _check_word("dedupe key", job.dedupe_key)
    most = job.max_attempts
    if most is not None and not 1 <= most <= MAX_ATTEMPTS:
        raise UsageError(f"a {job.kind} job has 1 to {MAX_ATTEMPTS} attempts, not {most}")
    if job.run_at is not None and job.run_at.tzinfo is None:
        raise UsageError(f"run_at of a {job.kind} job has no time zone; add Z or +02:00")


def _check_word(name: str, word: str | None) -> None:
    if word is None:
        return
    if not 0 < len(word) <= MAX_KEY:
        raise UsageError(f"the {name} of a job has 1 to {MAX_KEY} characters, not {len(word)}")
    if not word.isprintable():
        raise UsageError(f"the {name} of a job holds a character that cannot be shown")
    size = len(word.encode())
    if size > MAX_KEY_BYTES:
        raise UsageError(f"the {name} of a job has at most {MAX_KEY_BYTES} bytes, not {size}")


def payload_text(job: NewJob) -> str:
    """Its JSON. Raises BadPayloadError where it has none that can be stored."""
    return json_text(f"the payload of a {job.kind} job", job.payload)


def json_text(name: str, value: Mapping[str, object]) -> str:
    """Raises BadPayloadError for what is no JSON, too long, or refused by PostgreSQL."""
    try:
        text = _json(dict(value))
    except (TypeError, ValueError, RecursionError) as error:
        # Its text may quote the payload, which belongs into no log.
        raise BadPayloadError(f"{name} is not JSON") from error
    if not _is_unicode(text) or _NUL.search(text):
        raise BadPayloadError(f"{name} holds NUL or broken characters")
    if len(text) > MAX_PAYLOAD or len(text.encode()) > MAX_PAYLOAD:
        limit = MAX_PAYLOAD // 1024
        raise BadPayloadError(f"{name} is larger than {limit} KB; store it and pass its name")
    if _nested(text) > MAX_NESTING:
        raise BadPayloadError(f"{name} is nested more than {MAX_NESTING} deep")
    return text


def _nested(text: str) -> int:
    """How deep; where there are few brackets, their number will do."""
    number = text.count("[") + text.count("{")
    if number <= MAX_NESTING:
        return number
    deep = deepest = 0
    for found in _TOKENS.finditer(text):
        deep += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        deepest = max(deepest, deep)
    return deepest


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_depth(line: tuple[str, str], depth: int, more: int) -> None:
    """Raises UsageError where a key would have too many unfinished jobs."""
    if depth + more <= MAX_DEPTH:
        return
    queue, key = line
    raise UsageError(
        f"the ordering key {key!r} of {queue} has {depth} unfinished jobs and takes {MAX_DEPTH} at"
        f" most; see what blocks it: `jobs list --queue {quote(queue)} --key {quote(key)}`"
    )
