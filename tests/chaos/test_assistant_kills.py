"""A drain that does an approved plan, killed anywhere: done once in the end, and said so once."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from core.chat.model import KIND
from core.jobs.model import Status
from tests.support.caused import Caused
from tests.support.chats import Talk
from tests.support.ground import Ground, ground
from tests.support.postgres import Server
from tests.support.site import site_of
from tests.support.sweep import wait_for_silence

TRIES = 10
SAMPLE = (
    "after stream_control.rewind #1",
    "before stream_control.rewind #2",
    "before chats.keep_ending #1",
)
LONG_LEASE_S = 60.0
AS_NEW = """
TRUNCATE ops.jobs CASCADE; TRUNCATE ops.job_keys, ops.queues; DELETE FROM ebay.cursor_changes;
UPDATE ops.workers SET faults = 0, tripped_at = NULL, probe_at = NULL;
UPDATE ebay.sync_states SET cursor_at = date_trunc('hour', clock_timestamp()), window_from = NULL,
       window_to = NULL, window_goal = NULL, window_limit = NULL, window_offset = NULL, window_total = NULL,
       window_pass = NULL WHERE pass = 'new'
"""  # noqa: E501  (one statement)
REWOUND = "SELECT stream FROM ebay.cursor_changes WHERE undone_at IS NULL ORDER BY id"


@dataclass(frozen=True)
class Chat:
    ground: Ground
    talk: Talk

    def approve(self, text: str) -> Any:
        """A plan that waits for nothing but the next drain."""
        self.ground.sql(AS_NEW)
        task = self.talk.say(text)
        self.talk.drain()
        self.talk.say("yes")
        return task

    def until_ended(self, task: Any) -> None:
        for _ in range(TRIES):
            if self.talk.task(task).finished_at is not None:
                return
            self.talk.let_leases_run_out()
            self.talk.let_retries_come()
            self.talk.drain("--kind", KIND)
        raise AssertionError(f"it does not end: {self.talk.task(task)}")


@pytest.fixture
def chat(postgres_server: Server, _template: str) -> Iterator[Chat]:
    """A seller whose lists were read to the end."""
    with ExitStack() as stack:
        name = postgres_server.create_database(_template)
        stack.callback(postgres_server.drop_database, name)
        client, admin = (
            each.with_database(name) for each in (postgres_server.client, postgres_server.admin)
        )
        made = stack.enter_context(ground(client, admin, orders=5, lease_s=LONG_LEASE_S))
        assert made.run("ebay").status == 0
        site = site_of(client.reveal(), admin.reveal(), made.simulator)
        yield Chat(made, Talk(site))


def plan(chat: Chat) -> Any:
    account = chat.ground.sql("SELECT min(name) FROM ebay.accounts")[0][0]
    return chat.approve(f"/rewind {account} orders,payouts 5d")


def points_of(chat: Chat) -> list[str]:
    task = plan(chat)
    record = chat.ground.folder / "points"
    ran = chat.ground.run("queue", "--kind", KIND, record=record)
    assert ran.status == 0, f"{ran.err}{chat.talk.task(task)}"
    assert chat.talk.task(task).status is Status.COMPLETED
    return record.read_text().splitlines()


def sweep(chat: Chat, points: Sequence[str]) -> None:
    for point in points:
        task = plan(chat)
        killed = chat.ground.run("queue", "--kind", KIND, at=point)
        assert killed.killed, f"{point} was not reached: {killed.err}"
        wait_for_silence(chat.ground)
        chat.until_ended(task)

        ended = chat.talk.task(task)
        assert ended.status is Status.COMPLETED, f"{point}: {ended.error_detail}"
        assert chat.ground.sql(REWOUND) == [["orders"], ["payouts"]], point
        told = [text for text in chat.talk.told() if "undo undoes it." in text]
        assert len(told) == 1, f"{point}: {told}"


@pytest.mark.timeout(180)
def test_killed_at_some_points_an_approved_plan_is_done_once(chat: Chat) -> None:
    points = points_of(chat)

    # Where the first of two is set back, where the second is, and where both are and nobody knows.
    chosen = [name for name in points if name.endswith(SAMPLE)]
    assert len(chosen) == len(SAMPLE), points
    sweep(chat, chosen)


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_killed_at_every_point_an_approved_plan_is_done_once(chat: Chat, caused: Caused) -> None:
    # Those of the job; test_queue_crash_points.py sweeps the drain's own.
    points = [name for name in points_of(chat) if name.startswith("jobs ")]

    sweep(chat, points)

    caused(f"crash points of an approved plan: N = {len(points)}")
