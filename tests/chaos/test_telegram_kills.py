"""Killed anywhere between an update's arrival and its answer: it comes again, and is one task."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from infra.simulator.server import Simulator
from tests.support.site import Served, Site, served, site_of
from tests.support.telegram import HEADER, PATH, WORD, update, with_telegram

LAUNCHER = ("-m", "tests.support.launcher")
BEGUN, DONE = "AnyIO worker thread before COMMIT #1", "AnyIO worker thread after COMMIT #1"


@pytest.fixture
def site(database_url: str, direct_database_url: str) -> Iterator[Site]:
    with Simulator(accounts=1, orders=1) as simulator:
        yield with_telegram(site_of(database_url, direct_database_url, simulator))


@contextmanager
def listening(site: Site, folder: Path, *arguments: str) -> Iterator[Served]:
    command = (*LAUNCHER, *arguments, "--")
    with served(site.environment(), folder / "log", command=command) as server:
        yield server


def posted(server: Served, number: int) -> int:
    """0: it was killed before it answered."""
    try:
        told = server.bare("POST", PATH, content=update(number), headers={HEADER: WORD})
    except httpx.HTTPError:
        return 0
    return told.status_code


def tasks(site: Site) -> int:
    count: int = site.one("SELECT count(*) FROM ops.jobs WHERE kind = 'chat'")
    return count


def killed_at(site: Site, folder: Path, point: str, number: int) -> bool:
    """Whether it was committed when the process died."""
    before = tasks(site)
    with listening(site, folder, "--crash-at", point) as server:
        assert posted(server, number) == 0
        assert server.process.wait(30) == -signal.SIGKILL
    return tasks(site) > before


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("point", "committed"), [(BEGUN, False), (DONE, True)])
def test_killed_around_the_commit_one_task_is_left(
    site: Site, tmp_path: Path, point: str, committed: bool
) -> None:
    assert killed_at(site, tmp_path, point, 1) is committed

    with listening(site, tmp_path) as server:
        assert posted(server, 1) == 200
    assert tasks(site) == 1


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_at_each_point_one_task_is_left(site: Site, tmp_path: Path) -> None:
    record = tmp_path / "points"
    with listening(site, tmp_path, "--count", str(record)) as server:
        assert posted(server, 1) == 200
    points = [line for line in record.read_text().splitlines() if line.startswith("AnyIO")]

    outcomes = [
        killed_at(site, tmp_path, point, number) for number, point in enumerate(points, start=2)
    ]
    with listening(site, tmp_path) as server:
        for number in range(2, len(points) + 2):
            assert posted(server, number) == 200

    print(f"killed at {len(points)} points, {sum(outcomes)} after the commit")
    assert tasks(site) == 1 + len(points)
    assert len(points) > 15
    assert 0 < sum(outcomes) < len(points)
