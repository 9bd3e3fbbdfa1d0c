"""Transactions: the only way in which adapters talk to the database."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core.errors import StoreUnavailableError
from infra.postgres.dialect import START, Start
from infra.postgres.errors import CommitUnknownError, ConflictError, LockTimeoutError
from infra.postgres.queries import load

T = TypeVar("T")

TRIES = 3
FIRST_WITH_TRANSACTION_TIMEOUT = (17,)
# We stopped in the middle, frozen or cut off: the locks must not wait for us.
IDLE_MS = 5_000
# Seconds for the answer to arrive after the server has given up.
NETWORK_S = 4.0
# Whoever is late already still gets an answer of a server that is near.
SHORTEST_WAIT_S = 2.0

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
BEGIN_READING = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# pg8000 reads dates as ISO, and our SQL must mean the same whatever the role's defaults are.
SAME_MEANING = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'"
# Who keeps key rows true by himself: of others' changes triggers leave that to the next drain.
NOT_BY_HAND = "SET LOCAL cronshot.engine = 'on'"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server enforces on one transaction; 0 is no limit.

    `reads_only`: all of it sees one instant, and nothing can be written. `wait_s`: how long an
    answer may be waited for at all, however long a statement may take. `on_disk`: COMMIT is
    answered when it is there; else a server that crashes may lose what it answered, with all that
    came later, never what came before. `by_index`: no table is read from end to end, nor an index,
    whatever the statistics say of one that was filled a second ago.
    """

    statement_ms: int
    lock_ms: int
    transaction_ms: int
    idle_ms: int = IDLE_MS
    reads_only: bool = False
    wait_s: float = math.inf
    on_disk: bool = True
    by_index: bool = False


def for_ever() -> float:
    return math.inf


