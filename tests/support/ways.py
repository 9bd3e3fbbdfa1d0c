"""The ways in: one run over HTTP, as a Lambda event, and on the command line."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from handlers import ebay_cycle, token_refresh
from handlers.events import RunFailedError
from tests.support.lambda_runtime import http_event, schedule_event
from tests.support.site import COMMAND, CRON_SECRET, TOKENS, WORKER, Served, Site

HANDLERS = {WORKER: ebay_cycle.handler, TOKENS: token_refresh.handler}
COMMANDS = {WORKER: "ebay", TOKENS: "tokens"}
OPTIONS = {"deadline_s": "--deadline", "account": "--account", "stream": "--stream"}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a caller has in his hands; `status`, `exit_code` and `raised` by the way in."""

    body: Mapping[str, Any]
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None
    raised: str | None = None
    log: str = ""

    @property
    def ended(self) -> tuple[str, str | None]:
        return self.body["outcome"], self.body["reason"]


Way = Callable[..., Seen]


def over_http(server: Served, worker: str = WORKER) -> Way:
    def run(**parameters: Any) -> Seen:
        answer = server.call(path=f"/cron/{worker}", json=parameters)
        return Seen(body=answer.json(), status=answer.status_code, headers=answer.headers)

    return run


def as_http_event(site: Site, *, worker: str = WORKER, **environment: Any) -> Way:
    def run(**parameters: Any) -> Seen:
        headers = {
            "authorization": f"Bearer {CRON_SECRET}",
            "content-type": "application/json",
        }
        event = http_event("POST", f"/cron/{worker}", **headers) | {"body": json.dumps(parameters)}
        with site.in_this_process(AWS_LAMBDA_FUNCTION_NAME="ebayCycle", **environment):
            answer = HANDLERS[worker](event, context(900))
        return Seen(
            body=json.loads(answer["body"]),
            status=answer["statusCode"],
            headers=answer["headers"],
        )

    return run


def as_event(
    site: Site, event_of: Callable[..., Any], *, worker: str = WORKER, **environment: Any
) -> Way:
    """A fault on our side is an error of the function, so that AWS counts it."""

    def run(**parameters: Any) -> Seen:
        with site.in_this_process(AWS_LAMBDA_FUNCTION_NAME="ebayCycle", **environment):
            try:
                body = HANDLERS[worker](event_of(**parameters), context(900))
            except RunFailedError as error:
                return Seen(body={"outcome": "failed", "reason": None}, raised=str(error))
        return Seen(body=json.loads(json.dumps(body)))

    return run


def schedule(**parameters: Any) -> dict[str, Any]:
    return schedule_event(WORKER, "2026-11-22T05:00:00Z") | parameters


def rule(**parameters: Any) -> dict[str, Any]:
    """EventBridge's envelope has an `account` of its own."""
    return {
        "version": "0",
        "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": "2026-11-22T05:00:00Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:events:eu-central-1:123456789012:rule/ebay-cycle"],
        "detail": parameters,
    }


def plain(**parameters: Any) -> dict[str, Any]:
    return parameters


def context(remaining_s: float) -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int(remaining_s * 1000))


def on_the_command_line(
    site: Site,
    command: Sequence[str] = COMMAND,
    *,
    worker: str = WORKER,
    **environment: Any,
) -> Way:
    def run(**parameters: Any) -> Seen:
        options = [
            text for name, value in parameters.items() for text in (OPTIONS[name], str(value))
        ]
        done = site.cli(
            COMMANDS[worker],
            "--json",
            *options,
            environment=site.environment(**environment),
            command=command,
        )
        [line] = done.stdout.splitlines()
        return Seen(body=json.loads(line), exit_code=done.returncode, log=done.stderr)

    return run
