"""Storing one page: as it came, else cleaned, else row by row into tables and quarantine."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from core.errors import QuarantineLimitError, RejectedContentError
from core.ids import AccountId, RunId
from core.sync.model import Page, Stream
from infra.clean import clean_json_text, clean_row
from infra.postgres.queries import load

QUARANTINE_ROWS = 10
QUARANTINE_SHARE = 0.05


@dataclass(slots=True)
class Stored:
    inserted: int = 0
    updated: int = 0
    refused: list[tuple[str, RejectedContentError]] = field(default_factory=list)

    def add(self, other: "Stored") -> None:
        self.inserted += other.inserted
        self.updated += other.updated
        self.refused += other.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class PageWriter:
    """One page of one account into its stream's tables, on an open transaction.

    `again`: its rows were read by their keys.
    """

    connection: sa.Connection
    account_id: AccountId
    stream: Stream
    read_at: datetime
    again: bool = False

    def store(self, page: Page) -> Stored:
        """The page as it came, one statement. Raises RejectedContentError for its content."""
        return self._store_text(page.text) if page.rows else Stored()

    def store_carefully(self, page: Page) -> Stored:
        """The page cleaned as a whole, else halved down to the rows that cannot be stored."""
        try:
            with self.connection.begin_nested():
                return self._store_text(clean_json_text(page.text))
        except RejectedContentError:
            return self._halve([clean_row(row) for row in page.rows])

    def _halve(self, rows: Sequence[str]) -> Stored:
        try:
            with self.connection.begin_nested():
                return self._store_text(self._page_of(rows))
        except RejectedContentError as error:
            if len(rows) == 1:
                return Stored(refused=[(rows[0], error)])
        middle = len(rows) // 2
        stored = self._halve(rows[:middle])
        stored.add(self._halve(rows[middle:]))
        return stored

    def _page_of(self, rows: Sequence[str]) -> str:
        return f'{{"{self.stream.list_field}":[{",".join(rows)}]}}'

    def _store_text(self, text: str) -> Stored:
        values = {"page": text, "account_id": self.account_id, "read_at": self.read_at}
        name = "store_again" if self.again else "store"
        changed = self.connection.execute(load(self.stream.name)[name], values).one()
        return Stored(inserted=changed.inserted, updated=changed.updated)

    def quarantine(self, run_id: RunId, stored: Stored, rows: int) -> None:
        """Keep what could not be stored. Raises QuarantineLimitError when it is too much."""
        if not stored.refused:
            return
        refused = len(stored.refused)
        if refused > QUARANTINE_ROWS and refused > QUARANTINE_SHARE * rows:
            first = stored.refused[0][1]
            raise QuarantineLimitError(
                f"{refused} of {rows} rows of a page cannot be stored; the first: {first}"
            )
        self.connection.execute(
            load("sync")["quarantine"],
            {
                "account_id": self.account_id,
                "stream": self.stream.name,
                "run_id": run_id,
                "read_at": self.read_at,
                "rows": json.dumps([_refused(raw, error) for raw, error in stored.refused]),
            },
        )


def _refused(raw: str, error: RejectedContentError) -> dict[str, str]:
    return {"raw": raw, "reason": str(error), "sqlstate": error.sqlstate}
