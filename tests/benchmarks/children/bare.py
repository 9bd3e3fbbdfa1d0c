"""The same statement, page by page, and nothing else: the floor under a worker.

It lacks what makes a worker: leases and fences, a cursor, retries, time and size limits, a check of
what came, quarantine, a record of the run. It pages a list at rest from the first page up.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx
import sqlalchemy as sa

from infra.postgres.queries import load
from tests.benchmarks.children.reader import pages


def ahead(bodies: Iterator[bytes]) -> Iterator[bytes]:
    """The same, the next one asked for while this one is in use."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, bodies, None)
        while (body := coming.result()) is not None:
            coming = thread.submit(next, bodies, None)
            yield body


def engine_of(socket_dir: str, database: str) -> sa.Engine:
    """A usual one: neither the engine nor the dialect of the product."""
    place = {"unix_sock": f"{socket_dir}/.s.PGSQL.5432", "ssl_context": False}
    return sa.create_engine(
        sa.URL.create("postgresql+pg8000", username="postgres", database=database),
        connect_args=place,
    )


def main(api_url: str, token: str, window: str, socket_dir: str, database: str, how: str) -> None:
    statement = load("orders")["store"]
    engine = engine_of(socket_dir, database)
    with httpx.Client(trust_env=False) as client, engine.connect() as connection:
        bodies = pages(client, api_url, token, window)
        for body in ahead(bodies) if how == "prefetch" else bodies:
            values = {"page": body.decode(), "account_id": 1, "read_at": datetime.now(UTC)}
            connection.execute(statement, values)
            connection.commit()


if __name__ == "__main__":
    main(*sys.argv[1:])
