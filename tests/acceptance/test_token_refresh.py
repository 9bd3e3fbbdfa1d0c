"""The worker that keeps access tokens fresh: what is due, once, whatever happens."""

import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from core.report import SENTENCES, Reason, RunReport
from infra.postgres.connect import connect
from tests.support import ways
from tests.support.lambda_runtime import schedule_event
from tests.support.postgres import through_pooler
from tests.support.site import TOKENS, Gate, Served, Site, beside
from tests.support.typed import typed
from tests.support.ways import Seen, Way

pytestmark = pytest.mark.timeout(150)
INVALID_CLIENT = '{"error": "invalid_client", "error_description": "client authentication failed"}'
SHORT = 0.5


def schedule(**parameters: Any) -> dict[str, Any]:
    return schedule_event(TOKENS, "2026-11-22T05:00:00Z") | parameters


EVENTS = {"schedule": schedule, "rule": ways.rule, "plain": ways.plain}


@pytest.fixture(params=("http", "http-event", *EVENTS, "command"))
def way(request: pytest.FixtureRequest, site: Site) -> Way:
    name: str = request.param
    if name == "http":
        return ways.over_http(request.getfixturevalue("server"), TOKENS)
    if name == "http-event":
        return ways.as_http_event(site, worker=TOKENS)
    if name == "command":
        return ways.on_the_command_line(site, worker=TOKENS)
    return ways.as_event(site, EVENTS[name], worker=TOKENS)


def expect(
    site: Site, seen: Seen, outcome: str, reason: str | None, *, exit_code: int, status: int = 200
) -> None:
    """The same end by every way, and in the run's row."""
    assert seen.ended == (outcome, reason), seen
    assert seen.status in {None, status}
    assert seen.exit_code in {None, exit_code}
    assert seen.body["worker"] == TOKENS
    assert seen.body["message"] == (None if reason is None else SENTENCES[Reason(reason)])
    [row] = site.sql(
        "SELECT worker, status, outcome, reason FROM ops.runs"
        f" WHERE id = '{UUID(seen.body['run_id'])}'"
    )
    assert tuple(row) == (TOKENS, "finished", outcome, reason)


def age(site: Site, minutes: float, account: str | None = None) -> None:
    """As if the tokens had been refreshed so long ago, for two hours."""
    only = "" if account is None else f" WHERE account.name = '{account}'"
    site.sql(
        f"UPDATE ebay.tokens SET refreshed_at = clock_timestamp() - interval '{minutes} minutes',"
        f" access_expires_at = clock_timestamp() + interval '{120 - minutes} minutes'"
        f" WHERE account_id IN (SELECT id FROM ebay.accounts account{only})"
    )


def ends_in(site: Site, days: float, account: str = "seller-1") -> None:
    site.sql(
        f"UPDATE ebay.tokens SET refresh_expires_at = clock_timestamp() + interval '{days} days'"
        f" WHERE account_id = (SELECT id FROM ebay.accounts WHERE name = '{account}')"
    )


def connected(site: Site, accounts: int = 2, minutes: float = 61) -> Site:
    site.connect(accounts)
    age(site, minutes)
    site.simulator.requests.clear()
    return site


OK = 200


def refreshes(site: Site, account: str | None = None) -> int:
    """For accounts: the application's own token, granted to ask for limits, is not one of them."""
    asked = site.simulator.requests.entries(operation="token", account=account)
    return sum(entry.account is not None or entry.status != OK for entry in asked)


def refresh(site: Site, **parameters: Any) -> RunReport:
    return site.run(worker=TOKENS, **parameters)


def ends(report: RunReport) -> dict[str, tuple[str, str | None]]:
    return {unit.account: (unit.outcome, unit.reason) for unit in report.units}


# By every way in.


def test_every_way_refreshes_what_is_due(site: Site, way: Way) -> None:
    connected(site)

    seen = way()

    expect(site, seen, "done", None, exit_code=0)
    assert {unit["account"]: unit["written"] for unit in seen.body["units"]} == {
        "seller-1": 1,
        "seller-2": 1,
    }
    assert (seen.body["counts"]["calls"], refreshes(site)) == (2, 2)
    assert site.one("SELECT count(*) FROM ops.run_units WHERE stream = 'token'") == 2
    assert site.one("SELECT count(*) FROM ebay.token_refreshes WHERE success") == 2


