"""Each row of the outcome table, by each way in: HTTP, Lambda's events, the command line."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from core.report import SENTENCES, Reason
from core.sync.worker import SyncAccounts
from infra.postgres.url import parse
from tests.support import broken, ways
from tests.support.postgres import free_port
from tests.support.site import CRON_SECRET, KEYS, WORKER, Gate, Served, Site, beside, served
from tests.support.ways import Seen, Way
from tests.support.wire import Relay, relay

pytestmark = pytest.mark.timeout(150)
EVENTS = {"schedule": ways.schedule, "rule": ways.rule, "plain": ways.plain}
WAYS = ("http", "http-event", *EVENTS, "command")
SHORT = 0.5
"""Seconds: less than a page needs, so that nothing is begun."""


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, site: Site) -> Way:
    name: str = request.param
    if name == "http":
        return ways.over_http(request.getfixturevalue("server"))
    if name == "http-event":
        return ways.as_http_event(site)
    if name == "command":
        return ways.on_the_command_line(site)
    return ways.as_event(site, EVENTS[name])


def expect(
    seen: Seen,
    outcome: str,
    reason: str | None,
    *,
    exit_code: int,
    status: int = 200,
    more: bool = False,
) -> None:
    """One row of the table: every way says the same run's end, each in its own signs."""
    assert seen.ended == (outcome, reason), seen
    assert seen.body["more"] is more
    assert seen.status in {None, status}
    assert seen.exit_code in {None, exit_code}
    assert seen.body["worker"] == WORKER
    assert seen.body["message"] == (None if reason is None else SENTENCES[Reason(reason)])
    if seen.status is not None:
        assert seen.headers["x-run-id"] == seen.body["run_id"]
        assert seen.headers["x-run-outcome"] == outcome
        assert seen.headers["cache-control"] == "no-store"
    if seen.exit_code is not None:
        expect_last_line(seen, outcome, reason)


def expect_last_line(seen: Seen, outcome: str, reason: str | None) -> None:
    """The log's last word on the run."""
    lines = [json.loads(line) for line in seen.log.splitlines() if line.startswith("{")]
    [last] = [line for line in lines if line["event"] in {"run.finished", "run.failed"}]
    assert last["event"] == ("run.failed" if outcome == "failed" else "run.finished")
    assert (last["outcome"], last["reason"], last["run_id"]) == (
        outcome, reason, seen.body["run_id"],
    )  # fmt: skip


def row_of(site: Site, seen: Seen) -> tuple[Any, ...]:
    """What the run left in ops.runs."""
    run_id = UUID(seen.body["run_id"])
    rows = site.sql(f"SELECT status, outcome, reason, via FROM ops.runs WHERE id = '{run_id}'")
    assert len(rows) == 1, seen
    return tuple(rows[0])


def expect_row(site: Site, seen: Seen, outcome: str, reason: str | None) -> None:
    status, *ended, _ = row_of(site, seen)
    assert (status, *ended) == ("finished", outcome, reason)


def test_done(site: Site, way: Way) -> None:
    site.connect(2)

    seen = way()

    expect(seen, "done", None, exit_code=0)
    expect_row(site, seen, "done", None)
    assert seen.body["counts"]["written"] == site.one(
        "SELECT (SELECT count(*) FROM ebay.orders) + (SELECT count(*) FROM ebay.transactions)"
        " + (SELECT count(*) FROM ebay.payouts)"
    )
    assert len(seen.body["units"]) == 6
    assert set(seen.body["units"][0]) == {
        "account", "stream", "outcome", "reason", "fetched", "written", "cursor",
    }  # fmt: skip


def made(site: Site) -> Counter[tuple[str | None, ...]]:
    calls = site.simulator.requests.entries()
    return Counter((call.operation, call.account, call.limit, call.offset) for call in calls)


def test_r19_every_way_asks_ebay_the_same(site: Site, way: Way) -> None:
    site.connect(2)
    site.simulator.requests.clear()
    site.run()
    here = made(site)
    site.reset()
    site.connect(2)
    site.simulator.requests.clear()

    way()

    assert made(site) == here
    assert here


