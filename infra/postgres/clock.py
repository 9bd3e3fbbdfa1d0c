"""The database's clock, the one time source of a run."""

import time

import sqlalchemy as sa

from core.clock import CarriedClock, Monotonic

READ = "SELECT clock_timestamp()"


def read_clock(connection: sa.Connection, ticks: Monotonic = time.monotonic) -> CarriedClock:
    """One round trip; late by at most that long, never early."""
    at = ticks()
    read_at = connection.exec_driver_sql(READ).scalar_one()
    return CarriedClock(read_at, at, ticks)
