"""What one run carries with it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random

from core.clock import Clock
from core.deadline import Deadline
from core.events import Log
from core.ids import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One page stored: how far a unit is. `total` is None where eBay does not say."""

    account: str
    stream: str
    fetched: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """`stop_requested` turns true on Ctrl-C or SIGTERM.

    `renew` prolongs the run's lease and row; False: another run took over, start nothing more.
    `renew_every_s`: how often it must be called, in seconds. `started_at` is the database's.
    """

    run_id: RunId
    started_at: datetime
    worker: str
    clock: Clock
    deadline: Deadline
    rng: Random
    log: Log
    stop_requested: Callable[[], bool]
    renew: Callable[[], bool]
    renew_every_s: float
    observe: Callable[[Observation], None]
