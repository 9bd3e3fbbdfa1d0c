"""Tokens under a real eBay, a real database and real processes: one refresh, whatever happens."""

import base64
import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

from core.report import RunReport
from infra.simulator.answers import Request
from infra.simulator.faults import Rule
from infra.simulator.server import Simulator
from tests.support.site import Gate, Site, beside

pytestmark = pytest.mark.timeout(150)
KILLED_BEFORE_SAVING = ("-m", "tests.support.launcher", "--crash-at", "main after answer #1", "--")
INVALID_CLIENT = '{"error": "invalid_client", "error_description": "client authentication failed"}'
OTHER_KEYS = "test:" + base64.b64encode(b"not the key that sealed them all").decode()


@pytest.fixture
def sellers(site: Site) -> Site:
    """Two of them, every stream due, every access token expired, eBay's log empty."""
    return connected(site, 2)


def connected(site: Site, accounts: int) -> Site:
    site.connect(accounts)
    expire(site)
    site.simulator.requests.clear()
    return site


def expire(site: Site) -> None:
    site.sql("UPDATE ebay.tokens SET access_expires_at = clock_timestamp()")


OK = 200


def refreshes(site: Site, account: str | None = None) -> int:
    """For accounts: the application's own token, granted to ask for limits, is not one of them."""
    asked = site.simulator.requests.entries(operation="token", account=account)
    return sum(entry.account is not None or entry.status != OK for entry in asked)


def reasons(report: RunReport, account: str) -> set[str | None]:
    return {unit.reason for unit in report.units if unit.account == account}


def logged(site: Site, account: str) -> Sequence[Sequence[Any]]:
    return site.sql(
        "SELECT success, error_code FROM ebay.token_refreshes JOIN ebay.accounts account"
        f" ON account.id = account_id WHERE name = '{account}' ORDER BY token_refreshes.id"
    )


def test_r39_ten_processes_that_need_one_token_at_once_refresh_it_once(sellers: Site) -> None:
    with Gate(sellers.simulator, "token") as gate:
        processes = [sellers.start("accounts", "test", "seller-1") for _ in range(10)]
        gate.wait()
        gate.open()
        ended = [process.communicate(timeout=100) for process in processes]

    assert [process.returncode for process in processes] == [0] * 10, ended
    assert refreshes(sellers) == 1
    assert [list(row) for row in logged(sellers, "seller-1")] == [[True, None]]


def test_a_refresher_killed_between_ebays_answer_and_the_save_is_followed_after_its_lease(
    sellers: Site,
) -> None:
    killed = sellers.cli("accounts", "test", "seller-1", command=KILLED_BEFORE_SAVING)
    assert killed.returncode == -9, killed.stderr
    assert refreshes(sellers) == 1
    lease = "SELECT extract(epoch FROM leased_until - clock_timestamp()) FROM ebay.tokens"
    assert 0 < float(sellers.one(f"{lease} WHERE leased_until IS NOT NULL")) <= 30

    meanwhile = sellers.run(accounts=("seller-1",), streams=("orders",), deadline_s=2)
    assert meanwhile.units[0].written == 0
    assert refreshes(sellers) == 1

    sellers.sql(
        "UPDATE ebay.tokens SET leased_until = clock_timestamp() WHERE leased_until > now()"
    )
    report = sellers.run()

    assert report.outcome == "done"
    assert refreshes(sellers, "seller-1") == 2