def test_r31_nothing_due(site: Site, way: Way) -> None:
    site.connect()
    site.run()

    seen = way()

    expect(seen, "done", "nothing_due", exit_code=0)
    expect_row(site, seen, "done", "nothing_due")
    assert seen.body["next_due_at"] is not None
    assert set(seen.body["counts"].values()) == {0}


def test_r22_out_of_time_with_more_to_do(site: Site, way: Way) -> None:
    site.connect()

    seen = way(deadline_s=SHORT)

    expect(seen, "partial", "deadline", exit_code=0, more=True)
    expect_row(site, seen, "partial", "deadline")


def test_out_of_calls_with_more_to_do(site: Site, way: Way) -> None:
    site.connect()
    site.simulator.quotas.set_count("sell.fulfillment", 100_000)
    first = site.run()
    site.all_due()

    seen = way()

    assert {unit.reason for unit in first.units if unit.stream == "orders"} == {Reason.QUOTA}
    assert site.one("SELECT max(blocked_until) > now() FROM ebay.api_budgets")
    expect(seen, "partial", "budget", exit_code=0, more=True)
    expect_row(site, seen, "partial", "budget")


def test_another_run_took_over(site: Site, way: Way) -> None:
    site.connect()

    with Gate(site.simulator) as gate:

        def take_over() -> None:
            gate.wait()
            site.run(take_over=True, deadline_s=SHORT)
            gate.open()

        with beside(take_over):
            seen = way()

    expect(seen, "partial", "lease_lost", exit_code=75)
    assert row_of(site, seen)[0] == "abandoned"
    assert site.one("SELECT count(*) FROM ebay.orders") == 0


def test_some_units_fail(site: Site, way: Way) -> None:
    site.connect(2)
    site.simulator.faults.add("missing_scope", operation="getOrders", account="seller-1")

    seen = way()

    expect(seen, "degraded", None, exit_code=1)
    expect_row(site, seen, "degraded", None)
    assert (seen.body["units"][0]["outcome"], seen.body["units"][0]["reason"]) == (
        "failed", "missing_scope",
    )  # fmt: skip


def test_every_account_needs_its_owner(site: Site, way: Way) -> None:
    site.connect()
    site.simulator.world.accounts[0].revoked = True
    site.sql("UPDATE ebay.tokens SET access_expires_at = now() - interval '1 hour'")

    seen = way()

    expect(seen, "degraded", "all_need_reconnect", exit_code=77)
    expect_row(site, seen, "degraded", "all_need_reconnect")


def test_already_running(site: Site, way: Way) -> None:
    site.connect()
    holder = site.hold_lease()

    seen = way()

    expect(seen, "skipped", "already_running", exit_code=75)
    expect_row(site, seen, "skipped", "already_running")
    assert seen.body["holder"]["run_id"] == holder
    assert seen.body["holder"]["since"] < seen.body["holder"]["until"]


@pytest.mark.parametrize("switch", [WORKER, "*"])
def test_r26_paused(site: Site, way: Way, switch: str) -> None:
    site.connect()
    site.sql(f"UPDATE ops.workers SET enabled = false WHERE worker = '{switch}'")

    seen = way()

    expect(seen, "skipped", "paused", exit_code=0)
    expect_row(site, seen, "skipped", "paused")


def test_all_accounts_paused(site: Site, way: Way) -> None:
    site.connect()
    site.sql("UPDATE ebay.accounts SET status = 'paused'")

    seen = way()

    expect(seen, "skipped", "paused", exit_code=0)


def test_tripped(site: Site, way: Way) -> None:
    site.connect()
    site.sql(
        "UPDATE ops.workers SET faults = 10, tripped_at = now(),"
        f" probe_at = now() + interval '1 hour' WHERE worker = '{WORKER}'"
    )

    seen = way()

    expect(seen, "skipped", "tripped", exit_code=0)
    expect_row(site, seen, "skipped", "tripped")


def test_no_accounts(site: Site, way: Way) -> None:
    seen = way()

    expect(seen, "skipped", "no_accounts", exit_code=0)
    expect_row(site, seen, "skipped", "no_accounts")


