"""Asked to stop in mid-run: the page is saved, the lease released, and the process ends."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support import forked
from tests.support.ground import CRON_SECRET, Ground, ground
from tests.support.postgres import Server, free_port, through_pooler
from tests.support.simulated import NO_TLS

pytestmark = pytest.mark.timeout(120)

EXIT_WITHIN_S = 10


@pytest.fixture
def site(postgres_server: Server, database_name: str) -> Iterator[Ground]:
    """Two sellers with several pages of orders each, nothing read yet."""
    with ground(
        postgres_server.client.with_database(database_name),
        postgres_server.admin.with_database(database_name),
        orders=450,
        parallel=2,
        lease_s=60,
    ) as made:
        yield made


@contextmanager
def started(site: Ground, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    pipe = subprocess.PIPE
    with forked.popen(
        ["-m", "core.run", *arguments], env=site.environment, stdout=pipe, stderr=pipe
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Served:
    """`serve`, and one call to it in a thread of its own."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.answers: list[httpx.Response | httpx.HTTPError] = []
        self._thread = threading.Thread(target=self._call)

    def call(self) -> None:
        wait_until(self._is_up)
        self._thread.start()

    def _is_up(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", verify=NO_TLS, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def _call(self) -> None:
        headers = {"Authorization": f"Bearer {CRON_SECRET}"}
        try:
            self.answers.append(
                httpx.post(
                    f"{self.url}/cron/ebay-cycle",
                    headers=headers,
                    timeout=60,
                    verify=NO_TLS,
                    trust_env=False,
                )
            )
        except httpx.HTTPError as error:
            self.answers.append(error)

    def ended(self) -> list[dict[str, Any]]:
        """Its log, once it has ended."""
        _, err = self.process.communicate(timeout=EXIT_WITHIN_S)
        self._thread.join()
        return [json.loads(line) for line in err.splitlines() if line.startswith("{")]


@contextmanager
def served(site: Ground) -> Iterator[Served]:
    port = free_port()
    with started(site, "serve", "--port", str(port)) as process:
        yield Served(process, port)


def wait_until(true: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends, "it did not come to pass"
        time.sleep(0.02)


def a_page_is_stored(site: Ground) -> Callable[[], bool]:
    return lambda: bool(
        site.sql(
            "SELECT FROM ebay.sync_states WHERE leased_by IS NOT NULL AND window_offset IS NOT NULL"
        )
    )


def everything_is_released(site: Ground) -> None:
    assert site.sql("SELECT name FROM ops.leases WHERE run_id IS NOT NULL") == []
    assert site.sql("SELECT stream FROM ebay.sync_states WHERE leased_by IS NOT NULL") == []
    if not through_pooler():
        # PostgreSQL notices the end of a connection a moment after the process that had it.
        wait_until(
            lambda: (
                not site.sql(
                    "SELECT FROM pg_stat_activity WHERE application_name = 'cronshot'"
                    " AND datname = current_database()"
                )
            )
        )


def test_sigterm_to_serve_in_mid_run_saves_the_page_answers_and_releases(site: Ground) -> None:
    site.simulator.faults.add("delay", seconds=0.3)
    with served(site) as server:
        server.call()
        wait_until(a_page_is_stored(site))

        server.process.send_signal(signal.SIGTERM)
        log = server.ended()

        assert server.process.returncode == 0
        events = [line["event"] for line in log]
        assert {"database.ready", "api.started", "api.stopped"} <= set(events)
        assert events[-1] == "api.stopped"
        (answer,) = server.answers
        assert isinstance(answer, httpx.Response), answer
        told = answer.json()
        assert (told["outcome"], told["reason"], told["more"]) == ("partial", "deadline", True)
        everything_is_released(site)
        assert site.sql("SELECT count(*) FROM ebay.orders")[0][0] > 0


def test_sigterm_to_serve_while_ebay_hangs_still_ends_in_time_and_releases(site: Ground) -> None:
    site.simulator.faults.add("hang", seconds=60, operation="getOrders", after=2)
    with served(site) as server:
        server.call()
        wait_until(lambda: site.simulator.faults.counts["hang"])

        server.process.send_signal(signal.SIGTERM)
        log = server.ended()

        assert server.process.returncode == 0
        assert log[-1]["event"] == "api.stopped"
        (answer,) = server.answers
        assert isinstance(answer, httpx.Response), answer
        assert (answer.json()["outcome"], answer.json()["reason"]) == ("partial", "deadline")
        everything_is_released(site)


def test_a_second_sigterm_aborts_serve(site: Ground) -> None:
    site.simulator.faults.add("hang", seconds=60, operation="getOrders")
    with served(site) as server:
        server.call()
        wait_until(lambda: site.simulator.faults.counts["hang"])

        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGTERM)
        # Two equal signals that arrive together are one.
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.05)

        server.ended()
        assert server.process.returncode == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_command_that_is_asked_to_stop_reports_and_the_next_one_goes_on(
    site: Ground, number: int
) -> None:
    site.simulator.faults.add("delay", seconds=0.3)
    with started(site, "ebay", "--json") as process:
        wait_until(a_page_is_stored(site))
        process.send_signal(number)
        out, err = process.communicate(timeout=EXIT_WITHIN_S)

    report = json.loads(out)
    assert process.returncode == 0, err
    assert (report["outcome"], report["reason"]) == ("partial", "deadline")
    assert report["more"] is True
    everything_is_released(site)
    site.simulator.faults.clear()
    assert site.run("ebay", "--json").report["outcome"] == "done"
    site.oracle.rows_are_the_sources()
    site.oracle.history_is_sound()


def test_a_command_that_is_asked_twice_aborts_and_is_followed_by_take_over(site: Ground) -> None:
    site.simulator.faults.add("hang", seconds=60, operation="getOrders")
    with started(site, "ebay", "--json") as process:
        wait_until(lambda: site.simulator.faults.counts["hang"])
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=EXIT_WITHIN_S)

    assert process.returncode in {-signal.SIGTERM, -signal.SIGINT}
    site.simulator.faults.clear()
    refused = site.run("ebay", "--json")
    assert (refused.status, refused.report["reason"]) == (75, "already_running")
    assert site.run("ebay", "--take-over", "--json").report["outcome"] == "done"
    site.oracle.rows_are_the_sources()