def test_a_withdrawn_consent_stops_its_account_with_one_call_and_one_row(sellers: Site) -> None:
    sellers.simulator.world.account("seller-1").revoked = True

    first = sellers.cli("ebay", "--json")
    sellers.sql("UPDATE ebay.sync_states SET due_at = now() WHERE due_at IS NOT NULL")
    second = sellers.run()
    named = sellers.run(accounts=("seller-1",))

    report = json.loads(first.stdout)
    assert (report["outcome"], first.returncode) == ("degraded", 1)
    told = {unit["account"]: {unit["reason"]} for unit in report["units"]}
    assert told == {"seller-1": {"needs_reconnect"}, "seller-2": {None}}
    assert first.stderr.count('"account.reauthorization_required"') == 1
    assert {unit.account for unit in second.units} == {"seller-2"}
    assert reasons(named, "seller-1") == {"needs_reconnect"}
    assert refreshes(sellers, "seller-1") == 1
    assert [list(row) for row in logged(sellers, "seller-1")] == [[False, "invalid_grant"]]
    account = sellers.sql("SELECT status, status_reason FROM ebay.accounts ORDER BY id")
    assert account[0][0] == "needs_reconnect"
    assert "no longer accepts" in account[0][1]
    assert list(account[1]) == ["active", None]
    due = "SELECT count(due_at) FROM ebay.sync_states JOIN ebay.accounts ON id = account_id"
    assert sellers.one(f"{due} WHERE name = 'seller-1'") == 0


def test_a_consent_that_is_withdrawn_while_the_token_still_looks_good_is_found_by_its_401(
    site: Site,
) -> None:
    site.connect(1)
    site.simulator.requests.clear()
    site.simulator.world.account("seller-1").revoked = True

    report = site.run()

    assert (report.outcome, report.reason) == ("degraded", "all_need_reconnect")
    assert refreshes(site) == 1


def test_units_asked_for_by_name_say_that_their_account_was_revoked_meanwhile(
    sellers: Site,
) -> None:
    """The first one finds out; the others were free when they were named, and are not held."""
    sellers.simulator.world.account("seller-1").revoked = True

    report = sellers.with_settings(WORKERS_MAX_PARALLEL="1").run(accounts=("seller-1",))

    # The second passes have nothing to read again, and need no token for that.
    read = [unit for unit in report.units if unit.outcome != "done"]
    assert len(read) >= 3
    assert {unit.reason for unit in read} == {"needs_reconnect"}


def test_wrong_keys_of_ours_stop_the_run_with_one_call_and_harm_no_account(site: Site) -> None:
    connected(site, 6)
    site.simulator.faults.add("status", operation="token", status=401, body=INVALID_CLIENT)

    report = site.run()

    assert report.outcome == "failed"
    assert {unit.reason for unit in report.units} == {"token_refused"}
    assert refreshes(site) == 1
    assert [row[0] for row in site.sql("SELECT status FROM ebay.accounts")] == ["active"] * 6
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE due_at IS NULL") == 0
    site.simulator.faults.clear()
    site.all_due()
    assert site.run().outcome == "done"


@pytest.mark.parametrize("keys", [OTHER_KEYS, OTHER_KEYS.replace("test:", "other:")])
def test_r41_r42_wrong_keys_let_no_request_out_and_show_no_ciphertext(
    sellers: Site, keys: str
) -> None:
    """Another key under the same name, and under a name of its own."""
    sealed = [row[0] for row in sellers.sql("SELECT refresh_token FROM ebay.tokens")]
    sealed += [row[0] for row in sellers.sql("SELECT sealed FROM ops.key_canary")]
    wrong = sellers.environment(ENCRYPTION_KEYS=keys)
    commands = (
        *(("ebay", "--json"), ("ebay", "--account", "seller-1"), ("ebay", "--dry-run")),
        *(("tokens", "--json"), ("tokens", "--account", "seller-1")),
        *(("accounts", "test", "seller-1"), ("rekey",)),
    )

    ended = [sellers.cli(*command, environment=wrong) for command in commands]

    assert {each.returncode for each in ended} == {78}
    assert len(sellers.simulator.requests) == 0
    assert [each.stderr for each in ended[:-1] if "ENCRYPTION_KEYS" not in each.stderr] == []
    assert sellers.one("SELECT count(*) FROM ops.run_units") == 0
    rows = sellers.sql(
        "SELECT to_jsonb(state)::text FROM ebay.sync_states state"
        " UNION ALL SELECT to_jsonb(run)::text FROM ops.runs run"
        " UNION ALL SELECT to_jsonb(refresh)::text FROM ebay.token_refreshes refresh"
    )
    said = [each.stdout + each.stderr for each in ended] + [row[0] for row in rows]
    assert [text for text in said for value in sealed if value.split(".")[2][:20] in text] == []
    assert sellers.run().outcome == "done"


