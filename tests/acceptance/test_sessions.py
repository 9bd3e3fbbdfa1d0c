"""Sessions of chats through the real drain: T1 to T11, and what each drain says of them."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from unittest.mock import patch

import pytest

from core.chat.model import Answer, Chat, Plan, Reply, Turn
from core.errors import RateLimitedError, UpstreamFacts, UsageError
from core.jobs import lanes
from core.jobs.control import JobConflictError
from core.jobs.model import NewJob, Status, Transaction
from handlers import chat_kinds
from tests.integration.test_statement_budget import counting
from tests.support.chats import ME, OTHER, Talk, echo, talk
from tests.support.site import DRAIN, Site

pytestmark = pytest.mark.timeout(120)
MINE, OTHERS = ME.ordering_key, OTHER.ordering_key
SECRET = "canary-what-was-said-4711"


@pytest.fixture
def chat(site: Site) -> Iterator[Talk]:
    with talk(site) as talking:
        yield talking


def test_a_message_is_answered_by_the_next_drain(chat: Talk) -> None:
    task = chat.say("hello")

    drained = chat.drain()

    assert drained.report["outcome"] == "done"
    assert chat.told() == ["heard hello"]
    ended = chat.task(task)
    assert (ended.status, ended.reply, ended.position) == (Status.COMPLETED, "heard hello", None)


def test_t1_three_tasks_of_one_session_run_in_order_and_another_session_is_not_delayed(
    chat: Talk,
) -> None:
    others_done = threading.Event()

    def process(turn: Turn) -> Answer:
        if turn.chat == OTHER:
            others_done.set()
        elif turn.text == "one":
            assert others_done.wait(60), "the other session waits for this one"
        return echo(turn)

    chat.process = process
    chat.say("one", "two", "three")
    chat.say("other", chat=OTHER)

    chat.drain()

    assert [text for text in chat.texts if text != "other"] == ["one", "two", "three"]
    assert chat.told() == ["heard one", "heard two", "heard three"]


def test_t2_while_a_plan_waits_nothing_else_of_that_session_starts_and_others_do(
    chat: Talk,
) -> None:
    asked = chat.say("/plan a rewind", "/orders")
    chat.say("hello", chat=OTHER)
    chat.drain()
    chat.drain()

    assert sorted(chat.texts) == ["/plan a rewind", "hello"]
    assert chat.task(asked).status is Status.PENDING
    head = chat.site.sql("SELECT status, phase FROM ops.jobs WHERE status = 'waiting'")
    assert head == [["waiting", "plan_approval"]]


@pytest.mark.parametrize("word", ["yes", "Ja!", "👍🏽"])
def test_t3_approved_the_same_task_goes_on_with_exactly_its_plan(chat: Talk, word: str) -> None:
    task = chat.say("/plan a rewind")
    chat.drain()
    answered = chat.heard(word)
    chat.drain()

    assert answered.task_id == task
    assert [(turn.text, turn.plan, turn.again) for turn in chat.turns] == [
        ("/plan a rewind", None, False),
        ("/plan a rewind", {"what": "/plan a rewind"}, False),
    ]
    done = chat.task(task)
    assert (done.status, done.phase) == (Status.COMPLETED, "in_progress")
    assert chat.told()[-1] == "did /plan a rewind"


@pytest.mark.parametrize("word", ["no", "Nein, danke", "👎"])
def test_t3_rejected_it_is_cancelled_and_the_next_one_starts_in_the_same_run(
    chat: Talk, word: str
) -> None:
    task, behind = chat.say("/plan a rewind"), chat.say("/orders")
    chat.drain()
    chat.heard(word)

    chat.drain()

    rejected = chat.task(task)
    assert (rejected.status, rejected.outcome) == (Status.CANCELLED, "rejected")
    assert chat.task(behind).status is Status.COMPLETED
    assert chat.told()[1:] == ["Dropped; nothing was done.", "heard /orders"]


def test_t3_an_answer_to_a_task_that_is_not_active_or_has_ended_is_a_conflict(chat: Talk) -> None:
    ended = chat.say("hello")
    chat.drain()
    active, behind = chat.say("/plan a rewind"), chat.say("/orders")
    chat.drain()

    with chat.chats() as chats:
        for task in (ended, behind):
            with pytest.raises(JobConflictError):
                chats.answer(task, "yes")
        assert chats.answer(active, "yes").task_id == active


def test_an_unclear_answer_asks_again_and_the_first_limit_stays(chat: Talk) -> None:
    task = chat.say("/plan a rewind")
    chat.drain()
    first = chat.task(task)
    chat.heard("yes, but only the second account")
    chat.drain()

    again = chat.task(task)

    assert (again.status, again.phase) == (Status.WAITING, "plan_approval")
    assert again.answer_by == first.answer_by
    [[wait_until]] = chat.site.sql("SELECT wait_until FROM ops.jobs WHERE status = 'waiting'")
    assert wait_until == first.answer_by
    assert chat.told()[1].startswith("That was neither a clear yes nor a clear no")
    assert "I would /plan a rewind" in chat.told()[1]
    assert len(chat.turns) == 1


def test_after_24_hours_without_an_answer_it_is_dropped_and_the_person_is_told(chat: Talk) -> None:
    task = chat.say("/plan a rewind", "/orders")
    chat.drain()
    [[wait]] = chat.site.sql(
        "SELECT wait_until - updated_at FROM ops.jobs WHERE status = 'waiting'"
    )
    chat.let_waits_end()

    chat.drain()

    [[outcome, status]] = chat.site.sql(
        "SELECT outcome, status FROM ops.jobs WHERE outcome IS NOT NULL"
    )
    assert abs(wait - timedelta(hours=24)) < timedelta(minutes=5)
    assert (status, outcome) == ("cancelled", "unanswered")
    assert chat.told()[1].startswith("Nobody answered within 24 hours")
    assert chat.task(task).status is Status.COMPLETED


def test_what_cannot_be_done_after_all_is_rolled_back_and_says_so(chat: Talk) -> None:
    task = chat.say("/undo it")
    chat.drain()
    chat.heard("ok")
    chat.drain()

    ended = chat.task(task)

    assert (ended.status, ended.outcome) == (Status.CANCELLED, "rolled_back")
    assert chat.told()[-1] == "undone: /undo it"


def fails(turn: Turn) -> Answer:
    if turn.text == "/boom":
        raise ValueError(SECRET)
    return echo(turn)


def test_t4_after_a_failed_head_the_next_one_starts_and_the_person_is_told(chat: Talk) -> None:
    chat.process = fails
    task, behind = chat.say("/boom"), chat.say("/orders")
    first = chat.drain()
    chat.let_retries_come()
    chat.drain()
    chat.let_retries_come()
    last = chat.drain()

    dead = chat.task(task)

    assert (dead.status, dead.error_code) == (Status.DEAD, "ValueError")
    assert chat.texts == ["/boom", "/boom", "/boom", "/orders"]
    assert [turn.again for turn in chat.turns] == [False, True, True, False]
    assert chat.task(behind).status is Status.COMPLETED
    assert dead.reply is not None
    assert sorted(chat.told()) == sorted(["heard /orders", dead.reply])
    assert str(task)[:8] in dead.reply
    assert SECRET not in dead.reply
    failed = first.line("session.task_failed")
    assert (failed["source"], failed["chat_id"]) == ("telegram", "4711")
    assert failed["task_id"] == str(task)
    assert "in fails" in first.line("job.failed")["traceback"]
    assert last.line("job.dead_lettered")["job_id"] == str(task)
    assert SECRET not in first.err + last.err


def test_t4_a_refused_task_fails_at_once_in_its_own_words(chat: Talk) -> None:
    def process(turn: Turn) -> Answer:
        if turn.text == "/rewind nobody":
            raise UsageError("there is no account 'nobody'; see /accounts")
        return echo(turn)

    chat.process = process
    task = chat.say("/rewind nobody")
    chat.say("/orders")

    chat.drain()

    assert chat.told() == ["there is no account 'nobody'; see /accounts", "heard /orders"]
    failed = chat.task(task)
    assert (failed.status, failed.error_code) == (Status.FAILED, "UsageError")


def test_t5_a_busy_session_is_skipped_as_key_busy_and_no_failure_is_counted(chat: Talk) -> None:
    task = chat.say("/orders")
    run = chat.site.hold_lease(60, "somebody")
    chat.site.sql(
        "UPDATE ops.jobs SET status = 'processing', attempts = 1, fence = 1, locked_at = now(),"
        f" locked_by = '{run}', leased_until = now() + interval '1 hour', started_at = now();"
        f"UPDATE ops.job_keys SET visible_at = now() + interval '1 hour', locked_by = '{run}'"
    )

    drained = chat.drain()

    assert drained.decisions() == {MINE: "key_busy"}
    assert drained.report["outcome"] == "done"
    assert chat.site.one("SELECT attempts FROM ops.jobs") == 1
    assert chat.site.sql("SELECT faults FROM ops.queues") == []
    assert chat.task(task).status is Status.PROCESSING


def test_t6_two_chats_of_one_number_are_independent(chat: Talk) -> None:
    chat.say("/plan a rewind", chat=ME)
    chat.drain()
    chat.say("yes", chat=OTHER)

    drained = chat.drain()

    assert drained.decisions() == {MINE: "waiting", OTHERS: "started"}
    assert chat.texts == ["/plan a rewind", "yes"]


def test_t7_reaching_plan_approval_makes_one_notification_that_cannot_harm_the_task(
    chat: Talk,
) -> None:
    task = chat.say("/plan a rewind")
    chat.drain()
    chat.drain()

    rows = chat.site.sql(
        "SELECT status, error_code, payload ->> 'chat_id' FROM ops.jobs"
        " WHERE kind = 'notify.telegram'"
    )

    assert rows == [["pending", "not_configured", "4711"]]
    [told] = chat.told()
    assert told.startswith("I would /plan a rewind\n\nReply yes to do this, or no to drop it;")
    waiting = chat.task(task)
    assert (waiting.status, waiting.plan) == (Status.WAITING, "I would /plan a rewind")


def test_t8_a_task_without_a_text_ends_and_blocks_nobody(chat: Talk) -> None:
    """No door lets it in; somebody made it by hand."""
    chat.say("/first")
    chat.site.sql('UPDATE ops.jobs SET payload = payload || \'{"text": " "}\'')
    chat.say("/orders")

    drained = chat.drain()

    assert drained.decisions() == {MINE: "started"}
    assert [line["decision"] for line in drained.lines("session.seen")] == [
        "empty_input",
        "started",
    ]
    assert drained.line("session.unreadable")["ordering_key"] == MINE
    assert sorted(chat.told()) == sorted(["heard /orders", *dead_words(chat)])


def dead_words(chat: Talk) -> list[str]:
    rows = chat.site.sql(
        "SELECT reply FROM ops.chat_tasks JOIN ops.jobs ON id = job_id WHERE status = 'dead'"
    )
    return [reply for (reply,) in rows]


def test_t9_a_task_beyond_its_time_ends_and_the_queue_goes_on(site: Site) -> None:
    over = threading.Event()

    def process(turn: Turn) -> Answer:
        if turn.text == "/slow":
            over.wait(60)
        return echo(turn)

    with talk(site, longest=timedelta(seconds=0.3)) as chat:
        chat.process = process
        task, behind = chat.say("/slow"), chat.say("/orders")
        drained = chat.drain()
        over.set()

        dead = chat.task(task)
        assert (dead.status, dead.error_code) == (Status.DEAD, "timed_out")
        assert chat.task(behind).status is Status.COMPLETED
        assert chat.texts == ["/slow", "/orders"]
        assert drained.line("job.timed_out")["job_id"] == str(task)
        assert "took longer than ten minutes" in (dead.reply or "")
        assert dead.reply in chat.told()


def test_t11_a_slow_session_does_not_consume_the_whole_run(chat: Talk) -> None:
    never = threading.Event()

    def process(turn: Turn) -> Answer:
        if turn.chat == ME:
            never.wait(0.3)
        return echo(turn)

    chat.process = process
    chat.say(*[f"/slow {number}" for number in range(4)])
    chat.say("quick", chat=OTHER)

    with patch.object(lanes, "KEY_MOST_S", 0.2):
        chat.drain(WORKERS_MAX_PARALLEL="1")

    assert chat.texts[:2] == ["/slow 0", "quick"]
    assert sorted(chat.texts[2:]) == ["/slow 1", "/slow 2", "/slow 3"]


def test_no_sessions_nothing_is_said_of_them(chat: Talk) -> None:
    drained = chat.drain()

    assert drained.lines("sessions.seen") == drained.lines("session.seen") == []
    assert drained.report["reason"] == "nothing_due"


def test_a_drain_with_idle_sessions_costs_the_same_however_many_there_are(chat: Talk) -> None:
    cost = []
    for number in (1, 25):
        chat.site.sql(
            "INSERT INTO ops.chats (source, chat_id, last_message_at)"
            f" SELECT 'http', number, now() FROM generate_series(1, {number}) AS number"
            " ON CONFLICT DO NOTHING"
        )
        with counting() as statements:
            drained = chat.drain()
        cost.append(list(statements))
        assert drained.line("sessions.seen")["count"] == number
        assert len(drained.lines("session.seen")) == min(number, 20)

    assert len(cost[0]) == len(cost[1]) <= 12, [len(c) for c in cost]


def test_an_empty_queue_is_said(chat: Talk) -> None:
    chat.say("hello")
    chat.drain()

    drained = chat.drain()

    assert (drained.line("sessions.seen")["count"], drained.report["reason"]) == (1, "nothing_due")
    assert drained.line("sessions.seen")["sessions"] == [MINE]
    line = drained.line("session.seen")
    assert line["decision"] == "empty_queue"
    assert (line["queue_len"], line["user_input_len"]) == (0, 0)
    assert line["active_id"] is line["status"] is line["next_task_id"] is None


def test_a_started_task_is_said_with_all_that_is_known_of_its_session(chat: Talk) -> None:
    first, behind = chat.say("/orders"), chat.say("/money")

    drained = chat.drain()

    line, second = drained.lines("session.seen")
    assert {name: line[name] for name in ("source", "chat_id", "queue_len", "user_input_len")} == {
        "source": "telegram", "chat_id": "4711", "queue_len": 2, "user_input_len": 7,
    }  # fmt: skip
    assert (line["active_id"], line["next_task_id"]) == (str(first), str(behind))
    assert (line["status"], line["decision"]) == ("processing", "started")
    assert (second["active_id"], second["queue_len"]) == (str(behind), 1)


def test_an_active_task_that_is_not_terminal_is_waited_for(chat: Talk) -> None:
    task = chat.say("/plan a rewind", "/orders")
    chat.drain()

    line = chat.drain().line("session.seen")

    assert (line["decision"], line["status"], line["phase"]) == (
        "waiting", "waiting", "plan_approval",
    )  # fmt: skip
    assert (line["queue_len"], line["next_task_id"]) == (2, str(task))
    assert line["user_input_len"] == len("/orders")


def test_a_task_that_is_tried_again_later_is_waited_for(chat: Talk) -> None:
    chat.process = fails
    chat.say("/boom")
    chat.drain()

    line = chat.drain().line("session.seen")

    assert (line["decision"], line["status"]) == ("waiting", "pending")


def test_a_missing_state_is_said_and_ends(chat: Talk) -> None:
    """Made by hand: no chat can be read in its line, or none in it."""
    chat.site.sql(
        "INSERT INTO ops.jobs (queue, kind, status, ordering_key, run_at, max_attempts, payload,"
        " created_at, updated_at) VALUES ('chat', 'chat', 'pending', 'nobody', now(), 3,"
        ' \'{"text": "hello"}\', now(), now());'
        "INSERT INTO ops.job_keys (queue, ordering_key, kind, visible_at)"
        " VALUES ('chat', 'nobody', 'chat', now())"
    )
    chat.say("hello")

    drained = chat.drain()

    lines = drained.lines("session.unreadable")
    assert {line["ordering_key"] for line in lines} == {"nobody"}
    assert all(line["level"] == "warning" for line in lines)
    assert chat.site.sql("SELECT error_code FROM ops.jobs WHERE status = 'dead'") == [
        ["bad_payload"]
    ]
    assert chat.told() == ["heard hello"]
    assert chat.site.sql("SELECT 1 FROM ops.chat_tasks WHERE ending = 'untold'") == []


def test_a_task_in_a_line_of_another_chat_is_refused(chat: Talk) -> None:
    task = chat.say("/orders")
    chat.site.sql('UPDATE ops.jobs SET payload = payload || \'{"chat_id": "1"}\'')

    chat.drain()

    assert chat.task(task).error_code == "no_session"
    assert chat.turns == []


def test_a_session_made_by_hand_is_a_session(chat: Talk) -> None:
    chat.site.sql(
        "INSERT INTO ops.jobs (queue, kind, status, ordering_key, run_at, max_attempts, payload,"
        " created_at, updated_at) VALUES ('chat', 'chat', 'pending', 'cli:me', now(), 3,"
        ' \'{"source": "cli", "chat_id": "me", "text": "hello"}\', now(), now());'
        "INSERT INTO ops.job_keys (queue, ordering_key, kind, visible_at)"
        " VALUES ('chat', 'cli:me', 'chat', now())"
    )

    drained = chat.drain()

    assert drained.decisions() == {"cli:me": "started"}
    assert chat.site.sql("SELECT reply, ending FROM ops.chat_tasks") == [["heard hello", "told"]]


def test_who_looks_on_and_breaks_stops_no_work(chat: Talk) -> None:
    def broken(*_: object) -> object:
        raise ValueError(SECRET)

    task = chat.say("hello")
    with patch.object(chat_kinds, "watch_sessions", broken):
        drained = chat.drain()

    assert chat.task(task).status is Status.COMPLETED
    assert "in broken" in drained.lines("sessions.not_seen")[0]["traceback"]
    assert SECRET not in drained.err


def test_a_paused_queue_is_said(chat: Talk) -> None:
    chat.say("hello")
    chat.site.sql("INSERT INTO ops.queues (queue, enabled) VALUES ('chat', false)")

    drained = chat.drain()

    assert drained.decisions() == {MINE: "paused"}
    assert chat.turns == []


def test_a_disabled_loop_is_loud(chat: Talk) -> None:
    """The switch of the worker: nothing is looked at."""
    chat.say("hello")
    chat.site.sql(f"UPDATE ops.workers SET enabled = false WHERE worker = '{DRAIN}'")

    drained = chat.drain()

    assert (drained.report["outcome"], drained.report["reason"]) == ("skipped", "paused")
    line = drained.line("run.finished")
    assert (line["outcome"], line["reason"]) == ("skipped", "paused")
    assert drained.lines("sessions.seen") == []


def test_a_drain_of_other_queues_or_kinds_says_nothing_of_sessions(chat: Talk) -> None:
    chat.say("hello")

    by_queue, by_kind = chat.drain("--queue", "notify"), chat.drain("--kind", "notify.telegram")

    assert by_queue.lines("sessions.seen") == by_kind.lines("sessions.seen") == []
    assert chat.turns == []


def test_what_was_said_stands_in_no_log(chat: Talk) -> None:
    chat.say(f"/plan {SECRET}")
    planned = chat.drain()
    chat.heard(f"hm {SECRET}")
    asked = chat.drain()
    chat.heard("yes")
    done = chat.drain()

    assert SECRET not in planned.err + asked.err + done.err
    assert SECRET in chat.told()[-1]


def test_a_blocked_chat_is_sent_nothing_and_its_task_says_so(chat: Talk) -> None:
    task = chat.say("hello")
    with chat.chats() as chats:
        chats.blocked(ME, "bot was blocked by the user")

    chat.drain()

    with chat.chats() as chats:
        events = [(event.event, event.code) for event in chats.events(task)]
    assert chat.told() == []
    assert ("not_told", "chat_blocked") in events
    assert chat.task(task).reply == "heard hello"


def test_a_plan_that_was_not_shown_is_not_approved_by_a_word(chat: Talk) -> None:
    task = chat.say("/plan a rewind")
    with chat.chats() as chats:
        chats.blocked(ME, "bot was blocked by the user")
    chat.drain()
    chat.heard("ok")
    chat.drain()

    asked = chat.task(task)
    assert asked.status is Status.WAITING
    [told] = chat.told()
    assert told.startswith("You have not seen this plan yet")

    chat.heard("ok")
    chat.drain()

    assert chat.task(task).status is Status.COMPLETED


def test_a_plan_is_not_shown_to_a_chat_that_was_blocked_as_it_was_made(chat: Talk) -> None:
    def process(turn: Turn) -> Answer:
        if turn.plan is None:
            with chat.chats() as chats:
                chats.blocked(ME, "bot was blocked by the user")
        return echo(turn)

    chat.process = process
    task = chat.say("/plan a rewind")
    chat.drain()
    chat.heard("ok")
    chat.drain()

    assert chat.task(task).status is Status.WAITING
    assert chat.told()[-1].startswith("You have not seen this plan yet")


def test_a_cancelled_task_is_told(chat: Talk) -> None:
    task = chat.say("/plan a rewind")
    chat.drain()
    with chat.control() as control:
        control.cancel(task)

    chat.drain()
    chat.drain()

    assert chat.told()[1:] == [f"Task {str(task)[:8]} was cancelled."]


def test_a_task_that_ends_its_worker_each_time_is_told(chat: Talk) -> None:
    task = chat.say("/orders")
    chat.site.sql(
        "UPDATE ops.jobs SET attempts = 3, status = 'processing', fence = 9,"
        " locked_by = gen_random_uuid(), locked_at = now(), started_at = now(),"
        " leased_until = now() + interval '1 hour'; UPDATE ops.job_keys SET"
        " visible_at = now() + interval '1 hour', locked_by = gen_random_uuid()"
    )
    chat.let_leases_run_out()

    chat.drain()
    chat.drain()

    [told] = chat.told()
    assert told.startswith(f"Task {str(task)[:8]} stopped its worker each time it was tried")


def test_a_throttle_puts_a_task_off_and_says_nothing(chat: Talk) -> None:
    def process(turn: Turn) -> Answer:
        if not turn.again:
            raise RateLimitedError("wait", retry_at=None, quota=False, facts=UpstreamFacts())
        return echo(turn)

    chat.process = process
    chat.say("/orders")
    chat.drain()
    assert chat.told() == []

    chat.let_retries_come()
    chat.drain()

    assert chat.told() == ["heard /orders"]


def test_the_effect_and_the_jobs_of_a_reply_are_written_with_it(chat: Talk) -> None:
    def process(turn: Turn) -> Answer:
        def effect(transaction: Transaction) -> None:
            transaction.execute("chats.know_chat", source="cli", chat_id="effect")

        return Reply(text="done", effect=effect, then=[NewJob(kind="test", payload={"n": 1})])

    chat.process = process
    chat.say("/do")

    chat.drain()

    assert chat.site.one("SELECT count(*) FROM ops.chats WHERE source = 'cli'") == 1
    assert chat.site.one("SELECT count(*) FROM ops.jobs WHERE kind = 'test'") == 1


@pytest.mark.parametrize(
    "answer",
    [None, "a text", Plan(text="again", steps={}), Plan(text="x", steps={"n": float("nan")})],
)
def test_an_answer_that_is_none_is_a_fault_with_its_traceback(chat: Talk, answer: object) -> None:
    def process(turn: Turn) -> object:
        return answer if turn.plan is not None or not isinstance(answer, Plan) else echo(turn)

    chat.process = process
    task = chat.say("/plan a rewind")
    drained = chat.drain()
    if isinstance(answer, Plan):
        chat.heard("yes")
        drained = chat.drain()

    assert "BadAnswerError" in drained.line("job.failed")["traceback"]
    assert chat.task(task).error_code == "BadAnswerError"


def test_other_chats_of_telegram_are_told_in_their_own_line(chat: Talk) -> None:
    channel = Chat(source="telegram", chat_id="@orders_here")
    chat.say("hello", chat=channel)
    chat.say("hello")

    chat.drain()

    assert chat.told(channel) == chat.told() == ["heard hello"]


def test_a_reply_to_a_chat_that_is_read_makes_no_notification(chat: Talk) -> None:
    task = chat.say("hello", chat=OTHER)

    chat.drain()

    assert chat.site.sql("SELECT kind FROM ops.jobs") == [["chat"]]
    assert chat.task(task).reply == "heard hello"


def test_the_shipped_processor_answers_plans_and_does(site: Site) -> None:
    chat = Talk(site)
    chat.say("/help")
    task = chat.say("/pause worker token-refresh")
    chat.drain()
    planned = chat.task(task)
    chat.heard("yes")
    chat.drain()

    assert "/status" in chat.told()[0], chat.told()
    assert (planned.status, planned.phase) == (Status.WAITING, "plan_approval")
    assert chat.task(task).status is Status.COMPLETED
    assert site.one("SELECT enabled FROM ops.workers WHERE worker = 'token-refresh'") is False
