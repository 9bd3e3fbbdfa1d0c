"""A message that comes while something else happens to its session: each race by a real lock."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from core.chat.model import ANSWER, QUEUE
from core.chat.ports import Message, Received, Said
from core.jobs.model import Cancelled, Completed, Job, Status, Verdict, Waiting
from core.jobs.ports import Lane, Settled
from core.jobs.settling import changes
from infra.postgres.chats import receive
from infra.postgres.job_claim import Claiming
from infra.postgres.jobs import NamedStatements, settle_in
from infra.postgres.transaction import Database
from infra.postgres.url import parse
from tests.integration.test_chats import HOUR, KINDS, ME, RUN, Desk
from tests.integration.test_job_races import BLOCKED
from tests.support.postgres import execute


class Racing(Desk):
    def __init__(self, database: Database, admin: str) -> None:
        super().__init__(database)
        self.admin = parse(admin)

    def said_while(self, held: Any, text: str = "yes", key: str | None = None) -> Received:
        """`held` has happened, and is committed when the message waits for it."""
        with ThreadPoolExecutor(1) as thread:
            with self.database.transaction() as connection:
                held(connection)
                waiting = thread.submit(self.say, text, key=key)
                while not execute(self.admin, BLOCKED):
                    assert not waiting.done(), "it did not wait"
            return waiting.result(60)

    def settled(self, job: Job, verdict: Verdict) -> Any:
        made = changes([Settled(job=job, verdict=verdict)], KINDS)
        return lambda connection: settle_in(connection, RUN, made)

    def waits(self, job: Job, for_: timedelta = HOUR) -> Any:
        until = self.sql("SELECT clock_timestamp()")[0][0] + for_
        return self.settled(job, Waiting(name=ANSWER, until=until, phase="plan_approval"))


@pytest.fixture
def racing(database: Database, direct_database_url: str) -> Racing:
    return Racing(database, direct_database_url)


def test_a_text_that_comes_as_its_question_is_asked_answers_it(racing: Racing) -> None:
    asked = racing.say("/run ebay").task_id
    job = racing.claim()

    answered = racing.said_while(racing.waits(job))

    assert (answered.said, answered.task_id) == (Said.ANSWERED, asked)
    again = racing.claim()
    assert (again.id, again.signal) == (asked, {"name": ANSWER, "data": {"text": "yes"}})


def test_a_text_that_comes_as_the_wait_ends_is_a_task_of_its_own(racing: Racing) -> None:
    asked = racing.say("/run ebay").task_id
    racing.ask(for_=timedelta(0))
    lane = Lane(queue=QUEUE, batch=1, lease=HOUR)

    late = racing.said_while(lambda connection: Claiming(connection, RUN, lane).claim())

    assert (late.said, late.position) == (Said.QUEUED, 1)
    assert racing.chats.task(str(asked)).status is Status.PROCESSING


@pytest.mark.parametrize("verdict", [Completed(), Cancelled(outcome="rejected")])
def test_a_text_that_comes_as_the_task_ends_is_a_task_of_its_own(
    racing: Racing, verdict: Verdict
) -> None:
    racing.say("/run ebay")

    late = racing.said_while(racing.settled(racing.claim(), verdict))

    assert (late.said, late.position) == (Said.QUEUED, 0)


def test_of_two_texts_at_once_one_answers_and_the_other_is_a_task(racing: Racing) -> None:
    asked = racing.say("/run ebay").task_id
    racing.ask()

    other = racing.said_while(
        lambda connection: receive(connection, Message(chat=ME, text="no"), KINDS)
    )

    assert (other.said, other.position) == (Said.QUEUED, 1)
    assert racing.claim().signal == {"name": ANSWER, "data": {"text": "no"}}
    assert other.task_id != asked


def test_one_delivery_that_comes_twice_at_once_is_heard_once(racing: Racing) -> None:
    message = Message(chat=ME, text="/orders", key="update 7")

    again = racing.said_while(
        lambda connection: receive(connection, message, KINDS), "/orders", "update 7"
    )

    assert again.created is False
    assert len(racing.sql("SELECT id FROM ops.jobs")) == 1


def test_a_chat_that_refuses_as_it_is_asked_has_not_seen_the_question(racing: Racing) -> None:
    task = racing.say("/run ebay").task_id

    def asks(connection: Any) -> None:
        keep = NamedStatements(connection)
        keep.execute("chats.hold_chat", source=ME.source, chat_id=ME.chat_id)
        keep.execute("chats.keep_question", id=task, reply="?", shown=True)

    with ThreadPoolExecutor(1) as thread:
        with racing.database.transaction() as connection:
            asks(connection)
            waiting = thread.submit(racing.chats.blocked, ME, "blocked by the user")
            while not execute(racing.admin, BLOCKED):
                assert not waiting.done(), "it did not wait"
        waiting.result(60)

    assert racing.sql("SELECT reply, shown FROM ops.chat_tasks") == [("?", False)]


def test_messages_at_once_all_get_a_place_in_line(racing: Racing) -> None:
    with ThreadPoolExecutor(2) as threads:
        said = list(threads.map(lambda number: racing.say(f"/do {number}"), range(20)))

    assert sorted(each.position for each in said) == list(range(20))
    assert racing.chats.session(ME) is not None


def test_what_is_forgotten_are_chats_without_tasks(racing: Racing) -> None:
    racing.say("/orders")
    racing.end()
    age = "UPDATE ops.chats SET last_message_at = now() - interval '40 days'"
    racing.sql(age)
    month = racing.sql("SELECT now() - interval '30 days'")[0][0]

    kept = racing.control.forget(month, 10), racing.chats.session(ME)
    racing.sql(
        "UPDATE ops.jobs SET created_at = created_at - interval '40 days',"
        " finished_at = finished_at - interval '40 days'"
    )
    while racing.control.forget(month, 10):
        pass

    assert kept[1] is not None
    assert racing.chats.session(ME) is None
    for table in ("chats", "chat_tasks", "chat_messages", "jobs", "job_keys"):
        assert racing.sql(f"SELECT 1 FROM ops.{table}") == []