def test_r41_a_token_that_does_not_open_stops_its_account_only(sellers: Site) -> None:
    """The keys are right, the value is another row's."""
    sellers.sql(
        "UPDATE ebay.tokens SET refresh_token = (SELECT refresh_token FROM ebay.tokens"
        " ORDER BY account_id DESC LIMIT 1), access_token = NULL, access_expires_at = NULL"
        " WHERE account_id = (SELECT min(account_id) FROM ebay.tokens)"
    )
    [sealed] = sellers.sql("SELECT refresh_token FROM ebay.tokens ORDER BY account_id LIMIT 1")[0]

    run = sellers.cli("ebay", "--json")
    refreshed = sellers.cli("tokens", "--json", "--account", "seller-1")

    told = {unit["account"]: unit["reason"] for unit in json.loads(run.stdout)["units"]}
    assert told == {"seller-1": "decrypt_failed", "seller-2": None}
    assert [unit["reason"] for unit in json.loads(refreshed.stdout)["units"]] == ["decrypt_failed"]
    assert refreshes(sellers) == refreshes(sellers, "seller-2") == 1
    said = run.stdout + run.stderr + refreshed.stdout + refreshed.stderr
    assert sealed.split(".")[2][:20] not in said


def test_r42_a_first_start_makes_the_canary_and_later_ones_ask_it(site: Site) -> None:
    before = site.one("SELECT count(*) FROM ops.key_canary")
    ended = site.cli("tokens", "--json")

    assert before == 0
    assert json.loads(ended.stdout)["reason"] == "no_accounts"
    [sealed] = site.sql("SELECT sealed FROM ops.key_canary")[0]
    assert sealed.startswith("v1.test.")
    # Nothing is sealed yet, so that another key may take its place.
    assert (
        site.cli("tokens", environment=site.environment(ENCRYPTION_KEYS=OTHER_KEYS)).returncode == 0
    )
    assert site.one("SELECT sealed FROM ops.key_canary") != sealed


def test_r42_a_database_of_before_the_canary_is_not_taken_by_wrong_keys(sellers: Site) -> None:
    sellers.sql("TRUNCATE ops.key_canary")

    wrong = sellers.cli("tokens", environment=sellers.environment(ENCRYPTION_KEYS=OTHER_KEYS))
    none = sellers.one("SELECT count(*) FROM ops.key_canary")
    right = sellers.cli("tokens")

    assert (wrong.returncode, none, right.returncode) == (78, 0, 0)
    assert sellers.one("SELECT count(*) FROM ops.key_canary") == 1


def test_r7_r27_an_account_whose_token_is_gone_says_no_token_and_asks_nobody(sellers: Site) -> None:
    sellers.sql("DELETE FROM ebay.tokens WHERE account_id = (SELECT min(id) FROM ebay.accounts)")

    report = sellers.run()
    test = sellers.cli("accounts", "test", "seller-1")

    assert report.outcome == "degraded"
    assert reasons(report, "seller-1") == {"no_token"}
    assert reasons(report, "seller-2") == {None}
    assert refreshes(sellers) == refreshes(sellers, "seller-2") == 1
    assert (test.returncode, "accounts reconnect" in test.stderr) == (77, True)


def test_r47_a_401_in_mid_run_costs_one_forced_refresh_for_all_units(site: Site) -> None:
    site.connect(1)
    site.simulator.requests.clear()
    site.simulator.faults.add("expire_token", operation="getOrders", times=1)

    report = site.run()

    assert report.outcome == "done"
    assert refreshes(site) == 1


def test_r47_a_token_that_is_refused_again_after_its_refresh_is_token_refused(site: Site) -> None:
    site.connect(1)
    site.simulator.requests.clear()
    site.simulator.faults.add("unauthorized", operation="getOrders")

    report = site.run(streams=("orders",))

    assert reasons(report, "seller-1") == {"token_refused"}
    assert refreshes(site) == 1
    assert len(site.simulator.requests.entries(operation="getOrders")) == 2
    assert site.one("SELECT status FROM ebay.accounts") == "active"


