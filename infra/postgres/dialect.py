"""SQLAlchemy's pg8000 dialect, in fewer round trips."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pg8000
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.pg8000 import PGDialect_pg8000

from infra.postgres.connect import Connection, server_version

NAME = "postgresql.cronshot"

# The key under which a transaction leaves its `Start` for `do_begin`.
START = "cronshot.start"


@dataclass(frozen=True, slots=True)
class Start:
    """How a transaction begins. `patience`: seconds to wait for an answer, None without end."""

    sql: str
    patience: float | None


class Dialect(PGDialect_pg8000):
    """What it does otherwise, and what that saves at each:

    * transactions begin with their settings in one message (2 round trips become 1);
    * they end with a plain statement, pg8000's own costs a parse and a describe (3 become 1);
    * a new engine asks the server nothing, what it wants to know was said at log-in (6 become 0).
    """

    driver = "pg8000"
    supports_statement_cache = True

    def initialize(self, connection: sa.Connection) -> None:
        self.server_version_info = server_version(connection.connection.driver_connection)
        self.default_schema_name = "public"
        self.default_isolation_level = "READ COMMITTED"

    def do_terminate(self, dbapi_connection: Any) -> None:
        # It is closed because it broke: that it cannot say goodbye is nothing to log.
        with suppress(pg8000.Error, OSError):
            dbapi_connection.close()

    def do_begin(self, dbapi_connection: Any) -> None:
        # Taken away: the dictionary lives as long as the connection, this does not.
        start: Start | None = dbapi_connection.info.pop(START, None)
        if start:
            driver: Connection = dbapi_connection.driver_connection
            driver.socket.settimeout(start.patience)
            driver.execute_simple(start.sql)

    def do_commit(self, dbapi_connection: Any) -> None:
        dbapi_connection.cursor().execute("commit")

    def do_rollback(self, dbapi_connection: Any) -> None:
        # pg8000 would begin a transaction in order to roll it back; its own method looks first,
        # and after a failure one round trip more does not matter.
        dbapi_connection.rollback()
