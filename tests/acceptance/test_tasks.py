"""The task API as its callers meet it: `/api/v1/tasks`."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.people import places_of
from tests.support.postgres import Server
from tests.support.site import Served, Site, new_site, served
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(150)
TOKEN = "canary-api-token-0123456789"
TASKS = "/api/v1/tasks"
PROBLEM = "application/problem+json"
CLEAR = "TRUNCATE ops.tasks, ops.jobs, ops.job_keys, ops.queues CASCADE"
NO_DEDUPE = {"dedupe_window_s": 0}


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=1, orders=1) as site:
        yield site.with_settings(API_TOKEN=TOKEN)


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.sql(CLEAR)
    return _module_site


def call(server: Served, method: str, path: str = "", **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}"} | options.pop("headers", {})
    return server.bare(method, TASKS + path, headers=headers, **options)


def create(server: Served, type_: str = "test", **fields: Any) -> httpx.Response:
    options = {"headers": fields.pop("headers", {})}
    return call(server, "POST", json={"type": type_, **NO_DEDUPE, **fields}, **options)


def draft(server: Served, **fields: Any) -> dict[str, Any]:
    answer = create(server, run_immediately=False, **fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def listed(server: Served, **params: Any) -> dict[str, Any]:
    answer = call(server, "GET", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told: dict[str, Any] = answer.json()
    assert told["status"] == status
    return told


def curl(server: Served, *arguments: str) -> dict[str, Any]:
    """As people type it; curl calls what it sends a form."""
    done = subprocess.run(
        ["curl", "-sS", "-H", f"Authorization: Bearer {TOKEN}", *arguments, server.url + TASKS],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_task_typed_with_curl_ends_completed(server: Served, site: Site) -> None:
    body = '{"type": "test", "description": "test task", "run_immediately": true}'

    made = curl(server, "-X", "POST", "-d", body)

    assert made["status"] == "completed"
    assert made["error"] is None
    assert (made["attempts"], made["event_tags"]) == (1, ["normal"])
    assert call(server, "GET", f"/{made['id']}").json()["status"] == "completed"


def test_e1_a_task_queued_with_curl_is_done_by_one_run_after_a_restart_of_everything(
    site: Site, tmp_path: Path
) -> None:
    later = '{"type": "test", "description": "test later", "run_at": "2026-01-01T00:00:00Z"}'
    slow = '{"type": "enrich_task"}'
    with served(site.environment(), tmp_path / "first") as server:
        site.sql("INSERT INTO ops.queues (queue, enabled) VALUES ('default', false)")
        queued = curl(server, "-X", "POST", "-d", later)
        refused = curl(server, "-X", "POST", "-d", slow)
    site.sql("UPDATE ops.queues SET enabled = true")

    run = typed(site, "queue", "--json")

    assert (queued["status"], refused["status"]) == ("pending", 400)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["counts"]["completed"] == 1
    with served(site.environment(), tmp_path / "second") as server:
        assert call(server, "GET", f"/{queued['id']}").json()["status"] == "completed"


def test_what_a_task_is_made_of_is_shown(server: Served, site: Site) -> None:
    answer = create(
        server, description="urgent: refund", params={"n": 1}, domain="shop", drift_score=0.5
    )
    made = answer.json()

    assert answer.status_code == 201
    assert (made["params"], made["result"]) == ({"n": 1}, {"echo": {"n": 1}})
    assert (made["domain"], made["drift_score"], made["priority"]) == ("shop", 0.5, 20)
    assert made["event_tags"] == ["emergency", "warning"]
    assert made["confidence"] == 0.7
    assert made["original_text"] is None
    assert made["pii"] == {"redacted": {}, "was_redacted": False}


def test_s2_a_draft_is_never_claimed_and_run_begins_it_once(server: Served, site: Site) -> None:
    made = draft(server, description="test by hand")
    run = typed(site, "queue", "--json")

    assert made["status"] == "draft"
    assert json.loads(run.stdout)["counts"].get("claimed", 0) == 0
    begun = call(server, "POST", f"/{made['id']}/run")
    assert (begun.status_code, begun.json()["status"]) == (200, "completed")
    told = problem(call(server, "POST", f"/{made['id']}/run"), 409)
    assert "completed" in told["detail"]
    assert site.one("SELECT attempts FROM ops.jobs") == 1


def test_s3_total_is_the_full_count_under_the_filters(server: Served, site: Site) -> None:
    for number in range(7):
        draft(server, description=f"number {number}", domain="even" if number % 2 == 0 else "odd")
    create(server, description="done")

    first = listed(server, domain="even", limit=2)
    second = listed(server, domain="even", limit=2, cursor=first["next_cursor"])

    assert (first["total"], second["total"], listed(server)["total"]) == (4, 4, 8)
    texts = [each["description"] for each in first["items"] + second["items"]]
    assert texts == ["number 6", "number 4", "number 2", "number 0"]
    assert second["next_cursor"] is None
    assert "params" not in first["items"][0]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"status": "draft"}, ["wanted"]),
        ({"status": "created"}, ["wanted"]),
        ({"status": ["created", "completed"]}, ["other", "wanted"]),
        ({"status": "queued"}, []),
        ({"type": "test", "status": "completed"}, ["other"]),
        ({"type": "http_request"}, []),
        ({"search": "WANT"}, ["wanted"]),
        ({"search": "echoed"}, ["other"]),
        ({"search": "%"}, []),
        ({"since": "1h"}, ["other", "wanted"]),
        ({"since": "2999-01-01"}, []),
    ],
)
def test_tasks_are_found_by_what_is_known_of_them(
    server: Served, site: Site, asked: dict[str, Any], found: list[str]
) -> None:
    draft(server, description="wanted")
    create(server, description="other", params={"x": "echoed"})

    answer = listed(server, **asked)

    assert [each["description"] for each in answer["items"]] == found
    assert answer["total"] == len(found)


def test_s4_a_task_is_found_by_the_beginning_of_its_id(server: Served, site: Site) -> None:
    made = [draft(server, description=str(number)) for number in range(2)]
    for number, each in enumerate(made):
        site.sql(
            "ALTER TABLE ops.tasks DROP CONSTRAINT tasks_job_id_fkey;"
            f"UPDATE ops.tasks SET job_id = 'aaaa000{number}-0000-4000-8000-000000000000'"
            f" WHERE job_id = '{each['id']}';"
            f"UPDATE ops.jobs SET id = 'aaaa000{number}-0000-4000-8000-000000000000'"
            f" WHERE id = '{each['id']}';"
            "ALTER TABLE ops.tasks ADD CONSTRAINT tasks_job_id_fkey FOREIGN KEY (job_id)"
            " REFERENCES ops.jobs (id) ON DELETE CASCADE"
        )

    assert call(server, "GET", "/aaaa0001").json()["description"] == "1"
    assert call(server, "GET", "/AAAA0000-").json()["description"] == "0"
    problem(call(server, "GET", "/bbbb"), 404)
    told = problem(call(server, "GET", "/aaaa/status"), 409)
    assert told["candidates"] == [
        f"aaaa000{number}-0000-4000-8000-000000000000" for number in range(2)
    ]
    problem(call(server, "GET", "/wxyz"), 400)


PLANTED = ["alice@example.com", "555-123-4567", "123-45-6789", "4111 1111 1111 1111"]
TEXT = f"mail {PLANTED[0]}, call {PLANTED[1]}, {PLANTED[2]}, {PLANTED[3]}: order 1234567890, " + (
    "padding " * 40
)


def test_s5_what_is_personal_is_in_no_column_of_any_table(server: Served, site: Site) -> None:
    params = {
        "to": PLANTED[0],
        PLANTED[1]: [PLANTED[2], {"card": PLANTED[3]}],
        "order": "1234567890",
    }

    answer = create(
        server, description=TEXT, params=params, domain=PLANTED[0], ordering_key=PLANTED[0],
        headers={"Idempotency-Key": PLANTED[0]},
    )  # fmt: skip
    site.run(worker="queue-drain")

    made = answer.json()
    assert made["status"] == "completed"
    assert made["pii"]["redacted"] == {"email": 3, "phone": 2, "ssn": 2, "card": 2}
    assert places_of(site, PLANTED) == {}
    assert set(places_of(site, ["1234567890"])) >= {
        "ops.tasks.description", "ops.tasks.enrichment", "ops.jobs.payload", "ops.jobs.result",
    }  # fmt: skip
    log = server.log.read_text()
    assert not [word for word in PLANTED if word in log]


def test_s5_no_digest_tells_it_to_who_tries_all_numbers(server: Served, site: Site) -> None:
    phone, text = "+1 555 123 4567", "call +1 555 123 4567"
    asked: dict[str, Any] = {"description": text, "ordering_key": phone, "idempotency_key": phone}

    first = draft(server, **asked)
    again = create(server, run_immediately=False, **asked)

    [stored] = site.sql(
        "SELECT ordering_key, idempotency_key, encode(digest, 'hex') FROM ops.jobs"
        " JOIN ops.tasks ON job_id = id"
    )
    told = json.dumps(["test", text, {}, None])
    for guessed in (phone, told):
        assert hashlib.sha256(guessed.encode()).hexdigest() not in " ".join(stored)
    assert (again.status_code, again.json()["id"]) == (200, first["id"])


def test_s5_what_is_to_be_preserved_is_shown_by_its_id_only(server: Served, site: Site) -> None:
    made = create(
        server, description=PLANTED[0], params={"to": PLANTED[1]}, preserve_original_text=True
    ).json()

    assert (made["description"], made["original_text"]) == ("[EMAIL_REDACTED]", PLANTED[0])
    assert made["params"] == {"to": PLANTED[1]}
    assert PLANTED[0] not in json.dumps(listed(server))


def test_a_text_of_which_rules_say_too_little_is_looked_at_again(
    server: Served, site: Site
) -> None:
    made = create(server, description="12-34567-12345 not received, $12.50 lost").json()

    run = typed(site, "queue", "--json")

    assert (made["event_tags"], made["enrichment"]) == ([], None)
    assert json.loads(run.stdout)["counts"]["completed"] == 1, run.stderr
    now = call(server, "GET", f"/{made['id']}").json()
    assert now["enrichment"] == {
        "order_ids": ["12-34567-12345"], "amounts": ["USD 12.50"], "tags": ["warning"],
    }  # fmt: skip
    assert now["event_tags"] == ["warning"]
    assert now["enriched_at"] is not None


def test_s6_a_duplicate_within_the_window_is_the_first_task(server: Served, site: Site) -> None:
    fields: dict[str, Any] = {
        "description": "once", "params": {"a": 1}, "dedupe_window_s": 60,
    }  # fmt: skip

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: create(server, **fields), range(16)))
    other = create(server, **{**fields, "params": {"a": 2}})

    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert other.status_code == 201
    assert site.one("SELECT count(*) FROM ops.jobs WHERE kind = 'test'") == 2
    site.sql("UPDATE ops.tasks SET created_at = created_at - interval '61 s'")
    assert create(server, **fields).status_code == 201


def test_s6_what_was_cancelled_may_be_asked_for_again(server: Served, site: Site) -> None:
    fields: dict[str, Any] = {
        "description": "once",
        "run_immediately": False,
        "dedupe_window_s": 60,
    }
    first = create(server, **fields).json()
    call(server, "POST", f"/{first['id']}/cancel")

    assert create(server, **fields).json()["id"] != first["id"]


def test_one_idempotency_key_is_one_task_for_ever(server: Served, site: Site) -> None:
    key = {"Idempotency-Key": "k-1"}

    first = create(server, description="once", headers=key)
    site.sql("UPDATE ops.tasks SET created_at = created_at - interval '9 days'")
    again = create(server, description="once", idempotency_key="k-1")
    other = create(server, description="another", headers=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert "another task" in problem(other, 422)["detail"]
    problem(create(server, headers=key, idempotency_key="k-2"), 400)


def changed(server: Served, cursor: str | None, **params: Any) -> tuple[list[str], str | None]:
    if cursor is not None:
        params["cursor"] = cursor
    told = call(server, "GET", "/changes", params=params).json()
    return [each["description"] for each in told["items"]], told["cursor"]


def let_go_by(site: Site, seconds: float, task: str | None = None) -> None:
    which = "" if task is None else f" WHERE job_id = '{task}'"
    site.sql(f"UPDATE ops.tasks SET changed_at = changed_at - interval '{seconds} s'{which}")


def test_s7_a_change_committed_up_to_5_s_late_is_still_read_and_each_once(
    server: Served, site: Site
) -> None:
    ids = {name: draft(server, description=name)["id"] for name in ("slow", "quick")}
    let_go_by(site, 100)
    before, cursor = changed(server, None)

    call(server, "POST", f"/{ids['quick']}/cancel")
    # Too young to be told, however slow this machine is.
    let_go_by(site, -60, ids["quick"])
    unread, cursor = changed(server, cursor)
    # Changed before the other one, and committed after it, when it is 4.9 seconds old.
    site.sql(
        f"UPDATE ops.tasks SET changed_at = (SELECT changed_at - interval '4.9 s' FROM ops.tasks"
        f" WHERE job_id = '{ids['quick']}') WHERE job_id = '{ids['slow']}'"
    )
    let_go_by(site, 70)
    read, cursor = changed(server, cursor)

    assert (before, unread) == (["slow", "quick"], [])
    assert sorted(read) == ["quick", "slow"]
    assert changed(server, cursor) == ([], cursor)


def test_s7_every_change_of_a_task_shows_and_long_lists_come_in_pages(
    server: Served, site: Site
) -> None:
    for name in ("one", "two", "six"):
        draft(server, description=name)
    let_go_by(site, 50)
    first, cursor = changed(server, None, limit=2)
    rest, cursor = changed(server, cursor, limit=2)
    call(server, "POST", f"/{listed(server, search='two')['items'][0]['id']}/run")
    let_go_by(site, 10)

    assert (first, rest) == (["one", "two"], ["six"])
    again, cursor = changed(server, cursor)
    assert again == ["two"]
    assert changed(server, None, since="5m")[0] == ["one", "six", "two"]
    assert changed(server, None, since="1s")[0] == []


def test_s1_a_task_that_is_cancelled_while_it_is_done_ends_cancelled(
    server: Served, site: Site
) -> None:
    made = draft(server, description="x")
    site.sql(
        "UPDATE ops.jobs SET status = 'processing', locked_by = gen_random_uuid(), attempts = 1,"
        " locked_at = now(), leased_until = now() + interval '1 hour', seq = 1"
    )

    asked = call(server, "POST", f"/{made['id']}/cancel").json()

    assert asked["status"] == "processing"
    assert asked["cancel_asked_at"] is not None
    site.sql("UPDATE ops.jobs SET leased_until = now() - interval '1 s'")
    site.run(worker="queue-drain")
    ended = call(server, "GET", f"/{made['id']}").json()
    assert (ended["status"], ended["result"]) == ("cancelled", None)
    events = call(server, "GET", f"/{made['id']}/events").json()["events"]
    assert [each["event"] for each in events if "cancel" in each["event"]]


def test_a_cancel_done_twice_is_done_once_and_an_end_stays(server: Served, site: Site) -> None:
    waiting, done = draft(server, description="a"), create(server, description="b").json()

    answers = [call(server, "POST", f"/{waiting['id']}/cancel") for _ in range(2)]

    assert [(each.status_code, each.json()["status"]) for each in answers] == [
        (200, "cancelled")
    ] * 2
    assert "completed" in problem(call(server, "POST", f"/{done['id']}/cancel"), 409)["detail"]
    assert call(server, "GET", f"/{done['id']}/status").json()["status"] == "completed"


def test_a_task_behind_another_of_its_key_waits_for_the_drain(server: Served, site: Site) -> None:
    site.sql("INSERT INTO ops.queues (queue, enabled) VALUES ('default', false)")
    first = create(server, description="test 1", ordering_key="chat")
    site.sql("UPDATE ops.queues SET enabled = true")
    second = create(server, description="test 2", ordering_key="chat")

    run = typed(site, "queue", "--json")

    assert (first.status_code, second.status_code) == (202, 202)
    assert json.loads(run.stdout)["counts"]["completed"] == 2, run.stderr
    assert {each["status"] for each in listed(server)["items"]} == {"completed"}


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({"type": "canary"}, 400, "test"),
        ({"type": "enrich_task"}, 400, "type"),
        ({}, 422, "type"),
        ({"type": ""}, 422, "type"),
        ({"type": "test", "parms": {}}, 422, "parms"),
        ({"type": "test", "params": []}, 422, "params"),
        ({"type": "test", "description": 7}, 422, "description"),
        ({"type": "test", "priority": 7}, 400, "priority"),
        ({"type": "test", "run_at": "soon"}, 400, "run_at"),
        ({"type": "test", "domain": "x" * 65}, 422, "domain"),
        ({"type": "test", "drift_score": "much"}, 422, "drift_score"),
        ({"type": "test", "dedupe_window_s": -1}, 422, "dedupe_window_s"),
        ({"type": "test", "description": "a\0b"}, 400, "cannot be stored"),
        ({"type": "test", "params": {"a": "\ud800"}}, 400, "params"),
        ({"type": "test", "description": "x" * 60_001}, 422, "description"),
        ({"type": "test", "params": {"x": "x" * 65_600}}, 413, "65536"),
    ],
)
def test_what_cannot_be_a_task_is_refused_by_name(
    server: Served, site: Site, body: dict[str, Any], status: int, told: str
) -> None:
    answer = call(
        server, "POST", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )

    assert told in problem(answer, status)["detail"]
    assert "canary" not in answer.text
    assert site.one("SELECT count(*) FROM ops.jobs") == 0


def test_connections_that_died_between_two_requests_are_replaced(
    server: Served, site: Site
) -> None:
    create(server, description="before")
    site.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    assert [create(server, description="after").status_code for _ in range(3)] == [201] * 3


def test_an_address_that_a_kind_needs_must_be_preserved(server: Served, site: Site) -> None:
    mail = {"to": "alice@example.com", "subject": "hello", "text": "hello"}

    told = problem(create(server, "notify.email", params=mail), 400)
    kept = create(server, "notify.email", params=mail, preserve_original_text=True)

    assert "preserve_original_text" in told["detail"]
    assert (kept.status_code, kept.json()["params"]) == (202, mail)


def test_a_form_is_no_task(server: Served, site: Site) -> None:
    problem(call(server, "POST", data={"type": "test"}), 415)


@pytest.mark.parametrize("path", ["?cursor=x", "?status=odd", "?since=soon", "?search=%00",
                                  "/changes?cursor=AAAA", "?domain=%01"])  # fmt: skip
def test_what_cannot_be_looked_for_is_refused(server: Served, site: Site, path: str) -> None:
    problem(call(server, "GET", path), 400)


def test_nobody_gets_in_without_the_token(server: Served, site: Site, tmp_path: Path) -> None:
    problem(server.bare("POST", TASKS, json={"type": "test"}), 401)
    with served(site.environment(API_TOKEN=None), tmp_path / "log") as closed:
        problem(call(closed, "GET"), 503)
