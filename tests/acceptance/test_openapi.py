"""The REST API keeps to its schema, whatever is sent: no 5xx, and no answer it does not tell of.

Requests are made from the schema, in this process; `make slow` makes many more of them.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from handlers import api, web
from infra.simulator.server import Simulator
from tests.support.postgres import Server
from tests.support.site import Site, site_of
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(170)
TOKEN = "canary-api-token-0123456789"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
TASK = "00000000-0000-4000-8000-000000000001"
THERE = {
    "task": TASK, "job": TASK, "account": "all", "stream": "orders", "queue": "default",
    "type": "test", "kind": "test", "source": "http", "chat_id": "me",
}  # fmt: skip
A_TASK = f"""
INSERT INTO ops.jobs (id, queue, kind, status, max_attempts, payload, run_at, created_at, updated_at, is_task)
VALUES ('{TASK}', 'default', 'test', 'draft', 1, '{{}}', now(), now(), now(), true);
INSERT INTO ops.tasks (job_id, description, drift_score, event_tags, confidence, attributes, redacted, digest, created_at, changed_at)
VALUES ('{TASK}', 'a task', 0, '{{}}', 0.3, '{{}}', '{{}}', '', now(), now() - interval '1 hour')
"""  # noqa: E501  (a row is read across)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", web.make_app(api.routes()))
Case: TypeAlias = "schemathesis.Case[Any]"


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def site(_session_server: Server, _template: str) -> Iterator[Site]:
    name = _session_server.create_database(_template)
    with Simulator(seed=9, accounts=1, orders=5) as simulator:
        url = _session_server.client.with_database(name).reveal()
        admin = _session_server.admin.with_database(name).reveal()
        site = site_of(url, admin, simulator).with_settings(API_TOKEN=TOKEN, LOG_LEVEL="error")
        site.connect(1)
        with site.in_this_process():
            site.sql(A_TASK)
            said = typed(site, "sessions", "send", "http:me", "/help", "--json").stdout
            THERE["task_id"] = json.loads(said)["task_id"]
            yield site
    _session_server.drop_database(name)


@SCHEMA.parametrize()
@bounded(6)
def test_every_operation_keeps_to_the_schema(
    case: Case, site: Site, postgres_server: Server
) -> None:
    plausible(case).call_and_validate(headers=HEADERS, checks=CHECKS)


def plausible(case: Case) -> Case:
    """Every second request is about something that is there: chance alone never hits one."""
    if len(repr((case.path_parameters, case.body))) % 2:
        return case
    for given in (case.path_parameters, case.body):
        if isinstance(given, dict):
            given.update({name: value for name, value in THERE.items() if name in given})
    return case


@pytest.mark.slow
@SCHEMA.parametrize()
@bounded(150)
def test_every_operation_keeps_to_the_schema_for_long(
    case: Case, site: Site, postgres_server: Server
) -> None:
    plausible(case).call_and_validate(headers=HEADERS, checks=CHECKS)
