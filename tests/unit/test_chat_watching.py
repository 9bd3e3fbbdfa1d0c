"""What each drain says of sessions, and whom it tells of an end."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from core.chat.model import Chat, Decision
from core.chat.ports import SeenSession, Session, Untold
from core.chat.watching import SEEN, WatchSessions
from core.chat.words import task_of
from core.jobs.model import Job, JobId, Status
from core.jobs.ports import Claim
from tests.support.log import ListLog
from tests.support.memory_chats import MemoryChatTasks
from tests.support.outside import ID, job
from tests.support.sync_fakes import Run

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NEXT = JobId(UUID(int=2))


def chat(number: int = 1) -> Chat:
    return Chat(source="telegram", chat_id=str(number))


def seen(decision: Decision, number: int = 1, **changes: Any) -> SeenSession:
    fields = {
        "chat": chat(number),
        "queue_len": 2,
        "active_id": ID,
        "active_status": Status.PENDING,
        "active_phase": None,
        "next_task_id": NEXT,
        "paused": False,
        "blocked_at": None,
        "last_message_at": NOW,
        **changes,
    }
    return SeenSession(session=Session(**fields), input_len=7, decision=decision)


class Looking:
    def __init__(self, *sessions: SeenSession) -> None:
        self.log = ListLog()
        self.tasks = MemoryChatTasks(sessions=list(sessions))
        run = Run()
        run.log = self.log  # type: ignore[assignment]  # a log is a log
        self.watch = WatchSessions(tasks=self.tasks, run=run.context())

    def lines(self, event: str) -> list[dict[str, object]]:
        return [facts for _, name, facts in self.log.told if name == event]

    def decisions(self) -> list[object]:
        return [facts["decision"] for facts in self.lines("session.seen")]

    def claim(self, *jobs: Job) -> None:
        self.watch.claimed(Claim(jobs=jobs))


def begun(number: int = 1, text: str = "/orders") -> Job:
    return job(task_of(chat(number), text).payload, "chat", ordering_key=f"telegram:{number}")


def test_sessions_are_counted_and_each_is_told_of() -> None:
    looking = Looking(seen(Decision.WAITING, 1), seen(Decision.EMPTY_QUEUE, 2, active_id=None))

    looking.watch.began()

    [listed] = looking.lines("sessions.seen")
    assert (listed["count"], listed["sessions"]) == (2, ["telegram:1", "telegram:2"])
    first, second = looking.lines("session.seen")
    assert first == {
        "run_id": first["run_id"], "source": "telegram", "chat_id": "1", "queue_len": 2,
        "active_id": str(ID), "status": Status.PENDING, "phase": None, "next_task_id": str(NEXT),
        "user_input_len": 7, "decision": Decision.WAITING,
    }  # fmt: skip
    assert (second["decision"], second["active_id"]) == (Decision.EMPTY_QUEUE, None)


def test_no_more_than_twenty_are_named() -> None:
    looking = Looking(*[seen(Decision.WAITING, number) for number in range(1, 30)])

    looking.watch.began()

    [listed] = looking.lines("sessions.seen")
    assert listed["count"] == 29
    assert len(looking.decisions()) == len(list(listed["sessions"])) == SEEN  # type: ignore[call-overload]  # a list


def test_started_is_said_when_it_was_claimed() -> None:
    looking = Looking(seen(Decision.STARTED))
    looking.watch.began()
    assert looking.decisions() == []

    looking.claim(begun(text="hello"))
    looking.watch.ended()

    [line] = looking.lines("session.seen")
    assert (line["decision"], line["user_input_len"]) == (Decision.STARTED, 5)
    assert line["active_id"] == str(ID)


def test_each_task_that_is_started_is_said() -> None:
    looking = Looking(seen(Decision.STARTED))
    looking.watch.began()

    looking.claim(begun())
    looking.claim(begun())

    assert looking.decisions() == [Decision.STARTED, Decision.STARTED]


def test_what_was_not_started_is_said_at_the_end() -> None:
    looking = Looking(seen(Decision.STARTED, 1), seen(Decision.STARTED, 2))
    looking.watch.began()

    looking.tasks.sessions[1] = seen(Decision.KEY_BUSY, 2)
    looking.watch.ended()

    assert looking.decisions() == [Decision.WAITING, Decision.KEY_BUSY]


def test_a_line_without_a_chat_and_a_job_without_one_are_unreadable() -> None:
    looking = Looking()
    looking.tasks.keys = ["nobody"]

    looking.watch.began()
    looking.claim(job({}, "chat", ordering_key="telegram:1"))

    first, second = looking.lines("session.unreadable")
    assert (first["ordering_key"], second["ordering_key"]) == ("nobody", "telegram:1")
    assert second["job_id"] == str(ID)


def untold(chat: Chat | None, *, blocked: bool = False) -> Untold:
    return Untold(
        id=ID, chat=chat, status=Status.DEAD, error_code="x", started=False, blocked=blocked
    )


def test_who_was_not_told_is_told_once() -> None:
    looking = Looking()
    looking.tasks.silent = [
        untold(chat()),
        untold(None),
        untold(chat(), blocked=True),
        untold(Chat(source="telegram", chat_id="nobody")),
    ]

    looking.watch.began()
    looking.watch.ended()

    assert [len(then) for _, then in looking.tasks.said] == [1, 0, 0, 0]
    [sent] = looking.tasks.said[0][1]
    assert sent.idempotency_key == f"chat:{ID}:ended"


def test_who_is_to_be_told_is_looked_for_where_something_may_have_ended() -> None:
    looking = Looking()
    looking.watch.began()
    looking.tasks.silent = [untold(chat())]

    looking.watch.looks()
    assert looking.tasks.said == []

    looking.watch.claimed(Claim(dead=1))
    looking.watch.looks()
    assert len(looking.tasks.said) == 1
