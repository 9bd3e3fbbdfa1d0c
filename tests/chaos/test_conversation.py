"""Conversations while Telegram throttles, fails and hangs, and who drains or listens is killed."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from infra.simulator.server import Simulator
from tests.support.answering import service
from tests.support.caused import Caused
from tests.support.site import Served, Site, served, site_of
from tests.support.talk import HANGS, KILL, NO_ANSWER, Moody, Talk, shuffled
from tests.support.telegram import HEADER, PATH, WORD, post, update, with_telegram

SEED = 20261122
REFUSING = 99
KILLED_BEFORE = (2, 5)
"""Turns whose messages somebody heard first who was killed."""


@pytest.fixture
def site(database_url: str, direct_database_url: str) -> Iterator[Site]:
    with Simulator(accounts=1, orders=1) as simulator:
        yield site_of(database_url, direct_database_url, simulator)


def talking(site: Site, url: str, chats: list[int]) -> Site:
    listed = ",".join(map(str, chats))
    return with_telegram(site, url, TELEGRAM_ALLOWED_CHAT_IDS=listed, LOG_LEVEL="warning")


@pytest.mark.timeout(120)
def test_what_telegram_and_a_kill_disturb_is_said_in_order(site: Site) -> None:
    chats = [1, 2, 3]
    moody = Moody(shuffled({429: 1, 500: 1, NO_ANSWER: 1}, 9, SEED))
    with service(moody.answer) as telegram:
        talk = Talk(talking(site, telegram.url, chats), moody)
        number = 0
        for chat in chats:
            talk.said[chat] = [f"{chat}-{turn}" for turn in range(3)]
            for text in talk.said[chat]:
                number += 1
                for _ in range(2):
                    assert post(talk.site, update(number, f"say {text}", chat)) == (200, None)
        talk.drain("--queue", "chat")
        talk.drain(kill_in=2)
        talk.drain_all()

    talk.check()
    assert set(moody.caused.values()) == {1}
    assert len(moody.caused) == 4


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_a_storm_of_faults_loses_no_reply_and_changes_no_order(
    site: Site, tmp_path: Path, caused: Caused
) -> None:
    chats, turns = [1, 2, 3, 4, 5, 6], 8
    rng = random.Random(SEED)
    planned = {429: 5, 500: 3, 502: 2, NO_ANSWER: 4, HANGS: 1}
    moody = Moody(shuffled(planned, len(chats) * turns, SEED), frozenset({REFUSING}))
    kills = killed = repeated = 0
    with service(moody.answer) as telegram, ExitStack() as stack:
        talk = Talk(talking(site, telegram.url, [*chats, REFUSING]), moody)
        talk.said = {chat: [f"{chat}-{turn}" for turn in range(turns)] for chat in chats}
        talk.said[REFUSING] = [f"{REFUSING}-{turn}" for turn in range(turns)]
        try:
            server = stack.enter_context(served(talk.site.environment(), tmp_path / "log"))
            for turn in range(turns):
                if turn in KILLED_BEFORE:
                    killed += heard_by_one_who_is_killed(talk, turn, tmp_path, rng)
                for body in bodies(talk, turn):
                    for _ in range(1 + (rng.random() < 0.3)):
                        assert posted(server, body) == 200
                        repeated += 1
                # A task has three attempts: where some may be at work, two runs are killed.
                if turn in {2, 5}:
                    talk.drain(at_once=2, kill_in=rng.randint(1, 3))
                    kills += 1
                talk.drain("--queue", "chat", at_once=2)
                if turn in {0, 3, 6, 7}:
                    talk.drain("--queue", "notify", at_once=2, kill_in=rng.randint(1, 3))
                    kills += 1
                elif turn not in {1, 4}:
                    talk.drain()
            talk.drain_all()
        finally:
            moody.over.set()
    repeated -= len([*chats, REFUSING]) * turns

    talk.check()
    caused(
        f"{talk.runs} drains, {sum(map(len, talk.said.values()))} messages: "
        + ", ".join(f"{times} x {kind}" for kind, times in sorted(moody.caused.items()))
        + f", {killed} webhooks killed, {repeated} updates repeated"
    )
    assert {kind: moody.caused[str(kind)] for kind in planned} == planned
    assert moody.caused[KILL] == kills == 6
    assert 1 <= moody.caused["403"] <= turns
    assert min(killed, repeated) > 0


def bodies(talk: Talk, turn: int) -> list[bytes]:
    return [
        update(turn * 100 + chat, f"say {texts[turn]}", chat) for chat, texts in talk.said.items()
    ]


def posted(server: Served, body: bytes) -> int:
    return server.bare("POST", PATH, content=body, headers={HEADER: WORD}).status_code


def heard_by_one_who_is_killed(talk: Talk, turn: int, folder: Path, rng: random.Random) -> int:
    """Some of it is taken; Telegram, which got no answer, sends all of it again. How many died."""
    with served(talk.site.environment(), folder / "killed") as server:
        timer = threading.Timer(rng.random() * 0.1, server.process.kill)
        timer.start()
        for body in bodies(talk, turn):
            try:
                posted(server, body)
            except httpx.HTTPError:
                break
        timer.join()
        server.process.wait(30)
    return 1
