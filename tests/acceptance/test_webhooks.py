"""`/webhooks/ebay` from outside: what eBay sends, what it is answered, what comes of it."""

import base64
import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from handlers import webhooks
from infra.simulator.notifier import Notifier
from infra.simulator.server import Simulator
from tests.support.lambda_runtime import http_event
from tests.support.postgres import Server, free_port
from tests.support.site import Served, Site, served

pytestmark = pytest.mark.timeout(150)
WORD = "canary-verification-token-0123456789"
PATH = "/webhooks/ebay"
MEGABYTES_11 = 11 * 1024 * 1024


@pytest.fixture(scope="module")
def listening(
    _session_server: Server, _template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Served]]:
    """`serve`, registered at the simulator."""
    name = _session_server.create_database(_template)
    with Simulator(accounts=3, orders=3, days=20, port=free_port()) as simulator:
        site = Site(
            url=_session_server.client.with_database(name).reveal(),
            admin=_session_server.admin.with_database(name),
            simulator=simulator,
            ebay_url=simulator.api_url,
        )
        port = free_port()
        address = f"http://127.0.0.1:{port}{PATH}"
        site = site.with_settings(
            EBAY_NOTIFICATION_VERIFICATION_TOKEN=WORD, EBAY_NOTIFICATION_ENDPOINT=address
        )
        log = tmp_path_factory.mktemp("serve") / "log"
        with served(site.environment(), log, port=port) as server:
            simulator.notifier.register(address, WORD)
            yield site, server
    _session_server.drop_database(name)


@pytest.fixture
def site(listening: tuple[Site, Served], postgres_server: Server) -> Site:
    listening[0].reset()
    listening[0].sql("TRUNCATE ebay.notifications, ebay.erased_people")
    listening[0].connect(2)
    listening[0].sql("UPDATE ebay.sync_states SET due_at = now() + interval '1 hour', failures = 0")
    return listening[0]


@pytest.fixture
def server(listening: tuple[Site, Served]) -> Served:
    return listening[1]


@pytest.fixture
def ebay(site: Site) -> Notifier:
    return site.simulator.notifier


def about(site: Site, topic: str, account: int = 0) -> tuple[str, dict[str, Any]]:
    return topic, site.simulator.notifier.about(site.simulator.world.accounts[account], topic)


def due(site: Site) -> list[tuple[str, str]]:
    found = site.sql(
        "SELECT name, stream FROM ebay.sync_states JOIN ebay.accounts ON id = account_id"
        " WHERE due_at <= now() ORDER BY 1, 2"
    )
    return [(name, stream) for name, stream in found]


def rows(site: Site) -> list[tuple[str, str, int]]:
    found = site.sql(
        "SELECT topic, outcome, publish_attempt_count FROM ebay.notifications ORDER BY received_at"
    )
    return [(topic, outcome, count) for topic, outcome, count in found]


def test_r72_the_challenge_is_answered(server: Served) -> None:
    endpoint = server.url + PATH

    answer = server.bare("GET", PATH, params={"challenge_code": "a8628072"})

    wanted = hashlib.sha256(f"a8628072{WORD}{endpoint}".encode()).hexdigest()
    assert (answer.status_code, answer.json()) == (200, {"challengeResponse": wanted})
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("code", ["", "x" * 1001])
def test_a_challenge_without_a_code_is_refused(server: Served, code: str) -> None:
    answer = server.bare("GET", PATH, params={"challenge_code": code} if code else None)

    assert answer.status_code == 400
    assert "challenge_code" in answer.json()["detail"]


def test_other_methods_are_refused(server: Served) -> None:
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS"):
        answer = server.bare(method, PATH)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("topic", "streams"),
    [
        ("ORDER_CONFIRMATION", ["orders"]),
        ("ORDER_CANCELLATION_ACTIVITY", ["orders"]),
    ],
)
def test_a_notification_makes_the_matching_units_due_at_once(
    site: Site, ebay: Notifier, topic: str, streams: list[str]
) -> None:
    statuses = ebay.send(*about(site, topic), schema_version=None)

    assert statuses == [204]
    assert due(site) == [("seller-1", stream) for stream in streams]
    assert rows(site) == [(topic, "due", 1)]
    report = site.run()
    assert {unit.stream for unit in report.units} == set(streams)


