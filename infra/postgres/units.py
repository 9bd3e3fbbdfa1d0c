"""What units have in common in SQL: their rows, and the fence that each write begins with."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from core.errors import LeaseLostError
from core.ids import AccountId, Fence, RunId
from core.report import Reason
from core.sync.model import Account, Environment, Pass, Stream, Unit, Window
from infra.postgres.queries import load

FEATURE = "sync"


def ask(
    connection: sa.Connection, name: str, values: Mapping[str, object]
) -> Sequence[sa.Row[Any]]:
    return connection.execute(load(FEATURE)[name], dict(values)).all()


def fenced(
    connection: sa.Connection,
    name: str,
    run_id: RunId,
    unit: Unit,
    values: Mapping[str, object],
) -> sa.Row[Any]:
    key = {
        "run_id": run_id,
        "account_id": unit.account.id,
        "stream": unit.stream.name,
        "pass": unit.pass_.value,
        "fence": unit.fence,
    }
    rows = ask(connection, name, key | dict(values))
    if not rows:
        raise LeaseLostError(f"{unit.account.name}/{unit.stream.name} belongs to another run")
    return rows[0]


def unit_of(row: sa.Row[Any], stream: Stream) -> Unit:
    return Unit(
        account=_account(row),
        stream=stream,
        pass_=Pass(getattr(row, "pass")),
        fence=Fence(row.fence),
        interval=timedelta(seconds=row.interval_s),
        cursor_at=row.cursor_at,
        window=window_of(row),
        failures=row.failures,
    )


def _account(row: sa.Row[Any]) -> Account:
    return Account(
        id=AccountId(row.account_id),
        name=row.name,
        environment=Environment(row.environment),
        marketplace_ids=tuple(row.marketplace_ids),
        signs=row.signs,
    )


def refused(status: str, *, enabled: bool) -> Reason | None:
    if status == "needs_reconnect":
        return Reason.NEEDS_RECONNECT
    if status != "active":
        return Reason.ACCOUNT_INACTIVE
    return None if enabled else Reason.DISABLED


def window_of(row: sa.Row[Any]) -> Window | None:
    if row.window_from is None:
        return None
    return Window(
        from_=row.window_from,
        to=row.window_to,
        goal=row.window_goal or row.window_to,
        limit=row.window_limit,
        offset=row.window_offset,
        total=row.window_total,
        pass_number=row.window_pass or 1,
    )
