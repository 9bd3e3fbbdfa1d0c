"""Sessions at the REST API and on the command line."""

import json
from typing import Any

import pytest

from handlers import api
from tests.support.lambda_runtime import http_event
from tests.support.site import Site
from tests.support.telegram import post, update, with_telegram
from tests.support.typed import refused, typed
from tests.support.ways import context

TOKEN = "canary-api-token-0123456789"
ME = "/api/v1/sessions/http/me"
NO_TASK = "00000000-0000-4000-8000-000000000009"


@pytest.fixture
def place(site: Site) -> Site:
    return with_telegram(site, API_TOKEN=TOKEN)


def call(
    site: Site,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str | None = None,
    query: str = "",
) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {TOKEN}"}
    if key is not None:
        headers["idempotency-key"] = key
    if body is not None:
        headers["content-type"] = "application/json"
    event = http_event(method, path, **headers) | {"rawQueryString": query}
    if body is not None:
        event["body"] = json.dumps(body)
    with site.in_this_process():
        answer = api.handler(event, context(29.0))
    return answer["statusCode"], json.loads(answer["body"])


def say(site: Site, text: str, path: str = ME, key: str | None = None) -> dict[str, Any]:
    status, told = call(site, "POST", f"{path}/messages", {"text": text}, key=key)
    assert status in {200, 202}, told
    found: dict[str, Any] = told
    return found


def ask_for_approval(site: Site, task_id: str) -> None:
    """As the engine leaves a task whose plan waits."""
    site.sql(
        "UPDATE ops.jobs SET status = 'waiting', phase = 'plan_approval', wait_name = 'answer',"
        " wait_until = now() + interval '1 day'"
        f" WHERE id = '{task_id}';"
        "UPDATE ops.chat_tasks SET plan = 'pause all', steps = '{}', answer_by = now()"
        f" + interval '1 day', shown = true WHERE job_id = '{task_id}'"
    )


def test_a_message_is_a_task_with_its_place_in_the_queue(place: Site) -> None:
    status, first = call(place, "POST", f"{ME}/messages", {"text": "/status"})
    second = say(place, "/orders")

    assert status == 202
    assert (first["said"], first["status"], first["created"]) == ("queued", "pending", True)
    assert (first["position_in_queue"], second["position_in_queue"]) == (0, 1)
    status, session = call(place, "GET", ME)
    assert status == 200
    assert (session["queue_len"], session["active_id"]) == (2, first["task_id"])
    assert session["next_task_id"] == second["task_id"]
    assert [task["text"] for task in session["tasks"]] == ["/status", "/orders"]


def test_the_same_key_is_the_same_message(place: Site) -> None:
    first = say(place, "/status", key="k1")
    status, again = call(place, "POST", f"{ME}/messages", {"text": "/status"}, key="k1")
    other = say(place, "/status", key="k2")

    assert (status, again["task_id"], again["created"]) == (200, first["task_id"], False)
    assert other["task_id"] != first["task_id"]
    assert place.one("SELECT count(*) FROM ops.jobs WHERE kind = 'chat'") == 2


def test_a_key_of_the_api_is_not_telegrams(place: Site) -> None:
    say(place, "/status", "/api/v1/sessions/telegram/42", key="telegram:1")

    assert post(place, update(1, "/orders")) == (200, None)

    assert place.one("SELECT count(*) FROM ops.jobs WHERE kind = 'chat'") == 2