@dataclass(frozen=True, slots=True)
class Database:
    """`time_left`: how many seconds somebody still waits for what is done with it.

    A network that swallows everything costs that much at most, or the run would outlive its caller.
    """

    engine: sa.Engine
    time_left: Callable[[], float] = for_ever

    @contextmanager
    def transaction(
        self,
        *,
        statement_timeout_ms: int = 8_000,
        lock_timeout_ms: int = 2_000,
        transaction_timeout_ms: int = 20_000,
        idle_timeout_ms: int = IDLE_MS,
        on_disk: bool = True,
        by_index: bool = False,
    ) -> Iterator[sa.Connection]:
        """Commit at the end of the block, roll back if it raises; 0 means no limit.

        `on_disk`, `by_index`: as of `Limits`.

        Raises CommitUnknownError where the connection broke during COMMIT; everything else that
        is raised here or in the block means that nothing was written.
        """
        limits = Limits(
            statement_timeout_ms,
            lock_timeout_ms,
            transaction_timeout_ms,
            idle_timeout_ms,
            wait_s=wait_s(self.time_left()),
            on_disk=on_disk,
            by_index=by_index,
        )
        with self._begun(limits) as (connection, transaction):
            try:
                yield connection
            except BaseException:
                # The error of the block is the one to tell; a broken connection rolls back alone.
                with suppress(StoreUnavailableError):
                    transaction.rollback()
                raise
            _commit(transaction)

    @contextmanager
    def reading(self, *, statement_timeout_ms: int) -> Iterator[sa.Connection]:
        """All its statements see one instant, and the server lets none of them write."""
        limits = Limits(
            statement_timeout_ms,
            lock_ms=0,
            transaction_ms=0,
            reads_only=True,
            wait_s=wait_s(self.time_left()),
        )
        with self._begun(limits) as (connection, _):
            yield connection

    def run(
        self,
        work: Callable[[sa.Connection], T],
        *,
        longest_ms: int = 8_000,
        by_index: bool = False,
    ) -> T:
        """`work` in one transaction, repeated where PostgreSQL made it a deadlock's victim.

        `work` may be called three times: its effects are the database's, nothing else. `longest_ms`
        is for one statement of it.
        """
        for _ in range(TRIES - 1):
            try:
                return self._once(work, longest_ms, by_index=by_index)
            except ConflictError:
                self._let_the_other_through()
        return self._once(work, longest_ms, by_index=by_index)

    def _once(self, work: Callable[[sa.Connection], T], longest_ms: int, *, by_index: bool) -> T:
        with self.transaction(
            statement_timeout_ms=longest_ms,
            transaction_timeout_ms=longest_ms + 12_000,
            by_index=by_index,
        ) as connection:
            return work(connection)

    def _let_the_other_through(self) -> None:
        # Repeated at once it may take its first lock again before the other one has woken up.
        with self.transaction() as connection:
            connection.execute(load("transaction")["let_the_other_through"])

    def dispose(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _begun(self, limits: Limits) -> Iterator[tuple[sa.Connection, sa.RootTransaction]]:
        connection = self._connect()
        try:
            transaction = _begin(connection, limits)
        except StoreUnavailableError as error:
            if _timed_out(error):
                raise
            # It had died in the pool, and nothing was done on it yet: once more, on a new one.
            connection = self._connect()
            transaction = _begin(connection, limits)
        with connection:
            yield connection, transaction

    def _connect(self) -> sa.Connection:
        try:
            return self.engine.connect()
        except PoolTimeoutError as error:
            raise StoreUnavailableError(
                "no database connection came free in time: other threads hold all of them"
            ) from error


def wait_s(time_left: float) -> float:
    return max(time_left, SHORTEST_WAIT_S)


def _timed_out(error: BaseException | None) -> bool:
    """A connection that died says so at once; where nothing answers, a new one will not either."""
    while error is not None:
        if isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _begin(connection: sa.Connection, limits: Limits) -> sa.RootTransaction:
    connection.info[START] = start(limits, connection.dialect.server_version_info or ())
    try:
        return connection.begin()
    except BaseException:
        connection.close()
        raise


def _commit(transaction: sa.RootTransaction) -> None:
    try:
        transaction.commit()
    except (ConflictError, LockTimeoutError):
        # Of a deferred constraint: the server says that it has rolled back.
        raise
    except StoreUnavailableError as error:
        raise CommitUnknownError(
            f"the connection broke during COMMIT, whether it was applied is unknown: {error}"
        ) from error


def start(limits: Limits, server_version: tuple[int | str, ...]) -> Start:
    """BEGIN with its settings in one literal message: one round trip.

    SET LOCAL, for plain SET would reach other clients of a pooler, and start-up parameters are
    refused by it.
    """
    settings = {
        "statement_timeout": limits.statement_ms,
        "lock_timeout": limits.lock_ms,
        "idle_in_transaction_session_timeout": limits.idle_ms,
        # A killed client's statement otherwise keeps its locks until it has run to its end.
        "client_connection_check_interval": 1_000,
    }
    if server_version >= FIRST_WITH_TRANSACTION_TIMEOUT:
        settings["transaction_timeout"] = limits.transaction_ms
    lines = [f"SET LOCAL {name} = {int(value)}" for name, value in settings.items()]
    if limits.by_index:
        # Their price is added to a plan that has no other way: no reason to compile it.
        unwanted = ("enable_seqscan", "enable_hashjoin", "enable_mergejoin", "jit")
        lines += [f"SET LOCAL {name} = off" for name in unwanted]
    # The server must give up first: it goes on working when only the client has.
    patience = limits.statement_ms / 1000 + NETWORK_S if limits.statement_ms else math.inf
    patience = min(patience, limits.wait_s)
    if not limits.on_disk:
        lines.append("SET LOCAL synchronous_commit = off")
    begin = BEGIN_READING if limits.reads_only else BEGIN
    sql = "; ".join([begin, SAME_MEANING, NOT_BY_HAND, *lines])
    return Start(sql, None if patience == math.inf else patience)
