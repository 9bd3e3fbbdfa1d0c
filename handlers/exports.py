"""Wiring of exports: the rows come from PostgreSQL, the process says when to stop."""

from collections.abc import Callable

from core.exports.worker import ExportTable
from handlers.opening import STOP, Opened
from infra.postgres.exports import PostgresExports


def export_table(ready: Opened, observe: Callable[[int], None]) -> ExportTable:
    store = PostgresExports(ready.database)
    return ExportTable(store=store, stopping=STOP.is_set, observe=observe)