@contextmanager
def ebay_away(site: Site) -> Iterator[None]:
    site.simulator.stop()
    try:
        yield
    finally:
        site.simulator.start()


def test_ebay_out_of_reach(site: Site, way: Way) -> None:
    site.connect()

    with ebay_away(site):
        seen = way(deadline_s=2)

    assert seen.ended == ("failed", "upstream")
    expect(seen, "failed", "upstream", exit_code=69, more=seen.body["more"])
    expect_row(site, seen, "failed", "upstream")


def test_an_ebay_that_hangs_past_the_deadline_is_no_failure_yet(site: Site) -> None:
    """The only try was cut short by our own time, which says nothing about eBay."""
    site.connect()
    site.simulator.faults.add("hang")

    report = site.run(deadline_s=2)

    assert (report.outcome, report.reason, report.more) == ("partial", "deadline", True)
    assert site.one("SELECT max(failures) FROM ebay.sync_states") == 0


def test_r30_every_unit_fails(site: Site, way: Way) -> None:
    site.connect()
    site.simulator.faults.add("missing_scope")

    seen = way()

    expect(seen, "failed", "units_failed", exit_code=1)
    expect_row(site, seen, "failed", "units_failed")


Ours = Callable[..., AbstractContextManager[Way]]


@pytest.fixture(params=WAYS)
def ours(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Ours:
    """A way in to an installation that is broken on our side."""
    name: str = request.param

    def way(
        *,
        begin: AbstractContextManager[Any] | None = None,
        command: tuple[str, ...] = ("-m", "core.run"),
        **environment: Any,
    ) -> AbstractContextManager[Way]:
        if name == "http":
            return over_http_after(begin or nullcontext(), command, environment)
        if name == "http-event":
            return nullcontext(ways.as_http_event(site, **environment))
        if name == "command":
            return nullcontext(ways.on_the_command_line(site, command, **environment))
        return nullcontext(ways.as_event(site, EVENTS[name], **environment))

    @contextmanager
    def over_http_after(
        begin: AbstractContextManager[Any],
        command: tuple[str, ...],
        environment: dict[str, str | None],
    ) -> Iterator[Way]:
        """`serve` itself refuses to start without a database: `begin` is true until it has."""
        with begin as given:
            started = environment if given is None else environment | {"DATABASE_URL": given}
            running = served(site.environment(**started), tmp_path / "log", command)
            server = running.__enter__()
        try:
            yield ways.over_http(server)
        finally:
            running.__exit__(None, None, None)

    return way


def expect_ours(seen: Seen, reason: str, *, exit_code: int, status: int) -> None:
    if seen.raised is not None:
        assert seen.raised.startswith(f"{reason}: ")
        return
    assert seen.ended == ("failed", reason), seen
    assert seen.exit_code in {None, exit_code}
    assert seen.status in {None, status}
    if seen.status is not None:
        assert seen.headers["content-type"] == "application/problem+json"
        assert seen.body["status"] == status
        assert seen.body["title"]
        assert seen.body["type"] == "about:blank"
        assert seen.headers["x-run-outcome"] == "failed"
        assert ("retry-after" in seen.headers) == (reason == "database")
    if seen.exit_code is not None:
        expect_last_line(seen, "failed", reason)


@contextmanager
def for_a_moment(url: str) -> Iterator[str]:
    """The database's address at a relay that ends with the context."""
    with relay(parse(url), Relay()) as relayed:
        yield relayed.reveal()


def test_the_database_is_out_of_reach(site: Site, ours: Ours) -> None:
    nowhere = f"postgresql://postgres@127.0.0.1:{free_port()}/none?sslmode=disable"

    with ours(begin=for_a_moment(site.url), DATABASE_URL=nowhere) as way:
        seen = way()

    expect_ours(seen, "database", exit_code=69, status=503)


def test_a_setting_is_missing(site: Site, ours: Ours) -> None:
    with ours(ENCRYPTION_KEYS=None) as way:
        seen = way()

    expect_ours(seen, "config", exit_code=78, status=503)


def test_the_schema_is_too_old(site: Site, way: Way) -> None:
    site.sql("CREATE TEMP TABLE IF NOT EXISTS nothing ()")
    kept = site.sql(
        "DELETE FROM ops.schema_migrations WHERE version = (SELECT max(version)"
        " FROM ops.schema_migrations) RETURNING version, name, checksum"
    )
    try:
        seen = way()
    finally:
        version, name, checksum = kept[0]
        site.sql(
            "INSERT INTO ops.schema_migrations (version, name, checksum)"
            f" VALUES ({version}, '{name}', '{checksum}')"
        )

    expect_ours(seen, "config", exit_code=78, status=503)
    said = seen.raised or seen.log
    assert not said or "python -m core.run migrate" in said


def test_a_mistake_of_ours(site: Site, ours: Ours) -> None:
    site.connect()

    with (
        patch.object(SyncAccounts, "run_once", broken.broken),
        ours(command=("-m", "tests.support.broken")) as way,
    ):
        seen = way()

    expect_ours(seen, "bug", exit_code=70, status=500)
    assert "canary" not in json.dumps(seen.body)
    assert "canary" not in (seen.raised or "")
    [row] = site.sql("SELECT status, outcome, reason, detail FROM ops.runs")
    assert tuple(row) == ("finished", "failed", "bug", "ZeroDivisionError")


def strict(server: Served) -> Any:
    return server.call("GET", f"/cron/{WORKER}?strict=1")


def expect_problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert len(answer.content) < 4096
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["type"]) == (status, "about:blank")
    assert body["title"]
    assert body["detail"] == SENTENCES[Reason(body["reason"])]
    assert body["run_id"] == answer.headers["x-run-id"]
    return body


