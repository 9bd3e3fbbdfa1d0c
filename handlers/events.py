"""AWS Lambda events: HTTP API requests, schedules, rules, queue messages and a plain `{}`."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mangum import Mangum

from core.report import Outcome, Reason, RunReport, Trigger
from handlers import cron
from handlers.invoke import Call, run_once
from handlers.parameters import KNOWN, read

OURS = {Reason.BUG, Reason.CONFIG, Reason.DATABASE}


class RunFailedError(Exception):
    """Raised after the run was recorded, so that AWS counts an error and its alarm rings."""


def answer_event(worker: str, event: Any, context: Any) -> dict[str, Any]:
    """HTTP events go through the same application as on a machine; all others run `worker`.

    Raises RunFailedError when the fault is on our side.
    """
    if isinstance(event, Mapping) and "http" in event.get("requestContext", {}):
        return _asgi(_prefix(event))(event, context)
    given = event if isinstance(event, Mapping) else {}
    parameters = read({name: given[name] for name in KNOWN if name in given})
    call = Call(
        worker=worker,
        trigger=trigger_of(given),
        parameters=parameters,
        limit_s=_remaining_s(context),
    )
    return _answered(run_once(call))


def _answered(report: RunReport) -> dict[str, Any]:
    if report.outcome is Outcome.FAILED and report.reason in OURS:
        raise RunFailedError(f"{report.reason}: {report.detail} (run {report.run_id})")
    return report.as_json()


def trigger_of(event: Mapping[str, Any]) -> Trigger:
    """Who called, and what names this delivery; the same name comes with a duplicate.

    EventBridge Scheduler's execution id differs between attempts of one delivery, its schedule and
    scheduled time do not.
    """
    records = event.get("Records")
    if isinstance(records, list) and records and "messageId" in records[0]:
        return Trigger(via="sqs", delivery_id=str(records[0]["messageId"]))
    if event.get("schedule_arn") and event.get("scheduled_time"):
        delivery_id = f"{event['schedule_arn']} {event['scheduled_time']}"
        return Trigger(via="schedule", delivery_id=delivery_id)
    if event.get("detail-type") and event.get("id"):
        return Trigger(via="rule", delivery_id=str(event["id"]))
    return Trigger(via="lambda")


def _remaining_s(context: Any) -> float | None:
    remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    return None if remaining is None else remaining() / 1000


def _prefix(event: Mapping[str, Any]) -> str:
    """A stage other than `$default` stands before the path."""
    stage = str(event["requestContext"].get("stage", "$default"))
    path = str(event.get("rawPath", ""))
    return f"/{stage}" if path.startswith(f"/{stage}/") else ""


@cache
def _asgi(prefix: str) -> Callable[[Any, Any], dict[str, Any]]:
    # Lifespan off: nothing starts with the application, and nothing has to be stopped.
    return Mangum(cron.make_app(prefix), lifespan="off")
