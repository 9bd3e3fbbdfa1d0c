"""When a unit is due again."""

from datetime import datetime, timedelta

from core.report import Reason
from core.sync.model import Pass, Unit
from core.sync.verdict import Verdict

DUE_SHARE = 0.9
"""Due a little early, or a 5-minute stream under a 5-minute cron would run every ten."""
OPEN_YOUNG = timedelta(days=7)
AT_THEIR_INSTANT = {Reason.QUOTA, Reason.RATE_LIMITED, Reason.BUDGET, Reason.CIRCUIT_OPEN}
HOURLY, DAILY = timedelta(hours=1), timedelta(days=1)


def due_at(verdict: Verdict | None, usual: datetime, now: datetime) -> datetime:
    if verdict is None:
        return usual
    if verdict.reason is Reason.DEADLINE:
        return now
    if verdict.reason in AT_THEIR_INSTANT:
        return verdict.retry_at or usual
    return min(usual, verdict.retry_at or usual)


def usual(
    unit: Unit,
    oldest: datetime | None,
    run_started_at: datetime,
    unit_started_at: datetime,
    now: datetime,
) -> datetime:
    """From the run's start, for the next call is counted from there too.

    Of a run that lasts longer than the interval, from the unit's own: it would be due at once, and
    be read without a pause until the longest unit is through. `oldest` is where the unit began to
    read: rows that stay open for long are read again less often.
    """
    after = _interval(unit, oldest, unit_started_at) * DUE_SHARE
    regular = run_started_at + after
    return regular if regular > now else unit_started_at + after


def _interval(unit: Unit, oldest: datetime | None, now: datetime) -> timedelta:
    if unit.pass_ is Pass.NEW:
        return unit.interval
    return DAILY if oldest is not None and oldest < now - OPEN_YOUNG else HOURLY
