"""`accounts connect` and `accounts disconnect`: a seller comes by his consent, and goes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.connect.model import Connected, ConnectRefusedError, Via, Wish
from core.connect.reply import read_pasted
from core.errors import (
    AppError,
    ApplicationRefusedError,
    BadAnswerError,
    RateLimitedError,
    ReauthorizationRequiredError,
    UpstreamUnavailableError,
)
from handlers import connections, opening
from infra.simulator.accounts import SCOPE
from infra.simulator.behaviour import Behaviour
from tests.support import forked
from tests.support.seller import AtEbay, consent
from tests.support.site import KEYS, ROOT, TOKENS, Site
from tests.support.typed import refused

pytestmark = pytest.mark.timeout(150)
Ended = subprocess.CompletedProcess[str]
CONNECT = ("accounts", "connect", "--name", "shop")
LAUNCHER = ("-m", "tests.support.launcher")


@pytest.fixture(autouse=True)
def _usual_ebay(site: Site) -> Iterator[None]:
    yield
    usual, behaviour = Behaviour(), site.simulator.world.behaviour
    for name in ("keyset_lacks", "long_codes", "grant_tells_scopes"):
        setattr(behaviour, name, getattr(usual, name))


def link(site: Site, *, name: str = "shop", environment: str = "simulator", **wish: Any) -> str:
    """As `--link` prints it."""
    settings = site.settings()
    wanted = Wish(name=name, environment=environment, **wish)
    with (
        opening.opened(settings, opening.log_for(settings)) as ready,
        connections.begin_consent(ready) as begin,
    ):
        return begin.run(wanted, Via.CLI).link


def bring(site: Site, pasted: str, *, name: str = "shop") -> Connected:
    """As `--redirect-address-file` does it, in this process."""
    settings = site.settings()
    with (
        opening.opened(settings, opening.log_for(settings)) as ready,
        connections.finish_consent(ready) as finish,
    ):
        return finish.run(read_pasted(pasted), via=Via.CLI, name=name)


def finish(site: Site, pasted: str, *more: str, name: str = "shop") -> Ended:
    return site.cli(
        *("accounts", "connect", "--name", name, "--redirect-address-file", "-", *more),
        typed=pasted,
    )


def connect(site: Site, seller: str = "seller-1", *, name: str = "shop") -> None:
    bring(site, consent(link(site, name=name), seller), name=name)


def steps(site: Site) -> list[str]:
    rows = site.sql("SELECT step, reason FROM ebay.connect_events ORDER BY id")
    return [step if reason is None else f"{step}: {reason}" for step, reason in rows]


def accounts(site: Site) -> list[list[Any]]:
    return [list(row) for row in
            site.sql("SELECT name, username, status FROM ebay.accounts ORDER BY id")]  # fmt: skip


def test_a_seller_is_connected_by_the_address_that_he_pastes(site: Site) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "core.run", *CONNECT, "--environment", "simulator"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=ROOT, env=site.environment(),
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stderr is not None
        said = iter(process.stderr.readline, "")
        shown = next(line for line in said if line.startswith("http"))
        process.stdin.write(consent(shown.strip()) + "\n")
        out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert "simulated_seller_1; connected" in out
    assert "core.run ebay --account shop" in out
    assert site.run().outcome == "done"
    assert site.one("SELECT count(*) FROM ebay.orders") > 0
    asked = parse_qs(urlsplit(shown.strip()).query)
    assert asked["prompt"] == ["login"]
    assert asked["redirect_uri"] == ["cronshot-simulator-runame"]


def talking(site: Site, *more: str) -> subprocess.Popen[str]:
    """The command that shows a link, and waits for what is pasted."""
    command = ("-m", "core.run", *CONNECT, "--environment", "simulator", *more)
    pipe = subprocess.PIPE
    return forked.popen(command, env=site.environment(), stdin=pipe, stdout=pipe, stderr=pipe)


def test_who_was_brought_by_his_browser_need_not_paste(site: Site) -> None:
    """eBay sent it to our callback; what is pasted all the same is no error then."""
    with talking(site) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        shown = next(line for line in iter(process.stderr.readline, "") if line.startswith("http"))
        address = consent(shown.strip())
        bring(site, address)
        process.stdin.write(address + "\n")
        out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    assert "shop: connected by the browser" in out
    assert steps(site).count("connected") == 1


def test_a_bare_code_is_enough_where_it_was_begun(site: Site) -> None:
    with talking(site, "--json") as process:
        assert process.stdin is not None
        assert process.stderr is not None
        shown = next(line for line in iter(process.stderr.readline, "") if line.startswith("http"))
        code = parse_qs(urlsplit(consent(shown.strip())).query)["code"][0]
        process.stdin.write(code + "\n")
        out, err = process.communicate(timeout=60)

    assert process.returncode == 0, err
    told = json.loads(out)
    assert (told["account"], told["status"], told["missing_scopes"]) == ("shop", "active", {})


def test_two_steps_do_as_well_with_the_longest_code(site: Site, tmp_path: Path) -> None:
    site.simulator.world.behaviour.long_codes = True
    ended = site.cli(*CONNECT, "--environment", "simulator", "--marketplace", "EBAY_AT", "--link",
                     "--json")  # fmt: skip
    (tmp_path / "address").write_text(consent(json.loads(ended.stdout)["link"]))

    done = site.cli(*CONNECT, "--redirect-address-file", str(tmp_path / "address"), "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["environment"], told["username"]) == ("simulator", "simulated_seller_1")
    assert site.one("SELECT marketplace_ids FROM ebay.accounts") == ["EBAY_AT"]
    assert steps(site) == [
        "begun", "callback_received", "code_exchanged", "identity_looked_up", "connected",
    ]  # fmt: skip


def test_several_sellers_come_one_after_the_other_out_of_one_browser(site: Site) -> None:
    """Who is signed in at eBay is asked all the same, so that the second one is another."""
    with AtEbay() as browser:
        first = browser.consents(link(site, name="one"), "seller-1")
        bring(site, first, name="one")
        second = browser.consents(link(site, name="two"), "seller-2")
        bring(site, second, name="two")

    assert accounts(site) == [
        ["one", "simulated_seller_1", "active"],
        ["two", "simulated_seller_2", "active"],
    ]


def test_scopes_that_the_consent_lacks_are_named_for_each_stream(site: Site) -> None:
    behaviour = site.simulator.world.behaviour
    behaviour.keyset_lacks.append(f"{SCOPE}/sell.finances")
    behaviour.grant_tells_scopes = True
    whole = link(site)
    with AtEbay() as browser:
        broken = browser.http.get(whole)

    ended = finish(site, consent(link(site, without_scopes=("sell.finances",))))

    assert broken.status_code == 400
    assert ended.returncode == 0, ended.stderr
    assert "transactions needs sell.finances" in ended.stdout
    assert "payouts needs sell.finances" in ended.stdout
    assert "orders needs" not in ended.stdout
    told = site.cli("accounts", "list", "--json"), site.cli("accounts", "list")
    [listed] = json.loads(told[0].stdout)["accounts"]
    assert listed["missing_scopes"] == {"transactions": "sell.finances", "payouts": "sell.finances"}
    assert "shop: the consent lacks scopes: transactions needs sell.finances" in told[1].stdout
    stored = site.sql("SELECT scopes, scopes_told FROM ebay.accounts")[0]
    assert f"{SCOPE}/sell.fulfillment.readonly" in stored[0]
    assert f"{SCOPE}/sell.finances" not in stored[0]
    assert stored[1] is True


def test_r69_an_answer_without_a_state_is_refused(site: Site) -> None:
    ended = finish(site, "https://example.com/?code=abc")

    refused(ended, 65, "no `state`", "accounts connect --name shop")
    assert accounts(site) == []


def not_brought(site: Site, pasted: str, reason: str, *, name: str = "shop") -> str:
    with pytest.raises(ConnectRefusedError) as caught:
        bring(site, pasted, name=name)
    assert caught.value.reason == reason
    return str(caught.value)


@pytest.mark.parametrize("pasted", ["", "v^1.1#i^1#bare"])
def test_in_two_steps_a_bare_code_says_not_who_began(site: Site, pasted: str) -> None:
    not_brought(site, pasted, "state_missing")


def test_r69_an_answer_that_is_not_ours_is_refused(site: Site) -> None:
    address = consent(link(site))
    state = parse_qs(urlsplit(address).query)["state"][0]

    not_brought(site, address.replace(state, state[::-1]), "state_unknown")
    not_brought(site, address.replace(state, state[:-1]), "state_unparseable")
    not_brought(site, f"{address}&state={state}", "state_unparseable")

    assert accounts(site) == []


def test_an_answer_for_another_account_is_refused_and_stays_good(site: Site) -> None:
    address = consent(link(site))

    ended = finish(site, address, name="other")

    refused(ended, 65, "begun elsewhere", "for another account")
    assert bring(site, address).name == "shop"


def test_what_is_not_the_whole_address_is_said_to_be_and_costs_nothing(site: Site) -> None:
    address = consent(link(site))

    refused(finish(site, " \n"), 65, "stdin is empty")
    refused(finish(site, address.partition("?")[0]), 65, "not the whole address", "copy all of it")
    assert bring(site, address).name == "shop"


def test_r69_an_answer_is_good_once_and_for_ten_minutes(site: Site) -> None:
    used, late = consent(link(site)), consent(link(site))
    bring(site, used)
    site.sql("UPDATE ebay.connect_states SET expires_at = clock_timestamp() WHERE used_at IS NULL")

    refused(finish(site, used), 65, "used already", "accounts list")
    assert "more than ten minutes ago; begin again" in not_brought(site, late, "state_expired")
    assert steps(site)[-2:] == ["refused: state_replayed", "refused: state_expired"]


def test_a_declined_consent_is_told(site: Site) -> None:
    with AtEbay() as browser:
        address = browser.declines(link(site), "seller-1")

    assert "declined at eBay" in not_brought(site, address, "declined")
    assert steps(site)[-1] == "refused: declined"


def test_a_code_is_not_taken_from_the_command_line(site: Site) -> None:
    address = "https://example.com/?code=canary"

    ended = site.cli(*CONNECT, "--redirect-address-file", address)

    refused(ended, 65, "not a file")
    assert "canary" not in ended.stderr


def test_nothing_pasted_is_told_with_the_two_steps(site: Site) -> None:
    ended = site.cli(*CONNECT, "--environment", "simulator")

    assert ended.returncode == 65
    assert "--link" in ended.stderr
    assert "--redirect-address-file" in ended.stderr


@pytest.mark.parametrize("variable", ["EBAY_PRODUCTION_RUNAME", "EBAY_PRODUCTION_CLIENT_ID"])
def test_what_is_not_set_is_named_before_anybody_goes_to_ebay(site: Site, variable: str) -> None:
    given = {
        "EBAY_PRODUCTION_CLIENT_ID": "us",
        "EBAY_PRODUCTION_CLIENT_SECRET": "secret",
        "EBAY_PRODUCTION_RUNAME": "our-runame",
    }
    environment = site.environment(**(given | {variable: None}))

    ended = site.cli(*CONNECT, "--link", environment=environment)

    refused(ended, 78, variable)
    assert site.one("SELECT count(*) FROM ebay.connect_states") == 0


def test_production_and_sandbox_have_pages_of_their_own(site: Site) -> None:
    keys = {
        f"EBAY_{where}_{what}": f"{where}-{what}".lower()
        for where in ("PRODUCTION", "SANDBOX")
        for what in ("CLIENT_ID", "CLIENT_SECRET", "RUNAME")
    }
    there = site.with_settings(**keys)

    production = link(there, name="shop", environment="production")
    sandbox = link(there, name="test", environment="sandbox")

    assert production.startswith("https://auth.ebay.com/oauth2/authorize?client_id=production-")
    assert "&redirect_uri=production-runame&" in production
    assert sandbox.startswith("https://auth.sandbox.ebay.com/oauth2/authorize?client_id=sandbox-")


REFUSED = '{"error": "%s", "error_description": "canary"}'


@pytest.mark.parametrize(
    ("fault", "error", "step"),
    [
        (("status", {"status": 401, "body": REFUSED % "invalid_client"}),
         ApplicationRefusedError, "refused: keys_refused"),
        (("status", {"status": 400, "body": REFUSED % "invalid_grant"}),
         ReauthorizationRequiredError, "refused: code_refused"),
        (("server_error", {}), UpstreamUnavailableError, "refused: upstream"),
        (("html", {}), UpstreamUnavailableError, "refused: upstream"),
        (("reset_after", {}), UpstreamUnavailableError, "refused: upstream"),
        (("truncated_body", {}), UpstreamUnavailableError, "refused: upstream"),
        (("status", {"status": 200, "body": "{}"}), UpstreamUnavailableError, "refused: upstream"),
        (("rate_limited", {}), RateLimitedError, "refused: rate_limited"),
        (("status", {"status": 200, "body": '{"access_token": "v^1.1#c", "expires_in": 7200}'}),
         BadAnswerError, "refused: bad_answer"),
    ],
)  # fmt: skip
def test_a_code_that_is_not_exchanged_leaves_nothing(
    site: Site, fault: tuple[str, dict[str, Any]], error: type[AppError], step: str
) -> None:
    address = consent(link(site))
    kind, how = fault
    site.simulator.faults.add(kind, operation="token", **how)

    with pytest.raises(error):
        bring(site, address)

    assert steps(site)[-2:] == ["callback_received", step]
    assert accounts(site) == []
    detail = site.one("SELECT detail FROM ebay.connect_events ORDER BY id DESC LIMIT 1")
    assert "v^1.1" not in detail


@pytest.mark.parametrize(
    ("body", "code"), [(REFUSED % "invalid_client", 78), (REFUSED % "invalid_grant", 77)]
)
def test_what_ebay_says_of_a_code_is_told(site: Site, body: str, code: int) -> None:
    address = consent(link(site))
    site.simulator.faults.add("status", operation="token", status=400, body=body)

    ended = finish(site, address)

    refused(ended, code, "eBay")


def test_an_ebay_that_stumbles_once_is_asked_again(site: Site) -> None:
    address = consent(link(site))
    site.simulator.faults.add("server_error", operation="token", times=1)
    site.simulator.faults.add("reset_before", operation="getUser", times=1)

    assert bring(site, address).status == "active"


@pytest.mark.parametrize("fault", ["server_error", "unauthorized", "missing_scope"])
def test_r70_without_an_identity_nothing_is_stored(site: Site, fault: str) -> None:
    """R70: the old connector stored such an account as `unknown`."""
    address = consent(link(site))
    site.simulator.faults.add(fault, operation="getUser")

    with pytest.raises(AppError):
        bring(site, address)

    assert steps(site)[-2] == "code_exchanged"
    assert accounts(site) == []
    assert site.one("SELECT count(*) FROM ebay.tokens") == 0


@pytest.mark.parametrize(
    "place",
    [
        "main after connections.take #1",
        "main after connections.note #2",
        "main after connections.consented #1",
    ],
)
def test_killed_on_the_way_nothing_is_stored_and_the_next_one_works(
    site: Site, tmp_path: Path, place: str
) -> None:
    (tmp_path / "address").write_text(consent(link(site)))

    killed = site.cli(
        *CONNECT, "--redirect-address-file", str(tmp_path / "address"),
        command=(*LAUNCHER, "--crash-at", place, "--"),
    )  # fmt: skip
    between = accounts(site), site.one("SELECT count(*) FROM ebay.tokens")
    connect(site)

    assert killed.returncode == -9, killed.stdout + killed.stderr
    assert between == ([], 0)
    assert accounts(site) == [["shop", "simulated_seller_1", "active"]]


def test_a_lost_consent_is_renewed_by_the_same_seller_only(site: Site) -> None:
    connect(site)
    site.simulator.world.account("seller-1").revoked = True
    site.sql("UPDATE ebay.tokens SET access_expires_at = clock_timestamp()")
    site.run(worker=TOKENS)
    lost = accounts(site)

    other = finish(site, consent(link(site), "seller-2"))
    renewed = bring(site, consent(link(site), "seller-1"))

    assert lost == [["shop", "simulated_seller_1", "needs_reconnect"]]
    refused(other, 65, "is simulated_seller_1", "simulated_seller_2's", "sign in at eBay")
    assert (renewed.renewed, renewed.status) == (True, "active")
    assert accounts(site) == [["shop", "simulated_seller_1", "active"]]
    assert site.run().outcome == "done"


def test_one_seller_does_not_get_two_names(site: Site) -> None:
    connect(site)

    address = consent(link(site, name="again"))

    told = not_brought(site, address, "seller_taken", name="again")

    assert "is the account 'shop' already" in told
    assert "accounts connect --name shop" in told
    assert len(accounts(site)) == 1


def test_an_account_keeps_its_environment(site: Site) -> None:
    connect(site)

    ended = site.cli(*CONNECT, "--environment", "production", "--link")

    refused(ended, 65, "belongs to simulator")


def test_nothing_secret_is_stored_or_said(site: Site) -> None:
    """O9: neither a code, a state, nor a token."""
    address = consent(link(site))
    state, code = (parse_qs(urlsplit(address).query)[name][0] for name in ("state", "code"))

    done, again = finish(site, address), finish(site, address)
    ended = site.cli("accounts", "disconnect", "shop")

    tables = site.sql("SELECT schemaname || '.' || tablename FROM pg_tables"
                      " WHERE schemaname IN ('ebay', 'ops')")  # fmt: skip
    rows = [row[0] for (name,) in tables for row in
            site.sql(f"SELECT to_jsonb(t)::text FROM {name} t")]  # fmt: skip
    said = "".join([done.stdout, done.stderr, again.stderr, ended.stdout, ended.stderr, *rows])
    assert len(rows) > 20
    for secret in (state, code, "#t^eyJ", "r^1#p^3", KEYS.partition(":")[2]):
        assert secret not in said


def test_r48_a_disconnected_account_is_left_alone_by_every_job(site: Site) -> None:
    """R48."""
    connect(site)
    site.run()
    orders = site.one("SELECT count(*) FROM ebay.orders")

    ended = site.cli("accounts", "disconnect", "shop")
    site.simulator.requests.clear()
    reports = [
        site.run(),
        site.run(accounts=("shop",)),
        site.run(worker=TOKENS),
        site.run(worker=TOKENS, accounts=("shop",)),
    ]

    assert ended.returncode == 0, ended.stderr
    assert "revoked at eBay" in ended.stdout
    assert "accounts connect --name shop" in ended.stdout
    assert len(site.simulator.requests) == 0
    assert {unit.reason for report in reports for unit in report.units} <= {"account_inactive"}
    assert site.one("SELECT count(*) FROM ebay.tokens") == 0
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE due_at IS NOT NULL") == 0
    assert site.one("SELECT count(*) FROM ebay.orders") == orders > 0
    assert steps(site)[-2:] == ["revoked", "disconnected"]
    resumed = site.cli("accounts", "resume", "shop")
    refused(resumed, 65, "disconnected")


def test_r48_its_token_is_dead_at_ebay(site: Site) -> None:
    connect(site)
    [token] = [token for token in site.simulator.world.account("seller-1").refresh_tokens
               if token in site.simulator.world.account("seller-1").grants]  # fmt: skip

    site.cli("accounts", "disconnect", "shop")

    assert token not in site.simulator.world.account("seller-1").refresh_tokens


def test_who_comes_back_goes_on_where_he_was(site: Site) -> None:
    connect(site)
    site.run()
    cursor = site.one("SELECT cursor_at FROM ebay.sync_states WHERE stream = 'orders'")
    site.cli("accounts", "disconnect", "shop")

    connect(site)

    assert accounts(site) == [["shop", "simulated_seller_1", "active"]]
    assert site.one("SELECT cursor_at FROM ebay.sync_states WHERE stream = 'orders'") == cursor
    assert site.run().outcome == "done"


@pytest.mark.parametrize("fault", ["server_error", "html"])
def test_a_revocation_that_fails_does_not_keep_the_tokens(site: Site, fault: str) -> None:
    connect(site)
    site.simulator.faults.add(fault, operation="revokeToken")

    ended = site.cli("accounts", "disconnect", "shop")

    assert ended.returncode == 1, ended.stderr
    assert "eBay could not be told" in ended.stdout
    assert "Third-party app access" in ended.stdout
    assert accounts(site) == [["shop", "simulated_seller_1", "disconnected"]]
    assert site.one("SELECT count(*) FROM ebay.tokens") == 0
    assert steps(site)[-2:] == ["revoke_failed", "disconnected"]


def test_data_is_erased_when_the_name_is_typed(site: Site) -> None:
    connect(site)
    connect(site, "seller-2", name="other")
    site.run()
    others = site.one("SELECT count(*) FROM ebay.orders JOIN ebay.accounts ON accounts.id ="
                      " account_id AND name = 'other'")  # fmt: skip

    def erase(typed: str) -> Ended:
        return site.cli("accounts", "disconnect", "shop", "--erase-data", typed=typed)

    mistyped = erase("shap\n")
    status = accounts(site)[0]
    ended = erase("shop\n")

    refused(mistyped, 65, "nothing was erased and nothing disconnected")
    assert "rows of ebay.orders" in mistyped.stderr
    assert status[2] == "active"
    assert ended.returncode == 0, ended.stderr
    assert "erased 3 rows of ebay.orders" in ended.stdout
    assert site.one("SELECT count(*) FROM ebay.orders") == others > 0
    tables = [name for name, _ in site.sql("SELECT which, place FROM ebay.tables_of_accounts()")]
    shop = site.one("SELECT id FROM ebay.accounts WHERE name = 'shop'")
    assert "ebay.orders" in tables
    assert [
        table for table in tables
        if site.one(f"SELECT count(*) FROM {table} WHERE account_id = {shop}")
    ] == []  # fmt: skip
    assert steps(site)[-1] == "erased"


def test_after_an_erasure_everything_is_read_again(site: Site) -> None:
    connect(site)
    site.run()
    orders = site.one("SELECT count(*) FROM ebay.orders")
    ended = site.cli("accounts", "disconnect", "shop", "--erase-data", "--yes", "--json")

    connect(site)
    site.run()

    told = json.loads(ended.stdout)
    assert (told["revoked"], told["left"]) == (True, [])
    assert told["erased"]["ebay.orders"] == orders
    assert site.one("SELECT count(*) FROM ebay.orders") == orders


@pytest.mark.parametrize(
    "place", ["main after connections.disconnect #1", "main after connections.erase #5"]
)
def test_killed_while_it_goes_the_next_call_ends_it(site: Site, place: str) -> None:
    connect(site)
    site.run()
    command = ("accounts", "disconnect", "shop", "--erase-data", "--yes")

    killed = site.cli(*command, command=(*LAUNCHER, "--crash-at", place, "--"))
    ended = site.cli(*command)

    assert killed.returncode == -9, killed.stdout + killed.stderr
    assert ended.returncode == 0, ended.stderr
    assert accounts(site)[0][2] == "disconnected"
    assert site.one("SELECT count(*) FROM ebay.orders") == 0
