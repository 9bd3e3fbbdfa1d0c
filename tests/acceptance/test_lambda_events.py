"""What a Lambda function takes for a call: nothing that is not plainly one runs, nor costs."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from core.errors import UsageError
from handlers import ebay_cycle
from tests.support.lambda_runtime import (
    http_event,
    load_balancer_event,
    old_http_event,
    rest_event,
)
from tests.support.site import CRON_SECRET, WORKER, Site
from tests.support.ways import context, rule, schedule

PATH = f"/cron/{WORKER}"
HTTP: dict[str, Callable[..., dict[str, Any]]] = {
    "HTTP API": http_event,
    "HTTP API, payload 1.0": old_http_event,
    "REST API": rest_event,
    "load balancer": load_balancer_event,
}
WEB_SOCKET = {
    "requestContext": {
        "routeKey": "$default",
        "eventType": "MESSAGE",
        "connectionId": "L0SM9cOFvHcCIhw=",
        "stage": "dev",
    },
    "body": "{}",
    "isBase64Encoded": False,
}
WAITING = {"messageId": "m-1", "eventSource": "aws:sqs"}


def records(*bodies: str | None) -> dict[str, Any]:
    return {"Records": [WAITING | {"body": body} for body in bodies]}


NO_CALLS: dict[str, Any] = {
    "text": "hello",
    "nothing": None,
    "a number": 1,
    "a list": [1],
    "an empty list": [],
    "a misspelt parameter": {"acount": "shop"},
    "a misspelt parameter on a schedule": schedule(acount="shop"),
    "another worker": {"worker": "token-refresh"},
    "another worker on a schedule": schedule(worker="token-refresh"),
    "no worker": {"worker": None},
    "an event of a bus without its envelope": {"id": "x"},
    "a rule's misspelt detail": rule(acount="shop"),
    "a rule's detail that is no object": rule() | {"detail": "hello"},
    "a rule's for another worker": rule(worker="token-refresh"),
    "a since beyond the calendar": {"since": "9999-12-31T23:59:59-14:00"},
    "a since in the future": {"since": "2999-01-01"},
    "WebSocket": WEB_SOCKET,
    "a context that is no object": {"requestContext": 1},
    "an empty context": {"requestContext": {}},
    "half a request": {"httpMethod": "POST", "path": PATH},
    "a request without a path": rest_event("POST", PATH) | {"path": None},
    "an HTTP API's without its method": http_event("POST", PATH) | {"requestContext": {"http": {}}},
    "no message": {"Records": []},
    "messages that are no list": {"Records": {}},
    "a message that is none": {"Records": [1]},
    "a notification of a bucket": {"Records": [{"eventSource": "aws:s3", "s3": {}}]},
    "a message that is no JSON": records("hello"),
    "a message that is a list": records("[]"),
    "a message for another worker": records('{"worker": "token-refresh"}'),
    "messages that differ": records("{}", '{"account": "shop"}'),
}


def invoke(site: Site, event: Any, **environment: str) -> Any:
    with site.in_this_process(AWS_LAMBDA_FUNCTION_NAME="ebayCycle", **environment):
        return ebay_cycle.handler(event, context(900))


@pytest.mark.parametrize("event", NO_CALLS.values(), ids=NO_CALLS.keys())
def test_what_is_no_call_is_refused_and_runs_nothing(site: Site, event: Any) -> None:
    with pytest.raises(UsageError):
        invoke(site, event)

    assert site.one("SELECT count(*) FROM ops.runs") == 0


@pytest.mark.parametrize("make", HTTP.values(), ids=HTTP.keys())
def test_every_form_of_http_needs_the_secret(site: Site, make: Callable[..., Any]) -> None:
    without = invoke(site, make("POST", PATH))
    wrong = invoke(site, make("POST", PATH, authorization="Bearer wrong"))

    assert (without["statusCode"], wrong["statusCode"]) == (401, 401)
    assert site.one("SELECT count(*) FROM ops.runs") == 0


@pytest.mark.parametrize("make", HTTP.values(), ids=HTTP.keys())
def test_every_form_of_http_is_answered(site: Site, make: Callable[..., Any]) -> None:
    answer = invoke(site, make("POST", PATH, authorization=f"Bearer {CRON_SECRET}"))
    health = invoke(site, make("GET", "/health"))

    assert (answer["statusCode"], health["statusCode"]) == (200, 200)
    assert json.loads(answer["body"])["reason"] == "no_accounts"
    assert json.loads(answer["body"])["trigger"]["via"] == "http"


def test_a_rest_api_below_a_path_of_its_own_domain_is_answered(site: Site) -> None:
    event = rest_event("GET", "/tools/health")

    assert invoke(site, event, BASE_PATH="/tools")["statusCode"] == 200


@pytest.mark.parametrize(
    "event",
    [{"account": "seller-1"}, {"worker": WORKER, "account": "seller-1"},
     schedule(account="seller-1"), rule(account="seller-1"), records('{"account": "seller-1"}'),
     records(*['{"account": ["seller-1"]}'] * 2)],
    ids=["plain", "named", "schedule", "rule", "message", "two messages"],
)  # fmt: skip
def test_what_a_call_asks_for_is_heard_in_each_form(site: Site, event: Any) -> None:
    site.connect(2)

    report = invoke(site, event)

    assert {unit["account"] for unit in report["units"]} == {"seller-1"}


def test_an_empty_message_is_a_call(site: Site) -> None:
    assert invoke(site, records(None, ""))["reason"] == "no_accounts"
