"""Killed, and frozen past its lease, at every crash point of a run: the next call just goes on."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.caused import Caused
from tests.support.crash_points import STOP
from tests.support.ground import Ground, ground
from tests.support.postgres import Server
from tests.support.sweep import (
    freeze,
    kill,
    let_go_of_locks,
    overtaken,
    prepared,
    quiet_run,
    swept,
)

ORDERS = 250
SIDE_BY_SIDE = 4
# Renewals come by the clock, and would shift the points from run to run.
LONG_LEASE_S = 60.0
SHORT_LEASE_S = 1.0
SAMPLE = 8

OpenGround = Callable[[float], Ground]


@pytest.fixture
def open_ground(postgres_server: Server, _template: str) -> Iterator[OpenGround]:
    """A database of its own for each ground, with two sellers; the argument is the lease."""
    with ExitStack() as stack:

        def opened(lease_s: float) -> Ground:
            name = postgres_server.create_database(_template)
            stack.callback(postgres_server.drop_database, name)
            made = ground(
                postgres_server.client.with_database(name),
                postgres_server.admin.with_database(name),
                orders=ORDERS,
                lease_s=lease_s,
            )
            return stack.enter_context(made)

        yield opened


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_at_every_crash_point_nothing_is_lost_and_the_next_run_goes_on(
    open_ground: OpenGround, caused: Caused
) -> None:
    grounds = [open_ground(LONG_LEASE_S) for _ in range(SIDE_BY_SIDE)]
    points = prepared(grounds)

    kinds = swept(grounds, points, kill)

    caused(f"crash points: N = {len(points)}; {dict(kinds)}")
    assert len(points) >= 40
    assert kinds["killed"] == len(points)
    for each in grounds:
        quiet_run(each)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_frozen_past_its_lease_at_every_crash_point_a_run_that_wakes_writes_nothing(
    open_ground: OpenGround, caused: Caused
) -> None:
    grounds = [open_ground(LONG_LEASE_S) for _ in range(SIDE_BY_SIDE)]
    points = prepared(grounds)

    kinds = swept(grounds, points, freeze)

    caused(f"crash points: N = {len(points)}; woken and {dict(kinds)}")
    assert sum(kinds.values()) == len(points)
    assert kinds["lease_lost"] > len(points) / 2
    for each in grounds:
        quiet_run(each)


@pytest.mark.timeout(180)
def test_killed_at_a_sample_of_crash_points_nothing_is_lost(open_ground: OpenGround) -> None:
    each = open_ground(LONG_LEASE_S)
    points = prepared([each])

    for point in points[:: len(points) // SAMPLE + 1]:
        kill(each, point)

    assert len(points) >= 40
    quiet_run(each)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("moment", ["page before request", "unit before COMMIT"])
def test_r14_a_run_that_wakes_after_its_lease_writes_nothing(
    open_ground: OpenGround, moment: str
) -> None:
    each = open_ground(SHORT_LEASE_S)
    each.start("ebay", "--json", at=f"{moment} #3", how=STOP)
    assert each.launcher.wait_until_stopped() is None
    let_go_of_locks(each)
    each.wait_for_leases()
    overtaken(each)
    mark = each.sql("SELECT max(id) FROM chaos.log")[0][0]

    each.launcher.send(signal.SIGCONT)
    woken = each.ended()

    assert (woken.status, woken.report["reason"]) == (75, "lease_lost")
    assert each.sql(f"SELECT * FROM chaos.log WHERE id > {mark}") == []
    quiet_run(each)


@pytest.mark.timeout(180)
def test_a_killed_run_is_followed_when_its_lease_ends(open_ground: OpenGround) -> None:
    each = open_ground(8.0)
    assert each.run("ebay", at="unit before COMMIT #2").killed

    refused = each.run("ebay", "--json")
    each.wait_for_leases()
    followed = each.run("ebay", "--json")

    assert (refused.status, refused.report["reason"]) == (75, "already_running")
    assert refused.report["holder"]["run_id"] is not None
    assert (followed.status, followed.report["outcome"]) == (0, "done")
    quiet_run(each)


@pytest.mark.timeout(180)
def test_ten_killed_runs_in_a_row_trip_the_worker_until_it_is_resumed(
    open_ground: OpenGround,
) -> None:
    each = open_ground(2.0)
    for _ in range(10):
        assert each.run("ebay", "--take-over", at="unit before COMMIT #2").killed

    tripping = each.run("ebay", "--take-over", "--json")
    tripped = each.run("ebay", "--json")
    resumed = each.command("workers", "resume", "ebay-cycle")
    followed = each.run("ebay", "--json")

    assert (tripping.status, tripping.report["reason"]) == (1, "tripped")
    assert [line["level"] for line in tripping.events("Crash loop detected")] == ["critical"]
    assert (tripped.status, tripped.report["reason"]) == (0, "tripped")
    assert resumed.status == 0, resumed.err
    assert (followed.status, followed.report["outcome"]) == (0, "done")
    quiet_run(each)
