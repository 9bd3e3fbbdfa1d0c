"""dbos as its documentation shows it: a queue of its own, workflows of one worker side by side.

It has neither a call for many jobs nor one for "until empty": jobs are enqueued by the thousand in
a transaction of ours, and the queue is asked every 5 ms whether anything is left.
"""

import sys
import time
from urllib.parse import quote

import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig

from tests.benchmarks.children.stopwatch import told

AT_ONCE = 1000
LEFT = "SELECT FROM dbos.workflow_status WHERE status IN ('ENQUEUED', 'PENDING') LIMIT 1"
ASKED_EVERY_S = 0.005


def launched(address: str, connections: int) -> None:
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": address,
        "sys_db_pool_size": connections,
        "application_version": "1",
        "executor_id": "bench",
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()


def enqueue(address: str, count: int) -> None:
    client = DBOSClient(system_database_url=address)
    engine = sa.create_engine(address)
    for first in range(0, count, AT_ONCE):
        with engine.begin() as connection:
            for number in range(first, min(first + AT_ONCE, count)):
                client.enqueue_in_transaction(
                    connection,
                    {"queue_name": "bench", "workflow_name": "nothing", "app_version": "1"},
                    number,
                )
    client.destroy()
    engine.dispose()


def nothing(n: int) -> None:
    pass


def drain(address: str, concurrency: int, connections: int) -> None:
    DBOS.workflow(name="nothing")(nothing)
    launched(address, connections)
    DBOS.register_queue("bench", worker_concurrency=concurrency, polling_interval_sec=0.01)
    engine = sa.create_engine(address)
    with engine.connect() as connection:
        while connection.execute(sa.text(LEFT)).first() is not None:
            connection.rollback()
            time.sleep(ASKED_EVERY_S)
    engine.dispose()


def main(socket_dir: str, database: str, connections: str, what: str, number: str) -> None:
    host = quote(socket_dir, safe="")
    address = f"postgresql+psycopg://postgres@/{database}?host={host}"
    with told():
        if what == "install":
            launched(address, int(connections))
            DBOS.register_queue("bench", worker_concurrency=100, polling_interval_sec=0.01)
        elif what == "enqueue":
            enqueue(address, int(number))
        else:
            drain(address, int(number), int(connections))
    if what != "enqueue":
        DBOS.destroy()


if __name__ == "__main__":
    main(*sys.argv[1:])
