"""A day under a cron line of five minutes.

The database's clock is the only one that counts, and it cannot be moved. So between two runs every
stored instant is moved into the past instead, by what is missing to the next tick: to the runs it
is the same.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from core.deadline import Deadline
from core.report import Outcome, RunReport, Trigger
from handlers import opening, wiring
from handlers.invoke import Call, request_of
from handlers.parameters import Parameters
from infra.ebay.streams.registry import STREAMS
from infra.simulator.server import Simulator
from tests.support.site import MONEY, WORKER, Site, site_of

TICKS = 288
EVERY = timedelta(minutes=5)
LATENESS_S = 10.0
MOVED = {
    "ebay.sync_states": (
        "due_at", "cursor_at", "last_attempt_at", "last_success_at", "window_from", "window_to",
        "window_goal",
    ),
    "ebay.tokens": ("access_expires_at", "refreshed_at", "refresh_expires_at"),
    "ebay.api_budgets": ("reset_at", "blocked_until", "learned_at", "asked_at"),
    "ops.runs": ("started_at", "finished_at", "expires_at"),
}  # fmt: skip


@dataclass
class Cron:
    site: Site
    ready: opening.Opened
    began_at: datetime | None = None

    def tick(self, after: timedelta) -> RunReport:
        """Run once, `after` the last run began."""
        if self.began_at is not None:
            self._move_the_past(self.began_at, after)
        call = Call(worker=WORKER, trigger=Trigger(via="cli"), parameters=Parameters())
        work = wiring.WORKERS[WORKER](self.ready, call.parameters)
        protocol = wiring.run_protocol(self.ready)
        report = protocol.run_once(
            request_of(call), Deadline.after(60, opening.WallClock().monotonic), work
        )
        self.began_at = report.started_at
        return report

    def _move_the_past(self, began_at: datetime, after: timedelta) -> None:
        """What has really passed since then is part of it."""
        real = f"clock_timestamp() - '{began_at.isoformat()}'"
        by = f"interval '{after.total_seconds()} s' - ({real})"
        for table, columns in MOVED.items():
            moved = ", ".join(f"{name} = {name} - (now.by)" for name in columns)
            self.site.sql(f"UPDATE {table} SET {moved} FROM (SELECT {by} AS by) AS now")


@contextmanager
def cron(
    url: str, admin: str, *, accounts: int = 1, streams: Sequence[str] = MONEY
) -> Iterator[Cron]:
    with Simulator(seed=4, accounts=accounts, orders=5, days=3) as simulator:
        site = site_of(url, admin, simulator)
        site.connect(accounts, streams=streams)
        settings = site.settings()
        with opening.opened(settings, opening.log_for(settings)) as ready:
            yield Cron(site, ready)


def units(report: RunReport) -> set[tuple[str, str]]:
    return {(unit.stream, unit.pass_) for unit in report.units}


@pytest.mark.timeout(240)
@pytest.mark.slow
def test_a_five_minute_stream_under_a_five_minute_cron_runs_every_time(
    database_url: str, direct_database_url: str
) -> None:
    rng = Random(1)
    late = [rng.uniform(-LATENESS_S, LATENESS_S) for _ in range(TICKS)]
    gaps = [
        EVERY + timedelta(seconds=after - before) for before, after in pairwise([late[0], *late])
    ]

    with cron(database_url, direct_database_url) as calls:
        reports = [calls.tick(gap) for gap in gaps]

    assert {report.outcome for report in reports} == {Outcome.DONE}
    times = Counter(unit for report in reports for unit in units(report))
    assert times["orders", "new"] == TICKS
    assert times["transactions", "new"] == TICKS
    assert times["payouts", "new"] == TICKS // 6
    # Due after 54 minutes, which is the tick at 55.
    assert 24 <= times["transactions", "open"] <= 27
    assert 24 <= times["payouts", "open"] <= 27
    for report in reports:
        for unit in report.units:
            if unit.pass_ == "new":
                assert unit.cursor_after is not None
                assert report.started_at - unit.cursor_after < timedelta(minutes=2, seconds=30)


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_r59_a_day_of_five_accounts_with_every_stream_stays_below_every_limit(
    database_url: str, direct_database_url: str
) -> None:
    names = [stream.name for stream in STREAMS]

    with cron(database_url, direct_database_url, accounts=5, streams=names) as calls:
        reports = [calls.tick(EVERY) for _ in range(TICKS)]
        quotas = calls.site.simulator.quotas
        counts = {name: (count, quotas.limit(name)) for name, count in quotas.counts().items()}

    print("\ncalls of a day, 5 accounts, all streams:")
    for name, (count, limit) in sorted(counts.items()):
        if count:
            print(f"  {name:40} {count:6,} of {limit:9,}")
    assert {report.outcome for report in reports} == {Outcome.DONE}
    read = {unit.stream for report in reports for unit in report.units}
    assert read == set(names)
    assert not {name: each for name, each in counts.items() if each[0] >= each[1]}


def test_a_cron_that_missed_some_calls_reads_everything_with_the_next_one(
    database_url: str, direct_database_url: str
) -> None:
    with cron(database_url, direct_database_url) as calls:
        calls.tick(EVERY)
        report = calls.tick(timedelta(hours=7))

    assert report.outcome is Outcome.DONE
    assert units(report) == {
        ("orders", "new"),
        ("transactions", "new"),
        ("transactions", "open"),
        ("payouts", "new"),
        ("payouts", "open"),
    }
    for unit in report.units:
        if unit.pass_ == "new":
            assert unit.window_from is not None
            assert unit.cursor_before is not None
            assert unit.window_from < unit.cursor_before


def test_a_call_right_after_another_finds_nothing_due(
    database_url: str, direct_database_url: str
) -> None:
    with cron(database_url, direct_database_url) as calls:
        calls.tick(EVERY)
        report = calls.tick(timedelta(seconds=30))

    assert (report.outcome, report.reason) == (Outcome.DONE, "nothing_due")