def test_every_way_says_that_nothing_is_due(site: Site, way: Way) -> None:
    connected(site, minutes=30)

    seen = way()

    expect(site, seen, "done", "nothing_due", exit_code=0)
    assert refreshes(site) == 0
    due = datetime.fromisoformat(seen.body["next_due_at"]) - datetime.now(UTC)
    assert timedelta(minutes=28) < due < timedelta(minutes=31)


def test_every_way_says_that_it_is_running_already(site: Site, way: Way) -> None:
    connected(site)
    holder = site.hold_lease(worker=TOKENS)

    seen = way()

    expect(site, seen, "skipped", "already_running", exit_code=75)
    assert seen.body["holder"]["run_id"] == holder
    assert refreshes(site) == 0


def test_every_way_says_that_some_failed(site: Site, way: Way) -> None:
    connected(site)
    site.simulator.world.account("seller-1").revoked = True

    seen = way()

    expect(site, seen, "degraded", None, exit_code=1)


def test_a_lost_consent_is_no_failure_of_the_accounts_that_are_not_due(site: Site) -> None:
    connected(site)
    age(site, 0, "seller-2")
    site.simulator.world.account("seller-1").revoked = True

    report = refresh(site)

    assert ends(report) == {"seller-1": ("skipped", "needs_reconnect")}
    assert (report.outcome, report.reason) == ("degraded", None)


def test_every_way_says_that_time_was_short(site: Site, way: Way) -> None:
    connected(site)

    seen = way(deadline_s=SHORT)

    expect(site, seen, "partial", "deadline", exit_code=0)
    assert seen.body["more"]
    assert refreshes(site) == 0


def test_every_way_says_that_every_account_needs_its_owner(site: Site, way: Way) -> None:
    connected(site, 1)
    site.simulator.world.account("seller-1").revoked = True

    seen = way()

    expect(site, seen, "degraded", "all_need_reconnect", exit_code=77)


def test_every_way_says_that_it_is_paused(site: Site, way: Way) -> None:
    connected(site)
    site.sql(f"UPDATE ops.workers SET enabled = false WHERE worker = '{TOKENS}'")

    seen = way()

    expect(site, seen, "skipped", "paused", exit_code=0)


def test_every_way_says_that_there_are_no_accounts(site: Site, way: Way) -> None:
    expect(site, way(), "skipped", "no_accounts", exit_code=0)


def test_every_way_refuses_wrong_keys(site: Site, way: Way) -> None:
    """The keys of this site are right; those in its database are others."""
    connected(site)
    refresh(site)
    age(site, 61)
    sealed = "v1.gone." + "A" * 48
    site.sql(f"UPDATE ops.key_canary SET sealed = '{sealed}'")
    site.simulator.requests.clear()

    seen = way()

    assert seen.raised is not None or seen.ended == ("failed", "config")
    assert seen.exit_code in {None, 78}
    assert seen.status in {None, 503}
    detail = site.one("SELECT detail FROM ops.runs ORDER BY started_at DESC LIMIT 1")
    assert "ENCRYPTION_KEYS does not hold the key gone" in detail
    assert refreshes(site) == 0
    assert sealed not in json.dumps(seen.body) + seen.log + (seen.raised or "")


@pytest.mark.parametrize("parameters", [{"stream": "orders"}, {"since": "7d"}])
def test_what_tokens_do_not_have_is_refused(
    site: Site, server: Served, parameters: dict[str, str]
) -> None:
    answer = server.call(path=f"/cron/{TOKENS}", json=parameters)

    assert answer.status_code == 400
    assert "no streams and no past" in answer.json()["detail"]


def test_a_name_that_is_none_is_refused(site: Site) -> None:
    ended = typed(site, "tokens", "--account", "nobody")

    assert ended.returncode == 65
    assert "nobody" in ended.stderr


# What is due.


@pytest.mark.parametrize(
    ("minutes", "due"), [(0, False), (59, False), (61, True), (106, True), (119, True), (121, True)]
)
def test_r38_a_token_is_refreshed_after_60_minutes_or_with_15_left(
    site: Site, minutes: float, *, due: bool
) -> None:
    connected(site, 1, minutes)

    report = refresh(site)

    assert report.reason == (None if due else "nothing_due")
    assert refreshes(site) == int(due)


