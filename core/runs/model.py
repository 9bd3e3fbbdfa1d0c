"""One call of one worker, and how it may begin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from core.ids import Fence, RunId
from core.report import Holder, Trigger

TRIP_AFTER = 10
"""Our own faults in a row that stop a worker."""
PROBE_EVERY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What is asked of a worker.

    `exclusive`: take the worker's lease; runs of named units leave it to the units' own. `whole`:
    it does the worker's whole work, beside others that do; a lease says so by itself. `keyed`: the
    delivery id is the caller's `Idempotency-Key`, which must not come with another request.
    `take_over`: end the run that holds the worker, and those of named units that hold some.
    """

    worker: str
    trigger: Trigger
    parameters: Mapping[str, object] = field(default_factory=dict)
    request_hash: str = ""
    exclusive: bool = True
    whole: bool = False
    keyed: bool = False
    take_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The run row stands and, for an exclusive run, the lease is held under `fence`.

    `began_at` is the database's clock. `abandoned`: runs found dead on the way.
    """

    run_id: RunId
    began_at: datetime
    fence: Fence | None
    abandoned: tuple[RunId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """This delivery was worked before; its report, as it was stored."""

    report: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """`just`: the dead runs found at this very call, `abandoned`, were the ones too many."""

    at: datetime
    just: bool = False
    abandoned: tuple[RunId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    at: datetime
    holder: Holder


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReused:
    """The same `Idempotency-Key` came with another request."""


Beginning = Begun | Replayed | Paused | Tripped | Busy | KeyReused


class Conduct(StrEnum):
    """What a run tells about our own code: FAULT counts, SOUND resets, SILENT does neither."""

    FAULT = "fault"
    SOUND = "sound"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """`lost`: another run took over before the report was written, which it was not."""

    lost: bool
    tripped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerState:
    """A worker as `workers list` shows it."""

    worker: str
    enabled: bool
    interval: timedelta
    status: str
    last_heartbeat_at: datetime | None
    outcome: str | None
    reason: str | None
    finished_at: datetime | None
    due: bool
