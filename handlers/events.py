"""AWS Lambda events: HTTP API requests, schedules, rules, queue messages and a plain `{}`."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from mangum import Mangum

from core.report import Outcome, Reason, RunReport, Trigger
from handlers import cron
from handlers.invoke import Call, base_path, run_once
from handlers.parameters import KNOWN, delivery_name, read

TEXT = ["text/", "application/json", "application/problem+json"]
"""What is not sent in base64, which people would have to read in logs."""
OURS = {Reason.BUG, Reason.CONFIG, Reason.DATABASE}


class RunFailedError(Exception):
    """Raised after the run was recorded, so that AWS counts an error and its alarm rings."""


def answer_event(worker: str, event: Any, context: Any) -> dict[str, Any]:
    """HTTP events go through the same application as on a machine; all others run `worker`.

    Raises RunFailedError when the fault is on our side.
    """
    given = _mapping(event)
    if "http" in _mapping(given.get("requestContext")):
        return _asgi(_prefix(given))(event, context)
    # In the envelope of a rule's event `account` is AWS's; what the sender says is in `detail`.
    asked = _mapping(given.get("detail")) if "detail-type" in given else given
    parameters = read({name: asked[name] for name in KNOWN if name in asked})
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


def _remaining_s(context: Any) -> float | None:
    remaining: Callable[[], int] | None = getattr(context, "get_remaining_time_in_millis", None)
    return None if remaining is None else remaining() / 1000


def _prefix(event: Mapping[str, Any]) -> str:
    """A stage other than `$default`, or a path of one's own domain, stands before the path."""
    stage = str(event["requestContext"].get("stage", "$default"))
    path = str(event.get("rawPath", ""))
    return f"/{stage}" if path.startswith(f"/{stage}/") else base_path()


@cache
def _asgi(prefix: str) -> Callable[[Any, Any], dict[str, Any]]:
    # Lifespan off: nothing starts with the application, and nothing has to be stopped.
    return Mangum(cron.make_app(prefix), lifespan="off", text_mime_types=TEXT)
