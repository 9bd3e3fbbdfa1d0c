"""Token refresh: the access tokens that are due of every account, once.

`run_once` is for Python callers, `handler` for AWS Lambda: HTTP API events, EventBridge rules and
schedules, and a plain `{}`.
"""

from typing import Any

from core.report import RunReport, Trigger
from handlers.events import answer_event
from handlers.invoke import Call
from handlers.invoke import run_once as invoke

WORKER = "token-refresh"


def run_once(trigger: Trigger) -> RunReport:
    return invoke(Call(worker=WORKER, trigger=trigger))


def handler(event: Any, context: Any) -> dict[str, Any]:
    return answer_event(WORKER, event, context)