def test_a_strict_caller_is_told_of_a_run_at_work_by_409(site: Site, server: Served) -> None:
    site.connect()
    holder = site.hold_lease(30)

    answer = strict(server)

    body = expect_problem(answer, 409)
    assert body["holder"]["run_id"] == holder
    assert 20 <= int(answer.headers["retry-after"]) <= 30


def test_a_strict_caller_is_told_of_an_ebay_out_of_reach_by_503(site: Site, server: Served) -> None:
    site.connect()

    with ebay_away(site):
        answer = server.call(json={"strict": True, "deadline_s": 2})

    assert expect_problem(answer, 503)["reason"] == "upstream"


def test_a_strict_caller_is_told_that_every_unit_failed_by_503(site: Site, server: Served) -> None:
    site.connect()
    site.simulator.faults.add("missing_scope")

    answer = strict(server)

    assert expect_problem(answer, 503)["reason"] == "units_failed"


@pytest.mark.parametrize("reason", ["no_accounts", "paused"])
def test_a_strict_caller_is_not_told_of_what_is_no_failure(
    site: Site, server: Served, reason: str
) -> None:
    if reason == "paused":
        site.sql("UPDATE ops.workers SET enabled = false WHERE worker = '*'")

    answer = strict(server)

    assert answer.status_code == 200
    assert answer.json()["reason"] == reason


def test_fifty_units_fit_into_an_answer_that_every_cron_service_takes(
    site: Site, server: Served
) -> None:
    site.connect(10)
    site.all_due()
    site.sql("UPDATE ebay.accounts SET name = name || repeat('ü', 60)")
    site.simulator.faults.add("missing_scope", operation="getPayouts", account="seller-7", times=1)

    answer = server.call()

    body = answer.json()
    assert len(answer.content) < 4096
    assert body["counts"]["units"] == 50
    assert len(body["units"]) + body["omitted"] == 50
    assert 0 < len(body["units"]) <= 20
    assert body["units"][0]["reason"] == "missing_scope"
    assert site.one("SELECT count(*) FROM ops.run_units") == 50


def test_no_secret_is_told_by_any_way(site: Site, server: Served, way: Way) -> None:
    site.connect()
    token = site.simulator.world.accounts[0].refresh_token

    seen = way()

    told = json.dumps(seen.body) + json.dumps(dict(seen.headers)) + seen.log
    told += server.log.read_text()
    assert not any(secret in told for secret in (token, CRON_SECRET, KEYS))
