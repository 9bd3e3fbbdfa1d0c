"""Drains and producers killed, drains frozen, at every crash point: each job is done once."""

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.caused import Caused
from tests.support.postgres import Server
from tests.support.queue_site import DRAIN, QueueSite, queue_site
from tests.support.queue_sweep import (
    NOT_REACHED,
    PRODUCE,
    freeze,
    kill,
    kill_producer,
    points_of,
    swept,
)

SIDE_BY_SIDE = 4
# Renewals come by the clock, and would shift the points from run to run.
LEASE_S = 60.0
SAMPLE = 5
EACH = 3
"""Which third it is, the seed says."""
MISSED_AT_MOST = 0.1

OpenSite = Callable[[], QueueSite]


@pytest.fixture
def open_site(postgres_server: Server, _template: str) -> Iterator[OpenSite]:
    """A database of its own for each; past the pooler, for frozen processes would block it."""
    with ExitStack() as stack:

        def opened() -> QueueSite:
            name = postgres_server.create_database(_template)
            stack.callback(postgres_server.drop_database, name)
            url = postgres_server.admin.with_database(name)
            return stack.enter_context(queue_site(url, url, lease_s=LEASE_S, parallel=1))

        yield opened


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_at_every_third_crash_point_of_a_drain_each_job_is_done_once(
    open_site: OpenSite, caused: Caused
) -> None:
    sites = [open_site() for _ in range(SIDE_BY_SIDE)]
    points = points_of(sites[0], *DRAIN)[random.randrange(EACH) :: EACH]

    kinds = swept(sites, points, kill)

    caused(f"crash points of a drain: N = {len(points)}; {dict(kinds)}")
    assert kinds["killed"] + kinds[NOT_REACHED] == len(points) >= 40
    assert kinds[NOT_REACHED] <= len(points) * MISSED_AT_MOST


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_frozen_past_its_leases_at_every_third_crash_point_a_drain_that_wakes_writes_nothing(
    open_site: OpenSite, caused: Caused
) -> None:
    sites = [open_site() for _ in range(SIDE_BY_SIDE)]
    points = points_of(sites[0], *DRAIN)[random.randrange(EACH) :: EACH]

    kinds = swept(sites, points, freeze)

    caused(f"crash points of a drain: N = {len(points)}; woken and {dict(kinds)}")
    assert sum(kinds.values()) == len(points) >= 40
    assert kinds[NOT_REACHED] <= len(points) * MISSED_AT_MOST
    assert kinds["lease_lost"] > 5


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_at_every_crash_point_a_producer_leaves_all_of_a_transaction_or_none(
    open_site: OpenSite, caused: Caused
) -> None:
    sites = [open_site() for _ in range(SIDE_BY_SIDE)]
    points = points_of(sites[0], *PRODUCE)

    kinds = swept(sites, points, kill_producer)

    caused(f"crash points of a producer: N = {len(points)}; {dict(kinds)}")
    assert len(kinds) == 3


@pytest.mark.timeout(180)
@pytest.mark.parametrize("fate", [kill, freeze])
def test_at_a_sample_of_crash_points_each_job_is_done_once(
    open_site: OpenSite, fate: Callable[[QueueSite, str], str]
) -> None:
    site = open_site()
    points = points_of(site, *DRAIN)

    fates = [fate(site, point) for point in points[SAMPLE // 2 :: len(points) // SAMPLE + 1]]

    assert len(points) >= 40
    assert fates.count(NOT_REACHED) < len(fates)
