"""Many clients make tasks at once: each one is answered, and each task is done once."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import Server, execute
from tests.support.site import Served, Site, new_site, served
from tests.support.typed import typed

TOKEN = "canary-api-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
POOL = 5
"""WORKERS_MAX_PARALLEL and one."""
SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND application_name = 'cronshot'"
)


@pytest.fixture
def site(_session_server: Server, _template: str, postgres_server: Server) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=1, orders=1) as site:
        yield site.with_settings(API_TOKEN=TOKEN)


@dataclass
class Load:
    """`statuses`: of all answers; `sessions`: the most that were seen open at once."""

    server: Served
    site: Site
    statuses: Counter[int] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    sessions: int = 0

    def put(self, clients: int, tasks: int) -> None:
        over = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(over,))
        watcher.start()
        try:
            with ThreadPoolExecutor(clients) as threads:
                shares = [range(first, tasks, clients) for first in range(clients)]
                for statuses, ids in threads.map(self._client, shares):
                    self.statuses += statuses
                    self.ids |= ids
        finally:
            over.set()
            watcher.join()

    def _client(self, numbers: range) -> tuple[Counter[int], set[str]]:
        statuses, ids = Counter[int](), set[str]()
        with httpx.Client(headers=HEADERS, timeout=120, trust_env=False) as http:
            for number in numbers:
                body = {"type": "test", "description": f"test task {number}"}
                answer = http.post(f"{self.server.url}/api/v1/tasks", json=body)
                statuses[answer.status_code] += 1
                ids.add(answer.json().get("id"))
        return statuses, ids

    def _watch(self, over: threading.Event) -> None:
        while not over.wait(0.2):
            self.sessions = max(self.sessions, execute(self.site.admin, SESSIONS)[0][0])


def holds(site: Site, log: Path, clients: int, tasks: int) -> None:
    with served(site.environment(), log) as server:
        load = Load(server, site)
        load.put(clients, tasks)
    typed(site, "queue")

    assert set(load.statuses) <= {201, 202}, load.statuses
    assert load.statuses.total() == len(load.ids) == tasks
    assert 0 < load.sessions <= POOL
    done = "SELECT count(*), sum(attempts) FROM ops.jobs WHERE status = 'completed'"
    assert list(site.sql(done)[0]) == [tasks, tasks]
    assert site.one("SELECT count(*) FROM ops.tasks") == tasks


@pytest.mark.timeout(150)
def test_20_clients_make_200_tasks_at_once(site: Site, tmp_path: Path) -> None:
    holds(site, tmp_path / "log", 20, 200)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_200_clients_make_10_000_tasks_at_once(site: Site, tmp_path: Path) -> None:
    holds(site, tmp_path / "log", 200, 10_000)
