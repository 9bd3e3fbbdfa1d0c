"""Schedules as people meet them: typed, over HTTP, and passed over with a reason."""

import json
import shlex
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from pg8000 import DatabaseError

from handlers import api
from infra.postgres.erasure import erase
from infra.simulator.server import Simulator
from tests.support.lambda_runtime import http_event
from tests.support.people import places_of
from tests.support.postgres import Server
from tests.support.site import Site, site_of
from tests.support.typed import typed

pytestmark = pytest.mark.timeout(150)
TOKEN = "canary-api-token-0123456789"
SCHEDULES = "/api/v1/schedules"
NIGHTLY = ("nightly", "--kind", "test", "--cron", "0 3 * * *", "--zone", "Europe/Berlin")
NEW = {"name": "nightly", "kind": "test", "cron": "0 3 * * *", "zone": "Europe/Berlin"}


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    name = _session_server.create_database(_template)
    with Simulator(accounts=0, orders=0) as simulator:
        url = _session_server.client.with_database(name).reveal()
        admin = _session_server.admin.with_database(name).reveal()
        yield site_of(url, admin, simulator).with_settings(API_TOKEN=TOKEN)
    _session_server.drop_database(name)


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.sql("TRUNCATE ops.schedules, ops.queues, ops.jobs CASCADE")
    return _module_site


