"""A drain killed anywhere between a message and its answer: everything is done and told once."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.jobs.model import Status
from infra.simulator.server import Simulator
from tests.support.caused import Caused
from tests.support.chat_crash_launcher import leaves_a_job
from tests.support.chats import Talk, talk
from tests.support.forks import Forks
from tests.support.site import Site, site_of

LAUNCHER = "tests.support.chat_crash_launcher"
DRAIN = ("queue", "--json")
THREAD = "jobs chat"
EACH = 3
"""Which third it is, the seed says."""

# The first transaction of its thread notes that the task begins, the second one settles it.
BEGUN, KEPT, SETTLED = (
    f"{THREAD} after COMMIT #1",
    f"{THREAD} before COMMIT #2",
    f"{THREAD} after COMMIT #2",
)


class Killing:
    """One session with a plan and a message behind it, each time anew."""

    def __init__(self, chat: Talk, forks: Forks, folder: Path) -> None:
        self.chat = chat
        self.forks = forks
        self.record = folder / "points"

    def planning(self) -> None:
        self._begin()

    def approved(self) -> None:
        self._begin()
        self.chat.drain()
        self.chat.heard("yes")

    def points(self, before: Callable[[], None]) -> list[str]:
        before()
        self.record.unlink(missing_ok=True)
        self._drained(record=self.record)
        return self.record.read_text().splitlines()

    def killed(self, before: Callable[[], None], point: str) -> bool:
        before()
        return self._drained(at=point)

    def judge(self) -> None:
        """Whoever comes next goes on."""
        chat = self.chat
        chat.let_leases_run_out()
        chat.drain()
        if chat.task(self.task).status is Status.WAITING:
            chat.heard("yes")
        chat.drain()
        assert chat.task(self.task).status is chat.task(self.behind).status is Status.COMPLETED
        question, *told = chat.told()
        assert question.startswith("I would /plan it")
        assert told == ["did /plan it", "heard two"]
        done = chat.site.sql(
            "SELECT payload ->> 'done' FROM ops.jobs WHERE kind = 'test' ORDER BY 1"
        )
        assert done == [["/plan it"], ["two"]]
        assert (
            chat.site.sql("SELECT 1 FROM ops.chat_tasks WHERE ending IS DISTINCT FROM 'told'") == []
        )

    def _begin(self) -> None:
        self.chat.site.reset()
        self.task, self.behind = self.chat.say("/plan it"), self.chat.say("two")

    def _drained(self, **how: object) -> bool:
        environment = self.chat.site.environment(WORKERS_MAX_PARALLEL="1")
        ended = self.forks.start(DRAIN, environment, **how).wait()  # type: ignore[arg-type]  # as Forks takes them
        assert ended.killed or ended.status == 0, ended.err
        return ended.killed


@pytest.fixture
def site(database_url: str, direct_database_url: str) -> Iterator[Site]:
    with Simulator(accounts=1, orders=1, days=2) as simulator:
        yield site_of(database_url, direct_database_url, simulator)


@pytest.fixture
def killing(site: Site, tmp_path: Path) -> Iterator[Killing]:
    with talk(site) as chat, Forks(LAUNCHER, tmp_path) as forks:
        chat.process = leaves_a_job
        yield Killing(chat, forks, tmp_path)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("at", [Killing.planning, Killing.approved])
def test_killed_around_its_settling_a_task_is_done_and_told_once(
    killing: Killing, at: Callable[[Killing], None]
) -> None:
    for point in (BEGUN, KEPT, SETTLED):
        assert killing.killed(lambda: at(killing), point)
        killing.judge()


@pytest.mark.chaos
@pytest.mark.timeout(900)
@pytest.mark.parametrize("at", [Killing.planning, Killing.approved])
def test_killed_at_every_third_crash_point_of_a_drain_everything_is_done_and_told_once(
    killing: Killing, caused: Caused, at: Callable[[Killing], None]
) -> None:
    points = killing.points(lambda: at(killing))[random.randrange(EACH) :: EACH]
    killed = 0

    for point in points:
        killed += killing.killed(lambda: at(killing), point)
        killing.judge()

    caused(f"crash points of a drain with a session: N = {len(points)}; killed {killed}")
    assert killed >= 0.9 * len(points) >= 15
