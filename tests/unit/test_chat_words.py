"""What may be said to a session, what an answer means, and what a person is told."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from core.chat import telling
from core.chat.decision import SessionFacts, decide
from core.chat.meaning import Meaning, meaning_of
from core.chat.model import Chat, Decision
from core.chat.payload import check, ordering_key
from core.chat.ports import Asked, Untold
from core.chat.words import MAX_MESSAGE_KEY, check_chat, check_key, check_text, is_command, task_of
from core.errors import UsageError
from core.jobs.kinds import BadPayloadError
from core.jobs.model import JobId, Status
from core.jobs.shipped.telegram import check as telegram_takes

ID = JobId(UUID("6f1c2a4e-0d57-4c7e-9f3a-1b2c3d4e5f60"))
ME = Chat(source="telegram", chat_id="4711")


@pytest.mark.parametrize(
    "text",
    ["yes", "Y", " OK ", "approve!", "Yes, do it.", "👍", "👍🏿", "✔️", "ja", "Ja, bitte", "JO",
     "Mach es", "in Ordnung", "go  ahead", "(yes)", "bestätigt"],
)  # fmt: skip
def test_a_yes_is_a_yes(text: str) -> None:
    assert meaning_of(text) is Meaning.YES


@pytest.mark.parametrize(
    "text",
    ["no", "N", "No thanks!", "cancel", "STOP", "👎", "❌", "nein", "Nein, danke.", "nö",
     "abbrechen", "don't", "don\u2019t", "mach es nicht"],
)  # fmt: skip
def test_a_no_is_a_no(text: str) -> None:
    assert meaning_of(text) is Meaning.NO


@pytest.mark.parametrize(
    "text",
    ["", "   ", "yes and no", "yes, but only the first", "not now", "maybe", "why?", "yesterday",
     "ja nein", "okay then what happens", "👍👎", "ok?", "nothing", "1", "!!!"],
)  # fmt: skip
def test_everything_else_is_unclear(text: str) -> None:
    assert meaning_of(text) is Meaning.UNCLEAR


def test_no_word_means_both() -> None:
    from core.chat import meaning

    assert not meaning._listed(meaning._YES) & meaning._listed(meaning._NO)


@pytest.mark.parametrize("text", ["/help", "  /help", "\n/x"])
def test_a_command_begins_with_a_slash(text: str) -> None:
    assert is_command(text)
    assert not is_command(f"please {text}")


@pytest.mark.parametrize("key", ["", "x" * (MAX_MESSAGE_KEY + 1), "a\nb"])
def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    with pytest.raises(UsageError, match="key"):
        check_key(key)


def test_what_a_message_becomes_its_kind_takes() -> None:
    job = task_of(ME, "/status")

    check(job.payload)

    assert job.ordering_key == ordering_key(job.payload) == "telegram:4711"


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        ({}, "source, chat_id"),
        ({"source": "telegram", "chat_id": 4711, "text": "x"}, "source, chat_id"),
        ({"source": "telegram", "chat_id": "x y", "text": "x"}, "chat_id"),
        ({"source": "telegram", "chat_id": "1", "text": ""}, "text"),
        ({"source": "telegram", "chat_id": "1"}, "text"),
        ({"source": "telegram", "chat_id": "1", "text": ["x"]}, "text"),
        ({"source": "telegram", "chat_id": "1", "text": "x", "more": 1}, "more"),
    ],
)
def test_t8_a_job_that_says_nothing_or_of_nobody_is_refused(
    payload: dict[str, object], named: str
) -> None:
    with pytest.raises(BadPayloadError, match=named):
        check(payload)


@pytest.mark.parametrize(
    ("chat", "named"),
    [
        (Chat(source="Telegram", chat_id="1"), "source"),
        (Chat(source="a:b", chat_id="1"), "source"),
        (Chat(source="telegram", chat_id="me"), "chat_id"),
        (Chat(source="http", chat_id=" 1"), "chat_id"),
        (Chat(source="http", chat_id=""), "chat_id"),
        (Chat(source="http", chat_id="x" * 129), "chat_id"),
    ],
)
def test_t6_a_chat_that_has_no_key_of_its_own_is_refused(chat: Chat, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        check_chat(chat)


@pytest.mark.parametrize("text", ["x" * 4097, "nul\0", "half \ud83d", "", " \n", 5])
def test_t8_a_text_that_says_nothing_or_cannot_be_kept_is_refused(text: object) -> None:
    with pytest.raises(UsageError, match="text:"):
        check_text(text)


def test_a_text_is_kept_as_it_came() -> None:
    assert check_text(" 4096 at most ") == " 4096 at most "
    check_key(None)
    check_key("update 7")


FACTS = {"status": Status.PENDING, "due": True, "paused": False, "input_len": 5}


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        ({}, Decision.STARTED),
        ({"paused": True}, Decision.PAUSED),
        ({"status": None, "due": False}, Decision.EMPTY_QUEUE),
        ({"status": None, "paused": True}, Decision.PAUSED),
        ({"due": False}, Decision.WAITING),
        ({"input_len": 0}, Decision.EMPTY_INPUT),
        ({"status": Status.WAITING, "due": False}, Decision.WAITING),
        ({"status": Status.WAITING, "input_len": 0}, Decision.STARTED),
        ({"status": Status.PROCESSING, "due": False}, Decision.KEY_BUSY),
        ({"status": Status.PROCESSING}, Decision.STARTED),
    ],
)
def test_what_a_drain_makes_of_a_session(facts: dict[str, object], decision: Decision) -> None:
    assert decide(SessionFacts(**{**FACTS, **facts})) is decision  # type: ignore[arg-type]  # as the fields are


def untold(**changes: object) -> Untold:
    fields = {"id": ID, "chat": ME, "status": Status.DEAD, "error_code": "KeyError"}
    return Untold(**{**fields, "started": True, "blocked": False, **changes})  # type: ignore[arg-type]  # as the fields are


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Task 6f1c2a4e failed, and is not tried again. Part of it may be done"),
        ({"started": False, "error_code": "bad_payload"}, "Task 6f1c2a4e could not be read. `sess"),
        ({"error_code": "timed_out"}, "Task 6f1c2a4e took longer than ten minutes"),
        ({"error_code": "attempts_exhausted"}, "Task 6f1c2a4e stopped its worker each time"),
        ({"status": Status.CANCELLED}, "Task 6f1c2a4e was cancelled. Part of it"),
        ({"status": Status.CANCELLED, "started": False}, "Task 6f1c2a4e was cancelled."),
        ({"status": Status.COMPLETED}, "Task 6f1c2a4e is done. `sessions show 6f1c2a4e`"),
        ({"status": Status.FAILED, "error_code": None}, "Task 6f1c2a4e failed"),
    ],
)
def test_how_a_task_ended_is_said_in_plain_words(changes: dict[str, object], said: str) -> None:
    assert telling.ending(untold(**changes)).startswith(said)


def test_a_question_names_its_limit_and_why_it_comes_again() -> None:
    by = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)

    asked = telling.question("I would rewind", by)
    seen = telling.asked_again(Asked(plan="I would rewind", steps={}, answer_by=by, shown=True))
    unseen = telling.asked_again(Asked(plan="I would rewind", steps={}, answer_by=by, shown=False))

    assert asked.startswith("I would rewind\n\nReply yes")
    assert asked.endswith("until 2026-11-23 12:30 UTC.")
    assert asked in seen
    assert asked in unseen
    assert seen != unseen


@pytest.mark.parametrize("text", ["short", "x" * 100_000, "\U0001f600" * 50_000, "word " * 20_000,
                                  ("w" * 2050 + "\n") * 40])  # fmt: skip
def test_whatever_is_replied_telegram_takes(text: str) -> None:
    [job] = telling.sending(ME, ID, telling.kept(text), "1")

    telegram_takes(job.payload)

    assert job.payload["chat_id"] == 4711
    assert job.idempotency_key == f"chat:{ID}:1"


def test_of_a_long_plan_the_question_is_not_cut_off() -> None:
    asked = telling.question("x" * 30_000, datetime(2026, 11, 23, 12, 30, tzinfo=UTC))

    [job] = telling.sending(ME, ID, asked, "1")

    assert str(job.payload["text"]).endswith("until 2026-11-23 12:30 UTC.")


def test_a_channel_is_named_and_other_doors_are_read() -> None:
    channel = Chat(source="telegram", chat_id="@orders_here")

    [job] = telling.sending(channel, ID, "hello", "1")

    assert job.payload["chat_id"] == "@orders_here"
    assert telling.sending(Chat(source="http", chat_id="1"), ID, "hello", "1") == ()


def test_an_empty_reply_is_a_reply() -> None:
    assert telling.kept(" \n") == "Done."
    assert telling.kept("a\0b") == "a?b"
