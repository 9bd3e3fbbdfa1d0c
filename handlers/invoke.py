"""One worker, once, never in silence: whatever happens is a report, a log line, an answer."""

import gc
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from core.context import Observation
from core.deadline import Deadline
from core.errors import UsageError
from core.ids import RunId
from core.report import Reason, RunReport, Trigger
from core.runs.model import RunRequest
from core.runs.protocol import ANSWERING, KeyReusedError, unreached
from handlers import opening, wiring
from handlers.parameters import Parameters
from infra.settings import Settings

MARGIN_S, LONG_MARGIN_S = 3.0, 15.0
LONG_S = 60.0
VERBOSE = {"log_level": "debug"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who asks for what. `limit_s`: when the caller stops listening, None: never."""

    worker: str
    trigger: Trigger
    parameters: Parameters = field(default_factory=Parameters)
    limit_s: float | None = None
    keyed: bool = False
    verbose: bool = False


def run_once(
    call: Call,
    *,
    settings: Settings | None = None,
    announce: Callable[[str], None] | None = None,
    observe: Callable[[Observation], None] | None = None,
) -> RunReport:
    """Run the worker and report. Raises UsageError for what cannot be meant, KeyReusedError.

    A missing setting or database is a report as well, and so is a mistake of ours.
    """
    call.parameters.check(opening.WallClock().now())
    began = time.monotonic()
    limit, margin = _time(call)
    deadline = Deadline.after(limit, time.monotonic, margin)
    try:
        settings = settings or opening.load_settings(VERBOSE if call.verbose else None)
        log = opening.log_for(settings)
        with opening.opened(
            settings,
            log,
            announce=announce,
            time_left=lambda: deadline.remaining_to(ANSWERING),
        ) as ready:
            work = wiring.WORKERS[call.worker](ready, call.parameters)
            protocol = wiring.run_protocol(ready, observe)
            _keep_modules()
            return protocol.run_once(request_of(call), deadline, work)
    except (UsageError, KeyReusedError):
        raise
    except Exception as error:  # noqa: BLE001  (never in silence: it becomes a report)
        return _unreached(settings, call, error, began)


@cache
def _keep_modules() -> None:
    """They are never garbage: else each full collection, 40 ms, looks through all of them.

    Once in a process: what is garbage at that moment stays as well.
    """
    gc.freeze()


def request_of(call: Call) -> RunRequest:
    """Runs of named units, and dry ones, leave the worker's lease to others; drains have none."""
    whole = not call.parameters.named and not call.parameters.dry_run
    return RunRequest(
        worker=call.worker,
        trigger=call.trigger,
        parameters=call.parameters.as_json(),
        request_hash=call.parameters.fingerprint(),
        exclusive=whole and call.worker not in wiring.SHARED,
        whole=whole,
        keyed=call.keyed,
        take_over=call.parameters.take_over,
    )


def _time(call: Call) -> tuple[float | None, float]:
    """The nearer of both limits, less a margin to save, release and answer; and that margin."""
    limits = [limit for limit in (call.limit_s, call.parameters.deadline_s) if limit is not None]
    if not limits:
        return None, MARGIN_S
    limit = min(limits)
    margin = LONG_MARGIN_S if limit > LONG_S else min(MARGIN_S, limit / 5)
    return limit - margin, margin


def _unreached(settings: Settings | None, call: Call, error: Exception, began: float) -> RunReport:
    log = opening.log_for(settings)
    run_id = RunId(uuid.uuid4())  # noqa: TID251  (no run row, so nothing else names this failure)
    took = time.monotonic() - began
    report = unreached(run_id, request_of(call), error, opening.WallClock().now(), took)
    tell = log.exception if report.reason is Reason.BUG else log.error
    tell(
        "run.failed",
        run_id=str(run_id),
        worker=call.worker,
        outcome=report.outcome,
        reason=report.reason,
        detail=report.detail,
    )
    if settings is not None:
        wiring.pings(settings, log).ping(call.worker, report)
    return report
