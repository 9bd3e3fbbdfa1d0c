"""`/cron/*`, `/health`, `/readyz`: who may call, how, and what a wrong call is told."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from handlers import ebay_cycle
from infra.postgres.url import parse
from tests.support.lambda_runtime import http_event
from tests.support.postgres import free_port
from tests.support.site import CRON_SECRET, WORKER, Served, Site, served
from tests.support.ways import context
from tests.support.wire import Relay, relay

pytestmark = pytest.mark.timeout(120)
PATH = f"/cron/{WORKER}"
BODY_LIMIT = 64 * 1024


def runs(site: Site) -> int:
    count: int = site.one("SELECT count(*) FROM ops.runs")
    return count


def expect_problem(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert (body["status"], body["type"]) == (status, "about:blank")
    assert body["title"]
    detail: str = body["detail"]
    return detail


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_get_and_post_run_the_worker_with_and_without_a_slash(
    site: Site, server: Served, method: str, path: str
) -> None:
    answer = server.call(method, path)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["reason"] == "no_accounts"
    assert answer.json()["trigger"] == {"via": "http", "delivery_id": None}
    assert runs(site) == 1


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "BREW"]
)
@pytest.mark.parametrize("path", [PATH, f"{PATH}/"])
def test_other_methods_run_nothing(site: Site, server: Served, method: str, path: str) -> None:
    answer = server.call(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert runs(site) == 0


@pytest.mark.parametrize("method", ["POST", "PROPFIND", "DELETE"])
@pytest.mark.parametrize("path", ["/health", "/health/", "/readyz", "/readyz/"])
def test_what_monitors_read_is_only_read(server: Served, method: str, path: str) -> None:
    answer = server.bare(method, path)

    expect_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/health/", "/readyz/"])
def test_monitors_may_write_a_slash(site: Site, server: Served, path: str) -> None:
    assert server.bare("GET", path).status_code == 200
    assert server.bare("HEAD", path).status_code == 200


WRONG: dict[str, str | None] = {
    "missing": None,
    "empty": "",
    "wrong": "Bearer not-the-secret-0123456789",
    "bare": CRON_SECRET,
    "basic": f"Basic {CRON_SECRET}",
    "cut": f"Bearer {CRON_SECRET[:-1]}",
    "more": f"Bearer {CRON_SECRET}x",
    "other case": f"Bearer {CRON_SECRET.upper()}",
    "nothing": "Bearer",
}


@pytest.mark.parametrize("authorization", WRONG.values(), ids=WRONG.keys())
def test_r71_missing_and_wrong_secrets_are_answered_alike(
    site: Site, server: Served, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}

    answer = server.bare("POST", PATH, headers=headers)

    expect_problem(answer, 401)
    assert answer.headers["www-authenticate"] == 'Bearer realm="cron"'
    assert answer.content == server.bare("POST", PATH).content
    assert runs(site) == 0


@pytest.mark.parametrize(
    "authorization",
    [b"Bearer \xff\xfe\x80", "Bearer gehëim".encode(), b"B\xe9arer x", b"Bearer " + b"x" * 8000],
)
def test_a_secret_of_odd_bytes_is_merely_wrong(server: Served, authorization: bytes) -> None:
    answer = server.bare("POST", PATH, headers=[(b"Authorization", authorization)])

    assert answer.status_code == 401


def test_the_scheme_is_read_without_its_case(site: Site, server: Served) -> None:
    answer = server.call(headers={"Authorization": f"bearer  {CRON_SECRET}"})

    assert answer.status_code == 200


def test_an_unknown_worker_is_told_to_those_who_may_call_only(site: Site, server: Served) -> None:
    stranger = server.bare("POST", "/cron/nonsense")
    friend = server.call("POST", "/cron/nonsense")

    expect_problem(stranger, 401)
    assert WORKER in expect_problem(friend, 404)


@pytest.mark.parametrize("path", ["/", "/cron", "/cron/", f"{PATH}/x", "/nothing", "/cron/../x"])
def test_there_is_nothing_elsewhere(server: Served, path: str) -> None:
    answer = server.call("GET", path)

    expect_problem(answer, 404)


def test_a_body_of_64_kb_is_read(site: Site, server: Served) -> None:
    body = b" " * (BODY_LIMIT - 2) + b"{}"

    answer = server.call(content=body)

    assert answer.status_code == 200


@pytest.mark.parametrize("size", [BODY_LIMIT + 1, 5_000_000])
def test_a_larger_body_is_refused(site: Site, server: Served, size: int) -> None:
    answer = server.call(content=b" " * size)

    expect_problem(answer, 413)
    assert runs(site) == 0


def test_a_larger_body_without_a_length_is_refused(site: Site, server: Served) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(70):
            yield b" " * 1024

    answer = server.call(content=chunks())

    expect_problem(answer, 413)
    assert runs(site) == 0


def test_a_body_that_a_stranger_sends_is_not_read(server: Served) -> None:
    answer = server.bare("POST", PATH, content=b"x" * (BODY_LIMIT + 1))

    expect_problem(answer, 401)


BAD_BODIES = {
    "no JSON": b"hello",
    "half": b'{"strict": tr',
    "list": b"[1]",
    "text": b'"x"',
    "null": b"null",
    "Latin-1": b'{"account": "\xe9"}',
    "deep": b"[" * 60_000,
    "form": b"account=shop",
    "unknown": b'{"nonsense": 1}',
    "account number": b'{"account": 5}',
    "account null in list": b'{"account": [null]}',
    "account object": b'{"account": {}}',
    "account empty": b'{"account": " "}',
    "account NUL": b'{"account": "a\\u0000b"}',
    "account surrogate": b'{"account": "a\\ud800b"}',
    "account unknown": b'{"account": "nobody"}',
    "stream unknown": b'{"stream": "nothing"}',
    "deadline text": b'{"deadline_s": "soon"}',
    "deadline zero": b'{"deadline_s": 0}',
    "deadline negative": b'{"deadline_s": -1}',
    "deadline NaN": b'{"deadline_s": NaN}',
    "deadline infinite": b'{"deadline_s": 1e999}',
    "a since beyond the calendar": b'{"since": "9999-12-31T23:59:59-14:00"}',
    "a since in the future": b'{"since": "2999-01-01"}',
    "a since of no length": b'{"since": "0d"}',
    "deadline digits": b'{"deadline_s": ' + b"9" * 400 + b"}",
    "deadline many digits": b'{"deadline_s": ' + b"9" * 5000 + b"}",
    "deadline flag": b'{"deadline_s": true}',
    "deadline list": b'{"deadline_s": [1]}',
    "since text": b'{"since": "yesterday"}',
    "since number": b'{"since": 5}',
    "since before time": b'{"since": "0001-01-01T00:00:00+10:00"}',
    "flag text": b'{"dry_run": "perhaps"}',
    "flag list": b'{"strict": []}',
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
def test_a_body_that_cannot_be_meant_is_refused(site: Site, server: Served, body: bytes) -> None:
    answer = server.call(content=body)

    assert len(expect_problem(answer, 400)) > 10
    assert "Traceback" not in answer.text
    assert runs(site) == 0


@pytest.mark.parametrize(
    "query", ["nonsense=1", "deadline_s=x", "strict=perhaps", "account=", "since=x", "%00=%00"]
)
def test_a_query_that_cannot_be_meant_is_refused(site: Site, server: Served, query: str) -> None:
    answer = server.call("GET", f"{PATH}?{query}")

    expect_problem(answer, 400)
    assert runs(site) == 0


def test_the_query_names_several_accounts_and_the_body_comes_first(
    site: Site, server: Served
) -> None:
    site.connect(2)

    several = server.call("GET", f"{PATH}?account=seller-1&account=seller-2&stream=orders")
    body = server.call("POST", f"{PATH}?stream=orders", json={"stream": ["payouts"]})

    units = [(unit["account"], unit["stream"]) for unit in several.json()["units"]]
    assert sorted(units) == [("seller-1", "orders"), ("seller-2", "orders")]
    assert {unit["stream"] for unit in body.json()["units"]} == {"payouts"}


def test_a_dry_run_over_http_keeps_nothing(site: Site, server: Served) -> None:
    site.connect()

    answer = server.call("GET", f"{PATH}?dry_run=1")

    assert answer.json()["counts"]["fetched"] > 0
    assert site.one("SELECT count(*) FROM ebay.orders") == 0
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE fence > 0") == 0


def test_health_touches_no_database(site: Site, tmp_path: Path) -> None:
    watched = Relay()

    with (
        relay(parse(site.url), watched) as relayed,
        served(site.environment(DATABASE_URL=relayed.reveal()), tmp_path / "log") as server,
    ):
        before = len(watched.sent)
        answers = [server.bare(method, "/health") for method in ("GET", "HEAD")]
        after = len(watched.sent)

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == {"status": "ok"}
    assert 0 < before == after


def test_readyz_says_whether_database_and_schema_are_ready(site: Site, server: Served) -> None:
    answers = [server.bare(method, "/readyz") for method in ("GET", "HEAD")]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == {"status": "ready"}


def test_readyz_tells_no_stranger_what_is_wrong(site: Site, server: Served) -> None:
    site.sql("ALTER SCHEMA ops RENAME TO hidden")
    try:
        answers = [server.bare(method, "/readyz") for method in ("GET", "HEAD")]
    finally:
        site.sql("ALTER SCHEMA hidden RENAME TO ops")

    assert [answer.status_code for answer in answers] == [503, 503]
    detail = expect_problem(answers[0], 503)
    assert detail == "the database or its schema is not ready"
    assert "ops" not in answers[0].text
    assert int(answers[0].headers["retry-after"]) > 0
    assert "database.not_ready" in server.log.read_text()


def http_event_answer(site: Site, event: dict[str, Any], **environment: str | None) -> Any:
    with site.in_this_process(AWS_LAMBDA_FUNCTION_NAME="ebayCycle", **environment):
        return ebay_cycle.handler(event, context(900))


def test_readyz_of_a_database_out_of_reach_is_503(site: Site) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none?sslmode=disable"

    answer = http_event_answer(site, http_event("GET", "/readyz"), DATABASE_URL=nowhere)

    assert answer["statusCode"] == 503
    assert "127.0.0.1" not in answer["body"]


AUTHORIZED = {"authorization": f"Bearer {CRON_SECRET}"}


def test_both_secrets_are_good_while_the_callers_change_over(site: Site) -> None:
    newer = "canary-newer-secret-0123456789"
    environment = {"CRON_SECRET": newer, "CRON_SECRET_PREVIOUS": CRON_SECRET}
    secrets = (newer, CRON_SECRET, "another-secret-0123456789")

    statuses = [
        http_event_answer(
            site, http_event("POST", PATH, authorization=f"Bearer {secret}"), **environment
        )["statusCode"]
        for secret in secrets
    ]

    assert statuses == [200, 200, 401]


@pytest.mark.parametrize("authorization", [None, "Bearer ", f"Bearer {CRON_SECRET}"])
def test_r71_without_a_secret_nobody_may_call(site: Site, authorization: str | None) -> None:
    event = http_event("POST", PATH)
    if authorization is not None:
        event["headers"]["authorization"] = authorization

    answer = http_event_answer(site, event, CRON_SECRET=None)

    assert answer["statusCode"] == 503
    assert "CRON_SECRET" in json.loads(answer["body"])["detail"]
    assert runs(site) == 0


def test_a_setting_that_is_missed_in_the_run_is_named_in_the_log_and_not_in_the_answer(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = http_event_answer(site, http_event("POST", PATH, **AUTHORIZED), ENCRYPTION_KEYS=None)

    assert answer["statusCode"] == 503
    assert "the message names it" not in answer["body"]
    assert "the log names it" in json.loads(answer["body"])["message"]
    assert "ENCRYPTION_KEYS is not set" in capfd.readouterr().err


def test_a_wrong_setting_is_an_answer_without_its_value(site: Site) -> None:
    event = http_event("POST", PATH, **AUTHORIZED)

    answer = http_event_answer(site, event, LEASE_S="canary-no-number")

    assert answer["statusCode"] == 503
    assert "the log names it" in json.loads(answer["body"])["detail"]
    assert "canary" not in answer["body"]


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory, _module_site: Site) -> Iterator[Served]:
    log = tmp_path_factory.mktemp("below") / "log"
    with served(_module_site.environment(BASE_PATH="/tools/cronshot/"), log) as server:
        yield server


@pytest.mark.parametrize("prefix", ["/tools/cronshot", ""])
def test_it_works_below_a_path_whether_or_not_the_proxy_takes_it_away(
    site: Site, below: Served, prefix: str
) -> None:
    answers = [
        below.call("POST", f"{prefix}{PATH}"),
        below.call("GET", f"{prefix}{PATH}/"),
        below.bare("GET", f"{prefix}/health"),
        below.bare("GET", f"{prefix}/readyz"),
        below.bare("POST", f"{prefix}{PATH}"),
        below.call("POST", f"{prefix}/nothing"),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 401, 404]


@pytest.mark.parametrize("stage", ["$default", "dev", "cron"])
def test_a_stage_may_stand_before_the_path(site: Site, stage: str) -> None:
    path = PATH if stage == "$default" else f"/{stage}{PATH}"
    event = http_event("POST", path, **AUTHORIZED)
    event["requestContext"]["stage"] = stage

    answer = http_event_answer(site, event)

    assert answer["statusCode"] == 200, answer


def test_on_lambda_too_a_path_of_ones_own_domain_may_stand_before(site: Site) -> None:
    event = http_event("POST", f"/shop{PATH}", **AUTHORIZED)

    answer = http_event_answer(site, event, BASE_PATH="/shop")

    assert answer["statusCode"] == 200


def test_a_request_that_lambda_has_no_time_for_begins_nothing(site: Site) -> None:
    site.connect()
    event = http_event("POST", PATH, **AUTHORIZED)

    with site.in_this_process(AWS_LAMBDA_FUNCTION_NAME="ebayCycle"):
        answer = ebay_cycle.handler(event, context(0.8))

    assert json.loads(answer["body"])["reason"] == "deadline"


def test_a_caller_that_hangs_up_harms_nobody(site: Site, server: Served) -> None:
    site.connect()
    place = urlsplit(server.url)
    assert place.hostname is not None
    connection = http.client.HTTPConnection(place.hostname, place.port)
    connection.request("POST", PATH, headers={"Authorization": f"Bearer {CRON_SECRET}"})
    connection.close()

    answer = server.call()

    assert answer.status_code == 200