def test_r38_a_short_token_is_refreshed_with_a_fifth_of_its_life_left(site: Site) -> None:
    connected(site)
    for account, left in (("seller-1", 1), ("seller-2", 3)):
        site.sql(
            f"UPDATE ebay.tokens SET refreshed_at = clock_timestamp() - interval '{10 - left} min',"
            f" access_expires_at = clock_timestamp() + interval '{left} min'"
            f" WHERE account_id = (SELECT id FROM ebay.accounts WHERE name = '{account}')"
        )

    report = refresh(site)

    assert ends(report) == {"seller-1": ("done", None)}


def test_r38_a_token_outlives_a_missed_call_of_the_worker(site: Site) -> None:
    """Just not due at one call, and the next one fails: the one after that comes in time."""
    connected(site, 1, 59.9)
    first = refresh(site)
    age(site, 69.9)
    site.simulator.faults.add("status", operation="token", status=503, body="{}")
    second = refresh(site, deadline_s=3)
    site.simulator.faults.clear()
    age(site, 79.9)

    third = refresh(site)

    assert (first.reason, second.reason, third.outcome) == ("nothing_due", "upstream", "done")
    assert site.one("SELECT count(*) FROM ebay.tokens WHERE access_expires_at < now()") == 0


def test_a_named_account_is_refreshed_though_it_is_not_due(site: Site) -> None:
    connected(site, minutes=1)

    ended = typed(site, "tokens", "--account", "seller-1")

    assert ended.returncode == 0
    assert "1 token refreshed" in ended.stderr
    assert (refreshes(site, "seller-1"), refreshes(site)) == (1, 1)
    assert site.one("SELECT fence FROM ops.runs") is None


def test_r27_named_accounts_that_may_not_be_refreshed_say_why(site: Site) -> None:
    connected(site, 3)
    site.sql("UPDATE ebay.accounts SET status = 'paused' WHERE name = 'seller-1'")
    site.sql("UPDATE ebay.accounts SET status = 'needs_reconnect' WHERE name = 'seller-2'")
    site.sql(
        "DELETE FROM ebay.tokens WHERE account_id ="
        " (SELECT id FROM ebay.accounts WHERE name = 'seller-3')"
    )

    report = refresh(site, accounts=("seller-1", "seller-2", "seller-3"))

    assert ends(report) == {
        "seller-1": ("skipped", "account_inactive"),
        "seller-2": ("skipped", "needs_reconnect"),
        "seller-3": ("skipped", "no_token"),
    }
    assert refreshes(site) == 0


def test_paused_and_revoked_accounts_are_left_alone(site: Site) -> None:
    connected(site, 3)
    site.sql("UPDATE ebay.accounts SET status = 'paused' WHERE name = 'seller-1'")
    site.sql("UPDATE ebay.accounts SET status = 'needs_reconnect' WHERE name = 'seller-2'")

    report = refresh(site)

    assert ends(report) == {"seller-3": ("done", None)}


def test_a_dry_run_names_what_is_due_and_asks_nobody(site: Site) -> None:
    connected(site)
    age(site, 1, "seller-2")

    report = refresh(site, dry_run=True)

    assert ends(report) == {"seller-1": ("done", None)}
    assert report.detail is not None
    assert "dry run" in report.detail
    assert refreshes(site) == 0


# One refresh at a time.


def test_r39_ten_processes_need_one_token(site: Site) -> None:
    """The worker, six people, three runs that read: one call to eBay."""
    connected(site, 1, 121)
    ebay = ("ebay", "--json", "--account", "seller-1", "--stream")
    commands = [("tokens", "--json"), *[("accounts", "test", "seller-1")] * 6]
    commands += [(*ebay, stream) for stream in ("orders", "transactions", "payouts")]
    with Gate(site.simulator, "token") as gate:
        processes = [site.start(*command) for command in commands]
        gate.wait()
        # Through a pooler one session may be enough for all of them: it tells nothing.
        sessions = 1 if through_pooler() else len(commands)
        while (
            site.one("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cronshot'")
            < sessions
        ):
            assert all(process.poll() is None for process in processes)
        gate.open()
        ended = [process.communicate(timeout=100) for process in processes]

    assert [process.returncode for process in processes] == [0] * 10, ended
    assert refreshes(site) == 1
    assert site.one("SELECT count(*) FROM ebay.token_refreshes") == 1


