"""The steps of a plan, as they are stored until somebody approves them.

What comes back may have been written by another release: it is read as if a stranger had sent it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from core.errors import UsageError
from core.ids import AccountId
from core.jobs.model import JobId

VERSION = 1
MOST_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWorker:
    worker: str
    accounts: tuple[str, ...] = ()
    streams: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchAccount:
    account_id: AccountId
    account: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchStreams:
    """`streams`: those that were not so when it was planned."""

    account_id: AccountId
    account: str
    streams: tuple[str, ...]
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchWorker:
    worker: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchQueue:
    queue: str
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RewindStream:
    """`latest`: the id of the stream's latest rewind when it was planned, 0 for none."""

    account_id: AccountId
    account: str
    stream: str
    to: datetime
    latest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoRewind:
    """`latest`: the id of the rewind that is undone."""

    account_id: AccountId
    account: str
    stream: str
    latest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJob:
    job: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryDead:
    """The oldest `most` of those that had died by `until`."""

    until: datetime
    most: int


Switch = SwitchAccount | SwitchStreams | SwitchWorker | SwitchQueue
Reading = RunWorker | RewindStream | UndoRewind
Retrying = RetryJob | RetryDead
Step = Switch | Reading | Retrying
STEPS: Mapping[str, Callable[..., Step]] = {
    each.__name__: each
    for each in (
        RunWorker, SwitchAccount, SwitchStreams, SwitchWorker, SwitchQueue, RewindStream,
        UndoRewind, RetryJob, RetryDead,
    )
}  # fmt: skip


def written(steps: Sequence[Step]) -> Mapping[str, object]:
    return {"version": VERSION, "steps": [_written(step) for step in steps]}


def _written(step: Step) -> Mapping[str, object]:
    return {"step": type(step).__name__} | {
        name: _plain(value) for name, value in asdict(step).items()
    }


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case UUID():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


def read(plan: Mapping[str, Any]) -> Sequence[Step]:
    """Raises UsageError."""
    steps = plan.get("steps")
    whole = isinstance(steps, list) and 0 < len(steps) <= MOST_STEPS
    if plan.get("version") != VERSION or not whole:
        raise _unreadable("it was written by another release")
    assert isinstance(steps, list)
    return [_read(step) for step in steps]


def _unreadable(why: str) -> UsageError:
    return UsageError(
        f"the approved plan cannot be read ({why}), so nothing was changed; type the command again"
    )


def _read(given: object) -> Step:
    name = given.get("step") if isinstance(given, Mapping) else None
    made = STEPS.get(name) if isinstance(name, str) else None
    if made is None or not isinstance(given, Mapping):
        raise _unreadable("it has a step that is not known here")
    try:
        return made(**{each: _value(each, given[each]) for each in given if each != "step"})
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(f"its step {name} has a wrong field") from error


def _value(name: str, value: object) -> object:
    return READERS[name](value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_text(each) for each in value)


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _instant(value: object) -> datetime:
    at = datetime.fromisoformat(_text(value))
    if at.tzinfo is None:
        raise ValueError
    return at


READERS: Mapping[str, Callable[[object], object]] = {
    "worker": _text,
    "accounts": _texts,
    "streams": _texts,
    "account_id": _number,
    "account": _text,
    "enabled": _flag,
    "queue": _text,
    "stream": _text,
    "to": _instant,
    "until": _instant,
    "job": lambda value: JobId(UUID(_text(value))),
    "latest": _number,
    "most": _number,
}
