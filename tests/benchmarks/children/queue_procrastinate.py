"""procrastinate as its documentation shows it: psycopg's pool, coroutines side by side, one worker
that ends when it has caught up.
"""

import asyncio
import sys

from procrastinate import App, PsycopgConnector

from tests.benchmarks.children.stopwatch import told

AT_ONCE = 1000


async def nothing(n: int) -> None:
    pass


def app_at(socket_dir: str, database: str, connections: int) -> App:
    address = f"host={socket_dir} user=postgres dbname={database}"
    connector = PsycopgConnector(conninfo=address, min_size=connections, max_size=connections)
    app = App(connector=connector)
    app.task(name="nothing")(nothing)
    return app


async def enqueue(app: App, count: int) -> None:
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        await app.tasks["nothing"].batch_defer_async(*({"n": number} for number in numbers))


async def perform(app: App, what: str, number: int) -> None:
    async with app.open_async():
        if what == "install":
            await app.schema_manager.apply_schema_async()
        elif what == "enqueue":
            await enqueue(app, number)
        else:
            await app.run_worker_async(
                wait=False, concurrency=number, listen_notify=False, install_signal_handlers=False
            )


def main(socket_dir: str, database: str, connections: str, what: str, number: str) -> None:
    with told():
        asyncio.run(perform(app_at(socket_dir, database, int(connections)), what, int(number)))


if __name__ == "__main__":
    main(*sys.argv[1:])
