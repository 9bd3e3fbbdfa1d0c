"""Accounts on the command line: what a person types, and what he is told."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from core.notifications.read import read_notification
from handlers.cli.main import parser
from infra.ebay.streams.registry import STREAMS
from infra.postgres.notifications import PostgresNotifications
from tests.support.postgres import free_port
from tests.support.site import ROOT, Gate, Site
from tests.support.typed import refused, typed

pytestmark = pytest.mark.timeout(150)
Ended = subprocess.CompletedProcess[str]
NEW = sorted(f"{stream.name}/new" for stream in STREAMS)
STATES = sorted([*NEW, *(f"{stream.name}/open" for stream in STREAMS if stream.open_pass)])


@pytest.fixture
def folder(tmp_path: Path, site: Site) -> Path:
    """A file for each seller's token."""
    for account in site.simulator.world.accounts:
        (tmp_path / account.name).write_text(f"{account.refresh_token}\n")
    return tmp_path


def add(
    site: Site,
    file: Path | str,
    *more: str,
    name: str = "shop",
    environment: str = "simulator",
    settings: dict[str, str | None] | None = None,
) -> Ended:
    return typed(
        site,
        *("accounts", "add", "--name", name, "--environment", environment),
        *("--refresh-token-file", str(file), *more),
        **(settings or {}),
    )


def accounts(site: Site) -> int:
    return int(site.one("SELECT count(*) FROM ebay.accounts"))


def listed(site: Site) -> list[dict[str, Any]]:
    ended = typed(site, "accounts", "list", "--json")
    assert ended.returncode == 0
    told: dict[str, list[dict[str, Any]]] = json.loads(ended.stdout)
    return told["accounts"]


def test_r23_a_seller_is_added_with_every_stream_due_and_nothing_in_clear(
    site: Site, folder: Path
) -> None:
    token = site.simulator.world.account("seller-1").refresh_token

    ended = add(site, folder / "seller-1")

    assert ended.returncode == 0, ended.stderr
    assert "simulated_seller_1" in ended.stdout
    assert "core.run ebay --account shop" in ended.stdout
    states = "SELECT stream || '/' || pass, due_at <= now() FROM ebay.sync_states ORDER BY 1"
    rows = site.sql(states)
    assert [row[0] for row in rows] == STATES
    assert [row[0] for row in rows if row[1]] == NEW
    stored = site.sql("SELECT refresh_token, access_token FROM ebay.tokens")[0]
    assert [value.split(".")[:2] for value in stored] == [["v1", "test"]] * 2
    assert token not in ended.stdout + ended.stderr + "".join(stored)
    assert site.run().outcome == "done"
    [account] = listed(site)
    assert account["name"] == "shop"
    assert (account["status"], account["environment"]) == ("active", "simulator")
    assert account["marketplace_ids"] == ["EBAY_DE"]
    assert account["last_success_at"].endswith("Z")
    assert account["failing_streams"] == 0


def test_a_token_comes_from_stdin_as_well(site: Site) -> None:
    token = site.simulator.world.account("seller-2").refresh_token
    ended = site.cli(
        *("accounts", "add", "--name", "ünlü & söhne", "--environment", "simulator"),
        *("--refresh-token-file", "-", "--marketplace", "EBAY_AT", "--marketplace", "EBAY_CH"),
        typed=f"\ufeff{token}\r\n",
    )

    assert ended.returncode == 0, ended.stderr
    assert "--account 'ünlü & söhne'" in ended.stdout
    assert listed(site)[0]["marketplace_ids"] == ["EBAY_AT", "EBAY_CH"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "does not hold one token"),
        (b"  \n", "does not hold one token"),
        (b"two tokens", "does not hold one token"),
        (b"one\nper line", "does not hold one token"),
        (b"caf\xc3\xa9", "does not hold one token"),
        (b"\xff\xfe\x00", "is no text"),
        (b"v%5E1.1%23i%5E1%23canary", "URL-encoded"),
    ],
)
def test_a_file_without_one_token_is_refused_before_anybody_is_asked(
    site: Site, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "token").write_bytes(content)
    site.simulator.requests.clear()

    ended = add(site, tmp_path / "token")

    refused(ended, 65, said)
    assert "canary" not in ended.stderr
    assert len(site.simulator.requests) == 0


