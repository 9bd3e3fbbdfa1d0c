"""What the assistant of chats asks, in PostgreSQL: the `Facts` and `Switches` ports."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.accounts.model import Status
from core.chat.assistant_ports import (
    AccountSeen,
    AccountsSeen,
    MoneySeen,
    MoneySum,
    OrderSeen,
    OrdersSeen,
    OrderSum,
    Period,
    Suspects,
)
from core.ids import AccountId
from core.jobs.model import Transaction
from infra.postgres.queries import load
from infra.postgres.transaction import Database

MOST_ORDERS, MOST_TRANSACTIONS = 50_000, 200_000
"""Of one period: more would keep a chat, and the database, too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFacts:
    """`lag`: what is younger than that is never complete."""

    database: Database
    lag: timedelta
    most_orders: int = MOST_ORDERS
    most_transactions: int = MOST_TRANSACTIONS

    def accounts(self, soon: datetime, most: int) -> AccountsSeen:
        with self.database.transaction() as connection:
            counts = {
                Status(row.status): row.accounts for row in _run(connection, "by_status").all()
            }
            rows = _run(connection, "accounts", soon=soon, most=most).all()
        return AccountsSeen(accounts=[_account(row) for row in rows], by_status=counts)

    def named(self, names: Sequence[str], beginning: str, most: int) -> Sequence[AccountSeen]:
        asked = {
            "names": list(names),
            "low": [name.lower() for name in names],
            "beginning": beginning,
            "low_beginning": beginning.lower(),
        }
        with self.database.transaction() as connection:
            return [_account(row) for row in _run(connection, "named", **asked, most=most)]

    def suspects(self, now: datetime, most: int) -> Suspects:
        values = {"now": now, "lag_s": self.lag.total_seconds(), "most": most}
        with self.database.transaction() as connection:
            rows = _run(connection, "suspects", **values).all()
        units = [(row.account, row.stream) for row in rows if row.account is not None]
        return Suspects(units=units, suspects=rows[0].suspects, read=rows[0].read)

    def orders(self, period: Period, account_id: AccountId | None, most: int) -> OrdersSeen:
        of = {"since": period.since, "until": period.until, "account_id": account_id}
        with self.database.transaction(by_index=True) as connection:
            rows = _run(connection, "order_sums", **of, read=self.most_orders + 1).mappings()
            sums = [OrderSum(**row) for row in rows]
            if sum(each.orders for each in sums) > self.most_orders:
                return OrdersSeen(sums=(), latest=(), too_many=True)
            latest = _run(connection, "latest_orders", **of, most=most).mappings()
            return OrdersSeen(sums=sums, latest=[OrderSeen(**row) for row in latest])

    def money(self, period: Period, account_id: AccountId | None, most: int) -> MoneySeen:
        values = {"read": self.most_transactions + 1, "most": most, "account_id": account_id}
        with self.database.transaction(by_index=True) as connection:
            found = _run(
                connection, "money", since=period.since, until=period.until, **values
            ).mappings()
            rows = [dict(row) for row in found]
        read = max((row.pop("read") for row in rows), default=0)
        if read > self.most_transactions:
            return MoneySeen(sums=(), too_many=True)
        return MoneySeen(sums=[MoneySum(**row) for row in rows])


class SettlingSwitches:
    def worker(self, name: str, *, enabled: bool) -> Callable[[Transaction], None]:
        def switch(transaction: Transaction) -> None:
            transaction.execute("runs.switch_worker", worker=name, enabled=enabled)

        return switch

    def queue(self, name: str, *, enabled: bool) -> Callable[[Transaction], None]:
        def switch(transaction: Transaction) -> None:
            transaction.execute("jobs_queues.switch", queue=name, enabled=enabled)

        return switch


def _run(connection: sa.Connection, name: str, /, **values: object) -> sa.CursorResult[Any]:
    return connection.execute(load("assistant")[name], values)


def _account(row: sa.Row[Any]) -> AccountSeen:
    fields = dict(row._mapping)  # noqa: SLF001  (SQLAlchemy's public name)
    return AccountSeen(**{**fields, "status": Status(row.status)})
