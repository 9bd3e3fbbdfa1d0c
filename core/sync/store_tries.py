"""A database that was cut off is asked again, for as long as the run has time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from core.context import RunContext
from core.errors import MaybeWrittenError, StoreUnavailableError
from core.retry import RetryPolicy

T = TypeVar("T")

TRIES = RetryPolicy(base=0.2, cap=2.0)
ATTEMPTS = 3
WORTH_TRYING_S = 0.2
SAVING = 0.6
"""The share of the run's margin in which units save and release; the rest is the run's own."""


def _nothing() -> None:
    return


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreTries:
    context: RunContext
    sleep: Callable[[float], None]

    def run(self, ask: Callable[[], T], unsure: Callable[[], None] = _nothing) -> T:
        """`ask` may have been done already when it is called again; then `unsure` is called.

        Raises what the last try raised. None begins when the time to save is over: a run that
        outlives its deadline is killed, which costs more than what is left undone.
        """
        for attempt in range(1, ATTEMPTS):
            try:
                return ask()
            except StoreUnavailableError as error:
                delay = TRIES.jittered(attempt, self.context.rng)
                if self._left() < delay + WORTH_TRYING_S:
                    raise
                if isinstance(error, MaybeWrittenError):
                    unsure()
                self.sleep(delay)
        return ask()

    def _left(self) -> float:
        return self.context.deadline.remaining_to(SAVING)
