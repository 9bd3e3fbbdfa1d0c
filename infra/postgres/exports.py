"""Rows of a table, a batch at a time, as they were at one instant."""

from collections.abc import Generator
from dataclasses import dataclass

import sqlalchemy as sa

from core.errors import UsageError
from core.exports.model import Batch, Request
from infra.postgres.queries import load
from infra.postgres.transaction import Database

# For one batch, the first of which may sort or sum up everything; all of them may take longer.
STATEMENT_MS = 10 * 60 * 1000
# Somebody may read the file as it comes, in a pager.
IDLE_MS = 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class PostgresExports:
    """The `RowStore` port."""

    database: Database

    def batches(self, request: Request) -> Generator[Batch]:
        with self.database.transaction(
            statement_timeout_ms=STATEMENT_MS, idle_timeout_ms=IDLE_MS, transaction_timeout_ms=0
        ) as connection:
            _declare(connection, request)
            yield _fetch(connection, request)
            while (batch := _fetch(connection, request)).rows:
                yield batch


def _declare(connection: sa.Connection, request: Request) -> None:
    known = connection.execute(load("exports")["accounts"]).scalars().all()
    unknown = [name for name in request.accounts if name not in known]
    if unknown:
        raise UsageError(f"there is no account {unknown[0]!r}; see `accounts list`")
    values = {
        "accounts": list(request.accounts or known),
        "since": request.since or "-infinity",
        "changed": request.changed,
        "raw": request.raw,
    }
    statement = load("exports")[request.table.name]
    wanted = statement.compile().params
    connection.execute(statement, {name: values[name] for name in wanted})


def _fetch(connection: sa.Connection, request: Request) -> Batch:
    table, raw = request.table, request.raw
    found = connection.execute(load("exports")["fetch_documents" if raw else "fetch"])
    columns = list(found.keys())
    end = len(columns) - (0 if raw else len(table.documents) + len(table.texts))
    return Batch(
        columns=columns[:end],
        rows=[row[:end] for row in found],
        documents=len(table.documents) if raw else 0,
    )
