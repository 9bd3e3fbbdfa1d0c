"""The words of a task's status: ours, and those of the task API that it replaces."""

from collections.abc import Iterable, Mapping

from core.errors import UsageError

STATUSES = (
    "draft", "pending", "processing", "waiting", "completed", "failed", "dead", "cancelled",
)  # fmt: skip
REPLACED: Mapping[str, str] = {
    "created": "draft",
    "queued": "pending",
    "retry": "pending",
    "running": "processing",
}


def read_statuses(asked: Iterable[str]) -> tuple[str, ...]:
    """Either's words, in ours, each once. Raises UsageError for a word of neither."""
    return tuple(dict.fromkeys(_read(each.strip().lower()) for each in asked))


def _read(word: str) -> str:
    found = REPLACED.get(word, word)
    if found not in STATUSES:
        old = ", ".join(f"{their} = {ours}" for their, ours in REPLACED.items())
        raise UsageError(f"there is no such status; there are {', '.join(STATUSES)} ({old})")
    return found
