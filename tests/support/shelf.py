"""One taken unit on a real database, to store pages with."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from core.ids import RunId
from core.sync.model import Page, Unit
from core.sync.ports import Progress, Saved
from infra.ebay.streams.registry import STREAMS
from infra.postgres.sync import PostgresSync
from infra.postgres.transaction import Database

OURS = {"account_id", "content_hash", "first_seen_at", "updated_at", "erased_at"}
READ_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Shelf:
    """Account `shop` with one stream; `unit` is leased to `run_id`."""

    def __init__(self, database: Database, stream: str, *, account: str = "shop") -> None:
        self.database = database
        self.stream = stream
        self.store = PostgresSync(
            database=database,
            streams={each.name: each for each in STREAMS},
            lease=timedelta(seconds=60),
        )
        self.run_id = self.start_run()
        self._prepare(account)
        [self.unit] = [
            unit
            for unit in self.store.take_due(self.run_id, datetime.now(UTC), 99)
            if unit.account.name == account
        ]

    def save(
        self,
        *rows: Any,
        read_at: datetime = READ_AT,
        progress: Progress | None = None,
        unit: Unit | None = None,
    ) -> Saved:
        return self.save_text([json.dumps(row) for row in rows], read_at, progress, unit)

    def save_text(
        self,
        rows: Sequence[str],
        read_at: datetime = READ_AT,
        progress: Progress | None = None,
        unit: Unit | None = None,
    ) -> Saved:
        """Rows exactly as written."""
        return self.store.save_page(
            self.run_id,
            "ebay-cycle",
            unit or self.unit,
            page_of_text(self.stream, rows),
            read_at=read_at,
            progress=progress,
        )

    def sql(self, statement: str, **values: Any) -> Sequence[Any]:
        with self.database.transaction() as connection:
            return connection.execute(sa.text(statement), values).all()

    def one(self, statement: str, **values: Any) -> dict[str, Any]:
        [row] = self.sql(statement, **values)
        return dict(row._mapping)

    def fields(self, table: str) -> dict[str, Any]:
        """The columns of its only row that are read from eBay's answer, `raw` among them."""
        row = self.one(f"SELECT * FROM {table}")
        return {name: value for name, value in row.items() if name not in OURS}

    def column(self, statement: str) -> list[Any]:
        return [row[0] for row in self.sql(statement)]

    def start_run(self) -> RunId:
        run_id = RunId(uuid4())
        self.sql(
            "INSERT INTO ops.runs (id, worker, status, via, request_hash, started_at, expires_at)"
            " VALUES (:id, 'ebay-cycle', 'running', 'cli', '', clock_timestamp(),"
            " clock_timestamp() + interval '1 hour') RETURNING 1",
            id=run_id,
        )
        return run_id

    def _prepare(self, account: str) -> None:
        self.sql(
            "WITH account AS (INSERT INTO ebay.accounts (name, environment)"
            " VALUES (:name, 'simulator') RETURNING id)"
            " INSERT INTO ebay.sync_states (account_id, stream, interval_s, due_at)"
            " SELECT id, :stream, 300, clock_timestamp() - interval '1 day' FROM account"
            " RETURNING 1",
            name=account,
            stream=self.stream,
        )


def page_of_text(stream: str, rows: Sequence[str]) -> Page:
    [field] = [each.list_field for each in STREAMS if each.name == stream]
    return Page(
        text=f'{{"total":{len(rows)},"{field}":[{",".join(rows)}]}}',
        rows=tuple(row.encode("utf-8", "surrogatepass") for row in rows),
        total=len(rows),
        next_offset=None,
    )
