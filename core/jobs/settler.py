"""Writing down what became of jobs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.clock import Sleeper
from core.context import RunContext
from core.errors import StoreUnavailableError
from core.jobs.kinds import JobKind
from core.jobs.model import Settling
from core.jobs.ports import Ended, JobStore, Settled
from core.jobs.trying import raised
from core.retry import RetryPolicy

T = TypeVar("T")
Settlement = list[tuple[Settled, Ended]]

TRIES = RetryPolicy(base=0.2, cap=1.0)
ATTEMPTS, WITHIN_S = 5, 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settler:
    """One job that cannot be written as it ended does not take the others with it.

    Raises StoreUnavailableError, after some tries: an effect outside that nobody noted is made a
    second time.
    """

    jobs: JobStore
    kinds: Mapping[str, JobKind]
    run: RunContext
    sleep: Sleeper

    def settle(self, done: Sequence[Settled]) -> Settlement:
        plain: list[Settled] = []
        alone: list[Settled] = []
        for each in done:
            (alone if _has_effect(each) else plain).append(each)
        ended = self._together(plain) if plain else []
        return [*ended, *map(self._alone, alone)]

    def _together(self, plain: Sequence[Settled]) -> Settlement:
        try:
            ended = self._tried(lambda: self.jobs.settle(self.run.run_id, plain))
        except StoreUnavailableError:
            raise
        except Exception:
            if len(plain) == 1:
                raise
            return [self._alone(each) for each in plain]
        return list(zip(plain, ended, strict=True))

    def _alone(self, each: Settled) -> tuple[Settled, Ended]:
        try:
            return each, self._write(each)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  (a task's: of its effect, or of what it left)
            kind = self.kinds[each.job.kind]
            instead = raised(each.job, kind, error, self.run, self.run.run_id)
            return instead, self._write(instead)

    def _write(self, each: Settled) -> Ended:
        effect = each.verdict.effect if isinstance(each.verdict, Settling) else None
        if effect is None:
            return self._tried(lambda: self.jobs.settle(self.run.run_id, [each])[0])
        return self._tried(lambda: self.jobs.settle_with(self.run.run_id, each, effect))

    def _tried(self, write: Callable[[], T]) -> T:
        ends = self.run.clock.monotonic() + WITHIN_S
        attempt = 1
        while True:
            try:
                return write()
            except StoreUnavailableError:
                delay = TRIES.jittered(attempt, self.run.rng)
                if attempt == ATTEMPTS or self.run.clock.monotonic() + delay > ends:
                    raise
                self.sleep(delay)
                attempt += 1


def _has_effect(each: Settled) -> bool:
    return isinstance(each.verdict, Settling) and each.verdict.effect is not None
