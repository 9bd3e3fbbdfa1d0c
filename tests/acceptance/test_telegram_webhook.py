"""`/webhooks/telegram` from outside: who is obeyed, what is answered, what Telegram repeats."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.errors import UsageError
from handlers import telegram
from tests.support.answering import Said, service
from tests.support.lambda_runtime import http_event
from tests.support.site import Site, served
from tests.support.telegram import (
    HEADER,
    MINE,
    PATH,
    TOKEN,
    WORD,
    fake_telegram,
    post,
    update,
    with_telegram,
)
from tests.support.typed import refused, typed
from tests.support.ways import context

SAID = "/status canary-of-what-is-said"


@pytest.fixture
def place(site: Site) -> Site:
    return with_telegram(site)


def said(site: Site) -> list[str]:
    """What was taken as tasks, in order."""
    rows = site.sql(
        "SELECT payload ->> 'text' FROM ops.jobs WHERE kind = 'chat' ORDER BY created_at, seq"
    )
    return [text for (text,) in rows]


def told(site: Site) -> list[str]:
    """What the chats are told, but for what tasks reply."""
    rows = site.sql(
        "SELECT payload ->> 'text' FROM ops.jobs WHERE kind = 'notify.telegram' ORDER BY created_at"
    )
    return [text for (text,) in rows]


def test_a_message_is_taken_before_it_is_answered(place: Site) -> None:
    assert post(place, update(1, SAID)) == (200, None)

    assert said(place) == [SAID]
    key = place.one("SELECT ordering_key FROM ops.jobs WHERE kind = 'chat'")
    assert key == "telegram:42"


def test_an_update_that_comes_again_changes_nothing(place: Site) -> None:
    for _ in range(3):
        assert post(place, update(1, SAID)) == (200, None)
    post(place, update(2, "/help"))

    assert said(place) == [SAID, "/help"]


@pytest.mark.parametrize("word", [None, "", WORD[:-1], WORD + "x", WORD.upper(), "ü" * 20])
def test_without_the_secret_nothing_is_read(place: Site, word: str | None) -> None:
    status, problem = post(place, update(1, SAID), word=word)
    wrong, other = post(place, b"no json", word="another-word-of-enough-length")

    assert (status, wrong) == (401, 401)
    assert problem == other
    assert place.one("SELECT count(*) FROM ops.jobs") == 0


def test_without_a_secret_of_ours_it_is_closed(site: Site) -> None:
    status, problem = post(site, update(1, SAID))

    assert status == 503
    assert "TELEGRAM_WEBHOOK_SECRET is not set" in problem["detail"]


@pytest.mark.parametrize("chats", ["", "43,-1001234567890"])
def test_others_are_not_obeyed_and_nothing_of_them_is_stored(
    place: Site, chats: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = place.with_settings(TELEGRAM_ALLOWED_CHAT_IDS=chats)

    assert post(other, update(1, SAID)) == (200, None)
    assert post(other, update(2, None, photo=[])) == (200, None)

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    refused = [line for line in lines if line["event"] == "telegram.refused"]
    assert [line["chat_id"] for line in refused] == ["42", "42"]
    assert all("TELEGRAM_ALLOWED_CHAT_IDS" in line["why"] for line in refused)
    assert place.one("SELECT count(*) FROM ops.jobs") == 0
    assert place.one("SELECT count(*) FROM ops.chats") == 0


def test_nothing_is_opened_for_a_stranger(place: Site) -> None:
    away = place.with_settings(DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")

    assert post(away, update(1, SAID, 43)) == (200, None)


def test_a_group_that_is_allowed_is_obeyed(place: Site) -> None:
    group = place.with_settings(TELEGRAM_ALLOWED_CHAT_IDS="-1001234567890")

    assert post(group, update(1, "/status@my_shop_bot", -1001234567890)) == (200, None)

    assert said(place) == ["/status"]


@pytest.mark.parametrize(
    "body",
    [
        update(1, None, pinned_message={}),
        json.dumps({"update_id": 1, "edited_message": json.loads(update(1))["message"]}).encode(),
        b'{"update_id": 1, "callback_query": {}}',
        b'{"update_id": 1, "message": null}',
        b'{"update_id": 1}',
    ],
    ids=["service", "edited", "other kind", "no message", "nothing"],
)
def test_what_is_not_for_us_is_not_to_come_again(place: Site, body: bytes) -> None:
    assert post(place, body) == (200, None)

    assert place.one("SELECT count(*) FROM ops.jobs") == 0


def test_who_sends_no_text_is_told_so_once(place: Site) -> None:
    for _ in range(2):
        assert post(place, update(1, None, voice={"file_id": "x"})) == (200, None)

    assert told(place) == ["I read text only. /help says what I understand."]


def test_what_cannot_be_taken_is_told_to_the_person(place: Site) -> None:
    assert post(place, update(1, "x" * 4097)) == (200, None)

    [text] = told(place)
    assert text.startswith("I have not taken this: text: is longer than")
    assert said(place) == []


@pytest.mark.parametrize(
    "body",
    [
        "", "null", "[]", "hello", '{"update_id": "1"}', "[" * 200_000, '{"update_id": NaN}',
        '{"update_id": 1' + "0" * 5000 + "}", '{"a":' * 30_000,
    ],
    ids=lambda body: repr(body[:20]),
)  # fmt: skip
def test_what_telegram_never_sends_is_refused(place: Site, body: str) -> None:
    status, problem = post(place, body.encode())

    assert status == 400
    assert problem["detail"].startswith("the body is no")


@pytest.mark.parametrize("size", [257 * 1024, 1024 * 1024])
def test_a_body_over_256_kb_is_not_read(place: Site, size: int) -> None:
    status, _ = post(place, b'{"update_id": 1, "x": "' + b"x" * size + b'"}')

    assert status == 413


def test_the_longest_message_that_quotes_another_one_is_taken(place: Site) -> None:
    longest = "\U0001f600" * 2048
    quoted = json.loads(update(1, longest))["message"]
    body = update(2, longest, reply_to_message=quoted, entities=[{"offset": 0}] * 100)

    assert len(body) > 2 * 2048 * 12
    assert post(place, body) == (200, None)
    assert said(place) == [longest]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("<b>x</b> *y* [z](tg://user?id=1) $(rm -rf)", None),
        ("\u202eevil\u2066 \u200f", None),
        ("a\x00b", "a\ufffdb"),
        ("'; DROP TABLE ops.jobs; --", None),
        ("\\u0000 %s {0} :now", None),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", None),
    ],
)
def test_hostile_texts_are_kept_as_they_came(place: Site, text: str, kept: str | None) -> None:
    assert post(place, update(1, text)) == (200, None)

    assert said(place) == [kept or text]


def test_half_of_a_pair_is_no_character(place: Site) -> None:
    body = update(1, "@@").replace(b"@@", b"a\\ud83d b")

    assert post(place, body) == (200, None)

    assert said(place) == ["a\ufffd b"]


def test_without_a_database_telegram_is_to_come_again(place: Site) -> None:
    away = place.with_settings(DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")

    status, problem = post(away, update(1, SAID))

    assert status == 503
    assert problem["detail"] == "not taken; send it again"


def test_neither_text_nor_token_nor_secret_is_in_a_log_or_an_answer(
    place: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    verbose = place.with_settings(LOG_LEVEL="debug")
    canaries = ["canary-of-what-is-said", TOKEN, WORD]

    answers = [
        post(verbose, update(1, SAID)),
        post(verbose, update(2, SAID), word="wrong-word-of-enough-length"),
        post(verbose, update(3, SAID * 200)),
        post(verbose.with_settings(TELEGRAM_ALLOWED_CHAT_IDS="1"), update(4, SAID)),
        post(verbose, b'{"canary-of-what-is-said": "' + WORD.encode()),
        post(verbose, b'{"update_id": 5, "canary-of-what-is-said": 1}'),
    ]

    shown = capsys.readouterr()
    for canary in canaries:
        assert canary not in shown.out + shown.err + repr(answers)


def test_other_methods_are_refused(place: Site) -> None:
    with place.in_this_process():
        for method in ("GET", "HEAD", "PUT", "OPTIONS"):
            answer = telegram.handler(http_event(method, PATH), context(29.0))
            assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "POST")


def test_the_function_is_called_over_http_only(place: Site) -> None:
    with place.in_this_process(), pytest.raises(UsageError):
        telegram.handler({"update_id": 1}, context(29.0))


def test_serve_answers_the_same_below_a_path(place: Site, tmp_path: Path) -> None:
    below = place.with_settings(BASE_PATH="/shop", TELEGRAM_ALLOWED_CHAT_IDS="")
    with served(below.environment(), tmp_path / "log") as server:
        answers = [
            server.bare("POST", f"/shop{PATH}", content=update(1, SAID), headers={HEADER: word})
            for word in (WORD, "wrong-word-of-enough-length")
        ]
        slash = server.bare("POST", f"/shop{PATH}/", content=update(1), headers={HEADER: WORD})
    log = (tmp_path / "log").read_text()

    assert [answer.status_code for answer in (*answers, slash)] == [200, 401, 200]
    assert answers[0].content == b""
    assert '"event": "telegram.closed"' in log
    assert "canary" not in log


ADDRESS = f"https://cronshot.example.com{PATH}"


def test_the_webhook_is_registered_and_shown(place: Site) -> None:
    state = {
        "url": ADDRESS, "pending_update_count": 2, "allowed_updates": ["message"],
        "last_error_date": 1_795_323_600, "last_error_message": "Connection\nrefused",
    }  # fmt: skip

    with service(lambda _: Said({"ok": True, "result": state})) as bot_api:
        settings = {"TELEGRAM_API_URL": bot_api.url}
        made = typed(place, "sessions", "webhook", "--url", ADDRESS, **settings)
        shown = typed(place, "sessions", "webhook", "--json", **settings)

    methods = [asked.path.rpartition("/")[2] for asked in bot_api.asked]
    assert methods == ["setWebhook", "getWebhookInfo", "getWebhookInfo"]
    assert bot_api.asked[0].json["secret_token"] == WORD
    assert made.returncode == 0
    for word in (ADDRESS, "2 updates", "Connection refused", "sessions list"):
        assert word in made.stdout
    assert json.loads(shown.stdout) == {
        "url": ADDRESS,
        "pending": 2,
        "allowed_updates": ["message"],
        "max_connections": None,
        "last_error_at": "2026-11-22T05:00:00.000Z",
        "last_error": "Connection refused",
    }
    told = made.stdout + made.stderr + shown.stdout + shown.stderr
    assert TOKEN not in told
    assert WORD not in told


def test_without_a_webhook_the_command_says_how_to_register_one(place: Site) -> None:
    with service(lambda _: Said({"ok": True, "result": {"url": ""}})) as bot_api:
        told = typed(place, "sessions", "webhook", TELEGRAM_API_URL=bot_api.url)

    assert f"sessions webhook --url https://YOUR-HOST{PATH}" in told.stdout


@pytest.mark.parametrize(
    ("settings", "url", "code", "word"),
    [
        ({"TELEGRAM_BOT_TOKEN": None}, ADDRESS, 78, "TELEGRAM_BOT_TOKEN"),
        ({"TELEGRAM_WEBHOOK_SECRET": None}, ADDRESS, 78, "TELEGRAM_WEBHOOK_SECRET"),
        ({}, "https://cronshot.example.com", 65, "--url"),
        ({}, ADDRESS, 69, "Telegram did not answer"),
    ],
)
def test_what_stands_against_a_webhook_is_said(
    place: Site, settings: dict[str, str | None], url: str, code: int, word: str
) -> None:
    refused(typed(place, "sessions", "webhook", "--url", url, **settings), code, word)


def test_the_assistant_answers_in_the_chat(place: Site) -> None:
    with fake_telegram() as bot:
        there = with_telegram(place, bot.url)
        post(there, update(1, "/help"))
        post(there, update(2, "make me a sandwich"))
        for _ in range(3):
            typed(there, "queue")

    first, second = bot.texts()
    assert "/orders" in first
    assert "I understand commands only" in second


def test_an_update_that_comes_ten_times_at_once_is_one_task(place: Site, tmp_path: Path) -> None:
    with served(place.environment(), tmp_path / "log") as server, ThreadPoolExecutor(10) as pool:
        answers = pool.map(
            lambda _: server.bare("POST", PATH, content=update(1), headers={HEADER: WORD}),
            range(10),
        )
        statuses = {answer.status_code for answer in answers}

    assert statuses <= {200, 503}
    assert said(place) == ["/help"]


def test_what_was_said_is_shown_by_its_session(place: Site) -> None:
    post(place, update(1, "/help"))

    shown: dict[str, Any] = json.loads(
        typed(place, "sessions", "show", f"telegram:{MINE}", "--json").stdout
    )

    assert (shown["queue_len"], shown["status"]) == (1, "pending")
    [task] = shown["tasks"]
    assert (task["text"], task["position_in_queue"]) == ("/help", 0)
