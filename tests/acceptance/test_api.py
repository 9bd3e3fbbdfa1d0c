"""The REST API as its callers meet it: `/api/v1/…`, `/docs`, `/openapi.json`."""

import json
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import api
from infra.simulator.oauth import CLIENT_SECRET
from infra.simulator.server import Simulator
from tests.support.lambda_runtime import http_event
from tests.support.postgres import Server
from tests.support.site import CRON_SECRET, KEYS, Served, Site, served, site_of

pytestmark = pytest.mark.timeout(150)
TOKEN = "canary-api-token-0123456789"
SELLER = "seller-1"
STREAMS = "/api/v1/streams"
ORDERS = f"{STREAMS}/{SELLER}/orders"
PROBLEM = "application/problem+json"
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    name = _session_server.create_database(_template)
    with Simulator(seed=9, accounts=2, orders=50) as simulator:
        url = _session_server.client.with_database(name).reveal()
        admin = _session_server.admin.with_database(name).reveal()
        yield site_of(url, admin, simulator).with_settings(API_TOKEN=TOKEN)
    _session_server.drop_database(name)


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.reset()
    _module_site.connect(1, streams=("orders", "buyer"))
    _module_site.run()
    return _module_site


def call(server: Served, method: str, path: str, **options: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKEN}"} | options.pop("headers", {})
    return server.bare(method, path, headers=headers, **options)


def post(server: Served, action: str, unit: str = ORDERS, **body: Any) -> httpx.Response:
    return call(server, "POST", f"{unit}/{action}", **({"json": body} if body else {}))


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    told = answer.json()
    assert (told["status"], told["type"]) == (status, "about:blank")
    assert told["title"]
    detail: str = told["detail"]
    return detail


def test_streams_are_listed_as_the_command_line_lists_them(server: Served, site: Site) -> None:
    answer = call(server, "GET", STREAMS)
    typed = json.loads(site.cli("streams", "list", "--json").stdout)

    def lasting(listed: dict[str, Any]) -> list[dict[str, Any]]:
        moving = {"behind_s"}
        return [
            {name: value for name, value in each.items() if name not in moving}
            for each in listed["streams"]
        ]

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert lasting(answer.json()) == lasting(typed)
    chosen = call(server, "GET", STREAMS, params={"account": SELLER, "stream": "buyer"})
    assert [each["stream"] for each in chosen.json()["streams"]] == ["buyer"]
    assert call(server, "GET", ORDERS).json()["state"] == "on_time"


def test_a_pause_and_a_resume_done_twice_are_done_once(server: Served, site: Site) -> None:
    changed = [
        post(server, action).json()["changed"] for action in ("pause", "pause", "resume", "resume")
    ]

    assert changed == [1, 0, 1, 0]
    assert call(server, "GET", ORDERS).json()["switched_via"] == "api"
    assert post(server, "pause", f"{STREAMS}/all/all").json()["changed"] == 2


def test_an_interval_is_set_and_nothing_is_off(server: Served, site: Site) -> None:
    off = post(server, "every", interval_s=0)

    assert off.json()["streams"][0]["state"] == "off"
    assert post(server, "every", interval_s=600).json()["streams"][0]["interval_s"] == 600
    assert "from 1m" in problem(post(server, "every", interval_s=7), 400)


def test_a_rewind_and_its_undo_done_twice_are_done_once(server: Served, site: Site) -> None:
    cursor = call(server, "GET", ORDERS).json()["cursor"]
    to = (datetime.now(UTC) - 20 * DAY).date().isoformat()

    told = post(server, "rewind", to=to, dry_run=True).json()
    first, second = (post(server, "rewind", to=to, reason="lost").json() for _ in range(2))
    spans = [post(server, "rewind", to="20d").json()["changed"] for _ in range(2)]

    assert not told["changed"]
    assert (first["changed"], second["changed"], spans) == (True, False, [False, False])
    assert first["plan"]["calls"] == told["plan"]["calls"] >= 1
    assert first["stream"]["cursor"] == f"{to}T00:00:00.000Z"
    assert first["stream"]["rewind"]["via"] == "api"
    assert site.one("SELECT count(*) FROM ebay.cursor_changes") == 1

    undone, again = (post(server, "undo").json() for _ in range(2))

    assert (undone["changed"], again["changed"]) == (True, False)
    assert undone["stream"]["cursor"] == cursor


def test_what_is_refused_says_why(server: Served, site: Site) -> None:
    assert "future" in problem(post(server, "rewind", to="2999-01-01"), 400)
    assert "neither an instant" in problem(post(server, "rewind", to="soon"), 400)
    assert "never rewound" in problem(post(server, "undo"), 409)
    buyer = f"{STREAMS}/{SELLER}/buyer"
    assert "no past" in problem(post(server, "rewind", buyer, to="7d"), 409)
    assert "printable" in problem(post(server, "rewind", to="7d", reason="\0"), 400)
    assert site.sql("SELECT FROM ebay.cursor_changes") == []