def test_t6_a_chat_of_one_door_is_not_the_same_chat_of_another(place: Site) -> None:
    say(place, "/status", "/api/v1/sessions/http/42")
    post(place, update(1, "/orders"))

    _, told = call(place, "GET", "/api/v1/sessions")

    assert {(each["source"], each["queue_len"]) for each in told["items"]} == {
        ("http", 1), ("telegram", 1),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("http/me", {"text": " \n"}, 400, "text: is empty"),
        ("http/me", {"text": ""}, 422, "text"),
        ("http/me", {"text": "a\x00b"}, 400, "text:"),
        ("http/me", {"text": "x" * 4097}, 422, "text"),
        ("http/me", {"text": "x", "chat": 1}, 422, "chat"),
        ("http/me", {}, 422, "text"),
        ("Http/me", {"text": "x"}, 400, "source:"),
        ("http/%20", {"text": "x"}, 400, "chat_id:"),
        ("telegram/me", {"text": "x"}, 400, "chat_id:"),
        ("telegram/43", {"text": "x"}, 400, "TELEGRAM_ALLOWED_CHAT_IDS"),
        ("telegram/-100", {"text": "x"}, 400, "TELEGRAM_ALLOWED_CHAT_IDS"),
    ],
)
def test_t8_what_cannot_be_said_is_refused_with_its_reason(
    place: Site, path: str, body: dict[str, object], status: int, words: str
) -> None:
    answered, problem = call(
        place, "POST", f"/api/v1/sessions/{path.replace('%20', ' ')}/messages", body
    )

    assert (answered, words in problem["detail"]) == (status, True), problem
    assert place.one("SELECT count(*) FROM ops.jobs") == 0


def test_a_task_tells_how_it_is(place: Site) -> None:
    made = say(place, "/pause")
    ask_for_approval(place, made["task_id"])

    status, task = call(place, "GET", f"{ME}/tasks/{made['task_id'][:8]}")

    assert status == 200
    assert (task["status"], task["phase"]) == ("waiting", "plan_approval")
    assert (task["awaiting_input"], task["plan"]) == (True, "pause all")
    assert (task["position_in_queue"], task["error"]) == (0, None)
    assert [event["event"] for event in task["events"]] == ["created"]


@pytest.mark.parametrize(
    "body", [{"approval": True}, {"approval": False}, {"answer": "yes please"}]
)
def test_t3_input_goes_to_the_task_that_waits(place: Site, body: dict[str, object]) -> None:
    made = say(place, "/pause")
    ask_for_approval(place, made["task_id"])

    status, task = call(place, "POST", f"{ME}/tasks/{made['task_id']}/input", body)

    assert (status, task["status"], task["awaiting_input"]) == (200, "pending", False)


def test_t3_input_to_a_task_that_does_not_wait_is_a_conflict(place: Site) -> None:
    active, behind = say(place, "/pause"), say(place, "/resume")
    place_of = {name: f"{ME}/tasks/{made['task_id']}" for name, made in
                (("active", active), ("behind", behind))}  # fmt: skip
    not_yet, _ = call(place, "POST", f"{place_of['active']}/input", {"approval": True})
    ask_for_approval(place, active["task_id"])
    not_active, _ = call(place, "POST", f"{place_of['behind']}/input", {"approval": True})
    call(place, "POST", f"{place_of['active']}/cancel")
    terminal, problem = call(place, "POST", f"{place_of['active']}/input", {"approval": True})

    assert (not_yet, not_active, terminal) == (409, 409, 409)
    assert "cancelled" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"approval": True, "answer": "yes"}, 400),
        ({"approval": "yes"}, 422),
        ({"answer": ""}, 422),
    ],
)
def test_input_is_one_thing_or_the_other(place: Site, body: dict[str, object], status: int) -> None:
    made = say(place, "/pause")
    ask_for_approval(place, made["task_id"])

    assert call(place, "POST", f"{ME}/tasks/{made['task_id']}/input", body)[0] == status


def test_a_cancelled_task_makes_room_for_the_next(place: Site) -> None:
    first, second = say(place, "/pause"), say(place, "/resume")

    status, told = call(place, "POST", f"{ME}/tasks/{first['task_id']}/cancel")
    again, _ = call(place, "POST", f"{ME}/tasks/{first['task_id']}/cancel")

    assert (status, told["status"], told["position_in_queue"]) == (200, "cancelled", None)
    assert again == 200
    _, session = call(place, "GET", ME)
    assert (session["queue_len"], session["active_id"]) == (1, second["task_id"])


@pytest.mark.parametrize("ending", ["", "/input", "/cancel"])
def test_what_is_not_there_is_not_found(place: Site, ending: str) -> None:
    made = say(place, "/status")
    method, body = (
        ("GET", None) if not ending else ("POST", {"approval": True} if "input" in ending else None)
    )

    nowhere, _ = call(place, method, f"{ME}/tasks/{NO_TASK}{ending}", body)
    elsewhere, _ = call(
        place, method, f"/api/v1/sessions/http/you/tasks/{made['task_id']}{ending}", body
    )

    assert (nowhere, elsewhere) == (404, 404)
    assert call(place, "GET", "/api/v1/sessions/http/nobody")[0] == 404