def schedules(site: Site, *arguments: str) -> dict[str, Any]:
    done = typed(site, "schedules", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def said(site: Site, *arguments: str) -> str:
    done = typed(site, "schedules", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(site: Site, *arguments: str) -> str:
    done = typed(site, "schedules", *arguments)
    assert (done.returncode, done.stdout) == (65, "")
    return done.stderr


def call(
    site: Site, method: str, path: str, body: Any = None, key: str | None = None, **query: Any
) -> tuple[int, dict[str, Any]]:
    headers = {"authorization": f"Bearer {TOKEN}"} | (
        {} if key is None else {"idempotency-key": key}
    )
    event = http_event(method, path, **headers)
    event["rawQueryString"] = urlencode(query)
    if body is not None:
        event["headers"]["content-type"] = "application/json"
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    with site.in_this_process():
        answer = api.handler(event, None)
    told: dict[str, Any] = json.loads(answer["body"])
    return answer["statusCode"], told


def jobs(site: Site) -> list[Any]:
    return list(site.sql("SELECT id, kind, payload, idempotency_key FROM ops.jobs ORDER BY seq"))


def test_a_newcomer_is_told_what_to_type_and_it_works(site: Site) -> None:
    told = said(site, "list")
    command = told.partition("`")[2].partition("`")[0]
    words = shlex.split(command)

    added = said(site, *words[words.index("schedules") + 1 :])

    assert "At 03:00 every day (Europe/Berlin), next 20" in added
    assert "schedules run nightly" in added
    assert "nightly  test  0 3 * * *  Europe/Berlin  20" in said(site, "list")


def test_a_schedule_typed_twice_is_made_once_and_another_one_replaces_it_when_told(
    site: Site,
) -> None:
    first, second = (schedules(site, "add", *NIGHTLY) for _ in range(2))
    other = refused(site, "add", *NIGHTLY, "--priority", "high")
    replaced = schedules(site, "add", *NIGHTLY, "--priority", "high", "--replace")

    assert (first["changed"], second["changed"]) == (True, False)
    assert "it differs in priority" in other
    assert "--replace" in other
    assert replaced["schedule"]["priority"] == 10
    assert replaced["schedule"]["id"] == first["schedule"]["id"]


def test_everything_that_is_typed_is_kept(site: Site) -> None:
    told = schedules(
        site,
        *("add", "Daily report 2", "--kind", "test", "--cron", "@daily", "--queue", "slow"),
        *("--payload", '{"text": "ü"}', "--key", "chat:7", "--priority", "low", "--catch-up", "9"),
        "--paused",
    )["schedule"]

    shown = schedules(site, "show", "Daily report 2")
    [listed] = schedules(site, "list")["schedules"]
    assert shown == told
    assert listed == {name: value for name, value in told.items() if name != "payload"}
    assert (told["cron"], told["queue"], told["payload"]) == ("0 0 * * *", "slow", {"text": "ü"})
    assert (told["misfire"], told["catch_up"], told["next_fire_at"]) == ("catch_up", 9, None)
    assert "paused" in said(site, "list")
    assert 'payload       {"text": "ü"}' in said(site, "show", "Daily report 2")


def test_a_payload_comes_from_a_file(site: Site, tmp_path: Any) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{"text": "from a file"}')
    (tmp_path / "latin").write_bytes(b'{"text": "\xfc"}')

    told = schedules(site, "add", *NIGHTLY, "--payload-file", str(file))

    assert told["schedule"]["payload"] == {"text": "from a file"}
    for bad in ("latin", "nobody"):
        assert bad in refused(site, "add", *NIGHTLY, "--payload-file", str(tmp_path / bad))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (("--cron", "0 25 * * *"), "'25' is no hour"),
        (("--cron", "0 0 30 2 *"), "never comes"),
        (("--cron", "* * * * * *"), "once a minute at most"),
        (("--zone", "berlin"), "did you mean Europe/Berlin"),
        (("--kind", "tset"), "there is no kind of job 'tset'; there are:"),
        (("--payload", "[1]"), "no JSON object"),
        (("--payload", "{"), "no JSON object"),
        (("--payload", '{"a": NaN}'), "not JSON"),
        (("--payload", '{"a": "\\u0000"}'), "NUL"),
        (("--payload", "[" * 5000), "no JSON object"),
        (("--grace", "10s"), "grace: from 1m to 7d"),
        (("--catch-up", "101"), "catch_up: 101 is not from 1 to 100"),
        (("--misfire", "catch_up"), "say how many"),
        (("--catch-up", "2", "--no-overlap"), "ordering key"),
        (("--key", ""), "ordering key"),
        (("--queue", ""), "queue"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(
    changes: tuple[str, ...], told: str, site: Site
) -> None:
    assert told in refused(site, "add", *NIGHTLY, *changes)
    assert schedules(site, "list")["total"] == 0


def test_what_is_not_there_is_told_with_the_way_out(site: Site) -> None:
    for action in ("show", "pause", "resume", "run", "remove", "next"):
        assert "`schedules list`" in refused(site, action, "nobody")
    assert "--cron" in refused(site, "next")
    assert "--cron" in refused(site, "next", "a", "--cron", "@daily")


def test_a_paused_schedule_is_resumed_from_now_on(site: Site) -> None:
    schedules(site, "add", *NIGHTLY)

    paused, again = (schedules(site, "pause", "nightly") for _ in range(2))
    text = said(site, "pause", "nightly")
    resumed = schedules(site, "resume", "nightly")

    assert (paused["changed"], again["changed"], resumed["changed"]) == (True, False, True)
    assert paused["schedule"]["next_fire_at"] is None
    assert "was so already; paused; next: " in text
    assert resumed["schedule"]["next_fire_at"] is not None


def test_a_run_by_hand_makes_its_job_at_once(site: Site) -> None:
    before = schedules(site, "add", *NIGHTLY, "--payload", '{"text": "hello"}')["schedule"]

    job = schedules(site, "run", "nightly")["job_id"]
    text = said(site, "run", "nightly")

    after = schedules(site, "show", "nightly")
    assert str(jobs(site)[0][0]) == job
    assert [(kind, payload) for _, kind, payload, _ in jobs(site)] == 2 * [
        ("test", {"text": "hello"})
    ]
    assert "jobs show" in text
    assert after["next_fire_at"] == before["next_fire_at"]
    assert after["last_job_id"] in text


def test_a_run_by_hand_of_one_that_may_not_overlap_is_refused_while_its_job_goes_on(
    site: Site,
) -> None:
    schedules(site, "add", *NIGHTLY, "--no-overlap")
    job = schedules(site, "run", "nightly")["job_id"]

    assert f"jobs show {job}" in refused(site, "run", "nightly")
    assert len(jobs(site)) == 1


def test_the_next_instants_are_told_in_utc_and_in_the_zone(site: Site) -> None:
    schedules(site, "add", *NIGHTLY)

    text = said(site, "next", "nightly", "--count", "2")
    told = schedules(site, "next", "--cron", "30 9 * * MON-FRI", "--zone", "Asia/Kathmandu")

    assert text.startswith("At 03:00 every day (Europe/Berlin)\n")
    assert len(text.splitlines()) == 5
    assert told["when"] == "At 09:30 on Monday through Friday"
    assert {each["local"][11:] for each in told["instants"]} == {"09:30+05:45"}
    assert {each["at"][11:16] for each in told["instants"]} == {"03:45"}


def test_a_long_list_is_told_in_pages(site: Site) -> None:
    for number in range(3):
        schedules(site, "add", f"s{number}", *NIGHTLY[1:])

    first = said(site, "list", "--limit", "2")
    rest = schedules(site, "list", "--after", "s1", "--kind", "test")

    assert "of 3; next: `" in first
    assert "schedules list --after s1`" in first
    assert [each["name"] for each in rest["schedules"]] == ["s2"]


def test_what_was_passed_over_is_told_with_what_helps(site: Site) -> None:
    schedules(site, "add", *NIGHTLY)
    site.sql(
        "UPDATE ops.schedules SET last_fire_at = now(), last_outcome = 'skipped',"
        " last_reason = 'queue_disabled'"
    )

    assert "skipped: queue_disabled" in said(site, "list")
    assert "nightly: Its queue is paused; `queues resume` opens it." in said(site, "list")
    site.sql("UPDATE ops.schedules SET last_reason = 'of_a_newer_release'")
    assert schedules(site, "show", "nightly")["last_sentence"] is None


def test_one_that_is_not_understood_here_is_listed_and_can_be_put_right(site: Site) -> None:
    schedules(site, "add", *NIGHTLY)
    site.sql("UPDATE ops.schedules SET cron = 'of a newer release', zone = 'Mars/Phobos'")

    shown = schedules(site, "show", "nightly")
    told = refused(site, "next", "nightly")
    right = schedules(site, "add", *NIGHTLY, "--replace")
    removed = said(site, "remove", "nightly")

    assert (shown["when"], shown["cron"]) == (None, "of a newer release")
    assert "there is no zone 'Mars/Phobos'" in told
    assert right["schedule"]["when"] == "At 03:00 every day"
    assert removed.startswith("nightly: removed; next: `")


def test_a_schedule_lives_its_life_over_http(site: Site) -> None:
    status, made = call(site, "POST", SCHEDULES, NEW)
    again = call(site, "POST", SCHEDULES, NEW)
    other = call(site, "POST", SCHEDULES, NEW | {"cron": "0 4 * * *"})
    replaced = call(site, "POST", SCHEDULES, NEW | {"cron": "0 4 * * *", "replace": True})
    patched = call(site, "PATCH", f"{SCHEDULES}/nightly", {"grace_s": 60, "misfire": "skip"})
    shown = call(site, "GET", f"{SCHEDULES}/nightly")
    listed = call(site, "GET", SCHEDULES, limit=1)
    paused = call(site, "POST", f"{SCHEDULES}/nightly/pause")
    resumed = call(site, "POST", f"{SCHEDULES}/nightly/resume")
    coming = call(site, "GET", f"{SCHEDULES}/nightly/next", count=2)
    removed, gone = (call(site, "DELETE", f"{SCHEDULES}/nightly") for _ in range(2))

    assert (status, made["changed"], again[1]["changed"]) == (200, True, False)
    assert (other[0], "it differs in cron" in other[1]["detail"]) == (409, True)
    assert replaced[1]["schedule"]["cron"] == "0 4 * * *"
    assert (patched[0], patched[1]["schedule"]["misfire"]) == (200, "skip")
    assert patched[1]["schedule"] == shown[1]
    assert patched[1]["schedule"]["next_fire_at"] == replaced[1]["schedule"]["next_fire_at"]
    assert (listed[1]["total"], listed[1]["schedules"][0]["name"]) == (1, "nightly")
    assert "payload" not in listed[1]["schedules"][0]
    assert (paused[1]["schedule"]["enabled"], resumed[1]["schedule"]["enabled"]) == (False, True)
    assert len(coming[1]["instants"]) == 2
    assert (removed, gone[0]) == ((200, {"removed": "nightly"}), 404)


def test_the_api_tells_what_the_command_line_tells(site: Site) -> None:
    schedules(site, "add", *NIGHTLY, "--payload", '{"a": [1.5, null]}')

    assert call(site, "GET", f"{SCHEDULES}/nightly")[1] == schedules(site, "show", "nightly")
    assert call(site, "GET", SCHEDULES)[1] == schedules(site, "list")
    assert call(site, "GET", f"{SCHEDULES}/nightly/next")[1] == schedules(site, "next", "nightly")


def test_a_run_over_http_with_one_key_is_one_job(site: Site) -> None:
    call(site, "POST", SCHEDULES, NEW)

    first, second = (
        call(site, "POST", f"{SCHEDULES}/nightly/run", key="k" * 900) for _ in range(2)
    )
    other = call(site, "POST", f"{SCHEDULES}/nightly/run")

    assert first == second
    assert first[0] == other[0] == 200
    assert [str(row[0]) for row in jobs(site)] == [first[1]["job_id"], other[1]["job_id"]]


def test_an_expression_is_tried_before_it_is_stored(site: Site) -> None:
    status, told = call(site, "POST", f"{SCHEDULES}/preview", {"cron": "@hourly", "count": 3})

    assert (status, told["cron"], len(told["instants"])) == (200, "0 * * * *", 3)
    assert call(site, "GET", SCHEDULES)[1]["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("POST", "", "{", 400, "no JSON"),
        ("POST", "", [], 422, "body"),
        ("POST", "", {}, 422, "name"),
        ("POST", "", NEW | {"extra": 1}, 422, "extra"),
        ("POST", "", NEW | {"payload": [1]}, 422, "payload"),
        ("POST", "", NEW | {"priority": "high"}, 422, "priority"),
        ("POST", "", NEW | {"priority": 7}, 400, "priority: 7"),
        ("POST", "", NEW | {"priority": 2**70}, 400, "priority"),
        ("POST", "", NEW | {"catch_up": 2**70}, 400, "catch_up"),
        ("POST", "", NEW | {"grace_s": -1}, 422, "grace_s"),
        ("POST", "", NEW | {"grace_s": 10_000_000}, 400, "grace"),
        ("POST", "", NEW | {"name": "a/b"}, 400, "name"),
        ("POST", "", NEW | {"name": "\0"}, 400, "name"),
        ("POST", "", NEW | {"name": "\ud800"}, 422, "name"),
        ("POST", "", NEW | {"zone": "\0"}, 400, "zone"),
        ("POST", "", NEW | {"queue": "\0"}, 400, "queue"),
        ("POST", "", NEW | {"kind": "\0"}, 400, "kind"),
        ("POST", "", NEW | {"ordering_key": "\ud800"}, 422, "ordering_key"),
        ("POST", "", NEW | {"payload": {"a": "\0"}}, 400, "NUL"),
        ("POST", "", NEW | {"payload": {"\ud800": 1}}, 400, "characters"),
        ("POST", "", json.dumps(NEW | {"payload": {"a": float("inf")}}), 400, "JSON"),
        ("POST", "", NEW | {"misfire": "always"}, 422, "misfire"),
        ("POST", "", NEW | {"cron": "0 0 30 2 *"}, 400, "never comes"),
        ("POST", "", NEW | {"kind": "nobody"}, 400, "there are:"),
        ("POST", "", NEW | {"payload": {"a": "x" * 70_000}}, 413, "larger"),
        ("POST", "/preview", {"cron": "x"}, 400, "cron"),
        ("POST", "/preview", {"cron": "@daily", "count": 0}, 422, "count"),
        ("GET", "/nobody", None, 404, "nobody"),
        ("GET", "/a%00b", None, 404, "schedules list"),
        ("GET", "/" + quote("ü" * 300), None, 404, "schedules list"),
        ("PATCH", "/nobody", {"cron": "@daily"}, 404, "nobody"),
        ("POST", "/nobody/run", None, 404, "nobody"),
        ("POST", "/a/b/run", None, 404, "nothing here"),
        ("PUT", "/nobody", {}, 405, "use one of"),
    ],
)
def test_what_is_wrong_is_told_and_is_no_mistake_of_ours(
    method: str, path: str, body: Any, status: int, told: str, site: Site
) -> None:
    code, problem = call(site, method, SCHEDULES + path, body)

    assert (code, problem.get("status")) == (status, status), problem
    assert told in problem["detail"]


def test_a_body_that_nests_too_deeply_is_refused(site: Site) -> None:
    for depth in (101, 900, 20_000):
        nested = f'{{"a": {"[" * depth}{"]" * depth}}}'
        body = json.dumps(NEW)[:-1] + f', "payload": {nested}}}'

        status, told = call(site, "POST", SCHEDULES, body)

        assert status == 400, told


@pytest.mark.parametrize(
    "body",
    [{"cron": "x"}, {"zone": "Nowhere"}, {"kind": "nobody"}, {"priority": 6}, {"catch_up": 3}],
)
def test_a_change_that_cannot_be_meant_changes_nothing(body: dict[str, Any], site: Site) -> None:
    _, made = call(site, "POST", SCHEDULES, NEW)

    status, _ = call(site, "PATCH", f"{SCHEDULES}/nightly", body)

    assert status == 400
    assert call(site, "GET", f"{SCHEDULES}/nightly")[1] == made["schedule"]


@pytest.mark.parametrize(
    "query",
    [{"limit": 0}, {"limit": -1}, {"limit": 201}, {"limit": "x"}, {"enabled": "maybe"}],
)
def test_a_list_of_what_cannot_be_is_refused(query: dict[str, Any], site: Site) -> None:
    assert call(site, "GET", SCHEDULES, **query)[0] == 422


def test_a_list_after_what_no_name_can_be_is_empty_or_whole(site: Site) -> None:
    call(site, "POST", SCHEDULES, NEW)

    assert call(site, "GET", SCHEDULES, after="\0")[1]["total"] == 1
    assert call(site, "GET", SCHEDULES, kind="\0")[1]["total"] == 0


def due(site: Site, name: str = "nightly", since: str = "1 minute") -> None:
    site.sql(
        f"UPDATE ops.schedules SET next_fire_at = now() - interval '{since}' WHERE name = '{name}'"
    )


def drained(site: Site, *arguments: str) -> dict[str, Any]:
    done = typed(site, "queue", *arguments, "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("key", [(), ("--key", "chat:7")], ids=["without a key", "in a line"])
def test_one_drain_fires_what_is_due_and_does_it(key: tuple[str, ...], site: Site) -> None:
    schedules(site, "add", *NIGHTLY, "--payload", '{"text": "hello"}', *key)
    due(site)

    first, second = drained(site), drained(site)

    shown = schedules(site, "show", "nightly")
    row = site.sql("SELECT id, status, result, ordering_key FROM ops.jobs")
    assert (first["outcome"], first["counts"]["fired"]) == ("done", 1)
    assert (first["counts"]["completed"], second["counts"]["fired"]) == (1, 0)
    assert [list(each) for each in row] == [
        [row[0][0], "completed", {"echo": {"text": "hello"}}, key[1] if key else None]
    ]
    assert (str(row[0][0]), shown["last_outcome"]) == (shown["last_job_id"], "fired")
    assert shown["next_fire_at"] > shown["last_fire_at"]


def test_e16_what_was_passed_over_is_told_by_the_run_and_by_the_schedule(site: Site) -> None:
    schedules(site, "add", *NIGHTLY)
    site.sql("INSERT INTO ops.queues (queue, enabled) VALUES ('default', false)")
    due(site)

    report = drained(site)

    assert report["counts"]["fired"] == 0
    assert "schedules that were passed over: queue_disabled 1" in report["detail"]
    assert schedules(site, "show", "nightly")["last_reason"] == "queue_disabled"
    assert jobs(site) == []


def test_the_queues_tell_of_schedules_that_are_on(site: Site) -> None:
    none = typed(site, "queues", "list").stdout
    at = schedules(site, "add", *NIGHTLY)["schedule"]["next_fire_at"]
    schedules(site, "add", "paused", *NIGHTLY[1:], "--paused")

    told = typed(site, "queues", "list").stdout

    assert "schedules" not in none
    assert f"schedules that are on: 1, next {at[:10]} {at[11:19]}Z; `" in told


@pytest.mark.parametrize("at", ["infinity", "-infinity", "20000-01-01"])
def test_an_instant_that_nobody_could_read_is_not_stored(at: str, site: Site) -> None:
    schedules(site, "add", *NIGHTLY)

    with pytest.raises(DatabaseError, match="schedules_next_fire_at_readable"):
        site.sql(f"UPDATE ops.schedules SET next_fire_at = '{at}'")


def test_a_dry_drain_fires_nothing(site: Site) -> None:
    schedules(site, "add", *NIGHTLY)
    due(site)

    drained(site, "--dry-run")

    assert jobs(site) == []
    assert schedules(site, "show", "nightly")["last_fire_at"] is None


def test_a_person_who_is_erased_is_in_no_schedule(site: Site) -> None:
    person = "einzigartig_77"
    schedules(site, "add", f"for {person}", *NIGHTLY[1:], "--payload", f'{{"to": "{person}"}}')
    schedules(site, "add", "chat", *NIGHTLY[1:], "--key", f"chat:{person}")
    schedules(site, "add", *NIGHTLY)
    site.sql("INSERT INTO ebay.accounts (name, environment) VALUES ('shop', 'simulator')")
    site.sql(
        "INSERT INTO ebay.messages (account_id, message_id, direction, sender, subject,"
        " receive_date, raw, content_hash, first_seen_at, updated_at)"
        f" SELECT id, '1', 'INCOMING', '{person}', 's', now(), '{{}}', 7, now(), now()"
        " FROM ebay.accounts"
    )

    with site.opened() as database, database.transaction() as connection:
        counts = erase(connection, [person], [])

    left = schedules(site, "list")["schedules"]
    assert counts["schedules"] == 2
    assert places_of(site, [person]) == {}
    assert [each["enabled"] for each in left if each["name"] != "nightly"] == [False, False]
    assert schedules(site, "show", "nightly")["enabled"]
