"""What people ask of sessions at the other doors."""

from dataclasses import dataclass, field
from typing import cast

import pytest

from core.chat.control import ControlSessions, NoSuchSessionError
from core.chat.model import Chat
from core.chat.ports import Message
from core.errors import UsageError
from core.jobs.control import JobControl, NoSuchJobError
from core.jobs.model import JobId, Status
from tests.support.fake_chats import MINE, SESSION, TASK, WAITING, FakeChats

OTHER = Chat(source="http", chat_id="42")


@dataclass
class Jobs:
    cancelled: list[JobId] = field(default_factory=list)

    def cancel(self, job_id: JobId) -> Status:
        self.cancelled.append(job_id)
        return Status.CANCELLED


@pytest.fixture
def chats() -> FakeChats:
    return FakeChats({MINE: SESSION}, {TASK: WAITING})


def control(chats: FakeChats, jobs: Jobs | None = None, *allowed: str) -> ControlSessions:
    return ControlSessions(
        chats=chats,
        jobs=cast("JobControl", jobs or Jobs()),
        allowed=frozenset(allowed),
        door="api",
    )


def test_a_session_is_shown_with_its_tasks(chats: FakeChats) -> None:
    assert control(chats).one(MINE) == (SESSION, [WAITING])
    with pytest.raises(NoSuchSessionError, match="http:42"):
        control(chats).one(OTHER)


def test_what_is_said_is_named_by_its_door(chats: FakeChats) -> None:
    control(chats).say(OTHER, "hello", "a key")
    control(chats).say(OTHER, "hello", "")
    control(chats, None, "42").say(MINE, "hello")

    assert chats.messages == [
        Message(chat=OTHER, text="hello", key="api:a key"),
        Message(chat=OTHER, text="hello", key=None),
        Message(chat=MINE, text="hello", key=None),
    ]


def test_a_chat_of_telegram_that_is_not_obeyed_is_not_spoken_for(chats: FakeChats) -> None:
    with pytest.raises(UsageError, match="TELEGRAM_ALLOWED_CHAT_IDS"):
        control(chats, None, "43").say(MINE, "hello")

    assert chats.messages == []


def test_a_key_that_cannot_be_shown_is_refused(chats: FakeChats) -> None:
    with pytest.raises(UsageError, match="Idempotency-Key"):
        control(chats).say(OTHER, "hello", "a\x00")


def test_a_task_is_found_in_its_own_session_only(chats: FakeChats) -> None:
    assert control(chats).task(MINE, "6f1c") == WAITING
    with pytest.raises(NoSuchJobError, match="http:42 has no task"):
        control(chats).task(OTHER, "6f1c")


def test_an_answer_goes_to_its_task(chats: FakeChats) -> None:
    assert control(chats).answer(WAITING, "yes", "k") == WAITING
    assert chats.answers == [(TASK, "yes", "api:k")]


def test_a_task_is_cancelled_by_its_job(chats: FakeChats) -> None:
    jobs = Jobs()

    assert control(chats, jobs).cancel(WAITING) == WAITING
    assert jobs.cancelled == [TASK]


def test_its_events_are_told(chats: FakeChats) -> None:
    assert [each.event for each in control(chats).events(WAITING)] == ["retried"]
