"""What one run carries with it."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from core.clock import Clock
from core.deadline import Deadline
from core.events import Log
from core.ids import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """`stop_requested` turns true on Ctrl-C or SIGTERM; `lease_lost` when another run took over."""

    run_id: RunId
    worker: str
    clock: Clock
    deadline: Deadline
    rng: Random
    log: Log
    stop_requested: Callable[[], bool]