def test_r39_an_account_that_somebody_else_refreshes_all_the_time_is_already_running(
    site: Site,
) -> None:
    connected(site, 1)
    site.sql("UPDATE ebay.tokens SET leased_until = clock_timestamp() + interval '1 hour'")

    report = refresh(site, deadline_s=5)

    assert ends(report) == {"seller-1": ("skipped", "already_running")}
    assert refreshes(site) == 0


def test_two_calls_at_once_are_one_run(site: Site) -> None:
    connected(site)
    reports: list[RunReport] = []

    with (
        Gate(site.simulator, "token") as gate,
        beside(lambda: reports.append(refresh(site))),
    ):
        gate.wait()
        second = refresh(site)
        gate.open()

    assert (second.outcome, second.reason) == ("skipped", "already_running")
    assert second.holder is not None
    assert second.holder.run_id == reports[0].run_id
    assert refreshes(site) == 2


def test_r26_a_pause_holds_within_one_account(site: Site) -> None:
    connected(site, 2)
    reports: list[RunReport] = []
    single = site.with_settings(WORKERS_MAX_PARALLEL="1")

    with (
        Gate(site.simulator, "token") as gate,
        beside(lambda: reports.append(refresh(single))),
    ):
        gate.wait()
        site.sql(f"UPDATE ops.workers SET enabled = false WHERE worker = '{TOKENS}'")
        gate.open()

    assert sorted(ends(reports[0]).values()) == [("done", None), ("skipped", "globally_off")]
    assert refreshes(site) == 1


def test_a_run_that_was_taken_over_refreshes_nothing_more(site: Site) -> None:
    connected(site, 3)
    single = site.with_settings(WORKERS_MAX_PARALLEL="1")
    reports: list[RunReport] = []

    with (
        Gate(site.simulator, "token") as gate,
        beside(lambda: reports.append(refresh(single))),
    ):
        gate.wait()
        second = refresh(site, take_over=True, deadline_s=SHORT)
        gate.open()

    assert second.reason == "deadline"
    assert (reports[0].outcome, reports[0].reason) == ("partial", "lease_lost")
    assert refreshes(site) == 1
    assert site.one("SELECT count(*) FROM ebay.token_refreshes WHERE success") == 0


# What goes wrong.


def test_r40_a_withdrawn_consent_costs_one_call_and_one_word_and_stops_its_account(
    site: Site,
) -> None:
    connected(site, 3)
    site.simulator.world.account("seller-2").revoked = True

    first = typed(site, "tokens", "--json")
    age(site, 61)
    second = refresh(site)

    report = json.loads(first.stdout)
    assert {unit["account"]: unit["reason"] for unit in report["units"]} == {
        "seller-1": None,
        "seller-2": "needs_reconnect",
        "seller-3": None,
    }
    assert first.stderr.count('"account.reauthorization_required"') == 1
    assert set(ends(second)) == {"seller-1", "seller-3"}
    assert refreshes(site, "seller-2") == 1
    assert site.one("SELECT status FROM ebay.accounts WHERE name = 'seller-2'") == "needs_reconnect"
    assert site.one(
        "SELECT count(due_at) FROM ebay.sync_states"
        " JOIN ebay.accounts ON id = account_id WHERE name = 'seller-2'"
    ) == 0  # fmt: skip


@pytest.mark.parametrize("status", [429, 500, 503])
def test_r40_an_old_token_is_used_while_it_is_good(site: Site, status: int) -> None:
    """Ten minutes left, and eBay will not give another one: the orders are read all the same."""
    connected(site, 1, 110)
    site.simulator.faults.add("status", operation="token", status=status, body="{}")

    ended = typed(site, "ebay", "--json", "--stream", "orders")

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["outcome"] == "done"
    assert '"token.used_longer"' in ended.stderr
    assert site.one("SELECT status FROM ebay.accounts") == "active"


