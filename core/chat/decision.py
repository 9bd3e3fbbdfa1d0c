"""What a drain makes of a session, before it has claimed anything of it."""

from dataclasses import dataclass

from core.chat.model import Decision
from core.jobs.model import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """`status` and `due` of the active task; `input_len` of the one that is next to begin."""

    status: Status | None
    due: bool
    paused: bool
    input_len: int


def decide(facts: SessionFacts) -> Decision:
    """1. Nothing of it is taken. 2. Nothing is there. 3. Somebody is at it. 4. It asks, or is due
    later. 5. There is nothing to begin with. 6. It is to be started, and is when it was claimed.
    """
    if facts.paused:
        return Decision.PAUSED
    if facts.status is None:
        return Decision.EMPTY_QUEUE
    if facts.status is Status.PROCESSING and not facts.due:
        return Decision.KEY_BUSY
    if not facts.due:
        return Decision.WAITING
    if facts.status is Status.PENDING and facts.input_len == 0:
        return Decision.EMPTY_INPUT
    return Decision.STARTED
