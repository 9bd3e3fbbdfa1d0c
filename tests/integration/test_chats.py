"""Sessions of chats in PostgreSQL: what a message does, and what people read of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from core.chat.model import ANSWER, KIND, QUEUE, Chat, Decision
from core.chat.ports import Message, Received, Said
from core.errors import UsageError
from core.ids import RunId
from core.jobs.control import AmbiguousJobError, JobConflictError, NoSuchJobError
from core.jobs.kinds import Effect, JobKind
from core.jobs.model import Completed, Job, JobId, Status, Verdict, Waiting
from core.jobs.ports import Lane, Settled
from infra.postgres.chats import PostgresChats
from infra.postgres.job_control import PostgresJobControl
from infra.postgres.jobs import PostgresJobs
from infra.postgres.transaction import Database

RUN = RunId(uuid4())
HOUR = timedelta(hours=1)
ME, OTHER = Chat(source="telegram", chat_id="1"), Chat(source="http", chat_id="1")


def never(job: Job, context: object) -> Verdict:
    raise AssertionError("a store performs nothing")


KINDS = {
    KIND: JobKind(
        name=KIND,
        queue=QUEUE,
        effect=Effect.OUTSIDE,
        check=lambda _: None,
        perform=never,
        batch=1,
    )
}


class Desk:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.chats = PostgresChats(database, KINDS)
        self.jobs = PostgresJobs(database, KINDS)
        self.control = PostgresJobControl(database, KINDS)

    def sql(self, statement: str, **values: object) -> Sequence[Any]:
        with self.database.transaction() as connection:
            done = connection.execute(sa.text(statement), values)
            return done.all() if done.returns_rows else []

    def say(self, text: str, chat: Chat = ME, key: str | None = None) -> Received:
        return self.chats.receive(Message(chat=chat, text=text, key=key))

    def claim(self) -> Job:
        [job] = self.jobs.claim(RUN, Lane(queue=QUEUE, batch=1, lease=HOUR)).jobs
        return job

    def settle(self, job: Job, verdict: Verdict) -> None:
        self.jobs.settle(RUN, [Settled(job=job, verdict=verdict)])

    def ask(self, for_: timedelta = HOUR) -> Job:
        """The head of the line comes to a plan."""
        job = self.claim()
        now = self.sql("SELECT clock_timestamp()")[0][0]
        self.settle(job, Waiting(name=ANSWER, until=now + for_, phase="plan_approval"))
        return job

    def end(self) -> Job:
        job = self.claim()
        self.settle(job, Completed())
        return job


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_a_message_becomes_a_task_in_the_line_of_its_chat(desk: Desk) -> None:
    first, second = desk.say("/orders"), desk.say("and the money")

    assert (first.said, first.position, first.created) == (Said.QUEUED, 0, True)
    assert (second.said, second.position) == (Said.QUEUED, 1)
    assert [task.id for task in desk.chats.tasks(ME, 9)] == [first.task_id, second.task_id]


def test_t10_the_position_in_the_queue_is_right_and_0_is_the_active_one(desk: Desk) -> None:
    made = [desk.say(f"/do {number}").task_id for number in range(3)]

    assert [desk.chats.task(str(id_)).position for id_ in made] == [0, 1, 2]

    desk.end()

    assert [desk.chats.task(str(id_)).position for id_ in made] == [None, 0, 1]
    assert [task.position for task in desk.chats.tasks(ME, 9)] == [0, 1, None]


def test_t6_chat_1_of_telegram_and_chat_1_of_http_are_two_sessions(desk: Desk) -> None:
    desk.say("/run ebay", ME)
    desk.ask()
    other = desk.say("yes", OTHER)

    assert (other.said, other.position) == (Said.QUEUED, 0)
    assert desk.claim().id == other.task_id


@pytest.mark.parametrize("text", ["", " ", "\n\t", "  "])
def test_t8_an_empty_message_is_refused_before_it_is_queued(desk: Desk, text: str) -> None:
    with pytest.raises(UsageError, match="text: is empty"):
        desk.say(text)

    assert desk.sql("SELECT id FROM ops.jobs") == []
    assert desk.chats.session(ME) is None


def test_a_chat_that_has_no_key_of_its_own_is_refused(desk: Desk) -> None:
    with pytest.raises(UsageError, match="chat_id"):
        desk.say("/help", Chat(source="telegram", chat_id="me"))
    with pytest.raises(UsageError, match="key"):
        desk.say("/help", key="")


def test_a_text_answers_the_active_task_that_waits_for_one(desk: Desk) -> None:
    asked = desk.say("/run ebay").task_id
    behind = desk.say("/orders").task_id
    desk.ask()

    answered = desk.say("yes, do it")

    assert (answered.task_id, answered.said, answered.position) == (asked, Said.ANSWERED, 0)
    job = desk.claim()
    assert (job.id, job.signal) == (asked, {"name": ANSWER, "data": {"text": "yes, do it"}})
    assert desk.chats.task(str(behind)).position == 1


def test_a_command_is_a_new_task_also_while_one_waits_for_an_answer(desk: Desk) -> None:
    desk.say("/run ebay")
    desk.ask()

    said = desk.say("/status")

    assert (said.said, said.position) == (Said.QUEUED, 1)


def test_what_comes_after_the_wait_is_over_is_no_answer(desk: Desk) -> None:
    asked = desk.say("/run ebay").task_id
    desk.ask(for_=timedelta(0))

    late = desk.say("yes")

    assert late.said is Said.QUEUED
    with pytest.raises(JobConflictError):
        desk.chats.answer(asked, "yes")


def test_t3_an_answer_to_a_task_that_is_not_the_active_one_conflicts(desk: Desk) -> None:
    asked, behind = desk.say("/run ebay").task_id, desk.say("/orders").task_id
    desk.ask()

    with pytest.raises(JobConflictError, match="pending"):
        desk.chats.answer(behind, "yes")

    assert desk.chats.answer(asked, "yes").said is Said.ANSWERED


def test_t3_an_answer_to_a_task_that_has_ended_conflicts(desk: Desk) -> None:
    ended = desk.say("/status").task_id
    desk.end()

    with pytest.raises(JobConflictError, match="completed"):
        desk.chats.answer(ended, "yes")


def test_an_answer_to_nobody_says_so(desk: Desk) -> None:
    with pytest.raises(NoSuchJobError):
        desk.chats.answer(JobId(uuid4()), "yes")


def test_a_message_that_is_delivered_twice_is_heard_once(desk: Desk) -> None:
    first = desk.say("/orders", key="update 7")

    again = desk.say("something else", key="update 7")

    assert again == Received(task_id=first.task_id, said=Said.QUEUED, position=0, created=False)
    assert len(desk.sql("SELECT id FROM ops.jobs")) == 1


def test_an_answer_that_is_delivered_again_after_the_end_changes_nothing(desk: Desk) -> None:
    asked = desk.say("/run ebay").task_id
    desk.ask()
    first = desk.say("yes", key="update 8")
    desk.end()

    again, by_id = desk.say("yes", key="update 8"), desk.chats.answer(asked, "yes", "update 8")

    assert (first.created, again.created, by_id.created) == (True, False, False)
    assert {first.task_id, again.task_id, by_id.task_id} == {asked}
    assert {again.said, by_id.said} == {Said.ANSWERED}
    assert len(desk.sql("SELECT id FROM ops.jobs")) == 1


def test_the_same_key_in_two_chats_is_two_messages(desk: Desk) -> None:
    assert desk.say("/a", ME, key="7").task_id != desk.say("/a", OTHER, key="7").task_id


def test_a_session_takes_no_more_than_a_thousand_unfinished_tasks(desk: Desk) -> None:
    desk.say("/first")
    desk.sql(
        "INSERT INTO ops.jobs (queue, kind, status, ordering_key, run_at, max_attempts, payload,"
        " created_at, updated_at) SELECT 'chat', 'chat', 'pending', 'telegram:1',"
        " now(), 3, '{}', now(), now() FROM generate_series(1, 999)"
    )

    with pytest.raises(UsageError, match="1,000 tasks that have not ended"):
        desk.say("/one more")

    assert desk.say("/one", OTHER).created


def test_sessions_are_listed_by_their_latest_message(desk: Desk) -> None:
    chats = [Chat(source="http", chat_id=str(number)) for number in range(3)]
    for chat in (*chats, chats[0]):
        desk.say("/status", chat)

    page = desk.chats.sessions(2)
    rest = desk.chats.sessions(2, after=page.sessions[-1].chat)

    assert page.total == rest.total == 3
    assert [each.chat for each in (*page.sessions, *rest.sessions)] == [
        chats[0], chats[2], chats[1],
    ]  # fmt: skip
    assert [each.queue_len for each in page.sessions] == [2, 1]


def test_a_session_tells_its_active_task_and_the_next_one(desk: Desk) -> None:
    asked, behind = desk.say("/run ebay").task_id, desk.say("/orders").task_id
    desk.ask()

    session = desk.chats.session(ME)

    assert session is not None
    assert (session.active_id, session.next_task_id) == (asked, behind)
    assert (session.active_status, session.active_phase) == (Status.WAITING, "plan_approval")
    assert (session.queue_len, session.paused, session.blocked_at) == (2, False, None)


def test_a_session_is_paused_by_its_key_or_its_queue(desk: Desk) -> None:
    desk.say("/status")
    desk.control.pause_key(QUEUE, ME.ordering_key, paused=True)

    session = desk.chats.session(ME)
    assert session is not None
    assert session.paused

    desk.control.pause_key(QUEUE, ME.ordering_key, paused=False)
    desk.sql("INSERT INTO ops.queues (queue, enabled) VALUES ('chat', false)")

    session = desk.chats.session(ME)
    assert session is not None
    assert session.paused


def test_a_chat_that_refuses_is_blocked_until_it_writes(desk: Desk) -> None:
    desk.say("/status")

    desk.chats.blocked(ME, "bot was blocked by the user")

    session = desk.chats.session(ME)
    assert session is not None
    assert session.blocked_at is not None

    desk.say("/status", key="1")

    session = desk.chats.session(ME)
    assert session is not None
    assert session.blocked_at is None


def test_a_chat_that_refuses_again_has_seen_no_question_either(desk: Desk) -> None:
    """Its first refusal came after the question was thought of, and before it was stored."""
    asked = desk.say("/run ebay").task_id
    desk.chats.blocked(ME, "first")
    desk.sql("UPDATE ops.chat_tasks SET shown = true")

    desk.chats.blocked(ME, "second")

    assert desk.sql("SELECT job_id, shown FROM ops.chat_tasks") == [(asked, False)]
    assert desk.sql("SELECT blocked_reason FROM ops.chats") == [("first",)]


@pytest.mark.parametrize(
    ("status", "seen"), [("pending", False), ("failed", False), ("completed", True)]
)
def test_a_yes_before_the_question_was_sent_does_not_mean_it(
    desk: Desk, status: str, seen: bool
) -> None:
    asked = desk.say("/run ebay").task_id
    job = desk.ask()
    desk.sql("UPDATE ops.chat_tasks SET shown = true")
    desk.sql(
        "INSERT INTO ops.jobs (id, queue, kind, payload, status, max_attempts, idempotency_key,"
        " run_at, created_at, updated_at, finished_at) VALUES (:id, 'notify', 'notify.telegram',"
        " '{}', :status, 1, :key, now(), now(), now(),"
        " CASE WHEN :status <> 'pending' THEN now() END)",
        id=uuid4(),
        status=status,
        key=f"chat:{asked}:{job.fence}",
    )

    desk.say("yes")

    assert desk.sql("SELECT shown FROM ops.chat_tasks") == [(seen,)]


def test_a_message_that_comes_again_unblocks_nothing(desk: Desk) -> None:
    desk.say("/status", key="1")
    desk.chats.blocked(ME, "bot was blocked by the user")

    desk.say("/status", key="1")

    session = desk.chats.session(ME)
    assert session is not None
    assert session.blocked_at is not None


def test_a_task_is_found_by_the_beginning_of_its_id(desk: Desk) -> None:
    made = desk.say("/status").task_id

    task = desk.chats.task(str(made)[:8])

    assert (task.id, task.chat, task.text, task.status) == (made, ME, "/status", Status.PENDING)
    with pytest.raises(NoSuchJobError):
        desk.chats.task("zz")


def test_several_tasks_with_one_beginning_are_named(desk: Desk) -> None:
    desk.sql(
        "INSERT INTO ops.jobs (id, queue, kind, status, ordering_key, run_at, max_attempts,"
        " payload, created_at, updated_at) SELECT CAST('abcd000' || number ||"
        " '-0000-4000-8000-000000000000' AS uuid), 'chat', 'chat', 'pending', 'http:2', now(),"
        " 3, '{}', now(), now() FROM generate_series(1, 2) AS number"
    )

    with pytest.raises(AmbiguousJobError) as raised:
        desk.chats.task("abcd")

    assert len(raised.value.candidates) == 2


def test_a_drain_sees_each_session_as_it_is(desk: Desk) -> None:
    chats = {name: Chat(source="http", chat_id=name) for name in ("due", "busy", "empty", "asks")}
    desk.say("/run", chats["asks"])
    desk.ask()
    desk.say("/a", chats["busy"])
    desk.claim()
    desk.say("/a", chats["empty"])
    desk.end()
    desk.say("/hello", chats["due"])

    total, seen = desk.chats.seen(9)

    assert total == 4
    assert {each.session.chat.chat_id: (each.decision, each.input_len) for each in seen} == {
        "due": (Decision.STARTED, 6),
        "busy": (Decision.KEY_BUSY, 0),
        "empty": (Decision.EMPTY_QUEUE, 0),
        "asks": (Decision.WAITING, 0),
    }


def test_a_drain_sees_those_with_work_first(desk: Desk) -> None:
    worked = Chat(source="http", chat_id="worked")
    desk.say("/a", worked)
    for number in range(3):
        desk.say("/a", Chat(source="http", chat_id=f"idle {number}"))
    desk.sql("DELETE FROM ops.jobs WHERE ordering_key LIKE 'http:idle%'")
    desk.sql("UPDATE ops.job_keys SET visible_at = NULL WHERE ordering_key LIKE 'http:idle%'")

    total, seen = desk.chats.seen(2)

    assert total == 4
    assert seen[0].session.chat == worked
    assert len(seen) == 2
