"""The one place that connects to PostgreSQL."""

from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import registry
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.pool import QueuePool

from infra.postgres import dialect
from infra.postgres.connect import Connection, connect
from infra.postgres.sqlstate import classify, is_lost, is_poisoned
from infra.postgres.transaction import for_ever, wait_s
from infra.postgres.url import DatabaseUrl

CONNECT_TIMEOUT = 5.0
# How long a thread waits for a connection that the others hold.
POOL_TIMEOUT = 15.0


def make_engine(
    url: DatabaseUrl,
    *,
    pool_size: int,
    application_name: str,
    connect_timeout: float = CONNECT_TIMEOUT,
    time_left: Callable[[], float] = for_ever,
) -> sa.Engine:
    """An engine of at most `pool_size` connections, which connects when first used.

    `time_left`: as of `Database`. Connecting raises StoreUnavailableError or ConfigurationError, a
    statement what `sqlstate.classify` says: neither parameters nor passwords are in them.
    Transactions are explicit (`transaction.Database`); AUTOCOMMIT behind a transaction pooler would
    run other clients' statements with our parameters.
    """

    def connected() -> Connection:
        timeout = min(connect_timeout, wait_s(time_left()))
        return connect(url, application_name=application_name, timeout=timeout)

    registry.register(dialect.NAME, dialect.__name__, dialect.Dialect.__name__)
    engine = sa.create_engine(  # noqa: TID251 -- the one place that connects
        sa.URL.create(dialect.NAME.replace(".", "+")),
        creator=connected,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT,
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine, "handle_error", _translate, retval=True)
    return engine


def _translate(context: ExceptionContext) -> BaseException | None:
    """Give up a poisoned connection, and raise one of our errors in place of the driver's."""
    error = context.original_exception
    if is_poisoned(error):
        context.is_disconnect = True
        # A text that cannot be encoded, or a signal, says nothing about the other connections.
        context.invalidate_pool_on_disconnect = is_lost(error)
    return classify(error, context.statement)
