"""Whether any schedule is due, and when: all that most have to know."""

from datetime import datetime

from infra.postgres.queries import load
from infra.postgres.transaction import Database


def anything_due(database: Database, now: datetime) -> bool:
    with database.transaction() as connection:
        found = connection.execute(load("schedule_firing")["anything_due"], {"now": now})
        return found.first() is not None


def scheduled(database: Database) -> tuple[int, datetime | None]:
    """How many schedules are on, and when the first of them comes."""
    with database.transaction() as connection:
        row = connection.execute(load("schedule_firing")["scheduled"]).one()
    return row.schedules, row.next_fire_at
