"""Whether any schedule is due: all that most drains have to know."""

from datetime import datetime

from infra.postgres.queries import load
from infra.postgres.transaction import Database


def anything_due(database: Database, now: datetime) -> bool:
    with database.transaction() as connection:
        found = connection.execute(load("schedule_firing")["anything_due"], {"now": now})
        return found.first() is not None
