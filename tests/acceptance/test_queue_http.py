"""Jobs over HTTP: `/cron/queue-drain`, `/api/v1/jobs`, `/queues`, `/dead-letters`."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from handlers import queue_drain
from tests.support.lambda_runtime import http_event
from tests.support.odd_kinds import odd_kinds
from tests.support.site import CRON_SECRET, DRAIN, Served, Site, served

pytestmark = pytest.mark.timeout(120)
TOKEN = "canary-api-token-0123456789"
JOBS, DEAD, QUEUES = "/api/v1/jobs", "/api/v1/dead-letters", "/api/v1/queues"
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def _module_server(
    _module_site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("serve") / "log"
    with served(_module_site.environment(API_TOKEN=TOKEN), log) as server:
        yield server


def call(server: Served, method: str, path: str, **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}"} | options.pop("headers", {})
    return server.bare(method, path, headers=headers, **options)


def made(server: Served, **asked: Any) -> str:
    answer = call(server, "POST", JOBS, json={"kind": "test", **asked})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["id"]
    return found


def drained(server: Served, **parameters: Any) -> dict[str, Any]:
    answer = server.call(path=f"/cron/{DRAIN}", params=parameters)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def dead(server: Served, site: Site, code: str = "unknown_kind") -> str:
    job = made(server)
    site.sql(f"UPDATE ops.jobs SET kind = 'gone' WHERE id = '{job}'")
    drained(server)
    assert call(server, "GET", f"{JOBS}/{job}").json()["error_code"] == code
    return job


def test_a_job_made_over_http_is_done_by_the_next_call_of_cron(server: Served) -> None:
    job = made(server, payload={"text": "hello"})

    report = drained(server)

    assert (report["outcome"], report["counts"]["completed"]) == ("done", 1)
    told = call(server, "GET", f"{JOBS}/{job}").json()
    assert (told["status"], told["result"]) == ("completed", {"echo": {"text": "hello"}})


def test_the_answer_of_cron_stays_under_4_kb(server: Served, site: Site) -> None:
    for _ in range(3):
        dead(server, site)
    for number in range(20):
        made(server, queue=f"{'q' * 500}{number}")

    answer = server.call(path=f"/cron/{DRAIN}")

    assert len(answer.content) < 4096


def test_queues_and_kinds_can_be_named_over_http(server: Served) -> None:
    made(server, queue="other")

    nothing = drained(server, queue="default", kind="test")
    unknown = server.call(path=f"/cron/{DRAIN}", params={"kind": "nope"})
    accounts = server.call(path=f"/cron/{DRAIN}", params={"account": "shop"})
    elsewhere = server.call(params={"queue": "default"})

    assert nothing["reason"] == "nothing_due"
    assert drained(server, queue=["default", "other"])["counts"]["completed"] == 1
    for refused, told in ((unknown, "nope"), (accounts, "queues"), (elsewhere, "queue-drain")):
        assert refused.status_code == 400
        assert told in refused.json()["detail"]


def test_it_runs_on_lambda(site: Site) -> None:
    with site.in_this_process(), odd_kinds():
        scheduled = queue_drain.handler({"worker": DRAIN}, None)
        event = http_event("POST", f"/cron/{DRAIN}")
        event["headers"] = {"authorization": f"Bearer {CRON_SECRET}"}
        answered = queue_drain.handler(event, None)

    assert scheduled["reason"] == "nothing_due"
    assert answered["statusCode"] == 200


def test_the_same_idempotency_key_makes_no_second_job(server: Served) -> None:
    headers = {"Idempotency-Key": "order-17"}

    first = call(server, "POST", JOBS, json={"kind": "test"}, headers=headers).json()
    second = call(server, "POST", JOBS, json={"kind": "test"}, headers=headers).json()

    assert (first["created"], second["created"]) == (True, False)
    assert first["id"] == second["id"]


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"kind": "nope"}, 400, "there is no kind of job 'nope'"),
        ({"kind": "test", "payload": []}, 422, "payload"),
        ({"kind": "test", "priority": "soon"}, 422, "priority"),
        ({"kind": "test", "run_at": "soon"}, 400, "at: 'soon'"),
        ({"kind": "test", "keys": "x"}, 422, "keys"),
        ({"kind": "test", "payload": {"a": "\0"}}, 400, "NUL"),
    ],
)
def test_what_cannot_be_a_job_is_refused_with_the_way_out(
    server: Served, asked: Any, status: int, told: str
) -> None:
    answer = call(server, "POST", JOBS, json=asked)

    assert answer.status_code == status, answer.text
    assert told in answer.text


def test_jobs_are_listed_page_by_page(server: Served) -> None:
    ids = {made(server, payload={"n": number}) for number in range(5)}

    first = call(server, "GET", JOBS, params={"limit": 3, "status": "pending"}).json()
    second = call(
        server, "GET", JOBS, params={"limit": 3, "status": "pending", "after": first["next"]}
    ).json()

    assert (first["total"], len(first["jobs"]), second["next"]) == (5, 3, None)
    assert {job["id"] for job in first["jobs"] + second["jobs"]} == ids
    assert call(server, "GET", JOBS, params={"after": "nowhere"}).status_code == 400
    assert call(server, "GET", JOBS, params={"search": "\0"}).status_code == 400


def test_a_job_is_found_by_the_beginning_of_its_id(server: Served) -> None:
    job = made(server)

    assert call(server, "GET", f"{JOBS}/{job[:8]}").json()["id"] == job
    assert call(server, "GET", f"{JOBS}/{NOBODY}").status_code == 404
    assert call(server, "GET", f"{JOBS}/%00").status_code == 404


def test_s2_a_draft_is_run_and_a_job_is_cancelled_and_what_has_ended_stays_so(
    server: Served,
) -> None:
    draft, other = made(server, draft=True), made(server)
    before = drained(server)["counts"]["completed"]

    run = call(server, "POST", f"{JOBS}/{draft}/run").json()
    cancelled = call(server, "POST", f"{JOBS}/{draft}/cancel").json()
    late = call(server, "POST", f"{JOBS}/{other}/cancel")

    assert (before, run["status"], cancelled["status"]) == (1, "pending", "cancelled")
    assert (late.status_code, late.headers["content-type"]) == (409, "application/problem+json")


def test_dead_letters_are_grouped_by_cause_and_tried_again_one_by_one(
    server: Served, site: Site
) -> None:
    job = dead(server, site)
    dead(server, site)
    groups = call(server, "GET", DEAD).json()["dead"]
    site.sql(f"UPDATE ops.jobs SET kind = 'test' WHERE id = '{job}'")

    first = call(server, "POST", f"{DEAD}/{job}/retry").json()
    again = call(server, "POST", f"{DEAD}/{job}/retry").json()

    assert [(each["error_code"], each["jobs"]) for each in groups] == [("unknown_kind", 2)]
    assert (first["created"], again["created"]) == (True, False)
    assert drained(server)["counts"]["completed"] == 1
    told = call(server, "GET", f"{JOBS}/{first['id']}").json()
    assert (told["status"], told["origin"]) == ("completed", job)
    assert call(server, "GET", f"{JOBS}/{job}").json()["status"] == "dead"


def test_a_group_is_counted_first_and_then_tried_again(server: Served, site: Site) -> None:
    for _ in range(3):
        dead(server, site)

    counted = call(server, "POST", f"{DEAD}/retry", json={"kind": "gone", "dry_run": True}).json()
    none = call(server, "POST", f"{DEAD}/retry", json={"code": "other"}).json()
    done = call(server, "POST", f"{DEAD}/retry", json={"kind": "gone"}).json()

    assert counted == {"matching": 3, "retried": 0, "more": False}
    assert none == {"matching": 0, "retried": 0, "more": False}
    assert done == {"matching": 3, "retried": 3, "more": False}


def test_a_dead_job_is_discarded_with_a_reason(server: Served, site: Site) -> None:
    job, alive = dead(server, site), made(server)

    discarded = call(server, "POST", f"{DEAD}/{job}/discard", json={"reason": "shop closed"})

    assert discarded.status_code == 200
    assert call(server, "GET", DEAD).json()["dead"] == []
    told = call(server, "GET", f"{DEAD}/{job}").json()
    assert (told["status"], told["outcome"]) == ("dead", "discarded")
    assert ("discarded", "shop closed") in [(e["event"], e["detail"]) for e in told["events"]]
    assert call(server, "POST", f"{DEAD}/{alive}/discard", json={"reason": "x"}).status_code == 404


def test_queues_are_listed_paused_and_resumed(server: Served) -> None:
    made(server)

    paused = call(server, "POST", f"{QUEUES}/default/pause").json()
    [queue] = [q for q in call(server, "GET", QUEUES).json()["queues"] if q["queue"] == "default"]
    report = drained(server)
    resumed = call(server, "POST", f"{QUEUES}/default/resume").json()

    assert (paused["enabled"], queue["state"], queue["due"]) == (False, "paused", 1)
    assert (report["outcome"], report["reason"]) == ("skipped", "paused")
    assert resumed["enabled"]
    assert drained(server)["counts"]["completed"] == 1
    assert call(server, "POST", f"{QUEUES}/nowhere/pause").status_code == 404


def test_e20_looking_leaves_nothing_behind(server: Served, site: Site) -> None:
    tables = ("ops.jobs", "ops.job_events", "ops.job_keys", "ops.queues", "ops.runs")
    before = [site.one(f"SELECT count(*) FROM {table}") for table in tables]

    for path in (JOBS, DEAD, QUEUES, f"{JOBS}/{NOBODY}"):
        call(server, "GET", path)
    server.bare("GET", "/readyz")

    assert [site.one(f"SELECT count(*) FROM {table}") for table in tables] == before


def test_nobody_without_the_token_sees_or_makes_a_job(server: Served) -> None:
    for method, path in (("GET", JOBS), ("POST", JOBS), ("GET", DEAD), ("GET", QUEUES)):
        assert server.bare(method, path).status_code == 401
