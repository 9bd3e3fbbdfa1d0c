"""What becomes of an update: obeyed, refused, told; and never so that Telegram repeats it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from core.chat.model import Chat
from core.chat.ports import Message
from core.chat.take_updates import TEXT_ONLY, TakeUpdates, heeded
from core.chat.updates import Update
from core.errors import StoreUnavailableError, UsageError
from core.jobs.model import Enqueued, NewJob
from core.jobs.ports import JobStore
from tests.support.fake_chats import MINE, TASK, FakeChats
from tests.support.log import ListLog

SAID = "pause everything, canary"


@dataclass
class Told:
    jobs: list[NewJob] = field(default_factory=list)
    refuses: Exception | None = None

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        if self.refuses is not None:
            raise self.refuses
        self.jobs += jobs
        return [Enqueued(id=TASK, created=True)]


@dataclass
class Door:
    chats: FakeChats = field(default_factory=FakeChats)
    told: Told = field(default_factory=Told)
    log: ListLog = field(default_factory=ListLog)
    allowed: frozenset[str] = frozenset({"42"})

    def take(self, **update: Any) -> None:
        given = Update(**{"id": 7, "kind": "message", "chat": MINE, **update})
        taking = TakeUpdates(chats=self.chats, jobs=cast("JobStore", self.told), log=self.log)
        chat = heeded(given, self.allowed, self.log)
        if chat is not None:
            taking.take(chat, given)


def test_a_text_is_received_under_the_updates_name() -> None:
    door = Door()

    door.take(text=SAID)

    assert door.chats.messages == [Message(chat=MINE, text=SAID, key="telegram:7")]
    assert door.told.jobs == []
    [(level, event, facts)] = door.log.told
    assert (level, event) == ("info", "telegram.taken")
    assert facts == {
        "chat_id": "42", "task_id": str(TASK), "said": "queued", "position": 0, "created": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("allowed", "why"), [(frozenset({"43"}), "not one of"), (frozenset(), "nobody is obeyed")]
)
def test_a_stranger_is_not_obeyed_and_nothing_of_it_is_kept(
    allowed: frozenset[str], why: str
) -> None:
    door = Door(allowed=allowed)

    door.take(text=SAID)
    door.take(unreadable=True)

    assert (door.chats.messages, door.told.jobs, door.chats.wrote_in) == ([], [], [])
    assert door.log.events() == ["telegram.refused"] * 2
    assert why in str(door.log.told)
    assert "canary" not in str(door.log.told)


def test_what_is_no_text_is_told_once() -> None:
    door = Door()

    door.take(unreadable=True)

    assert door.told.jobs == [
        NewJob(
            kind="notify.telegram",
            payload={"chat_id": 42, "text": TEXT_ONLY},
            idempotency_key="telegram:7:told",
        )
    ]
    assert door.chats.messages == []
    assert door.chats.wrote_in == [MINE]


@pytest.mark.parametrize(
    "update", [{"chat": None, "kind": "edited_message"}, {"chat": None}, {"text": None}]
)
def test_what_nobody_says_is_passed_over(update: dict[str, Any]) -> None:
    door = Door()

    door.take(**update)

    assert (door.chats.messages, door.told.jobs) == ([], [])
    assert door.log.events() == ["telegram.ignored"]


def test_what_cannot_be_taken_is_told_to_the_person_and_not_to_telegram() -> None:
    door = Door(FakeChats(refuses=UsageError("text: is longer than 4,096 characters")))

    door.take(text=SAID)

    [job] = door.told.jobs
    assert job.payload["text"] == "I have not taken this: text: is longer than 4,096 characters"
    assert door.log.events() == ["telegram.not_taken"]
    assert "canary" not in str(door.log.told)


def test_where_not_even_that_can_be_told_it_stands_in_the_log() -> None:
    door = Door(told=Told(refuses=UsageError("the key has 1000 unfinished jobs")))

    door.take(unreadable=True)

    assert door.log.events() == ["telegram.untold"]


def test_without_a_database_telegram_is_to_come_again() -> None:
    door = Door(FakeChats(refuses=StoreUnavailableError("away")))

    with pytest.raises(StoreUnavailableError):
        door.take(text=SAID)


def test_a_group_is_answered_at_its_number() -> None:
    group = Chat(source="telegram", chat_id="-1001234567890")
    door = Door(allowed=frozenset({group.chat_id}))

    door.take(chat=group, unreadable=True)

    assert door.told.jobs[0].payload["chat_id"] == -1001234567890
