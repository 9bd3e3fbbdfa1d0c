"""Queue drain: the jobs that are due in every queue, once, until none is left or no time.

`run_once` is for Python callers, `handler` for AWS Lambda: HTTP API events, EventBridge rules and
schedules, and a plain `{}`. Several at once share the work.
"""

from typing import Any

from core.report import RunReport, Trigger
from handlers.events import answer_event
from handlers.invoke import Call
from handlers.invoke import run_once as invoke

WORKER = "queue-drain"


def run_once(trigger: Trigger) -> RunReport:
    return invoke(Call(worker=WORKER, trigger=trigger))


def handler(event: Any, context: Any) -> dict[str, Any]:
    return answer_event(WORKER, event, context)
