"""Another try, or not: the time of the unit and of its run decides."""

from dataclasses import dataclass

from core.clock import Sleeper
from core.context import RunContext
from core.errors import OutOfTimeError, UpstreamUnavailableError
from core.retry import RetryPolicy

WORTH_TRYING_S = 0.5
TRIES = RetryPolicy(base=0.5, cap=8.0)


@dataclass(slots=True, kw_only=True)
class Tries:
    """The tries of one piece of work: full jitter between them, none that would pass `ends`."""

    context: RunContext
    sleep: Sleeper
    ends: float
    made: int = 0

    def after(self, error: UpstreamUnavailableError) -> None:
        """Wait for the next try, or raise what the last one raised.

        An eBay that is away must not look like a run without time: OutOfTimeError only where the
        run's deadline cut the only try short, or somebody asked to stop.
        """
        self.made += 1
        delay = TRIES.jittered(self.made, self.context.rng)
        stopping = self.context.stop_requested()
        if not stopping and self._ticks() + delay + WORTH_TRYING_S < self.ends:
            self.sleep(delay)
            return
        cut_short = self.made == 1 and not self.context.deadline.allows(0.001)
        if stopping or cut_short:
            raise OutOfTimeError("the run's time was used up") from error
        raise error

    def _ticks(self) -> float:
        return self.context.clock.monotonic()
