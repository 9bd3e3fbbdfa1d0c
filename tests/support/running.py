"""What a run carries with it, at an instant that a test chooses."""

from datetime import datetime
from random import Random
from uuid import uuid4

from core.context import RunContext
from core.deadline import Deadline
from core.events import Log
from core.ids import RunId
from tests.support.log import ListLog
from tests.support.moments import Moments


def a_context(
    at: datetime,
    *,
    seconds: float | None = None,
    log: Log | None = None,
    worker: str = "queue-drain",
) -> RunContext:
    moments = Moments(at)
    return RunContext(
        run_id=RunId(uuid4()),
        started_at=at,
        worker=worker,
        clock=moments,
        deadline=Deadline.after(seconds, moments.monotonic),
        rng=Random(1),
        log=log or ListLog(),
        stop_requested=lambda: False,
        renew=lambda: True,
        renew_every_s=20,
        observe=lambda _: None,
    )