def test_accounts_test_renews_a_token_that_ebay_refuses(site: Site) -> None:
    site.connect(1)
    site.simulator.requests.clear()
    site.simulator.faults.add("expire_token", operation="getUser", times=1)

    test = site.cli("accounts", "test", "seller-1")

    assert test.returncode == 0, test.stderr
    assert "simulated_seller_1" in test.stdout
    assert refreshes(site) == 1


def test_tokens_that_run_out_while_the_run_goes_on_are_renewed(site: Site) -> None:
    """Three units one after the other, 1.3 s each, with a token that is good for 2.4 s."""
    connected(site, 1)
    behaviour = site.simulator.world.behaviour
    behaviour.token_lifetime_s, usual = 3, behaviour.token_lifetime_s
    site.simulator.faults.add("delay", seconds=1.3)
    try:
        report = site.with_settings(WORKERS_MAX_PARALLEL="1").run()
    finally:
        behaviour.token_lifetime_s = usual

    assert report.outcome == "done"
    assert refreshes(site) > 1


class AccountGate(Gate):
    """Holds one seller's refresh; everybody else's goes through."""

    def __init__(self, simulator: Simulator, account: str) -> None:
        super().__init__(simulator, "token")
        self._account = account

    def _held(self, operation: str, request: Request) -> Rule | None:
        if request.account is None or request.account.name != self._account:
            return self._pick(operation, request)
        return super()._held(operation, request)


def test_r20_an_account_whose_refresh_hangs_does_not_hold_another_one_up(sellers: Site) -> None:
    done = (
        "SELECT count(*) FROM ebay.sync_states JOIN ebay.accounts ON id = account_id"
        " WHERE name = '{}' AND last_success_at IS NOT NULL"
    )
    reports: list[RunReport] = []

    with (
        AccountGate(sellers.simulator, "seller-1") as gate,
        beside(lambda: reports.append(sellers.run(streams=("orders",)))),
    ):
        gate.wait()
        while sellers.one(done.format("seller-2")) == 0:
            assert not reports
        held_back = sellers.one(done.format("seller-1"))
        gate.open()

    assert held_back == 0
    assert reports[0].outcome == "done"


def test_r22_a_token_endpoint_that_hangs_is_left_at_the_runs_deadline(sellers: Site) -> None:
    sellers.simulator.faults.add("hang", operation="token", seconds=60)

    report = sellers.run(deadline_s=3)

    assert (report.outcome, report.reason) in {("partial", "deadline"), ("failed", "upstream")}
    assert sellers.one("SELECT count(*) FROM ebay.sync_states WHERE leased_by IS NOT NULL") == 0
    assert sellers.one("SELECT count(*) FROM ebay.tokens WHERE leased_until IS NOT NULL") == 0
    sellers.simulator.faults.clear()
    sellers.all_due()
    assert sellers.run().outcome == "done"


def test_a_refresh_names_the_run_that_made_it(sellers: Site) -> None:
    report = sellers.run()

    rows = sellers.sql(
        "SELECT DISTINCT run_id::text, triggered_by FROM ebay.token_refreshes WHERE success"
    )
    assert [list(row) for row in rows] == [[str(report.run_id), "run"]]


def test_two_runs_of_one_account_at_once_share_its_refresh(sellers: Site) -> None:
    """Two processes, each with a stream of its own."""
    with Gate(sellers.simulator, "token") as gate:
        both: list[subprocess.Popen[str]] = [
            sellers.start("ebay", "--json", "--account", "seller-1", "--stream", stream)
            for stream in ("orders", "payouts")
        ]
        gate.wait()
        gate.open()
        ended = [process.communicate(timeout=100) for process in both]

    assert [json.loads(out)["outcome"] for out, _ in ended] == ["done", "done"]
    assert refreshes(sellers) == 1
