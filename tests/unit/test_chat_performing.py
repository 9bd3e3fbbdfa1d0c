"""The kind `chat`: what becomes of a turn, and what is written with it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from core.chat.model import ANSWER, Answer, Chat, Phase, Plan, Reply, RolledBack, Turn
from core.chat.performing import BadAnswerError, PerformChats
from core.chat.ports import Asked, Begun
from core.chat.words import task_of
from core.errors import StoreUnavailableError, UsageError
from core.jobs.kinds import JobContext
from core.jobs.model import (
    Cancelled,
    Completed,
    Failed,
    Job,
    NewJob,
    Retry,
    Settling,
    Transaction,
    Verdict,
    Waiting,
)  # fmt: skip
from tests.support.log import ListLog
from tests.support.memory_chats import MemoryChatTasks
from tests.support.outside import ID, NOW, context, job

ME = Chat(source="telegram", chat_id="4711")
PLAN = Asked(plan="I would do it", steps={"a": 1}, answer_by=NOW + timedelta(hours=3), shown=True)
YES, NO = ({"name": ANSWER, "data": {"text": text}} for text in ("yes", "no"))
HELD = ("chats.hold_chat", {"source": "telegram", "chat_id": "4711"})
TOO_LATE = {"name": ANSWER, "timed_out": True}


class Written:
    """The transaction in which it settles."""

    def __init__(self, verdict: Verdict) -> None:
        self.done: list[tuple[str, Mapping[str, object]]] = []
        assert isinstance(verdict, Settling)
        assert verdict.effect is not None
        verdict.effect(self)

    def execute(self, name: str, /, **values: object) -> Sequence[Mapping[str, Any]]:
        assert values.pop("id", ID) == ID
        self.done.append((name, values))
        return []


def task(text: str = "/do it", **changes: Any) -> Job:
    stands = {"queue": "chat", "ordering_key": "telegram:4711"}
    return job(task_of(ME, text).payload, "chat", **{**stands, **changes})


def perform(
    answer: object, job: Job, begun: Begun | None = None, around: JobContext | None = None
) -> Verdict:
    def process(turn: Turn) -> Answer:
        asked.append(turn)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]  # whatever a team returns

    asked.clear()
    tasks.begins = begun or Begun()
    return PerformChats(process=process, tasks=tasks).perform(job, around or context())


asked: list[Turn] = []
tasks = MemoryChatTasks()


def told(verdict: Verdict) -> list[object]:
    assert isinstance(verdict, Settling)
    return [each.payload["text"] for each in verdict.then if each.kind == "notify.telegram"]


def test_a_reply_is_kept_and_told_in_the_transaction_that_ends_the_task() -> None:
    more = NewJob(kind="test")

    def effect(transaction: Transaction) -> None:
        transaction.execute("x.y")

    reply = Reply(text="done", result={"n": 1}, effect=effect, then=[more])

    verdict = perform(reply, task())

    assert isinstance(verdict, Completed)
    assert (verdict.result, told(verdict), verdict.then[-1]) == ({"n": 1}, ["done"], more)
    assert Written(verdict).done == [("x.y", {}), ("chats.keep_ending", {"reply": "done"})]
    assert tasks.phases[-1] is Phase.PLANNING


def test_a_plan_is_kept_told_and_waited_for_together() -> None:
    verdict = perform(Plan(text="I would", steps={"a": [1]}), task())

    assert isinstance(verdict, Waiting)
    day = NOW + timedelta(hours=24)
    assert (verdict.name, verdict.until, verdict.phase) == (ANSWER, day, "plan_approval")
    [question] = told(verdict)
    assert Written(verdict).done == [
        HELD,
        ("chats.keep_plan", {"plan": "I would", "steps": '{"a":[1]}', "answer_by": day}),
        ("chats.keep_question", {"reply": question, "shown": True}),
    ]


def test_approved_the_processor_is_asked_again_with_exactly_the_plan() -> None:
    approved = task(signal=YES, phase="plan_approval")

    verdict = perform(Reply(text="done"), approved, Begun(asked=PLAN))

    assert isinstance(verdict, Completed)
    [turn] = asked
    assert (turn.plan, turn.text, turn.again, turn.chat) == ({"a": 1}, "/do it", False, ME)
    assert tasks.phases[-1] is Phase.IN_PROGRESS


@pytest.mark.parametrize(
    ("signal", "phase", "again"),
    [(None, None, False), (None, "planning", True), (YES, "plan_approval", False),
     (YES, "in_progress", True)],
)  # fmt: skip
def test_a_try_after_one_of_the_same_is_told_so(
    signal: object, phase: str | None, again: bool
) -> None:
    perform(Reply(text="done"), task(signal=signal, phase=phase), Begun(asked=PLAN))

    assert asked[0].again is again


@pytest.mark.parametrize(
    ("signal", "outcome", "word"),
    [(NO, "rejected", "Dropped"), (TOO_LATE, "unanswered", "Nobody answered")],
)
def test_what_is_not_approved_is_cancelled_and_nothing_is_asked(
    signal: object, outcome: str, word: str
) -> None:
    verdict = perform(Reply(text="done"), task(signal=signal), Begun(asked=PLAN))

    assert isinstance(verdict, Cancelled)
    assert verdict.outcome == outcome
    [text] = told(verdict)
    assert str(text).startswith(word)
    assert Written(verdict).done == [("chats.keep_ending", {"reply": text})]
    assert asked == []


@pytest.mark.parametrize("data", [{"text": "hm"}, {"text": 1}, {}, [], None])
def test_an_unclear_answer_is_asked_again_until_the_first_limit(data: object) -> None:
    signal = {"name": ANSWER, "data": data}

    verdict = perform(Reply(text="done"), task(signal=signal), Begun(asked=PLAN))

    assert isinstance(verdict, Waiting)
    assert verdict.until == PLAN.answer_by
    [question] = told(verdict)
    assert Written(verdict).done == [
        HELD,
        ("chats.keep_question", {"reply": question, "shown": True}),
    ]
    assert asked == []
    assert tasks.phases[-1] is None


def test_a_yes_to_what_was_never_shown_is_no_yes() -> None:
    unseen = Asked(plan="x", steps={}, answer_by=PLAN.answer_by, shown=False)

    verdict = perform(Reply(text="done"), task(signal=YES), Begun(asked=unseen))

    assert isinstance(verdict, Waiting)
    assert asked == []


def test_an_answer_to_nothing_begins_anew() -> None:
    perform(Reply(text="done"), task(signal=YES))

    assert asked[0].plan is None


def test_another_signal_is_no_answer() -> None:
    perform(Reply(text="done"), task(signal={"name": "go", "data": {}}), Begun(asked=PLAN))

    assert asked[0].plan is None


def test_what_is_rolled_back_is_cancelled_with_that_outcome() -> None:
    verdict = perform(RolledBack(text="undone"), task(signal=YES), Begun(asked=PLAN))

    assert isinstance(verdict, Cancelled)
    assert (verdict.outcome, told(verdict)) == ("rolled_back", ["undone"])


def test_a_refusal_is_told_in_its_own_words() -> None:
    verdict = perform(UsageError("there is no such account"), task())

    assert isinstance(verdict, Failed)
    assert (verdict.code, verdict.detail) == ("UsageError", "there is no such account")
    assert told(verdict) == ["there is no such account"]
    assert Written(verdict).done[0][0] == "chats.keep_ending"


@pytest.mark.parametrize(
    ("answer", "signal"),
    [
        (None, None),
        ("text", None),
        (Plan(text="again", steps={}), YES),
        (Plan(text="x", steps={"x": object()}), None),
    ],
)
def test_what_is_no_answer_is_a_fault_of_the_processor(answer: object, signal: object) -> None:
    with pytest.raises(BadAnswerError):
        perform(answer, task(signal=signal), Begun(asked=PLAN))


@pytest.mark.parametrize(
    ("error", "traced"), [(ValueError("secret"), False), (StoreUnavailableError("away"), True)]
)
def test_an_error_is_raised_and_told_with_whose_task_it_was(error: Exception, traced: bool) -> None:
    around = context()

    with pytest.raises(type(error)):
        perform(error, task(), around=around)

    log = around.log
    assert isinstance(log, ListLog)
    [(level, event, facts)] = log.told
    assert (level, event) == ("warning", "session.task_failed")
    assert (facts["source"], facts["chat_id"], facts["task_id"]) == ("telegram", "4711", str(ID))
    assert facts["error"] == type(error).__name__
    assert ("traceback" in facts) is traced
    assert "secret" not in str(facts)


@pytest.mark.parametrize("where", [{"ordering_key": "telegram:1"}, {"queue": "other"}])
def test_a_task_of_another_line_is_refused(where: dict[str, str]) -> None:
    """There it would stand beside what its chat has at work."""
    verdict = perform(Reply(text="done"), task(**where))

    assert isinstance(verdict, Failed)
    assert (verdict.code, asked) == ("no_session", [])


def test_a_task_that_was_taken_over_does_nothing() -> None:
    tasks.begins = None

    kind = PerformChats(process=lambda _: Reply(text="x"), tasks=tasks)
    verdict = kind.perform(task(), context())

    assert isinstance(verdict, Retry)
    assert verdict.code == "lease_lost"


@pytest.mark.parametrize(
    ("answer", "written"),
    [(Reply(text="done"), "chats.keep_ending"), (Plan(text="x", steps={}), "chats.keep_question")],
)
def test_a_blocked_chat_is_sent_nothing_and_the_task_says_so(answer: object, written: str) -> None:
    verdict = perform(answer, task(), Begun(blocked=True))

    assert isinstance(verdict, Settling)
    assert verdict.then == ()
    done = Written(verdict).done
    assert done[-1] == ("chats.note_silence", {})
    kept = dict(done)[written]
    assert kept.get("shown", False) is False


def test_texts_are_in_no_repr() -> None:
    turn = Turn(chat=ME, text="canary", now=NOW, plan={"x": "canary"})

    for each in (turn, Reply(text="canary"), Plan(text="canary", steps={"canary": 1}), PLAN):
        assert "canary" not in repr(each)
        assert "I would" not in repr(each)