def test_a_message_finds_its_account_by_the_name(site: Site, ebay: Notifier) -> None:
    site.sql("UPDATE ebay.sync_states SET stream = 'messages' WHERE stream = 'payouts'"
             " AND pass = 'new'")  # fmt: skip

    assert ebay.send(*about(site, "NEW_MESSAGE", account=1)) == [204]

    assert due(site) == [("seller-2", "messages")]


def test_a_unit_at_work_is_read_again_for_what_it_cannot_have_seen(
    site: Site, ebay: Notifier
) -> None:
    """It leaves out the last two minutes, so the order told of is not in what it reads."""
    ebay.send(*about(site, "ORDER_CONFIRMATION"))

    report = site.run()

    assert report.outcome == "done"
    again = "SELECT due_at - hinted_at = interval '2 minutes' FROM ebay.sync_states"
    assert site.one(f"{again} WHERE stream = 'orders' AND hinted_at IS NOT NULL") is True


def test_a_unit_that_ebay_asked_to_wait_waits(site: Site, ebay: Notifier) -> None:
    site.sql("UPDATE ebay.sync_states SET failures = 2")

    ebay.send(*about(site, "ORDER_CONFIRMATION"))

    assert due(site) == []


def test_a_topic_that_nobody_knows_is_kept_and_acknowledged(site: Site, ebay: Notifier) -> None:
    assert ebay.send("PRIORITY_LISTING_REVISION", {"anything": [None, {}]}) == [204]

    assert rows(site) == [("PRIORITY_LISTING_REVISION", "ignored", 1)]


def test_a_seller_who_is_not_ours_changes_nothing(site: Site, ebay: Notifier) -> None:
    assert ebay.send(*about(site, "ORDER_CONFIRMATION", account=2)) == [204]

    assert rows(site) == [("ORDER_CONFIRMATION", "unknown_account", 1)]
    assert due(site) == []


def test_a_withdrawn_consent_marks_the_account(site: Site, ebay: Notifier) -> None:
    site.sql("UPDATE ebay.tokens SET refreshed_at = now() - interval '1 hour'")

    assert ebay.send(*about(site, "AUTHORIZATION_REVOCATION")) == [204]

    told = site.sql("SELECT name, status, status_reason FROM ebay.accounts ORDER BY name")
    assert [(name, status) for name, status, _ in told] == [
        ("seller-1", "needs_reconnect"),
        ("seller-2", "active"),
    ]
    assert "AUTHORIZATION_REVOCATION" in told[0][2]
    states = "SELECT count(*) FROM ebay.sync_states JOIN ebay.accounts ON id = account_id"
    assert site.one(f"{states} WHERE name = 'seller-1' AND due_at IS NOT NULL") == 0


def test_a_consent_given_after_a_withdrawal_that_is_told_late_stands(
    site: Site, ebay: Notifier
) -> None:
    site.sql("UPDATE ebay.tokens SET refreshed_at = now() + interval '1 minute'")

    assert ebay.send(*about(site, "AUTHORIZATION_REVOCATION")) == [204]

    assert site.one("SELECT count(*) FROM ebay.accounts WHERE status = 'active'") == 2
    assert rows(site) == [("AUTHORIZATION_REVOCATION", "ignored", 1)]


