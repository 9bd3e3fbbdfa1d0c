"""AWS Lambda events: HTTP requests, schedules, rules, queue messages and a plain `{}`."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.errors import UsageError
from core.report import Outcome, Reason, RunReport, Trigger
from handlers import cron
from handlers.invoke import Call, run_once
from handlers.lambda_http import answer_request, is_request
from handlers.parameters import KNOWN, delivery_name, read

OURS = {Reason.BUG, Reason.CONFIG, Reason.DATABASE}
ENVELOPE = ("worker", "schedule_arn", "scheduled_time")
"""What the schedules of serverless.yml send beside parameters."""


class RunFailedError(Exception):
    """Raised after the run was recorded, so that AWS counts an error and its alarm rings."""


def answer_event(worker: str, event: Any, context: Any) -> dict[str, Any]:
    """HTTP events go through the same application as on a machine, its secret included; others run.

    Raises RunFailedError when the fault is on our side, and UsageError for any other event: taken
    for a call of the worker, it would run what nobody asked for, and without the secret.
    """
    given = _object(event, "the event")
    if is_request(given):
        return answer_request(cron.routes, given, context)
    call = Call(
        worker=worker,
        trigger=trigger_of(given),
        parameters=read(_asked(given, worker)),
        limit_s=_remaining_s(context),
    )
    return _answered(run_once(call))


def _answered(report: RunReport) -> dict[str, Any]:
    if report.outcome is Outcome.FAILED and report.reason in OURS:
        raise RunFailedError(f"{report.reason}: {report.detail} (run {report.run_id})")
    return report.as_json()


def _asked(given: Mapping[str, Any], worker: str) -> Mapping[str, Any]:
    """1. A rule's event: its `detail`. 2. Queue messages: their bodies. 3. The event itself."""
    if "detail-type" in given:
        # In the envelope `account` is AWS's.
        return _plain(_object(given.get("detail", {}), "the event's detail"), worker)
    if "Records" in given:
        return _queued(given["Records"], worker)
    return _plain(given, worker)


def _plain(given: Mapping[str, Any], worker: str) -> Mapping[str, Any]:
    if given.get("worker", worker) != worker:
        raise UsageError(f"this function runs {worker}, not {given['worker']!r}")
    unknown = sorted(set(map(str, given)) - {*KNOWN, *ENVELOPE})
    if unknown:
        raise UsageError(f"the event has {unknown[0]!r}; there are: {', '.join(KNOWN)}")
    return {name: given[name] for name in KNOWN if name in given}


def _queued(records: Any, worker: str) -> Mapping[str, Any]:
    """One run answers all messages of a batch, so they must ask for the same."""
    messages: Sequence[Any] = records if isinstance(records, list) else []
    asked = [_plain(_message(each), worker) for each in messages]
    if not asked:
        raise UsageError("the event has no queue message in its Records")
    if any(each != asked[0] for each in asked):
        raise UsageError("the queue's messages ask for different runs; make its batch size 1")
    return asked[0]


def _message(record: Any) -> Mapping[str, Any]:
    told = _mapping(record)
    if told.get("eventSource") != "aws:sqs":
        raise UsageError("the event's Records are no messages of SQS")
    try:
        body = json.loads(told.get("body") or "{}")
    except (TypeError, ValueError, RecursionError):
        raise UsageError("the body of the queue's message is no JSON") from None
    return _object(body, "the body of the queue's message")


def trigger_of(event: Mapping[str, Any]) -> Trigger:
    """Who called, and what names this delivery; the same name comes with a duplicate.

    EventBridge Scheduler's execution id differs between attempts of one delivery, its schedule and
    scheduled time do not.
    """
    if event.get("schedule_arn") and event.get("scheduled_time"):
        scheduled = f"{event['schedule_arn']} {event['scheduled_time']}"
        return Trigger(via="schedule", delivery_id=delivery_name(scheduled))
    if event.get("detail-type") and event.get("id"):
        return Trigger(via="rule", delivery_id=delivery_name(str(event["id"])))
    records = event.get("Records")
    first = _mapping(records[0]) if isinstance(records, list) and records else {}
    if first.get("messageId"):
        return Trigger(via="sqs", delivery_id=delivery_name(str(first["messageId"])))
    return Trigger(via="lambda")


def _mapping(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {}


def _object(given: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise UsageError(f"{what} must be a JSON object, for example {{}}")
    return given


def _remaining_s(context: Any) -> float | None:
    remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    return None if remaining is None else remaining() / 1000
