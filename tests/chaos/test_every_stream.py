"""Killed in the middle of any stream: the next run goes on, and after a quiet one all is there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from infra.ebay.streams.registry import STREAMS
from tests.support.caused import Caused
from tests.support.ground import Ground, ground
from tests.support.postgres import Server
from tests.support.sweep import kill_where_it_gets, make_work, prepared, quiet_run, swept

NAMES = [stream.name for stream in STREAMS]
ORDERS = 60
SIDE_BY_SIDE = 4
# Renewals come by the clock, and would shift the points from run to run.
LONG_LEASE_S = 60.0
SAMPLE, SMALL_SAMPLE = 24, 4

OpenGround = Callable[[], Ground]


@pytest.fixture
def open_ground(postgres_server: Server, _template: str) -> Iterator[OpenGround]:
    """A database of its own for each ground, with two sellers who have every stream."""
    with ExitStack() as stack:

        def opened() -> Ground:
            name = postgres_server.create_database(_template)
            stack.callback(postgres_server.drop_database, name)
            made = ground(
                postgres_server.client.with_database(name),
                postgres_server.admin.with_database(name),
                orders=ORDERS,
                lease_s=LONG_LEASE_S,
                streams=NAMES,
            )
            return stack.enter_context(made)

        yield opened


def sampled(points: list[str], size: int) -> list[str]:
    """Spread over the run; its very end may come earlier in another run."""
    most = points[: len(points) * 9 // 10]
    return most[:: len(most) // size + 1]


def at_rest(each: Ground) -> None:
    """Two more snapshots: what has left a list has ended when both have missed it."""
    for _ in range(2):
        each.wait_until_visible()
        each.make_all_due()
        assert each.run("ebay").status == 0
    quiet_run(each)


@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_killed_in_any_stream_nothing_is_lost_and_the_next_run_goes_on(
    open_ground: OpenGround, caused: Caused
) -> None:
    grounds = [open_ground() for _ in range(SIDE_BY_SIDE)]
    points = prepared(grounds)
    chosen = sampled(points, SAMPLE)

    kinds = swept(grounds, chosen, kill_where_it_gets)

    caused(f"crash points: {len(chosen)} of {len(points)}; {dict(kinds)}")
    assert kinds["killed"] > len(chosen) / 2
    for each in grounds:
        at_rest(each)


@pytest.mark.timeout(180)
def test_killed_at_a_few_points_of_a_run_over_every_stream_nothing_is_lost(
    open_ground: OpenGround,
) -> None:
    each = open_ground()
    points = prepared([each])
    make_work(each)

    ends = [kill_where_it_gets(each, point) for point in sampled(points, SMALL_SAMPLE)]

    assert "killed" in ends
    at_rest(each)