def test_the_same_notification_ten_times_at_once_has_one_effect(site: Site, ebay: Notifier) -> None:
    topic, data = about(site, "ORDER_CONFIRMATION")
    bodies = [ebay.body(topic, data, "the-same", attempt=attempt) for attempt in range(1, 11)]
    statuses: list[int] = []

    threads = [
        threading.Thread(target=lambda body=body: statuses.append(ebay.post(body, ebay.sign(body))))
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert statuses == [204] * 10
    assert rows(site) == [(topic, "due", 10)]


def test_a_replay_changes_nothing(site: Site, ebay: Notifier) -> None:
    body = ebay.body(*about(site, "ORDER_CONFIRMATION"), "once")
    header = ebay.sign(body)
    assert ebay.post(body, header) == 204
    site.sql("UPDATE ebay.sync_states SET due_at = now() + interval '1 hour'")

    assert ebay.post(body, header) == 204

    assert due(site) == []


def forged(header: str, **changes: Any) -> str:
    said = json.loads(base64.b64decode(header)) | changes
    return base64.b64encode(json.dumps(said).encode()).decode()


def test_r72_what_ebay_did_not_sign_is_not_acted_on(site: Site, ebay: Notifier) -> None:
    body = ebay.body(*about(site, "ORDER_CONFIRMATION"), "n")
    header = ebay.sign(body)
    other = ebay.sign(body + b" ")

    refused = {
        "no header": (body, ""),
        "garbage": (body, "garbage"),
        "another body": (body + b" ", header),
        "another signature": (body, other),
        "unknown key": (body, forged(header, kid="00000000-0000-4000-8000-000000000000")),
        "a key that is an address": (body, forged(header, kid="../../../sell")),
        "no algorithm": (body, forged(header, alg="none")),
        "not JSON": (b"<xml/>", ebay.sign(b"<xml/>")),
        "no id": (b'{"metadata":{"topic":"X"}}', ebay.sign(b'{"metadata":{"topic":"X"}}')),
    }
    answers = {name: ebay.post(*sent) for name, sent in refused.items()}

    assert answers == dict.fromkeys(refused, 412)
    assert rows(site) == []
    assert due(site) == []


def test_a_body_of_eleven_megabytes_is_refused_before_it_is_read(server: Served) -> None:
    """The rest is neither waited for nor kept: the answer comes while it is still being sent."""
    parts = urlsplit(server.url)
    assert parts.hostname
    assert parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as line:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {MEGABYTES_11}\r\n\r\n"
        line.sendall(head.encode() + b" " * (webhooks.MAX_BODY + 1))
        answered = line.recv(65536)

    assert answered.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("kind", ["server_error", "reset_before", "truncated_json", "html"])
def test_while_the_key_cannot_be_had_ebay_is_to_send_again(
    site: Site, ebay: Notifier, tmp_path: Path, kind: str
) -> None:
    with fresh(site, tmp_path):
        site.simulator.faults.add(kind, operation="getPublicKey", times=2)

        statuses = ebay.send(*about(site, "ORDER_CONFIRMATION"))

    assert statuses == [503, 503, 204]
    assert rows(site) == [("ORDER_CONFIRMATION", "due", 3)]


def test_a_key_server_that_hangs_is_not_waited_for(
    site: Site, ebay: Notifier, tmp_path: Path
) -> None:
    with fresh(site, tmp_path):
        site.simulator.faults.add("hang", operation="getPublicKey", times=1)

        statuses = ebay.send(*about(site, "ORDER_CONFIRMATION"))

    # 0 would be eBay's own patience, which is five seconds here.
    assert statuses == [503, 204]


@contextmanager
def fresh(site: Site, folder: Path) -> Iterator[Served]:
    """Another `serve`, which has no key yet, registered for as long as it lives."""
    port, notifier = free_port(), site.simulator.notifier
    address = f"http://127.0.0.1:{port}{PATH}"
    environment = site.environment(EBAY_NOTIFICATION_ENDPOINT=address)
    with served(environment, folder / "log", port=port) as server:
        notifier.register(address, WORD)
        yield server
    notifier.register(site.extra["EBAY_NOTIFICATION_ENDPOINT"], WORD)


@pytest.mark.parametrize("broken", ["notifications", "sync_states"])
def test_what_could_not_be_stored_is_sent_again_and_then_works(
    site: Site, ebay: Notifier, broken: str
) -> None:
    site.sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END $$;"
        f"CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON ebay.{broken} EXECUTE FUNCTION fail()"
    )
    told = about(site, "ORDER_CONFIRMATION")
    try:
        assert ebay.send(*told, notification_id="again") == [503, 503, 503]
        assert rows(site) == []
    finally:
        site.sql("DROP FUNCTION fail() CASCADE")

    assert ebay.send(*told, notification_id="again") == [204]
    assert rows(site) == [("ORDER_CONFIRMATION", "due", 1)]
    assert len(due(site)) == 1


