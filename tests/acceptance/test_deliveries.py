"""One delivery, delivered again: its work is done once, and its report is told again."""

import json
from typing import Any

import pytest

from handlers import ebay_cycle
from tests.support.lambda_runtime import http_event
from tests.support.site import CRON_SECRET, WORKER, Gate, Served, Site, beside
from tests.support.ways import context, rule, schedule

pytestmark = pytest.mark.timeout(120)
PATH = f"/cron/{WORKER}"
FORMS: dict[str, tuple[dict[str, str], str]] = {
    "Idempotency-Key": ({"Idempotency-Key": "k-1"}, "k-1"),
    "Upstash": ({"Upstash-Message-Id": "msg_1"}, "msg_1"),
    "Cloud Scheduler": (
        {
            "X-CloudScheduler": "true",
            "X-CloudScheduler-JobName": "cycle",
            "X-CloudScheduler-ScheduleTime": "2026-11-22T05:00:00Z",
        },
        "cycle 2026-11-22T05:00:00Z",
    ),
    "the first of several": ({"Upstash-Message-Id": "msg_1", "Idempotency-Key": "k-2"}, "k-2"),
}


def runs(site: Site) -> list[tuple[Any, ...]]:
    return [
        tuple(row)
        for row in site.sql("SELECT outcome, reason, delivery_id FROM ops.runs ORDER BY started_at")
    ]


@pytest.mark.parametrize(("headers", "delivery_id"), FORMS.values(), ids=FORMS.keys())
def test_a_call_delivered_again_is_answered_with_its_report(
    site: Site, server: Served, headers: dict[str, str], delivery_id: str
) -> None:
    site.connect()

    first = server.call(headers=headers)
    site.all_due()
    again = server.call(headers=headers)

    assert first.json()["trigger"] == {"via": "http", "delivery_id": delivery_id}
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == first.json()
    assert again.headers["x-run-id"] == first.headers["x-run-id"] == first.json()["run_id"]
    assert again.headers["x-run-outcome"] == "done"
    assert runs(site) == [("done", None, delivery_id)]


def sqs(message_id: str) -> dict[str, Any]:
    return {"Records": [{"messageId": message_id, "eventSource": "aws:sqs", "body": "{}"}]}


EVENTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "schedule": (
        schedule(),
        "schedule",
        f"{schedule()['schedule_arn']} 2026-11-22T05:00:00Z",
    ),
    "rule": (rule(), "rule", "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa"),
    "sqs": (sqs("19dd0b57-b21e"), "sqs", "19dd0b57-b21e"),
}


def invoke(site: Site, event: Any) -> Any:
    with site.in_this_process(AWS_LAMBDA_FUNCTION_NAME="ebayCycle"):
        return ebay_cycle.handler(event, context(900))


@pytest.mark.parametrize(("event", "via", "delivery_id"), EVENTS.values(), ids=EVENTS.keys())
def test_r15_an_event_delivered_again_is_worked_once(
    site: Site, event: dict[str, Any], via: str, delivery_id: str
) -> None:
    site.connect()

    first = invoke(site, event)
    site.all_due()
    again = invoke(site, event)

    assert first["trigger"] == {"via": via, "delivery_id": delivery_id}
    assert again == json.loads(json.dumps(first))
    assert runs(site) == [("done", None, delivery_id)]


@pytest.mark.parametrize(
    "event", [{}, {"worker": WORKER}, {"schedule_arn": "x"}, {"detail-type": "x"}], ids=str
)
def test_an_event_without_a_name_runs_each_time(site: Site, event: Any) -> None:
    reports = [invoke(site, event), invoke(site, event)]

    assert [report["trigger"]["delivery_id"] for report in reports] == [None, None]
    assert len(runs(site)) == 2


def test_the_same_key_over_lambda_and_over_a_machine_is_one_delivery(
    site: Site, server: Served
) -> None:
    site.connect()
    headers = {"authorization": f"Bearer {CRON_SECRET}", "idempotency-key": "both"}

    first = server.call(headers=headers)
    again = invoke(site, http_event("POST", PATH, **headers))

    assert again["headers"]["idempotent-replayed"] == "true"
    assert json.loads(again["body"]) == first.json()


def end(site: Site, outcome: str | None, reason: str | None) -> None:
    """Write the run down as having ended so."""
    if outcome is None:
        site.sql(
            "UPDATE ops.runs SET status = 'abandoned', outcome = NULL, reason = NULL, report = NULL"
        )
        return
    told = f"'{reason}'" if reason else "NULL"
    site.sql(f"UPDATE ops.runs SET outcome = '{outcome}', reason = {told}")


KEY = {"Idempotency-Key": "again"}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("failed", "upstream"), ("skipped", "already_running"), ("failed", "bug"), (None, None)],
)
def test_what_was_not_worked_runs_again(
    site: Site, server: Served, outcome: str | None, reason: str | None
) -> None:
    site.connect()
    server.call(headers=KEY)
    end(site, outcome, reason)

    again = server.call(headers=KEY)

    assert "idempotent-replayed" not in again.headers
    assert len(runs(site)) == 2


