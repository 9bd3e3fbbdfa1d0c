"""What the table of any registered stream holds, and what the simulator says that it must hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Protocol

from core.sync.model import Stream, Walk
from infra.ebay.streams.registry import STREAMS
from infra.postgres.page_statements import page_table
from infra.postgres.queries import split
from infra.simulator.server import Simulator

Key = tuple[str, ...]
BESIDE: Mapping[str, tuple[str, Key]] = {
    "orders": ("ebay.orders", ("order_id",)),
    "transactions": ("ebay.transactions", ("transaction_id", "transaction_type")),
    "payouts": ("ebay.payouts", ("payout_id",)),
}
"""Tables with children have SQL of their own."""
BY_NAME: Mapping[str, Stream] = {stream.name: stream for stream in STREAMS}


class Database(Protocol):
    def sql(self, text: str, /) -> Sequence[Sequence[Any]]: ...


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    key: Key
    ends: bool
    details: bool


@cache
def table_of(stream: str) -> Table:
    if stream in BESIDE:
        return Table(*BESIDE[stream], ends=False, details=False)
    source = (resources.files("infra.postgres") / "sql" / f"{stream}.sql").read_text()
    made = page_table(source, dict(split(source))["rows"])
    return Table(made.table, made.key, made.ends, made.details)


def stored(database: Database, account: str, stream: str, *, ended: bool = False) -> dict[Key, Any]:
    """What is there now, or has ended, by its key; rows with details as `{"summary", "detail"}`."""
    table = table_of(stream)
    shown = "jsonb_build_object('summary', raw, 'detail', detail)" if table.details else "raw"
    alive = f"AND (ended_at IS NOT NULL) = {ended}" if table.ends else ""
    rows = database.sql(
        f"SELECT {shown}, {', '.join(table.key)} FROM {table.name} WHERE account_id ="
        f" (SELECT id FROM ebay.accounts WHERE name = '{account}') {alive}"
    )
    return {tuple(map(str, row[1:])): row[0] for row in rows}


def there(simulator: Simulator, account: str, stream: str) -> dict[Key, Any]:
    """The same of a perfect reader's."""
    found = {key: row for key, (_, row) in simulator.truth(account, stream).items()}
    if table_of(stream).details and not all("summary" in row for row in found.values()):
        details = simulator.truth(account, f"{stream}.details")
        found = {key: {"summary": row, "detail": details[key][1]} for key, row in found.items()}
    return found


def equals_the_truth(database: Database, simulator: Simulator, stream: str) -> None:
    """Of every seller."""
    for account in simulator.world.accounts:
        assert stored(database, account.name, stream) == there(simulator, account.name, stream)


def lasting(stream: str, rows: Mapping[Key, Any]) -> dict[Key, Any]:
    """What follows a source that changes.

    Of rows that are read again by their keys those are the details; of others with details all that
    is listed: the details are asked for once.
    """
    if BY_NAME[stream].open_by_key:
        return {key: row["detail"] for key, row in rows.items()}
    if table_of(stream).details:
        return {key: (row["summary"], row["detail"] is None) for key, row in rows.items()}
    return dict(rows)


def is_snapshot(stream: str) -> bool:
    return BY_NAME[stream].walk is Walk.SNAPSHOT
