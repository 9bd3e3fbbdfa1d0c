"""Doing what was approved: looked at anew, step by step, taken back where a step fails."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

from core.chat.assistant_ready import Done, Ready
from core.chat.assistant_rereading import Rereading
from core.chat.assistant_retrying import RetryJobs
from core.chat.assistant_steps import (
    RetryDead,
    RetryJob,
    RewindStream,
    RunWorker,
    Step,
    SwitchAccount,
    SwitchQueue,
    SwitchStreams,
    SwitchWorker,
    UndoRewind,
    read,
)
from core.chat.assistant_switching import Switching
from core.chat.assistant_words import cut
from core.chat.model import Answer, Reply, RolledBack, Turn
from core.errors import AppError, StoreUnavailableError, UsageError
from core.jobs.model import Transaction


@dataclass(slots=True)
class _Work:
    """`begun`: steps of which something may have been done."""

    ready: list[Ready] = field(default_factory=list)
    begun: list[Ready] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)
    at: str = ""

    def do(self, step: Ready) -> None:
        self.at = step.what
        self.begun.append(step)
        did = step.do()
        self.done.append(did)
        if not did.changed:
            self.begun.pop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Doing:
    switching: Switching
    rereading: Rereading
    retrying: RetryJobs

    def perform(self, turn: Turn) -> Answer:
        """1. Every step is looked at. 2. Each is done. 3. Or all that was done is taken back.

        Where the database did not answer it is all tried once more before 3. Raises UsageError
        where something could not be taken back.
        """
        assert turn.plan is not None
        steps, work = read(turn.plan), _Work()
        try:
            self._do(steps, work, again=turn.again)
        except StoreUnavailableError as error:
            if not turn.again:
                raise
            return _not_done(work, error, again=True)
        except AppError as error:
            return _not_done(work, error, again=turn.again)
        except Exception:
            _take_back(work, again=turn.again)
            raise
        return _reply(work.done)

    def _do(self, steps: Sequence[Step], work: _Work, *, again: bool) -> None:
        for step in steps:
            work.ready.append(self._ready(step, again=again))
        for each in work.ready:
            work.do(each)

    def _ready(self, step: Step, *, again: bool) -> Ready:
        match step:
            case SwitchAccount() | SwitchStreams() | SwitchWorker() | SwitchQueue():
                return self.switching.ready(step)
            case RunWorker() | RewindStream() | UndoRewind():
                return self.rereading.ready(step)
            case RetryJob() | RetryDead():
                return self.retrying.ready(step, again=again)
            case _:
                assert_never(step)


def _not_done(work: _Work, error: AppError, *, again: bool) -> RolledBack:
    taken, stuck = _take_back(work, again=again)
    told = [f"Not done: {work.at}{': ' if work.at else ''}{_sentence(error)}"]
    if stuck:
        told += [*taken, "This could not be taken back:", *stuck, "/status shows how it is."]
        raise UsageError(cut("\n".join(told))) from error
    told += ["Taken back:", *taken] if taken else ["Nothing was changed."]
    return RolledBack(text=cut("\n".join(told)))


def _take_back(work: _Work, *, again: bool) -> tuple[list[str], list[str]]:
    """The last step first: what was taken back, and what could not be.

    Of an earlier try that came to no end any step may have been done.
    """
    taken, stuck = [], []
    for each in reversed(work.ready if again else work.begun):
        try:
            told = each.take_back()
        except AppError as error:
            stuck.append(f"{each.what}: {_sentence(error)}")
        else:
            taken += [told] if told else []
    return taken, stuck


def _reply(done: Sequence[Done]) -> Reply:
    effects = [each.effect for each in done if each.effect is not None]

    def effect(transaction: Transaction) -> None:
        for each in effects:
            each(transaction)

    return Reply(
        text=cut("\n".join(each.text for each in done)),
        result={"changed": sum(each.changed for each in done)},
        effect=effect if effects else None,
        then=tuple(job for each in done for job in each.then),
    )


def _sentence(error: AppError) -> str:
    if isinstance(error, StoreUnavailableError):
        return "the database did not answer, or another run held what was to be changed"
    return str(error)
