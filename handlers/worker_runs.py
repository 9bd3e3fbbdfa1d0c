"""Runs of workers that a job asks for: as every run, in a database session of their own."""

import time
from collections.abc import Callable, Mapping

from core.deadline import Deadline
from core.events import Log
from core.jobs.asked_run import AskedRun, RunOnce
from core.report import RunReport, Trigger
from core.runs.model import RunRequest
from core.runs.protocol import ANSWERING, RunProtocol, Work
from handlers.opening import Opened, opened
from handlers.parameters import Parameters
from infra.settings import Settings

MARGIN_S = 3.0
VIA = "job"


def worker_runs(
    settings: Settings,
    log: Log,
    workers: Mapping[str, Callable[[Opened, Parameters], Work]],
    protocol: Callable[[Opened], RunProtocol],
) -> RunOnce:
    """`workers` and `protocol` are handed in: the composition root builds the drain with this."""

    def once(asked: AskedRun) -> RunReport:
        margin = min(MARGIN_S, asked.limit_s / 5)
        deadline = Deadline.after(asked.limit_s - margin, time.monotonic, margin)
        parameters = Parameters(accounts=asked.accounts, streams=asked.streams)
        with opened(settings, log, time_left=lambda: deadline.remaining_to(ANSWERING)) as ready:
            work = workers[asked.worker](ready, parameters)
            return protocol(ready).run_once(_request(asked, parameters), deadline, work)

    return once


def _request(asked: AskedRun, parameters: Parameters) -> RunRequest:
    return RunRequest(
        worker=asked.worker,
        trigger=Trigger(via=VIA, delivery_id=asked.cause),
        parameters=parameters.as_json(),
        request_hash=parameters.fingerprint(),
        exclusive=not parameters.named,
    )