def test_a_terminal_is_asked_for_the_token_and_does_not_show_it(site: Site) -> None:
    token = site.simulator.world.account("seller-2").refresh_token
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        add = ("accounts", "add", "--name", "shop", "--environment", "simulator")
        os.execve(
            sys.executable,
            [sys.executable, "-m", "core.run", *add, "--refresh-token-file", "-"],
            site.environment(),
        )
    with os.fdopen(terminal, "r+b", buffering=0) as typist:
        shown = b""
        while b"not shown" not in shown:
            shown += typist.read(1000)
        typist.write(f"{token}\n".encode())
        # A terminal whose other side has gone is an error on Linux, not an end.
        with suppress(OSError):
            while more := typist.read(1000):
                shown += more
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert token.encode() not in shown
    assert accounts(site) == 1


def test_a_stdin_that_is_closed_is_said_to_be(site: Site) -> None:
    run = f"{sys.executable} -m core.run accounts add --name a --environment simulator"
    ended = subprocess.run(
        ["bash", "-c", f"{run} --refresh-token-file - <&-"],
        cwd=ROOT, env=site.environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    refused(ended, 65, "stdin, which is closed")


def test_a_new_token_leaves_a_paused_account_paused(site: Site, folder: Path) -> None:
    add(site, folder / "seller-1")
    assert typed(site, "accounts", "pause", "shop").returncode == 0

    ended = add(site, folder / "seller-1", "--replace")

    assert ended.returncode == 0, ended.stderr
    assert "still paused" in ended.stdout
    assert listed(site)[0]["status"] == "paused"
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE due_at IS NOT NULL") == 0


def test_next_steps_can_be_typed_as_they_are_told(site: Site, folder: Path) -> None:
    added = add(site, folder / "seller-1", name="my shop")
    site.sql("UPDATE ebay.accounts SET status = 'needs_reconnect', status_reason = 'revoked'")
    second = add(site, folder / "seller-1", name="another")
    told = [added.stdout, second.stderr, typed(site, "accounts", "list").stdout]

    hints = [re.search(r"([^\s`]+python\S* -m core.run [^`\n]+)", text) for text in told]

    for command in hints:
        assert command is not None
        words = shlex.split(command[1])
        assert Path(ROOT, words[0]).exists()
        assert parser().parse_args(words[3:]).run is not None
        assert "my shop" in words


def test_a_file_that_cannot_be_read_is_named(site: Site, tmp_path: Path) -> None:
    refused(add(site, tmp_path / "nowhere"), 65, "nowhere: No such file")
    refused(add(site, tmp_path), 65, "Is a directory")


def test_a_token_in_place_of_its_file_is_not_repeated(site: Site) -> None:
    ended = add(site, "v^1.1#i^1#canary")

    refused(ended, 65, "this is a token, not a file")
    assert "canary" not in ended.stderr


@pytest.mark.parametrize("name", ["", " shop", "shop ", "a\nb", "x" * 101])
def test_a_name_that_cannot_be_used_is_refused_before_the_token_is(
    site: Site, folder: Path, name: str
) -> None:
    site.simulator.requests.clear()

    refused(add(site, folder / "seller-1", name=name), 65, "cannot be used")

    assert len(site.simulator.requests) == 0


def test_a_marketplace_that_is_none_is_refused(site: Site, folder: Path) -> None:
    refused(add(site, folder / "seller-1", "--marketplace", "de"), 65, "EBAY_DE")


def test_a_token_that_ebay_does_not_know_is_refused_and_nothing_stored(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("v^1.1#i^1#canary")

    ended = add(site, tmp_path / "token")

    refused(ended, 77, "invalid_grant", "environment (simulator)")
    assert "canary" not in ended.stderr
    assert accounts(site) == 0


def test_a_name_is_used_once(site: Site, folder: Path) -> None:
    add(site, folder / "seller-1")

    refused(add(site, folder / "seller-2"), 65, "'shop'", "accounts reconnect")
    assert accounts(site) == 1


def test_a_seller_is_added_once(site: Site, folder: Path) -> None:
    add(site, folder / "seller-1")

    refused(add(site, folder / "seller-1", name="again"), 65, "this seller is the account 'shop'")
    assert accounts(site) == 1


def test_another_sellers_token_does_not_replace_this_one(site: Site, folder: Path) -> None:
    add(site, folder / "seller-1")
    before = site.sql("SELECT * FROM ebay.tokens")

    ended = add(site, folder / "seller-2", "--replace")

    refused(ended, 65, "another seller's (simulated_seller_2)", "simulated_seller_1")
    assert site.sql("SELECT * FROM ebay.tokens") == before


def test_only_an_account_that_is_there_is_replaced_and_where_it_belongs(
    site: Site, folder: Path
) -> None:
    add(site, folder / "seller-1")
    site.simulator.requests.clear()

    refused(add(site, folder / "seller-1", "--replace", name="shpo"), 65, "no account 'shpo'")
    refused(
        add(site, folder / "seller-1", "--replace", environment="sandbox"),
        *(65, "belongs to simulator"),
    )
    refused(
        add(site, folder / "seller-1", "--replace", "--marketplace", "EBAY_DE"),
        *(65, "leave --marketplace out"),
    )
    assert len(site.simulator.requests) == 0


def test_a_new_consent_brings_a_revoked_account_back(site: Site, folder: Path) -> None:
    seller = site.simulator.world.account("seller-1")
    add(site, folder / "seller-1")
    seller.revoked = True
    assert site.run().reason == "all_need_reconnect"
    told = typed(site, "accounts", "list")
    assert "needs_reconnect" in told.stdout
    assert "accounts reconnect shop --refresh-token-file FILE" in told.stdout
    refused(
        typed(site, "accounts", "resume", "shop"), 65, "needs_reconnect", "accounts reconnect shop"
    )
    refused(typed(site, "accounts", "test", "shop"), 77, "consent")

    seller.revoked = False
    replaced = add(site, folder / "seller-1", "--replace")

    assert replaced.returncode == 0
    assert listed(site)[0]["status"] == "active"
    assert site.run().outcome == "done"


def test_an_environment_without_keys_names_the_variables(site: Site, folder: Path) -> None:
    for environment in ("production", "sandbox"):
        prefix = f"EBAY_{environment.upper()}"
        refused(
            add(site, folder / "seller-1", environment=environment),
            *(78, f"{prefix}_CLIENT_ID", f"{prefix}_CLIENT_SECRET"),
        )
    refused(
        add(
            site,
            folder / "seller-1",
            environment="sandbox",
            settings={"EBAY_SANDBOX_CLIENT_ID": "only-this"},
        ),
        *(78, "EBAY_SANDBOX_CLIENT_SECRET"),
    )


@pytest.mark.parametrize("url", [None, "", "not an address", "http://user:canary@127.0.0.1:1"])
def test_the_simulators_address_is_asked_for(site: Site, folder: Path, url: str | None) -> None:
    ended = add(site, folder / "seller-1", settings={"EBAY_SIMULATOR_API_URL": url})

    refused(ended, 78, "EBAY_SIMULATOR_API_URL")
    assert "canary" not in ended.stderr


def test_keys_for_tokens_are_asked_for_beside_a_database_of_ones_own(
    site: Site, folder: Path
) -> None:
    refused(
        add(site, folder / "seller-1", settings={"ENCRYPTION_KEYS": None}), 78, "ENCRYPTION_KEYS"
    )
    bad = add(site, folder / "seller-1", settings={"ENCRYPTION_KEYS": "k1:canary"})
    refused(bad, 78, "ENCRYPTION_KEYS")
    assert "canary" not in bad.stderr


def test_ebay_out_of_reach_is_not_the_tokens_fault(site: Site, folder: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"

    ended = add(site, folder / "seller-1", settings={"EBAY_SIMULATOR_API_URL": nowhere})

    refused(ended, 69, "could not be reached")
    assert accounts(site) == 0


def test_a_consent_that_does_not_say_who_it_is_is_enough(site: Site, folder: Path) -> None:
    site.simulator.faults.add("missing_scope", operation="getUser")

    added = add(site, folder / "seller-1")
    tested = typed(site, "accounts", "test", "shop")

    assert added.returncode == 0, added.stderr
    assert "None" not in added.stdout + tested.stdout
    assert tested.returncode == 0
    assert listed(site)[0]["username"] is None
    assert "no other one can take its place" in added.stderr
    refused(
        add(site, folder / "seller-2", "--replace"),
        *(65, "nobody knows whose rows", "accounts disconnect shop"),
    )


def test_the_account_of_a_deleted_seller_is_nobody_elses(site: Site, folder: Path) -> None:
    """eBay's notification leaves his books: another seller's would lie among them."""
    add(site, folder / "seller-1")
    notifier, seller = site.simulator.notifier, site.simulator.world.account("seller-1")
    body = notifier.body(
        *notifier.deletion(seller.username, seller.user_id, "eias"), "seller-is-gone"
    )
    with site.opened() as database:
        PostgresNotifications(database, "simulator").take(read_notification(body))

    told = typed(site, "accounts", "list").stdout
    token = ("--refresh-token-file", str(folder / "seller-2"))
    tries = [
        add(site, folder / "seller-2"),
        add(site, folder / "seller-2", "--replace"),
        typed(site, "accounts", "reconnect", "shop", *token),
        typed(site, "accounts", "connect", "--name", "shop", "--link"),
        typed(site, "accounts", "resume", "shop"),
    ]

    assert "brings it back" not in told
    assert "his eBay account was deleted" in told
    for ended in tries:
        refused(ended, 65, "'shop' is gone", "accounts connect --name ANOTHER")
    assert site.one("SELECT count(*) FROM ebay.tokens") == 0
    assert "needs a name of his own" in typed(site, "accounts", "disconnect", "shop").stdout
    assert add(site, folder / "seller-2", name="another").returncode == 0


def test_an_account_that_is_not_there_is_said_to_be_so(site: Site) -> None:
    for action in ("test", "pause", "resume"):
        refused(
            typed(site, "accounts", action, "nobody"), 65, "no account 'nobody'", "accounts list"
        )


def test_a_paused_account_is_left_alone_and_goes_on_when_resumed(site: Site) -> None:
    site.connect(2)

    paused = typed(site, "accounts", "pause", "seller-1")
    again = typed(site, "accounts", "pause", "seller-1")
    report = site.run()
    named = site.run(accounts=("seller-1",))
    resumed = typed(site, "accounts", "resume", "seller-1")
    after = site.run()

    assert (paused.returncode, again.returncode, resumed.returncode) == (0, 0, 0)
    assert "accounts resume seller-1" in paused.stdout
    assert {unit.account for unit in report.units} == {"seller-2"}
    assert {unit.reason for unit in named.units} == {"account_inactive"}
    assert {unit.account for unit in after.units} == {"seller-1"}
    assert after.outcome == "done"


def test_r26_a_pause_holds_within_a_page_of_the_run_that_is_at_it(site: Site) -> None:
    site.connect(1)

    with Gate(site.simulator) as gate:
        running = site.start("ebay", "--json", "--stream", "orders")
        gate.wait()
        paused = typed(site, "accounts", "pause", "seller-1")
        gate.open()
        out, err = running.communicate(timeout=60)

    assert paused.returncode == 0
    [unit] = json.loads(out)["units"]
    assert (unit["outcome"], unit["reason"]) == ("skipped", "account_inactive"), err
    assert site.one("SELECT count(due_at) FROM ebay.sync_states") == 0
    assert site.one("SELECT count(*) FROM ebay.sync_states WHERE leased_by IS NOT NULL") == 0
    typed(site, "accounts", "resume", "seller-1")
    assert site.run().outcome == "done"


def test_the_list_of_none_says_what_to_do(site: Site) -> None:
    ended = site.cli("accounts", "list")

    assert "accounts add" in ended.stdout
    assert listed(site) == []


@pytest.mark.parametrize(
    "command",
    [
        (), ("ebay",), ("tick",), ("workers",), ("workers", "list"), ("workers", "pause"),
        ("accounts",), ("accounts", "add"), ("accounts", "list"), ("accounts", "test"),
        ("accounts", "reconnect"), ("accounts", "import"), ("accounts", "pause"),
        ("accounts", "resume"), ("runs",), ("tokens",), ("rekey",),
        ("signing-key",), ("signing-key", "show"), ("migrate",), ("serve",),
        ("simulator",), ("demo",),
    ],
)  # fmt: skip
def test_every_command_explains_itself(site: Site, command: tuple[str, ...]) -> None:
    ended = site.cli(*command, "--help")

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("usage: python -m core.run")


def test_r13_two_that_add_the_same_seller_at_once_add_one(site: Site, folder: Path) -> None:
    with Gate(site.simulator, "getUser") as gate:
        both = [
            site.start(
                *("accounts", "add", "--name", name, "--environment", "simulator"),
                *("--refresh-token-file", str(folder / "seller-1")),
            )
            for name in ("shop", "store")
        ]
        gate.wait()
        gate.open()
        ended = [process.communicate(timeout=60) for process in both]

    assert sorted(process.returncode for process in both) == [0, 65], ended
    assert accounts(site) == 1
    assert site.one("SELECT count(*) FROM ebay.tokens") == 1
