"""A conversation over a Telegram that throttles, fails and hangs up: from webhook to chat."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from core.chat.take_updates import TEXT_ONLY
from tests.support.chat_launcher import in_the_assistants_place
from tests.support.site import Site
from tests.support.telegram import (
    MARK,
    FakeTelegram,
    fake_telegram,
    in_turn,
    post,
    update,
    with_telegram,
)
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(120)
OTHER = 43
UNENDED = "SELECT count(*) FROM ops.jobs WHERE due_at IS NOT NULL AND status <> 'waiting'"


@pytest.fixture(autouse=True)
def _few_words() -> Iterator[None]:
    with in_the_assistants_place():
        yield


def talking(site: Site, telegram: FakeTelegram) -> Site:
    return with_telegram(site, telegram.url, TELEGRAM_ALLOWED_CHAT_IDS=f"42,{OTHER}")


def hear(site: Site, *texts: str, first: int = 1, chat: int = 42) -> None:
    for number, text in enumerate(texts, start=first):
        assert post(site, update(number, text, chat)) == (200, None)


def due_now(site: Site) -> None:
    """As if the time went by."""
    site.sql(
        "UPDATE ops.jobs SET run_at = now() WHERE status = 'pending';"
        "UPDATE ops.job_keys SET visible_at = now() WHERE visible_at IS NOT NULL"
    )


def drain(site: Site, *, until_quiet: bool = True) -> None:
    for _ in range(20):
        ended = typed(site, "queue", "--json")
        # Degraded where a chat refused.
        assert ended.returncode in {0, 1}, ended.stderr
        if not until_quiet or site.one(UNENDED) == 0:
            return
        due_now(site)
    raise AssertionError("some jobs do not end")


def sendings(site: Site) -> list[tuple[str, str | None, str | None]]:
    rows = site.sql(
        "SELECT status, outcome, error_code FROM ops.jobs"
        " WHERE kind = 'notify.telegram' ORDER BY seq"
    )
    return [(status, outcome, code) for status, outcome, code in rows]


def session(site: Site, chat: int = 42) -> dict[str, Any]:
    told = typed(site, "sessions", "show", f"telegram:{chat}", "--json").stdout
    found: dict[str, Any] = json.loads(told)
    return found


def test_what_is_said_is_answered_in_order(site: Site) -> None:
    with fake_telegram() as telegram:
        place = talking(site, telegram)
        hear(place, "say one", "say two", "say three")
        drain(place)

    assert telegram.texts() == ["one", "two", "three"]


@pytest.mark.parametrize("fault", [429, 500, 502])
def test_a_throttle_or_a_fault_of_telegrams_delays_and_changes_no_order(
    site: Site, fault: int
) -> None:
    with fake_telegram(in_turn(fault, None, fault)) as telegram:
        place = talking(site, telegram)
        hear(place, "say one", "say two", "say three")
        hear(place, "say other", first=10, chat=OTHER)
        drain(place)

    assert telegram.texts() == ["one", "two", "three"]
    assert telegram.texts(OTHER) == ["other"]
    assert telegram.faults == {str(fault): 2}
    attempts = place.one("SELECT sum(attempts) FROM ops.jobs WHERE kind = 'notify.telegram'")
    assert attempts == (4 if fault == 429 else 6)


def test_an_answer_that_never_comes_sends_again_with_a_mark(site: Site) -> None:
    with fake_telegram(in_turn("no answer")) as telegram:
        place = talking(site, telegram)
        hear(place, "say one", "say two")
        drain(place)

    assert telegram.texts() == ["one", f"{MARK}one", "two"]


def test_a_chat_that_blocked_the_bot_is_left_alone_until_it_writes(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_telegram(in_turn(403)) as telegram:
        place = talking(site, telegram)
        hear(place, "say one", "say two", "say three")
        drain(place)
        before = (telegram.texts(), sendings(place), session(place))
        listed = typed(place, "sessions", "list").stdout
        hear(place, "say four", first=4)
        drain(place)

    texts, jobs, blocked = before
    assert texts == []
    assert telegram.faults == {"403": 1}
    assert jobs[0] == ("failed", None, "telegram_403")
    assert set(jobs[1:]) <= {("cancelled", "chat_blocked", None)}
    assert blocked["blocked_at"] is not None
    assert "takes no messages since" in listed
    assert telegram.texts() == ["four"]
    assert session(place)["blocked_at"] is None


def test_whoever_sends_a_picture_takes_messages_again(site: Site) -> None:
    with fake_telegram(in_turn(403)) as telegram:
        place = talking(site, telegram)
        hear(place, "say one")
        drain(place)
        assert post(place, update(2, None, photo=[])) == (200, None)
        drain(place)

    assert telegram.texts() == [TEXT_ONLY]


def test_another_chat_goes_on_while_one_is_blocked(site: Site) -> None:
    with fake_telegram(lambda chat, _: 403 if chat == OTHER else None) as telegram:
        place = talking(site, telegram)
        hear(place, "say other", "say more", chat=OTHER)
        hear(place, "say one", "say two", first=10)
        drain(place)

    assert telegram.texts() == ["one", "two"]
    assert telegram.faults == {"403": 1}


def test_a_plan_is_shown_approved_and_done_in_the_chat(site: Site) -> None:
    with fake_telegram() as telegram:
        place = talking(site, telegram)
        hear(place, "plan pause everything", "say next")
        drain(place, until_quiet=False)
        drain(place, until_quiet=False)
        asked = telegram.texts()
        hear(place, "yes", first=3)
        drain(place)

    assert len(asked) == 1
    assert asked[0].startswith("Shall I pause everything?")
    assert telegram.texts()[1:] == ["pause everything", "next"]


def test_a_reply_of_a_megabyte_with_characters_that_are_none_arrives_shortened(
    site: Site,
) -> None:
    with fake_telegram() as telegram:
        place = talking(site, telegram)
        hear(place, "shout x")
        drain(place)

    arrived = telegram.texts()
    assert 1 < len(arrived) < 5
    assert "\ud83d" not in "".join(arrived)
    assert "shortened" in arrived[-1]


@pytest.mark.parametrize(
    "text",
    [
        "<b>x</b> *y* [z](tg://user?id=1)", "\u202eevil\u2066 \u200fb",
        "\U0001f468\u200d\U0001f469", "a\n\nb", "\\u0000 %s {0} :now", "'; DROP TABLE ops.jobs; --",
    ],
)  # fmt: skip
def test_hostile_texts_come_back_as_they_went(site: Site, text: str) -> None:
    with fake_telegram() as telegram:
        place = talking(site, telegram)
        hear(place, f"say {text}")
        drain(place)

    assert telegram.texts() == [text]
