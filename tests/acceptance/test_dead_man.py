"""Pings to a dead man's switch: told when a run worked or failed, never in the way of one."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest

from core.report import Outcome, Reason, RunReport
from core.sync.worker import SyncAccounts
from tests.support import broken
from tests.support.site import Site

pytestmark = pytest.mark.timeout(120)
CANARY = "canary-4b1d-check"
Trouble = Callable[[], AbstractContextManager[str]]


class Switch:
    """A dead man's switch on loopback; `pings` are (path, query)."""

    def __init__(self, status: int = 200) -> None:
        self.pings: list[tuple[str, dict[str, list[str]]]] = []
        pings = self.pings

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                pings.append((parts.path, parse_qs(parts.query)))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if status == 301:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/{CANARY}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def switch() -> Iterator[Switch]:
    with Switch() as running:
        yield running


def watched(site: Site, url: str) -> Site:
    return site.with_settings(HEARTBEAT_URL_EBAY_CYCLE=url)


def told(run: RunReport) -> dict[str, list[str]]:
    return {"rid": [str(run.run_id)]}


def test_a_run_that_worked_pings(site: Site, switch: Switch) -> None:
    site.connect()

    done = watched(site, switch.url).run()
    idle = watched(site, switch.url).run()

    assert (done.outcome, idle.reason) == (Outcome.DONE, Reason.NOTHING_DUE)
    assert switch.pings == [(f"/{CANARY}", told(done)), (f"/{CANARY}", told(idle))]


def test_a_run_out_of_time_and_one_with_failing_units_ping(site: Site, switch: Switch) -> None:
    site.connect()
    site.simulator.faults.add("missing_scope", operation="getOrders")

    partial = watched(site, switch.url).run(deadline_s=0.5)
    degraded = watched(site, switch.url).run()

    assert (partial.outcome, degraded.outcome) == (Outcome.PARTIAL, Outcome.DEGRADED)
    assert [path for path, _ in switch.pings] == [f"/{CANARY}", f"/{CANARY}"]


@pytest.mark.parametrize("why", ["bug", "units", "config"])
def test_a_failed_run_says_so(site: Site, switch: Switch, why: str) -> None:
    site.connect()
    site.simulator.faults.add("missing_scope")
    place = watched(site, switch.url)
    if why == "config":
        place = place.with_settings(ENCRYPTION_KEYS="")

    if why == "bug":
        with patch.object(SyncAccounts, "run_once", broken.broken):
            run = place.run()
    else:
        run = place.run()

    assert run.outcome is Outcome.FAILED
    assert switch.pings == [(f"/{CANARY}/fail", told(run))]


def test_a_database_out_of_reach_is_told(site: Site, switch: Switch) -> None:
    nowhere = "postgresql://a@127.0.0.1:1/b?sslmode=disable"

    site.cli(
        "ebay",
        environment=site.environment(DATABASE_URL=nowhere, HEARTBEAT_URL_EBAY_CYCLE=switch.url),
    )

    assert [path for path, _ in switch.pings] == [f"/{CANARY}/fail"]


@pytest.mark.parametrize("why", ["paused", "busy", "no_accounts"])
def test_a_skipped_run_says_nothing(site: Site, switch: Switch, why: str) -> None:
    if why == "paused":
        site.sql("UPDATE ops.workers SET enabled = false WHERE worker = '*'")
    if why == "busy":
        site.hold_lease()

    run = watched(site, switch.url).run()

    assert run.outcome is Outcome.SKIPPED
    assert switch.pings == []


def test_a_replay_says_nothing_new(site: Site, switch: Switch) -> None:
    site.connect()

    runs = [watched(site, switch.url).run(delivery_id="d") for _ in range(2)]

    assert runs[1].stored is not None
    assert len(switch.pings) == 1


def test_an_address_with_a_query_keeps_it(site: Site, switch: Switch) -> None:
    site.connect()
    site.simulator.faults.add("missing_scope")

    run = watched(site, f"{switch.url}/?status=up&msg=OK").run()

    kept = {"status": ["up"], "msg": ["OK"]}
    assert switch.pings == [(f"/{CANARY}/fail", kept | told(run))]


@contextmanager
def silent() -> Iterator[str]:
    """Takes the connection and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/{CANARY}"


@contextmanager
def dripping() -> Iterator[str]:
    """A byte every tenth of a second, for ever: no single wait is long."""
    over = threading.Event()

    def drip(client: socket.socket) -> None:
        with client:
            client.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
            while not over.wait(0.1):
                try:
                    client.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: drip(listener.accept()[0]))
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/{CANARY}"
        over.set()
        thread.join()


@contextmanager
def gone() -> Iterator[str]:
    yield f"http://127.0.0.1:1/{CANARY}"


@contextmanager
def refusing() -> Iterator[str]:
    with Switch(500) as switch:
        yield switch.url


@contextmanager
def elsewhere() -> Iterator[str]:
    with Switch(301) as switch:
        yield switch.url


@pytest.mark.parametrize("trouble", [silent, dripping, gone, refusing, elsewhere])
def test_a_switch_in_trouble_never_fails_the_run_and_its_address_stays_secret(
    site: Site, trouble: Trouble, capfd: pytest.CaptureFixture[str]
) -> None:
    site.connect()

    with trouble() as url:
        run = watched(site, url).run()

    log = capfd.readouterr().err
    assert run.outcome is Outcome.DONE
    assert "ping.failed" in log
    if trouble in {refusing, elsewhere}:
        assert f'"status": {500 if trouble is refusing else 301}' in log
    assert CANARY not in log
    assert site.one("SELECT count(*) FROM ops.leases WHERE run_id IS NOT NULL") == 0