@pytest.mark.parametrize(
    ("outcome", "reason"), [("partial", "deadline"), ("degraded", None), ("done", "nothing_due")]
)
def test_what_was_worked_is_replayed(
    site: Site, server: Served, outcome: str, reason: str | None
) -> None:
    site.connect()
    server.call(headers=KEY)
    end(site, outcome, reason)

    again = server.call(headers=KEY)

    assert again.headers["idempotent-replayed"] == "true"
    assert len(runs(site)) == 1


def test_after_a_day_it_runs_again(site: Site, server: Served) -> None:
    site.connect()
    server.call(headers=KEY)
    site.sql("UPDATE ops.runs SET finished_at = now() - interval '23 hours 59 minutes'")
    within = server.call(headers=KEY)
    site.sql("UPDATE ops.runs SET finished_at = now() - interval '24 hours 1 minute'")

    after = server.call(headers=KEY)

    assert "idempotent-replayed" in within.headers
    assert "idempotent-replayed" not in after.headers
    assert len(runs(site)) == 2


def test_the_same_delivery_while_the_first_still_runs_is_already_running(
    site: Site, server: Served
) -> None:
    site.connect()

    with Gate(site.simulator) as gate:
        first: list[Any] = []
        with beside(lambda: first.append(server.call(headers=KEY))):
            gate.wait()
            second = server.call(headers=KEY)
            strict = server.call(headers=KEY, json={"strict": True})
            gate.open()
    third = server.call(headers=KEY)

    assert first[0].json()["outcome"] == "done"
    assert (second.json()["outcome"], second.json()["reason"]) == ("skipped", "already_running")
    assert second.json()["holder"]["run_id"] == first[0].json()["run_id"]
    assert strict.status_code == 409
    assert int(strict.headers["retry-after"]) > 0
    assert third.headers["idempotent-replayed"] == "true"
    assert third.json() == first[0].json()


def test_the_same_named_delivery_while_the_first_still_runs_is_already_running(
    site: Site, server: Served
) -> None:
    """Runs of named units take no lease of the worker: the delivery alone keeps them apart."""
    site.connect()
    asked = {"stream": "orders"}

    with Gate(site.simulator) as gate:
        first: list[Any] = []
        with beside(lambda: first.append(server.call(headers=KEY, json=asked))):
            gate.wait()
            second = server.call(headers=KEY, json=asked)
            gate.open()

    assert first[0].json()["outcome"] == "done"
    assert second.json()["reason"] == "already_running"
    assert second.json()["holder"]["run_id"] == first[0].json()["run_id"]


def test_a_delivery_whose_first_run_was_killed_runs_again(site: Site, server: Served) -> None:
    site.connect()
    server.call(headers=KEY)
    site.sql(
        "UPDATE ops.runs SET status = 'running', outcome = NULL, finished_at = NULL,"
        " expires_at = now() - interval '1 second'"
    )

    again = server.call(headers=KEY)

    assert again.json()["outcome"] == "done"
    assert site.sql("SELECT count(*) FROM ops.runs WHERE status = 'abandoned'")[0][0] == 1


def test_one_key_with_another_request_is_refused(site: Site, server: Served) -> None:
    site.connect(2)
    server.call(headers=KEY, json={"account": "seller-1"})

    other = server.call(headers=KEY, json={"account": "seller-2"})
    bare = server.call(headers=KEY)

    assert (other.status_code, bare.status_code) == (422, 422)
    assert other.headers["content-type"] == "application/problem+json"
    assert len(runs(site)) == 1


def test_the_same_request_said_otherwise_is_the_same(site: Site, server: Served) -> None:
    site.connect()
    server.call(headers=KEY, json={"account": ["seller-1"], "dry_run": False})

    again = server.call("GET", f"{PATH}?account=seller-1&strict=1", headers=KEY)

    assert again.headers["idempotent-replayed"] == "true"


def test_one_message_id_with_another_request_is_the_same_delivery(
    site: Site, server: Served
) -> None:
    """Only the caller's own key promises that the request is the same."""
    site.connect(2)
    headers = {"Upstash-Message-Id": "m"}
    server.call(headers=headers, json={"account": "seller-1"})

    again = server.call(headers=headers, json={"account": "seller-2"})

    assert again.status_code == 200
    assert again.headers["idempotent-replayed"] == "true"


def test_long_names_of_deliveries_are_told_apart(site: Site, server: Served) -> None:
    site.connect()
    first = server.call(headers={"Idempotency-Key": "x" * 5000 + "1"})

    other = server.call(headers={"Idempotency-Key": "x" * 5000 + "2"})
    again = server.call(headers={"Idempotency-Key": "x" * 5000 + "1"})

    assert "idempotent-replayed" not in other.headers
    assert again.json() == first.json()
    assert len(first.content) < 4096


def test_a_paused_worker_replays_nothing(site: Site, server: Served) -> None:
    site.connect()
    server.call(headers=KEY)
    site.sql("UPDATE ops.workers SET enabled = false WHERE worker = '*'")

    again = server.call(headers=KEY)

    assert again.json()["reason"] == "paused"


def test_a_delivery_of_one_worker_is_none_of_another(site: Site, server: Served) -> None:
    site.connect()
    server.call(headers=KEY)
    site.sql("UPDATE ops.runs SET worker = 'another'")

    again = server.call(headers=KEY)

    assert "idempotent-replayed" not in again.headers