def test_accounts_and_runs_are_listed_as_on_the_command_line(server: Served, site: Site) -> None:
    accounts = call(server, "GET", "/api/v1/accounts").json()
    runs = call(server, "GET", "/api/v1/runs", params={"limit": 1, "since": "1d"}).json()

    assert accounts == json.loads(site.cli("accounts", "list", "--json").stdout)
    assert runs == json.loads(site.cli("runs", "--json", "--limit", "1").stdout)
    none = call(server, "GET", "/api/v1/runs", params={"outcome": "failed", "worker": "\0"})
    assert none.json() == {"runs": []}


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic x", "Bearer", TOKEN])
def test_without_the_token_nothing_is_told_not_even_what_there_is(
    server: Served, site: Site, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    for path in (STREAMS, ORDERS, f"{ORDERS}/pause", "/api/", "/api/v1/nothing"):
        answer = server.bare("POST", path, headers=headers)
        assert "API_TOKEN" in problem(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
    assert call(server, "GET", ORDERS).json()["enabled"]


def test_the_cron_secret_opens_no_door_here(server: Served, site: Site) -> None:
    headers = {"Authorization": f"Bearer {CRON_SECRET}"}

    assert server.bare("GET", STREAMS, headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "told"),
    [
        ("GET", "/api/v1/nothing", {}, 404, "nothing here"),
        ("GET", "/api/", {}, 404, "nothing here"),
        ("GET", f"{STREAMS}/nobody/orders", {}, 404, "nobody"),
        ("GET", f"{STREAMS}/{SELLER}/feedback", {}, 404, "feedback"),
        ("POST", f"{STREAMS}/a%2Fb%20c/orders/pause", {}, 404, "a/b c"),
        ("GET", f"{STREAMS}?account=nobody", {}, 404, "nobody"),
        ("GET", f"{STREAMS}?account=%00", {}, 400, "name"),
        ("GET", f"{STREAMS}/%00/orders", {}, 400, "name"),
        ("DELETE", STREAMS, {}, 405, "GET"),
        ("HEAD", f"{ORDERS}/pause", {}, 405, ""),
        ("GET", "/api/v1/runs?limit=0", {}, 422, "limit"),
        ("GET", "/api/v1/runs?limit=many", {}, 422, "limit"),
        ("GET", "/api/v1/runs?outcome=odd", {}, 422, "outcome"),
        ("GET", "/api/v1/runs?since=soon", {}, 400, "since"),
        ("POST", f"{ORDERS}/rewind", {"json": {"to": 7}}, 422, "to"),
        ("POST", f"{ORDERS}/rewind", {"json": {"too": "7d"}}, 422, "to"),
        ("POST", f"{ORDERS}/rewind", {"json": {"to": "7d", "dry": True}}, 422, "dry"),
        ("POST", f"{ORDERS}/rewind", {"json": []}, 422, "body"),
        ("POST", f"{ORDERS}/rewind", {}, 422, "body"),
        ("POST", f"{ORDERS}/every", {"json": {"interval_s": True}}, 422, "interval_s"),
        ("POST", f"{ORDERS}/every", {"json": {"interval_s": 1e300}}, 422, "interval_s"),
        ("POST", f"{ORDERS}/rewind", {"data": {"to": "7d"}}, 415, "application/json"),
        ("POST", f"{ORDERS}/pause", {"content": b"x"}, 415, "application/json"),
        ("POST", f"{ORDERS}/pause", {"content": b"x" * 70_000}, 413, "65536"),
    ],
)
def test_every_refusal_is_a_problem(
    server: Served, site: Site, method: str, path: str, options: Any, status: int, told: str
) -> None:
    answer = call(server, method, path, **options)

    assert answer.headers["cache-control"] == "no-store"
    if method == "HEAD":
        assert answer.status_code == status
        return
    assert told in problem(answer, status)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[" * 60_000,
        b'{"to": ' + b"9" * 5_000 + b"}",
        b'{"to": "7d", "\\ud800": 1}',
        b'{"to": "\\ud800"}',
        b'{"to": NaN}',
        b'{"to": "7d", "to": null}',
        b"null",
    ],
)
def test_a_body_that_is_nothing_is_the_callers_fault(
    server: Served, site: Site, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}

    answer = call(server, "POST", f"{ORDERS}/rewind", content=body, headers=headers)

    assert answer.status_code in {400, 422}
    assert answer.headers["content-type"] == PROBLEM


