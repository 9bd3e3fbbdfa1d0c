"""The composition root: which adapter is plugged into which port."""

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

from core.context import Observation
from core.events import Log
from core.report import RunReport
from core.runs.model import WorkerState
from core.runs.ports import Pings
from core.runs.protocol import RunProtocol, Work
from core.secret import Secret
from handlers import draining
from handlers.draining import QUEUE_DRAIN
from handlers.opening import STOP, Opened, WallClock, sleep
from handlers.parameters import Parameters
from handlers.worker_runs import worker_runs
from infra.postgres.history import PostgresHistory
from infra.postgres.runs import PostgresRuns
from infra.postgres.url import DatabaseUrl
from infra.settings import Settings

EBAY_CYCLE, TOKEN_REFRESH = "ebay-cycle", "token-refresh"


def run_protocol(
    ready: Opened, observe: Callable[[Observation], None] | None = None
) -> RunProtocol:
    lease = timedelta(seconds=ready.settings.lease_s)
    return RunProtocol(
        store=PostgresRuns(ready.database, lease),
        pings=pings(ready.settings, ready.log),
        new_id=uuid.uuid4,  # noqa: TID251  (the one id source)
        ticks=time.monotonic,
        wall=WallClock().now,
        sleep=sleep,
        rng=Random(),  # noqa: S311  (jitter)
        log=ready.log,
        lease=lease,
        stop_requested=STOP.is_set,
        observe=observe or _unobserved,
    )


def _unobserved(_: Observation) -> None:
    return


def pings(settings: Settings, log: Log) -> Pings:
    given = {
        EBAY_CYCLE: settings.heartbeat_url_ebay_cycle,
        TOKEN_REFRESH: settings.heartbeat_url_token_refresh,
        QUEUE_DRAIN: settings.heartbeat_url_queue_drain,
    }
    urls = {
        worker: Secret(url.get_secret_value()) for worker, url in given.items() if url is not None
    }
    if not urls:
        return _NoPings()
    from infra.dead_man import DeadManPings

    return DeadManPings(urls, log)


class _NoPings:
    def ping(self, worker: str, report: RunReport) -> None:
        """Nobody is to be told."""


def ebay_cycle(ready: Opened, parameters: Parameters) -> Work:
    from handlers.selling import ebay_cycle as work

    return work(ready, parameters)


def token_refresh(ready: Opened, parameters: Parameters) -> Work:
    from handlers.selling import token_refresh as work

    return work(ready, parameters)


def queue_drain(ready: Opened, parameters: Parameters) -> Work:
    """The work of `queue-drain`; a job of it may run any other of these workers."""
    runs = worker_runs(ready.settings, ready.log, WORKERS, run_protocol)
    return draining.queue_drain(ready, parameters, runs)


WORKERS: Mapping[str, Callable[[Opened, Parameters], Work]] = {
    EBAY_CYCLE: ebay_cycle,
    TOKEN_REFRESH: token_refresh,
    QUEUE_DRAIN: queue_drain,
}
SHARED = frozenset({QUEUE_DRAIN})
"""Workers whose runs share the work: as many at once as there are calls."""


def embedded_psql() -> Path:
    from infra.postgres.psql import embedded_psql as find

    return find()


def psql_environment(url: DatabaseUrl) -> Mapping[str, str]:
    from infra.postgres.psql import environment_of

    return environment_of(url)


def worker_states(ready: Opened) -> Sequence[WorkerState]:
    return PostgresHistory(ready.database).workers()


def switch_worker(ready: Opened, worker: str, *, enabled: bool) -> None:
    PostgresHistory(ready.database).switch(worker, enabled=enabled)


def run_history(ready: Opened) -> PostgresHistory:
    return PostgresHistory(ready.database)