def test_sessions_are_listed_page_by_page(place: Site) -> None:
    for name in ("a", "b", "c"):
        say(place, "/help", f"/api/v1/sessions/http/{name}")

    _, first = call(place, "GET", "/api/v1/sessions", query="limit=2")
    _, rest = call(place, "GET", "/api/v1/sessions", query=f"limit=2&after={first['next']}")

    assert first["total"] == 3
    assert [each["chat_id"] for each in (*first["items"], *rest["items"])] == ["c", "b", "a"]
    assert rest["next"] is None


def test_without_the_token_nothing_is_told(site: Site) -> None:
    assert call(site, "GET", "/api/v1/sessions")[0] == 503
    assert call(site.with_settings(API_TOKEN="x" * 20), "GET", "/api/v1/sessions")[0] == 401


def test_the_command_line_says_shows_and_answers(place: Site) -> None:
    made = json.loads(typed(place, "sessions", "send", "http:me", "/pause", "--json").stdout)
    listed = typed(place, "sessions", "list")
    ask_for_approval(place, made["task_id"])
    shown = typed(place, "sessions", "show", "http:me")
    task = typed(place, "sessions", "show", made["task_id"][:8])
    answered = typed(place, "sessions", "answer", made["task_id"][:8], "yes")

    assert made["position_in_queue"] == 0
    assert "http:me" in listed.stdout
    assert "sessions show http:me" in listed.stdout
    assert "pause all" in shown.stdout
    assert f"sessions answer {made['task_id'][:8]} yes" in shown.stdout
    assert "plan:\npause all" in task.stdout
    assert "text:\n/pause" in task.stdout
    assert "core.run queue" in answered.stdout
    signal = place.one("SELECT count(*) FROM ops.jobs WHERE status = 'pending' AND kind = 'chat'")
    assert signal == 1


def test_a_message_with_a_key_is_said_once(place: Site) -> None:
    said = [
        typed(place, "sessions", "send", "http:me", "/help", "--key", "k", "--json") for _ in "ab"
    ]

    assert [json.loads(each.stdout)["created"] for each in said] == [True, False]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", NO_TASK[:8]), ("sessions list",)),
        (("send", "42", "/help"), ("telegram:42",)),
        (("show", "http:nobody"), ("http:nobody", "sessions list")),
        (("send", "telegram:43", "/help"), ("TELEGRAM_ALLOWED_CHAT_IDS",)),
        (("send", "http:me", " "), ("text: is empty",)),
        (("answer", NO_TASK, "yes"), ("sessions list",)),
        (("list", "--after", "x"), ("telegram:42",)),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(
    place: Site, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    refused(typed(place, "sessions", *arguments), 65, *words)


def test_what_was_said_moves_no_terminal(place: Site) -> None:
    made = json.loads(typed(place, "sessions", "send", "http:me", "a\x1b[2Jb\nc", "--json").stdout)

    told = typed(place, "sessions", "show", "http:me").stdout
    task = typed(place, "sessions", "show", made["task_id"]).stdout

    assert "\x1b" not in told + task
    assert "a [2Jb c" in told
    assert "a [2Jb\nc\n" in task


def test_a_list_without_sessions_says_how_to_begin_one(place: Site) -> None:
    told = typed(place, "sessions", "list")

    assert "0 of 0" in told.stdout
    assert "sessions send http:me /help" in told.stdout


def test_a_chat_that_takes_no_messages_is_shown(place: Site) -> None:
    say(place, "/help")
    place.sql("UPDATE ops.chats SET blocked_at = '2026-11-22T12:00:00Z', blocked_reason = 'x'")

    told = typed(place, "sessions", "list").stdout
    say(place, "/help")
    after = typed(place, "sessions", "list").stdout

    assert "takes no messages since 2026-11-22 12:00:00Z" in told
    assert "takes no messages" not in after