def test_without_a_database_ebay_is_to_send_again(
    site: Site, ebay: Notifier, tmp_path: Path
) -> None:
    body = ebay.body(*about(site, "ORDER_CONFIRMATION"), "n")
    gone = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing?sslmode=disable"
    site = site.with_settings(DATABASE_URL=gone)

    answered = call_lambda(site, "POST", body, ebay.sign(body))

    assert answered["statusCode"] == 503
    assert answered["headers"]["retry-after"] == "60"
    assert "nothing" not in answered["body"]


def call_lambda(site: Site, method: str, body: bytes = b"", header: str = "") -> dict[str, Any]:
    event = http_event(method, PATH) | {"body": body.decode(), "isBase64Encoded": False}
    event["headers"] |= {"x-ebay-signature": header}
    with site.in_this_process():
        return webhooks.handler(event, None)


def test_on_lambda_the_same_is_answered(site: Site, ebay: Notifier) -> None:
    body = ebay.body(*about(site, "ORDER_CONFIRMATION"), "n")

    answers = [call_lambda(site, "POST", body, ebay.sign(body)), call_lambda(site, "POST", body)]

    assert [answer["statusCode"] for answer in answers] == [204, 412]
    assert rows(site) == [("ORDER_CONFIRMATION", "due", 1)]


@pytest.mark.parametrize("variable", ["VERIFICATION_TOKEN", "ENDPOINT"])
def test_what_is_not_configured_is_closed(site: Site, variable: str) -> None:
    site = site.with_settings(**{f"EBAY_NOTIFICATION_{variable}": ""})

    answers = [call_lambda(site, "GET"), call_lambda(site, "POST", b"{}")]

    assert [answer["statusCode"] for answer in answers] == [503, 503]


@pytest.mark.parametrize("word", ["short", "x" * 81, "with a space and thirty-two characters"])
def test_a_verification_token_that_ebay_would_not_take_is_named(site: Site, word: str) -> None:
    ended = site.cli(
        "runs", environment=site.environment(EBAY_NOTIFICATION_VERIFICATION_TOKEN=word)
    )

    assert ended.returncode == 78
    assert "EBAY_NOTIFICATION_VERIFICATION_TOKEN" in ended.stderr
    assert word not in ended.stderr


def test_no_secret_and_no_person_is_told(site: Site, ebay: Notifier, server: Served) -> None:
    ebay.send(*ebay.deletion("canary_buyer_name", "canaryUserId", "canaryEias=="))
    ebay.send(*about(site, "NEW_MESSAGE"))
    answer = server.bare("POST", PATH, content=b'{"a": "canary_buyer_name"}')

    said = (
        server.log.read_text()
        + answer.text
        + json.dumps(site.sql("SELECT n::text FROM ebay.notifications n"), default=list)
    )
    for secret in (WORD, "canary", "#t^eyJ", "cronshot-simulator-secret", "Is it still available"):
        assert secret not in said


def test_an_account_is_subscribed_and_tried_by_commands(site: Site) -> None:
    scopes = site.simulator.world.accounts[0].scopes
    scopes.add("https://api.ebay.com/oauth/api_scope/commerce.message")
    account = ("--account", "seller-1")

    unready = site.cli("notifications", "subscribe", *account)
    ended = site.cli(
        "notifications", "subscribe", *account, "--alert-email", "me@example.com", "--json"
    )
    listed = site.cli("notifications", "list", *account)
    tried = site.cli("notifications", "test", *account, "--topic", "ORDER_CONFIRMATION", "--json")

    assert unready.returncode == 65, unready.stderr
    assert "--alert-email" in unready.stderr
    assert ended.returncode == 1, ended.stderr
    states = {each["topic"]: each["state"] for each in json.loads(ended.stdout)["subscriptions"]}
    assert states["ORDER_CONFIRMATION"] == "subscribed"
    assert states["ORDER_RETURN_ACTIVITY"] == "refused"
    assert "ORDER_CONFIRMATION" in listed.stdout
    assert tried.returncode == 0, tried.stderr
    wait_for(site, "SELECT count(*) FROM ebay.notifications")
    assert rows(site) == [("ORDER_CONFIRMATION", "due", 1)]
    for said in (unready, ended, listed, tried):
        assert WORD not in said.stdout + said.stderr


def wait_for(site: Site, count: str) -> None:
    while not site.one(count):
        pass