def test_r40_a_failing_endpoint_is_asked_again_with_growing_pauses(site: Site) -> None:
    connected(site, 1)
    site.simulator.faults.add("status", operation="token", status=503, body="{}", times=2)

    report = refresh(site)

    assert report.outcome == "done"
    assert refreshes(site) == 3
    logged = site.sql("SELECT success FROM ebay.token_refreshes ORDER BY id")
    assert [row[0] for row in logged] == [False, False, True]


def test_r20_an_account_whose_refresh_always_hangs_keeps_the_others_waiting_once(
    site: Site,
) -> None:
    connected(site, 3)
    age(site, 119, "seller-1")
    single = site.with_settings(WORKERS_MAX_PARALLEL="1")
    site.simulator.faults.add("hang", operation="token", account="seller-1")

    first = refresh(single, deadline_s=4)
    second = refresh(single, deadline_s=8)

    assert set(ends(first)) == {"seller-1"}
    assert list(ends(second)) == ["seller-2", "seller-3", "seller-1"]
    assert refreshes(site, "seller-2") == refreshes(site, "seller-3") == 1


def test_r40_nobody_asks_before_the_instant_that_ebay_named(site: Site) -> None:
    connected(site, 1)
    site.simulator.faults.add(
        "status", operation="token", status=429, body="{}", headers={"Retry-After": "600"}
    )

    first = refresh(site)
    second = refresh(site)
    named = refresh(site, accounts=("seller-1",))

    assert ends(first) == ends(named) == {"seller-1": ("failed", "rate_limited")}
    assert second.reason == "nothing_due"
    assert refreshes(site) == 1
    wait = site.one("SELECT extract(epoch FROM retry_at - clock_timestamp()) FROM ebay.tokens")
    assert 500 < float(wait) <= 600


def test_wrong_keys_of_ours_cost_at_most_three_calls_in_all(site: Site) -> None:
    connected(site, 8)
    site.simulator.faults.add("status", operation="token", status=401, body=INVALID_CLIENT)

    report = refresh(site)

    assert (report.outcome, report.reason) == ("failed", "units_failed")
    assert {unit.reason for unit in report.units} == {"token_refused"}
    assert refreshes(site) <= 3
    assert {row[0] for row in site.sql("SELECT status FROM ebay.accounts")} == {"active"}


def test_an_ebay_out_of_reach_is_said_to_be_so(site: Site) -> None:
    connected(site, 1)
    site.simulator.stop()
    try:
        report = refresh(site, deadline_s=3)
    finally:
        site.simulator.start()

    assert (report.outcome, report.reason) == ("failed", "upstream")
    assert refresh(site).outcome == "done"


@pytest.mark.parametrize(
    "place",
    [
        "main after runs.acquire #1",
        "token after tokens.standing #1",
        "token after tokens.start #1",
        "token after answer #1",
        "token after tokens.save #1",
        "token before COMMIT #4",
        "token after sync.record_units #1",
        "main after runs.finish_run #1",
    ],
)
def test_a_killed_worker_is_followed_and_every_token_is_good(site: Site, place: str) -> None:
    connected(site, 2)
    killed = site.cli("tokens", command=("-m", "tests.support.launcher", "--crash-at", place, "--"))

    report = refresh(site, take_over=True)

    assert killed.returncode == -9, killed.stderr
    assert report.outcome == "done"
    assert (
        site.one("SELECT count(*) FROM ebay.tokens WHERE refreshed_at < now() - interval '1 h'")
        == 0
    )
    assert site.one("SELECT count(*) FROM ebay.tokens WHERE leased_until IS NOT NULL") == 0
    assert refreshes(site) <= 4
    site.all_due()
    assert site.run().outcome == "done"


@contextmanager
def locked(site: Site, account: str) -> Iterator[None]:
    """Somebody is at this account's token."""
    with closing(connect(site.admin, application_name="a person", timeout=30)) as person:
        person.execute_simple(
            "BEGIN; SELECT FROM ebay.tokens JOIN ebay.accounts ON id = account_id"
            f" WHERE name = '{account}' FOR UPDATE OF tokens"
        )
        yield


def cut_off_who_waits(site: Site, ended: Sequence[RunReport]) -> None:
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    while not site.sql(waiting):
        assert not ended


