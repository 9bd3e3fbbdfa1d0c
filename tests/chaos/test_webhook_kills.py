"""Killed anywhere between a notification's arrival and its answer: sent again, it is done once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.simulator.notifier import Notifier
from infra.simulator.server import Simulator
from tests.support.postgres import free_port
from tests.support.site import Served, Site, served, site_of

WORD, PATH = "canary-verification-token-0123456789", "/webhooks/ebay"
LAUNCHER = ("-m", "tests.support.launcher")
BEGUN, DONE = "AnyIO worker thread before COMMIT #1", "AnyIO worker thread after COMMIT #1"


@pytest.fixture
def site(database_url: str, direct_database_url: str) -> Iterator[Site]:
    with Simulator(accounts=1, orders=3, days=20) as simulator:
        site = site_of(database_url, direct_database_url, simulator)
        site.connect(1)
        yield site


@contextmanager
def listening(site: Site, folder: Path, *arguments: str) -> Iterator[Served]:
    port = free_port()
    address = f"http://127.0.0.1:{port}{PATH}"
    environment = site.environment(
        EBAY_NOTIFICATION_VERIFICATION_TOKEN=WORD, EBAY_NOTIFICATION_ENDPOINT=address
    )
    command = (*LAUNCHER, *arguments, "--")
    with served(environment, folder / "log", command=command, port=port) as server:
        site.simulator.notifier.register(address, WORD)
        yield server


def told(site: Site, notification_id: str) -> tuple[bytes, str]:
    notifier = site.simulator.notifier
    data = notifier.about(site.simulator.world.accounts[0], "ORDER_CONFIRMATION")
    body = notifier.body("ORDER_CONFIRMATION", data, notification_id)
    return body, notifier.sign(body)


def quiet(site: Site) -> None:
    site.sql("UPDATE ebay.sync_states SET due_at = now() + interval '1 hour'")


def due(site: Site) -> int:
    count: int = site.one("SELECT count(*) FROM ebay.sync_states WHERE due_at <= now()")
    return count


def killed_at(site: Site, folder: Path, point: str) -> bool:
    """Whether it was committed when the process died."""
    quiet(site)
    with listening(site, folder, "--crash-at", point) as server:
        assert site.simulator.notifier.post(*told(site, point)) == 0
        assert server.process.wait(30) == -signal.SIGKILL
    row = site.one(f"SELECT count(*) FROM ebay.notifications WHERE notification_id = '{point}'")
    assert due(site) == row
    return bool(row)


def sent_again(site: Site, notifier: Notifier, point: str, *, committed: bool) -> None:
    quiet(site)
    assert notifier.post(*told(site, point)) == 204
    assert due(site) == (0 if committed else 1)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("point", "committed"), [(BEGUN, False), (DONE, True)])
def test_killed_around_the_commit_one_effect_is_left(
    site: Site, tmp_path: Path, point: str, committed: bool
) -> None:
    assert killed_at(site, tmp_path, point) is committed

    with listening(site, tmp_path):
        sent_again(site, site.simulator.notifier, point, committed=committed)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_at_each_point_one_effect_is_left(site: Site, tmp_path: Path) -> None:
    record = tmp_path / "points"
    with listening(site, tmp_path, "--count", str(record)):
        assert site.simulator.notifier.post(*told(site, "counted")) == 204
    points = [line for line in record.read_text().splitlines() if line.startswith("AnyIO")]

    outcomes = {point: killed_at(site, tmp_path, point) for point in points}
    with listening(site, tmp_path):
        for point, committed in outcomes.items():
            sent_again(site, site.simulator.notifier, point, committed=committed)

    print(f"killed at {len(points)} points, {sum(outcomes.values())} after the commit")
    assert len(points) > 15
    assert 0 < sum(outcomes.values()) < len(points)