def test_a_value_that_is_refused_is_not_repeated(server: Served, site: Site) -> None:
    answer = call(server, "POST", f"{ORDERS}/rewind", json={"to": ["canary-in-the-wrong-place"]})

    assert "canary" not in answer.text


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(["to", "reason", "dry_run", "interval_s", "x"]),
    ANYTHING | st.sampled_from(["7d", "2026-11-01", "0001-01-01", "9999-12-31T23:59:59-23:59"]),
)
METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
WORDS = st.sampled_from([
    "api", "v1", "streams", "accounts", "runs", SELLER, "orders", "buyer", "all", "pause", "resume",
    "rewind", "undo", "every", "docs", "..", "", "%", "%00", "%ff", "%2F",
])  # fmt: skip
PATHS = st.lists(WORDS | st.text(string.printable, max_size=6).map(quote), max_size=6)
ACTIONS = st.sampled_from(["pause", "resume", "rewind", "undo", "every"])


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(method=METHODS, path=PATHS, action=ACTIONS, fields=FIELDS | ANYTHING, exact=st.booleans())
def test_no_request_is_a_fault_of_ours(
    server: Served,
    site: Site,
    method: str,
    path: list[str],
    action: str,
    fields: Any,
    exact: bool,
) -> None:
    """Whatever is sent: no 5xx, and what is refused is a problem."""
    url = f"{ORDERS}/{action}" if exact else f"/api/v1/{'/'.join(path)}"
    content = json.dumps(fields).encode()

    answer = call(
        server, method, url, content=content, headers={"Content-Type": "application/json"}
    )

    assert answer.status_code < 500, (method, url, content, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["status"] == answer.status_code
    else:
        assert answer.headers["content-type"] == "application/json"


def test_no_answer_holds_a_secret(server: Served, site: Site) -> None:
    refresh = site.simulator.world.accounts[0].refresh_token
    site.sql("UPDATE ebay.sync_states SET last_error = 'eBay said no', failures = 1")
    paths = (STREAMS, ORDERS, "/api/v1/accounts", "/api/v1/runs", "/docs", "/openapi.json")

    seen = "".join(call(server, "GET", path).text for path in paths)
    seen += post(server, "pause").text + post(server, "rewind", to="30d").text
    seen += server.log.read_text()

    assert "eBay said no" in seen
    for secret in (refresh, TOKEN, CRON_SECRET, KEYS.partition(":")[2], CLIENT_SECRET, "v1.test."):
        assert secret not in seen


def test_the_page_and_the_schema_need_no_token_and_nothing_from_elsewhere(
    server: Served, site: Site
) -> None:
    page, schema = server.bare("GET", "/docs"), server.bare("GET", "/openapi.json").json()

    assert page.status_code == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text.replace("http://127.0.0.1", "")
    assert "https://" not in page.text
    assert "<script" not in page.text
    assert f"POST {STREAMS}/{{account}}/{{stream}}/rewind" in page.text
    assert schema["servers"] == [{"url": "/"}]
    assert schema["security"] == [{"bearer": []}]
    for methods in schema["paths"].values():
        for operation in methods.values():
            assert PROBLEM in operation["responses"]["401"]["content"]


def test_it_is_closed_where_no_token_is_set_and_works_below_a_prefix(
    site: Site, tmp_path: Path
) -> None:
    environment = site.environment(API_TOKEN=None, BASE_PATH="/dev")

    with served(environment, tmp_path / "log") as server:
        closed = call(server, "GET", f"/dev{STREAMS}")
        schema = server.bare("GET", "/dev/openapi.json").json()

    assert "API_TOKEN is not set" in problem(closed, 503)
    assert schema["servers"] == [{"url": "/dev"}]
    assert "api.closed" in server.log.read_text()


def test_a_database_that_is_away_is_told_as_such(site: Site, tmp_path: Path) -> None:
    with site.in_this_process(DATABASE_URL="postgresql://canary-user@127.0.0.1:9/none"):
        answer = lambda_answer("GET", STREAMS)

    told = json.loads(answer["body"])
    assert (answer["statusCode"], told["status"]) == (503, 503)
    assert answer["headers"]["retry-after"] == "60"
    assert "canary" not in answer["body"]


def test_on_lambda_the_same_is_answered(site: Site) -> None:
    with site.in_this_process():
        listed = lambda_answer("GET", STREAMS)
        paused = lambda_answer("POST", f"{ORDERS}/pause")
        refused = lambda_answer("GET", STREAMS, authorization="Bearer wrong")

    assert listed["statusCode"] == paused["statusCode"] == 200
    assert not listed.get("isBase64Encoded")
    assert json.loads(paused["body"])["streams"][0]["state"] == "paused"
    assert refused["statusCode"] == 401


def lambda_answer(method: str, path: str, authorization: str = f"Bearer {TOKEN}") -> dict[str, Any]:
    return api.handler(http_event(method, path, authorization=authorization), None)