def test_a_run_that_is_cut_off_from_the_database_tells_what_it_refreshed(site: Site) -> None:
    connected(site, 3)
    single = site.with_settings(WORKERS_MAX_PARALLEL="1")
    reports: list[RunReport] = []

    with locked(site, "seller-2"), beside(lambda: reports.append(refresh(single))):
        cut_off_who_waits(site, reports)

    assert (reports[0].outcome, reports[0].reason) == ("failed", "database")
    assert ends(reports[0]) == {"seller-1": ("done", None), "seller-2": ("failed", "database")}
    assert (reports[0].counts["written"], refreshes(site)) == (1, 1)
    [row] = site.sql("SELECT reason, counts->>'written' FROM ops.runs")
    assert tuple(row) == ("database", "1")
    assert ends(refresh(site)) == {"seller-2": ("done", None), "seller-3": ("done", None)}


# What will end.


def test_r46_the_end_of_a_consent_is_told_once_at_30_7_and_1_days(site: Site) -> None:
    connected(site, 2, 1)
    told = []
    for days in (31, 29.5, 29, 8, 6.5, 6, 2, 0.9, 0.5, -1):
        ends_in(site, days)
        ended = typed(site, "tokens", "--json")
        report = json.loads(ended.stdout)
        lines = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
        said = [line for line in lines if line["event"] == "token.expires_soon"]
        assert len(said) == (0 if report["detail"] is None else 1)
        told += [(days, line["account"], line["within_days"]) for line in said]

    assert told == [(29.5, "seller-1", 30), (6.5, "seller-1", 7), (0.9, "seller-1", 1)]
    assert site.one("SELECT count(*) FROM ops.run_events WHERE event = 'token.expires_soon'") == 3


def test_r46_a_new_consent_is_warned_of_anew(site: Site, tmp_path: Any) -> None:
    connected(site, 1, 1)
    ends_in(site, 0.5)
    first = refresh(site)
    (tmp_path / "token").write_text(site.simulator.world.account("seller-1").refresh_token)
    ends = (datetime.now(UTC) + timedelta(days=20)).date().isoformat()

    renewed = typed(
        site,
        "accounts", "reconnect", "seller-1", "--refresh-token-file", str(tmp_path / "token"),
        "--consent-ends", ends,
    )  # fmt: skip
    second = refresh(site)

    assert renewed.returncode == 0, renewed.stderr
    assert first.detail is not None
    assert second.detail is not None
    assert ends in second.detail


def test_r46_the_list_of_accounts_shows_when_each_consent_ends(site: Site) -> None:
    site.connect(2)
    ends_in(site, 6.5)

    ended = typed(site, "accounts", "list")

    assert "consent ends" in ended.stdout
    assert "(6 days)" in ended.stdout
    assert "not told" in ended.stdout
    assert "accounts reconnect seller-1" in ended.stdout
    assert "accounts reconnect seller-2" not in ended.stdout


# How it stands among the others.


def test_the_list_of_workers_and_tick_know_it(site: Site) -> None:
    connected(site)

    ticked = typed(site, "tick", "--json")
    listed = json.loads(typed(site, "workers", "list", "--json").stdout)["workers"]

    ran = [run["worker"] for run in json.loads(ticked.stdout)["runs"]]
    shown = {each["worker"]: (each["interval_s"], each["status"]) for each in listed}
    assert [worker for worker in ran if worker in {"ebay-cycle", TOKENS}] == ["ebay-cycle", TOKENS]
    assert (shown["ebay-cycle"], shown[TOKENS]) == ((300, "running"), (600, "running"))


def test_accounts_test_shows_the_last_refreshes(site: Site) -> None:
    connected(site, 1, 121)
    site.simulator.faults.add("status", operation="token", status=503, body="{}", times=1)
    refresh(site)

    good = typed(site, "accounts", "test", "seller-1")
    site.simulator.world.account("seller-1").revoked = True
    revoked = typed(site, "accounts", "test", "seller-1")

    assert (good.returncode, revoked.returncode) == (0, 77)
    for shown in (good.stdout, revoked.stderr):
        assert "last refreshes" in shown
        assert "UpstreamUnavailableError" in shown
