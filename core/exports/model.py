"""What is asked of an export, and what comes of it, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from core.exports.catalog import Table

Value = str | int | bool | Decimal | datetime | list[str] | UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """No accounts: all of them. `changed`: `since` counts from when a row changed here.

    `raw`: with what eBay answered.
    """

    table: Table
    accounts: tuple[str, ...] = ()
    since: datetime | None = None
    changed: bool = False
    raw: bool = False

    @property
    def since_column(self) -> str:
        return self.table.changed if self.changed else self.table.since


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows, in the order of their key. The last `documents` columns are JSON texts."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]
    documents: int = 0
