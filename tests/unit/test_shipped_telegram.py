"""`notify.telegram`: plain text, in order, and never twice without a mark."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jobs.kinds import BadPayloadError
from core.jobs.model import Cancelled, Completed, Failed, Retry, Snooze, Verdict
from core.jobs.shipped.answers import NoAnswer, NotSent
from core.jobs.shipped.telegram import (
    LIMIT,
    MARK,
    MAX_PARTS,
    BotAnswer,
    ChatMessage,
    SendToChats,
    parts,
)
from tests.support.log import ListLog
from tests.support.outside import NOW, Refusing, context, job

TAKEN = BotAnswer(code=200, message_id=7)
HELLO = {"chat_id": 42, "text": "hello"}
LONG = {"chat_id": 42, "text": "\n".join(str(n) * 4000 for n in (1, 2, 3))}


@dataclass
class Chats:
    """Answers one after the other, then takes everything."""

    answers: list[BotAnswer | NotSent | NoAnswer] = field(default_factory=list)
    messages: list[ChatMessage] = field(default_factory=list)

    def send(self, message: ChatMessage, /) -> BotAnswer | NotSent | NoAnswer:
        self.messages.append(message)
        return self.answers.pop(0) if self.answers else TAKEN


class Statements:
    def execute(self, name: str, /, **values: object) -> list[dict[str, Any]]:
        raise AssertionError(name)


def performed(
    payload: dict[str, Any],
    *answers: BotAnswer | NotSent | NoAnswer,
    left_s: float = 1e6,
    renewals: list[bool] | None = None,
    **overrides: Any,
) -> tuple[Verdict, list[ChatMessage]]:
    chats = Chats(list(answers))
    kind = SendToChats(bot=chats, blocks=Refusing())
    around = context(left_s=left_s, renewals=renewals)
    return kind.perform(job(payload, **overrides), around), chats.messages


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def test_a_text_is_sent_as_it_stands() -> None:
    verdict, messages = performed({**HELLO, "text": " *not* <b>marked</b> up ", "silent": True})

    assert messages == [ChatMessage(chat_id=42, text="*not* <b>marked</b> up", silent=True)]
    assert verdict == Completed(result={"message_ids": [7]})


def test_a_long_text_is_sent_in_parts_and_in_order() -> None:
    verdict, messages = performed(LONG)

    assert [message.text for message in messages] == [str(n) * 4000 for n in (1, 2, 3)]
    assert verdict == Completed(result={"message_ids": [7, 7, 7]})


def test_the_order_of_a_chat_is_kept_by_its_key() -> None:
    kind = SendToChats(bot=None, blocks=Refusing()).kind()

    assert kind.key is not None
    assert kind.key(HELLO) == "telegram:42"
    assert kind.key({"chat_id": "@orders", "text": "x"}) == "telegram:@orders"


def test_a_throttle_in_the_middle_goes_on_where_it_was_and_takes_no_attempt() -> None:
    verdict, messages = performed(LONG, TAKEN, BotAnswer(code=429, retry_after_s=35))

    assert verdict == Snooze(until=NOW + timedelta(seconds=35), reason="throttled", phase="sent 1")
    assert len(messages) == 2

    verdict, messages = performed(LONG, phase="sent 1", attempt=2)

    assert [message.text[0] for message in messages] == ["2", "3"]
    assert isinstance(verdict, Completed)


@pytest.mark.parametrize(
    ("told", "after"),
    [
        (None, timedelta(minutes=1)),
        (0, timedelta(minutes=1)),
        (-3, timedelta(minutes=1)),
        (1e9, timedelta(hours=24)),
    ],
)
def test_a_throttle_without_a_time_of_use_has_one_of_ours(
    told: float | None, after: timedelta
) -> None:
    verdict, _ = performed(HELLO, BotAnswer(code=429, retry_after_s=told))

    assert verdict == Snooze(until=NOW + after, reason="throttled", phase="sent 0")


def test_a_chat_that_is_throttled_for_more_than_three_days_takes_attempts() -> None:
    long_ago = NOW - timedelta(days=4)

    verdict, _ = performed(LONG, TAKEN, BotAnswer(code=429, retry_after_s=35), tried_since=long_ago)

    assert isinstance(verdict, Retry)
    assert (verdict.code, verdict.phase) == ("throttled", "sent 1")
    assert verdict.after == timedelta(seconds=35)


def test_what_may_have_arrived_is_sent_again_with_a_mark() -> None:
    verdict, _ = performed(LONG, TAKEN, NoAnswer(why="gave none"))

    assert isinstance(verdict, Retry)
    assert (verdict.code, verdict.phase) == ("no_answer", "sent 1, unsure of the next")

    _, messages = performed(LONG, phase=verdict.phase)

    assert [message.text[:10] for message in messages] == [f"{MARK}2", "3" * 10]
    assert all(units(message.text) <= LIMIT for message in messages)


def test_so_is_every_part_that_a_killed_run_may_have_sent() -> None:
    _, messages = performed(LONG, returned=True)
    _, later = performed(LONG, returned=True, phase="sent 2")
    throttled, _ = performed(LONG, TAKEN, BotAnswer(code=429), returned=True)

    assert [message.text[:10] for message in messages] == [f"{MARK}{n}" for n in "123"]
    assert [message.text[:10] for message in later] == [f"{MARK}3"]
    assert isinstance(throttled, Snooze)
    assert throttled.phase == "sent 1, unsure of the rest"


def test_a_doubt_stays_until_it_is_sent() -> None:
    verdict, _ = performed(HELLO, NotSent(why="refused"), phase="sent 0, unsure of the next")

    assert isinstance(verdict, Retry)
    assert verdict.phase == "sent 0, unsure of the next"


def test_what_never_left_is_sent_again_without() -> None:
    verdict, _ = performed(HELLO, NotSent(why="refused"))

    assert isinstance(verdict, Retry)
    assert (verdict.code, verdict.phase) == ("not_sent", "sent 0")
    assert performed(HELLO, phase=verdict.phase)[1][0].text == "hello"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, Failed),
        (403, Failed),
        (413, Failed),
        (401, Retry),
        (404, Retry),
        (500, Retry),
        (502, Retry),
    ],
)
def test_a_refusal_keeps_telegrams_code_and_words(code: int, kind: type[Failed | Retry]) -> None:
    answer = BotAnswer(code=code, description="Forbidden: bot was\nblocked by the user")

    verdict, _ = performed(HELLO, answer)

    assert isinstance(verdict, kind)
    assert verdict.code == f"telegram_{code}"
    assert "Forbidden: bot was blocked by the user" in verdict.detail
    assert ("TELEGRAM_BOT_TOKEN" in verdict.detail) == (code in {401, 404})


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: bot was kicked from the supergroup chat"),
        (403, "Forbidden: user is deactivated"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: group chat was deactivated"),
    ],
)
def test_a_chat_that_refuses_everything_is_switched_off_with_the_job_that_found_out(
    code: int, description: str
) -> None:
    chats, refusing = Chats([BotAnswer(code=code, description=description)]), Refusing()
    kind = SendToChats(bot=chats, blocks=refusing)

    around = context()
    verdict = kind.perform(job(HELLO), around)

    assert isinstance(verdict, Failed)
    assert (verdict.code, refusing.chats) == (f"telegram_{code}", {})
    assert isinstance(around.log, ListLog)
    assert around.log.told == [("warning", "chat.blocked", {"chat_id": "42", "why": description})]
    assert verdict.effect is not None
    verdict.effect(Statements())
    assert refusing.chats == {42: description}
    assert kind.perform(job(HELLO), context()) == Cancelled(outcome="chat_blocked")
    assert len(chats.messages) == 1
    assert isinstance(kind.perform(job({**HELLO, "chat_id": 43}), context()), Completed)


@pytest.mark.parametrize(
    "description", ["Bad Request: message is too long", "Bad Request: have no rights to send"]
)
def test_a_message_that_is_refused_switches_nothing_off(description: str) -> None:
    verdict, _ = performed(HELLO, BotAnswer(code=400, description=description))

    assert isinstance(verdict, Failed)
    assert verdict.effect is None


def test_a_group_that_moved_is_followed_once() -> None:
    moved = BotAnswer(code=400, migrated_to=-1001)

    verdict, messages = performed(LONG, moved)
    refused, _ = performed(HELLO, moved, moved)

    assert [message.chat_id for message in messages] == [42, -1001, -1001, -1001]
    assert isinstance(verdict, Completed)
    assert isinstance(refused, Failed)


def test_without_time_for_the_next_part_it_goes_on_in_the_next_run() -> None:
    verdict, messages = performed(LONG, left_s=5, phase="sent 1")

    assert verdict == Snooze(until=NOW + timedelta(seconds=6), reason="deadline", phase="sent 1")
    assert messages == []


def test_who_lost_the_job_sends_nothing_more() -> None:
    verdict, messages = performed(LONG, renewals=[False])

    assert len(messages) == 1
    assert isinstance(verdict, Snooze)


def test_what_is_cancelled_is_not_sent() -> None:
    chats = Chats()

    assert (
        SendToChats(bot=chats, blocks=Refusing()).perform(job(HELLO), context(cancelled=True))
        == Cancelled()
    )
    assert chats.messages == []


def test_a_missing_token_is_named_and_tried_again() -> None:
    verdict = SendToChats(bot=None, blocks=Refusing()).perform(job(HELLO), context())

    assert isinstance(verdict, Retry)
    assert (verdict.code, verdict.detail.split()[0]) == ("not_configured", "TELEGRAM_BOT_TOKEN")


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({"text": "x"}, "chat_id: must be"),
        ({"chat_id": True, "text": "x"}, "chat_id: must be"),
        ({"chat_id": 0, "text": "x"}, "chat_id: must be"),
        ({"chat_id": 2**52, "text": "x"}, "chat_id: must be"),
        ({"chat_id": "42", "text": "x"}, "chat_id: must be"),
        ({"chat_id": "@a", "text": "x"}, "chat_id: must be"),
        ({"chat_id": 1}, "text: must be"),
        ({"chat_id": 1, "text": " \n "}, "text: must be"),
        ({"chat_id": 1, "text": "\ud83d"}, "text: holds a character"),
        ({"chat_id": 1, "text": "x" * (MAX_PARTS * LIMIT + 1)}, "text: is longer"),
        ({"chat_id": 1, "text": "😀" * (MAX_PARTS * LIMIT // 2)}, "text: takes more than 10"),
        ({"chat_id": 1, "text": "x", "silent": 1}, "silent: must be"),
        ({"chat_id": 1, "text": "x", "parse_mode": "HTML"}, "parse_mode: there is no such"),
        ({"chat_id": 1, "text": "x", "not_after": 1}, "not_after: must be"),
    ],
)
def test_a_payload_that_cannot_be_sent_is_refused_by_its_field(
    payload: dict[str, Any], why: str
) -> None:
    with pytest.raises(BadPayloadError, match=why):
        SendToChats(bot=None, blocks=Refusing()).kind().check(payload)


def test_a_payload_of_as_many_parts_as_there_may_be_is_taken() -> None:
    SendToChats(bot=None, blocks=Refusing()).kind().check({"chat_id": 1, "text": "x" * 40_000})


def test_a_text_is_cut_at_lines_then_at_words_then_where_it_is_full() -> None:
    room = LIMIT - len(MARK)

    assert parts("a" * 3000 + "\n" + "b c " * 500)[0] == "a" * 3000
    assert parts("a" * 3000 + " " + "b" * 3000) == ["a" * 3000, "b" * 3000]
    assert parts("a" + " " + "b" * 5000) == ["a " + "b" * (room - 2), "b" * (5002 - room)]
    assert parts("x" * room) == ["x" * room]


def test_an_emoji_counts_twice_and_is_never_cut_in_half() -> None:
    found = parts("x" + "😀" * 4096)

    assert [units(part) <= LIMIT - len(MARK) for part in found] == [True] * 3
    assert "".join(found) == "x" + "😀" * 4096


@given(st.text(st.sampled_from("ab \n😀ü"), max_size=40).map(lambda text: text * 500))
def test_nothing_but_white_space_is_lost_between_parts(text: str) -> None:
    found = parts(text)

    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(part.strip() and units(part) <= LIMIT - len(MARK) for part in found)
