"""Everything of the old connector's database that moves over, read in one transaction."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from core.errors import AppError, ConfigurationError, StoreUnavailableError, UsageError
from core.moving.model import OldAccount, OldConnector, OldState, OldToken
from core.secret import Secret
from infra.old_connector.cipher import PREFIX
from infra.postgres.engine import make_engine
from infra.postgres.queries import statements
from infra.postgres.transaction import Database
from infra.postgres.url import DatabaseUrl, parse

DEMANDED = ("ebay_accounts", "ebay_tokens", "ebay_sync_state")
LONGEST_MS = 60_000
Rows = Sequence[Any]


@dataclass(frozen=True, slots=True)
class PostgresOldConnector:
    """The `OldDatabase` port. `url` is the database's whole address, with its password."""

    url: Secret

    @property
    def place(self) -> str:
        """For people."""
        return _address(self.url).safe()

    def read(self) -> OldConnector:
        """Raises UsageError where it is another database, and what connecting raises."""
        try:
            return self._read(_address(self.url))
        except (ConfigurationError, StoreUnavailableError) as error:
            raise _of_the_old_one(error) from error

    def _read(self, url: DatabaseUrl) -> OldConnector:
        database = Database(make_engine(url, pool_size=1, application_name="cronshot import"))
        try:
            with database.reading(statement_timeout_ms=LONGEST_MS) as connection:
                return _Reader(connection).all()
        finally:
            database.dispose()


def _address(url: Secret) -> DatabaseUrl:
    try:
        return parse(url.reveal())
    except ConfigurationError as error:
        raise _of_the_old_one(error) from error


def _of_the_old_one(error: AppError) -> AppError:
    return type(error)(f"--from: {str(error).replace('DATABASE_URL', '--from')}")


@dataclass(frozen=True, slots=True)
class _Reader:
    connection: Any

    def all(self) -> OldConnector:
        there = {row.name for row in self._rows("tables") if row.there}
        missing = [name for name in DEMANDED if name not in there]
        if missing:
            raise UsageError(
                f"--from: this database has no table {missing[0]}, so it is not the old"
                " connector's; nothing was moved"
            )
        return OldConnector(
            accounts=self._accounts(there),
            workers_enabled=self._switch() if "ebay_worker_global_config" in there else None,
        )

    def _accounts(self, there: set[str]) -> tuple[OldAccount, ...]:
        tokens, states = self._tokens(), self._states()
        environments = self._environments() if "users" in there else {}
        connected = self._connected() if "ebay_connect_logs" in there else {}
        return tuple(
            OldAccount(
                id=row.id,
                owner=row.owner or "",
                seller=row.seller,
                username=row.username,
                label=row.label or "",
                purpose=row.purpose,
                marketplace_id=row.marketplace_id,
                active=row.active,
                environment=environments.get(row.owner),
                connected_in=tuple(connected.get(row.owner, ())),
                tokens=tuple(tokens.get(row.id, ())),
                states=tuple(states.get(row.id, ())),
            )
            for row in self._rows("accounts")
        )

    def _tokens(self) -> Mapping[str, Sequence[OldToken]]:
        found: dict[str, list[OldToken]] = defaultdict(list)
        for row in self._rows("tokens"):
            begins = row.access_begins or ""
            token = OldToken(
                refresh_token=None if row.refresh_token is None else Secret(row.refresh_token),
                refresh_expires_at=_instant(row.refresh_expires_at),
                access_in_clear=begins not in {"", PREFIX},
                refused=row.refused,
                stored_at=_instant(row.stored_at),
            )
            found[row.account_id].append(token)
        return found

    def _states(self) -> Mapping[str, Sequence[OldState]]:
        found: dict[str, list[OldState]] = defaultdict(list)
        for row in self._rows("states"):
            state = OldState(
                family=row.family or "",
                enabled=row.enabled,
                cursor=row.cursor,
                last_run_at=_instant(row.last_run_at),
            )
            found[row.account_id].append(state)
        return found

    def _environments(self) -> Mapping[str, str | None]:
        return {row.id: row.environment for row in self._rows("users")}

    def _connected(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for row in self._rows("connected"):
            found[row.user_id].append(row.environment or "")
        return found

    def _switch(self) -> bool | None:
        enabled: bool | None = self._rows("switch")[0].enabled
        return enabled

    def _rows(self, name: str) -> Rows:
        rows: Rows = self.connection.execute(_statements()[name]).all()
        return rows


@cache
def _statements() -> Mapping[str, Any]:
    source = resources.files("infra.old_connector") / "reading.sql"
    return statements(source.read_text("utf-8"))


def _instant(text: str | None) -> datetime | None:
    """As it stands in JSON; without a zone it is UTC, and `infinity` is no instant."""
    try:
        at = datetime.fromisoformat(text or "")
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
