"""pgqueuer as its documentation shows it: asyncpg, uvloop, one worker that drains."""

import sys
from datetime import timedelta

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.types import QueueExecutionMode
from pgqueuer.models import Job
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries

from tests.benchmarks.children.stopwatch import told

AT_ONCE = 1000


async def enqueue(driver: Driver, count: int) -> None:
    queries = Queries(driver)
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        payloads = [b'{"n": %d}' % number for number in numbers]
        await queries.enqueue(["nothing"] * len(payloads), payloads, [0] * len(payloads))


async def nothing(job: Job) -> None:
    pass


async def drain(driver: Driver, batch: int) -> None:
    worker = PgQueuer(driver)

    worker.entrypoint("nothing")(nothing)
    await worker.qm.run(
        dequeue_timeout=timedelta(seconds=0.1),
        batch_size=batch,
        mode=QueueExecutionMode.drain,
        # Otherwise it folds its log into statistics meanwhile.
        log_aggregation_interval=timedelta(0),
    )


async def perform(socket_dir: str, database: str, what: str, number: int) -> None:
    connection = await asyncpg.connect(host=socket_dir, user="postgres", database=database)
    driver = AsyncpgDriver(connection)
    if what == "install":
        await Queries(driver).install()
    elif what == "enqueue":
        await enqueue(driver, number)
    else:
        await drain(driver, number)
    await connection.close()


def main(socket_dir: str, database: str, what: str, number: str) -> None:
    with told():
        uvloop.run(perform(socket_dir, database, what, int(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
