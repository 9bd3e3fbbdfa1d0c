"""Moving over from the old connector: `accounts import` against a database of its tables."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from handlers.cli.main import parser
from infra.ebay.streams.registry import STREAMS
from infra.postgres.url import parse
from infra.simulator.server import Simulator
from tests.support.old_connector import (
    FAMILIES,
    PASSWORD,
    SECRET,
    Old,
    ago,
    cursor,
    old_connector,
    sealed,
)
from tests.support.postgres import Server, free_port, through_pooler
from tests.support.site import KEYS, ROOT, Gate, Site, site_of
from tests.support.stored import stored
from tests.support.typed import refused, typed
from tests.support.wire import Relay, relay

pytestmark = pytest.mark.timeout(150)
Ended = subprocess.CompletedProcess[str]
OVERLAP = timedelta(minutes=30)
ALONE = frozenset({"best_offers", "cancellations", "disputes"})
"""What the old connector never read."""
SNAPSHOTS = frozenset({"best_offers", "inventory_offers", "active_inventory", "buyer"})


@pytest.fixture(scope="module")
def _module_old(_session_server: Server) -> Iterator[Old]:
    with old_connector(_session_server) as made:
        yield made


@pytest.fixture
def old(_module_old: Old) -> Old:
    _module_old.renew()
    return _module_old


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "jwt-secret"
    file.write_text(f"{SECRET}\n")
    return file


class Moving:
    """`accounts import` from `old` to `site`."""

    def __init__(self, site: Site, old: Old, secret: Path) -> None:
        self.site, self.old, self.secret = site, old, secret
        self.owner = old.user()

    def token(self, seller: str) -> str:
        return self.site.simulator.world.account(seller).refresh_token

    def seller(self, name: str = "seller-1", value: str | None = None) -> str:
        """One of the simulator's sellers, as the old connector knew it."""
        username = self.site.simulator.world.account(name).username
        return self.old.seller(self.owner, username, self.token(name), value)

    def arguments(self, *more: str, environment: str | None = "simulator") -> list[str]:
        where = () if environment is None else ("--environment", environment)
        return [
            *("accounts", "import", "--from", self.old.url),
            *("--secret-file", str(self.secret), *where, *more),
        ]

    def run(self, *more: str, environment: str | None = "simulator", **settings: str) -> Ended:
        return typed(self.site, *self.arguments(*more, environment=environment), **settings)

    def told(self, *more: str, environment: str | None = "simulator") -> dict[str, Any]:
        ended = self.run("--json", *more, environment=environment)
        assert ended.returncode == 0, ended.stderr
        told: dict[str, Any] = json.loads(ended.stdout)
        return told

    def one(self, *more: str, environment: str | None = "simulator") -> dict[str, Any]:
        [account] = self.told(*more, environment=environment)["accounts"]
        assert isinstance(account, dict)
        return account

    def here(self) -> Sequence[Sequence[Any]]:
        return self.site.sql(
            "SELECT account.name, account.status, account.ebay_user_id, state.stream, state.pass,"
            " state.cursor_at, state.enabled, state.due_at, token.refresh_token"
            " FROM ebay.accounts account"
            " JOIN ebay.sync_states state ON state.account_id = account.id"
            " LEFT JOIN ebay.tokens token ON token.account_id = account.id ORDER BY 1, 4, 5"
        )

    def cursors(self) -> dict[str, datetime | None]:
        return {row[3]: row[5] for row in self.here() if row[4] == "new"}


@pytest.fixture
def moving(site: Site, old: Old, secret: Path) -> Moving:
    return Moving(site, old, secret)


def streams(account: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["stream"]: each for each in account["streams"]}


def test_a_dry_run_shows_everything_and_writes_nothing_anywhere(moving: Moving) -> None:
    account = moving.seller(value=cursor(ago(hours=2)))
    before, there = moving.site.sql("SELECT * FROM ebay.accounts"), moving.old.checksum()
    moving.site.simulator.requests.clear()

    ended = moving.run()

    assert ended.returncode == 0, ended.stderr
    for word in (
        "accounts: 1",
        "min ago)",
        account,
        "simulated_seller_1: comes",
        "simulator (as --environment says; its user's there: production)",
        "opens with this secret",
        "finances",
        "Nothing was written",
        "--yes",
    ):
        assert word in ended.stdout
    assert moving.site.sql("SELECT * FROM ebay.accounts") == before == []
    assert moving.site.one("SELECT count(*) FROM ebay.moved_accounts") == 0
    assert moving.old.checksum() == there
    assert len(moving.site.simulator.requests) == 0


def test_an_account_comes_paused_with_its_token_sealed_and_its_cursors(moving: Moving) -> None:
    read_until = ago(hours=2)
    account = moving.seller(value=cursor(read_until))
    there = moving.old.checksum()
    seller = moving.site.simulator.world.account("seller-1")

    ended = moving.run("--yes")

    assert ended.returncode == 0, ended.stderr
    assert "simulated_seller_1 (simulator, simulated_seller_1): came, paused" in ended.stdout
    rows = moving.here()
    assert {row[:3] for row in map(tuple, rows)} == {
        ("simulated_seller_1", "paused", seller.user_id)
    }
    assert [row for row in rows if row[7] is not None] == []
    for stream, at in moving.cursors().items():
        assert at == (None if stream in ALONE | SNAPSHOTS else read_until), stream
    assert rows[0][8].startswith("v1.test.")
    assert moving.site.one("SELECT old_account_id FROM ebay.moved_accounts") == account
    consent_ends_in = moving.site.one("SELECT refresh_expires_at - now() FROM ebay.tokens")
    assert timedelta(days=299) < consent_ends_in < timedelta(days=301)
    assert moving.old.checksum() == there
    assert moving.site.run().outcome == "skipped"


def test_what_is_to_be_done_next_is_told_and_can_be_typed(moving: Moving) -> None:
    account = moving.seller()

    told = moving.run("--yes").stdout

    lines = [line.strip() for line in told.splitlines()]
    typed = [line.partition("-m core.run ")[2] for line in lines if "-m core.run" in line]
    assert [shlex.split(line)[:2] for line in typed] == [
        ["accounts", "import"],
        ["accounts", "test"],
        ["accounts", "resume"],
        ["streams", "rewind"],
    ]
    for line in typed:
        assert parser().parse_args(shlex.split(line)).run is not None
    there = [line for line in lines if line.startswith("UPDATE")]
    assert len(there) == 3
    for statement in there:
        moving.old.sql(statement)
    assert moving.old.sql(f"SELECT is_active FROM ebay_accounts WHERE id = '{account}'")[0] == [
        False
    ]
    assert moving.old.sql("SELECT count(*) FROM ebay_sync_state WHERE enabled")[0] == [0]


def test_the_first_run_goes_on_at_the_cursors_and_fetches_only_the_overlap(
    database_url: str, direct_database_url: str, old: Old, secret: Path
) -> None:
    """A seller with much history, of which the old connector had read all but five days."""
    with Simulator(accounts=1, orders=400, days=30, port=free_port()) as simulator:
        moving = Moving(site_of(database_url, direct_database_url, simulator), old, secret)
        site, read_until = moving.site, ago(days=5)
        moving.seller(value=cursor(read_until))

        moved = moving.run("--yes")
        simulator.requests.clear()
        tested = typed(site, "accounts", "test", "simulated_seller_1")
        resumed = typed(site, "accounts", "resume", "simulated_seller_1")
        report = site.run()

        assert (moved.returncode, resumed.returncode) == (0, 0), moved.stderr + resumed.stderr
        assert "the seller is simulated_seller_1" in tested.stdout, tested.stderr
        assert report.outcome == "done", report
        begins = {unit.stream: unit.window_from for unit in report.units if unit.pass_ == "new"}
        for stream in {stream.name for stream in STREAMS} - ALONE - SNAPSHOTS:
            assert begins[stream] == read_until - OVERLAP, stream
        asked = simulator.requests.entries(operation="getOrders")
        start = (read_until - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        assert asked
        assert all(f"[{start}.." in entry.query.replace("%5B", "[") for entry in asked)
        for stream, instant in (
            ("orders", "lastModifiedDate"),
            ("transactions", "transactionDate"),
            ("payouts", "payoutDate"),
        ):
            everything = {key: row for key, (_, row) in simulator.truth("seller-1", stream).items()}
            since = (read_until - OVERLAP).strftime("%Y-%m-%dT%H:%M:%S.000Z")
            expected = {key: row for key, row in everything.items() if row[instant] >= since}
            assert 0 < len(expected) < len(everything), stream
            assert stored(site, "simulated_seller_1", stream) == expected
        again = site.run()
        assert (again.outcome, again.reason) == ("done", "nothing_due")
        rewind = ("streams", "rewind", "--account", "simulated_seller_1", "--stream", "orders")
        assert typed(site, *rewind, "--to", "60d", "--yes").returncode == 0
        assert site.run().outcome == "done"
        everything = {key: row for key, (_, row) in simulator.truth("seller-1", "orders").items()}
        assert stored(site, "simulated_seller_1", "orders") == everything


def test_with_history_the_last_90_days_are_read(moving: Moving) -> None:
    moving.seller()

    assert moving.run("--yes", "--with-history").returncode == 0

    assert set(moving.cursors().values()) == {None}


def test_moved_over_again_nothing_changes_and_it_says_so(moving: Moving) -> None:
    moving.seller()
    moving.run("--yes")
    before = moving.here()
    moving.site.simulator.requests.clear()

    again = moving.run("--yes")

    assert again.returncode == 0, again.stderr
    assert "is here already: nothing changed" in again.stdout
    assert moving.here() == before
    assert len(moving.site.simulator.requests) == 0


def test_moved_over_again_before_it_is_resumed_it_takes_the_newest_cursors(
    moving: Moving,
) -> None:
    account = moving.seller(value=cursor(ago(hours=5)))
    moving.run("--yes")
    newest = ago(hours=1)
    moving.old.sql(
        f"UPDATE ebay_sync_state SET cursor_value = '{cursor(newest)}', enabled = false"
        f" WHERE ebay_account_id = '{account}'"
    )
    # As the steps say: switched off there first, and that is no wish for here.
    moving.old.sql("UPDATE ebay_accounts SET is_active = false")

    again = moving.run("--yes", environment=None)

    assert "took the newest cursors" in again.stdout, again.stderr
    assert moving.cursors()["orders"] == newest
    assert {row[6] for row in moving.here()} == {True}
    assert moving.site.one("SELECT count(*) FROM ebay.accounts") == 1


@pytest.mark.parametrize(
    "touch",
    [
        "UPDATE ebay.accounts SET status = 'active'",
        "UPDATE ebay.sync_states SET cursor_at = cursor_at - interval '1 h' WHERE stream = 'cases'",
        "UPDATE ebay.sync_states SET enabled = false WHERE stream = 'orders'",
        "UPDATE ebay.sync_states SET last_attempt_at = now() WHERE stream = 'orders'",
    ],
)
def test_what_somebody_has_touched_here_stays_as_it_is(moving: Moving, touch: str) -> None:
    moving.seller(value=cursor(ago(hours=5)))
    moving.run("--yes")
    moving.site.sql(touch)
    moving.old.sql(f"UPDATE ebay_sync_state SET cursor_value = '{cursor(ago(hours=1))}'")
    before = moving.here()

    again = moving.run("--yes")

    assert again.returncode == 0, again.stderr
    assert "used since: it stays as it is" in again.stdout
    assert moving.here() == before


def test_a_seller_that_is_here_already_is_left_alone(moving: Moving) -> None:
    moving.site.connect(1)
    before = moving.here()
    moving.seller()

    ended = moving.run("--yes")

    assert "its seller is the account 'seller-1' here, which stays" in ended.stdout, ended.stderr
    assert moving.here() == before


def test_a_seller_that_ebay_alone_recognises_is_left_alone_as_well(moving: Moving) -> None:
    """The old connector took names for ids, and this one has changed its name since."""
    moving.site.connect(1)
    before = moving.here()
    moving.old.seller(moving.owner, "its_former_name", moving.token("seller-1"))

    ended = moving.run("--yes")

    assert "its seller is the account 'seller-1' here, which stays" in ended.stdout, ended.stderr
    assert moving.here() == before


def test_the_wrong_secret_moves_nothing_and_is_called_so(moving: Moving, secret: Path) -> None:
    moving.seller("seller-1")
    moving.seller("seller-2")
    secret.write_text("canary-another-secret")

    for more in ((), ("--yes",)):
        ended = moving.run(*more)
        refused(ended, 65, "opens none", "JWT_SECRET", "nothing was moved")
        assert "canary" not in ended.stderr

    assert moving.site.one("SELECT count(*) FROM ebay.accounts") == 0


def test_tokens_that_cannot_be_tried_are_named_and_left_out(moving: Moving) -> None:
    known = moving.owner
    for name, stored_token, more in (
        ("none", None, {}),
        ("empty", " ", {}),
        ("foreign", sealed("v^1.1#x", "another secret"), {}),
        ("torn", sealed("v^1.1#x")[:-9], {}),
        ("word", sealed("no token"), {}),
        ("over", sealed("v^1.1#x"), {"refresh_expires_at": ago(days=1)}),
    ):
        moving.old.token(moving.old.account(known, name), stored_token, **more)
    moving.old.account(known, "rowless")
    moving.seller("seller-1")

    told = moving.told("--yes")["accounts"]

    states = {each["seller"]: (each["fate"], each["token"]["state"]) for each in told}
    assert states == {
        "none": ("left_out", "missing"),
        "empty": ("left_out", "missing"),
        "foreign": ("left_out", "not_opened"),
        "torn": ("left_out", "not_opened"),
        "word": ("left_out", "no_token"),
        "over": ("left_out", "expired"),
        "rowless": ("left_out", "missing"),
        "simulated_seller_1": ("new", "opens"),
    }
    assert all("anew" in each["reason"] for each in told if each["fate"] == "left_out")
    assert moving.site.one("SELECT count(*) FROM ebay.accounts") == 1


def test_of_several_tokens_the_newest_that_opens_is_taken(moving: Moving) -> None:
    account = moving.old.account(moving.owner, "twice")
    moving.old.token(account, sealed("v^1.1#older"), last_refreshed_at=ago(days=9))
    moving.old.token(account, sealed(moving.token("seller-1")), last_refreshed_at=ago(days=1))
    moving.old.token(account, sealed("v^1.1#x", "another"), last_refreshed_at=ago(minutes=1))

    assert moving.one("--yes")["fate"] == "new"


def test_r43_a_token_in_clear_comes_sealed_and_is_told(moving: Moving) -> None:
    account = moving.old.account(moving.owner, "clear")
    moving.old.token(account, moving.token("seller-1"), access_token="v^1.1#plain")

    told = moving.one("--yes")

    assert (told["fate"], told["token"]["state"]) == ("new", "in_clear")
    assert "in clear" in " ".join(told["notes"])
    assert moving.here()[0][8].startswith("v1.test.")


def test_a_token_that_ebay_refuses_does_not_come_and_the_others_do(moving: Moving) -> None:
    moving.seller("seller-1")
    moving.seller("seller-2")
    moving.site.simulator.world.account("seller-1").revoked = True

    ended = moving.run("--yes")
    listed = moving.site.sql("SELECT name FROM ebay.accounts")

    assert ended.returncode == 1, ended.stderr
    assert "eBay refuses its token" in ended.stdout
    assert "--environment" in ended.stdout
    assert [list(row) for row in listed] == [["simulated_seller_2"]]


def test_when_ebay_refuses_every_token_it_is_no_success(moving: Moving) -> None:
    moving.seller("seller-1")
    moving.site.simulator.world.account("seller-1").revoked = True

    assert moving.run("--yes").returncode == 77


def test_an_ebay_out_of_reach_stores_nothing_and_again_it_completes(moving: Moving) -> None:
    moving.seller("seller-1")
    nowhere = f"http://127.0.0.1:{free_port()}"

    away = moving.run("--yes", EBAY_SIMULATOR_API_URL=nowhere)
    again = moving.run("--yes")

    assert away.returncode == 69, away.stdout
    assert again.returncode == 0, again.stderr
    assert moving.site.one("SELECT count(*) FROM ebay.accounts") == 1


def test_r5_cursors_that_cannot_be_trusted_fall_back_to_the_beginning(moving: Moving) -> None:
    """Never to "now", and it is said."""
    account = moving.old.account(moving.owner, "odd")
    moving.old.token(account, sealed(moving.token("seller-1")))
    values = {
        "orders": "2025-12-02T12:15:00+00:00Z",
        "messages": "yesterday",
        "cases": cursor(ago(days=-3)),
        "inquiries": "2019-01-01T00:00:00Z",
        "returns": "",
    }
    for family, value in values.items():
        moving.old.state(account, family, value)
    moving.old.state(account, "finances", None)
    moving.old.state(account, "assign_storages_for_sold_items", cursor(ago(hours=1)))

    told = moving.one("--yes")

    assert set(moving.cursors().values()) == {None}
    shown = streams(told)
    assert "took for now" in shown["orders"]["why"]
    assert "2025-12-02T12:15:00+00:00Z" in shown["orders"]["why"]
    assert "cannot be read" in shown["messages"]["why"]
    assert "in the future" in shown["cases"]["why"]
    assert "two years" in shown["inquiries"]["why"]
    assert "cannot be read" in shown["returns"]["why"]
    assert "never read to its end" in shown["payouts"]["why"]
    assert "has not read it" in shown["cancellations"]["why"]
    assert "assign_storages_for_sold_items" in " ".join(told["notes"])


def test_r13_rows_that_stand_there_twice_give_the_earliest_cursor(moving: Moving) -> None:
    """The old table has no unique key, and two first runs made two rows."""
    account = moving.old.account(moving.owner, "twice")
    moving.old.token(account, sealed(moving.token("seller-1")))
    early, late = ago(days=2), ago(hours=1)
    moving.old.state(account, "orders", cursor(late))
    moving.old.state(account, "orders", cursor(early))
    moving.old.state(account, "orders", None, enabled=False)
    moving.old.state(account, "transactions", cursor(late), enabled=False)
    moving.old.state(account, "finances", cursor(early))

    told = streams(moving.one("--yes"))

    assert moving.cursors()["orders"] == moving.cursors()["transactions"] == early
    assert moving.cursors()["payouts"] == early
    assert "several rows" in told["orders"]["why"]
    assert not told["orders"]["enabled"]
    assert told["transactions"]["enabled"]


def test_switches_that_are_off_there_are_off_here(moving: Moving) -> None:
    account = moving.seller()
    moving.old.sql(
        "UPDATE ebay_sync_state SET enabled = api_family NOT IN ('finances', 'returns', 'offers')"
    )

    moving.run("--yes")
    typed(moving.site, "accounts", "resume", "simulated_seller_1")

    off = {(row[3], row[4]) for row in moving.here() if not row[6]}
    assert off == {
        *(("payouts", each) for each in ("new", "open")),
        *(("returns", each) for each in ("new", "open")),
        ("inventory_offers", "new"),
    }, account
    assert {row[7] for row in moving.here() if not row[6]} == {None}


def test_where_an_account_belongs_is_decided_or_asked_for(moving: Moving) -> None:
    old = moving.old
    clear, both, unset, sandbox = (
        moving.owner,
        old.user(),
        old.user(ebay_environment=None),
        old.user(ebay_environment="sandbox"),
    )
    for place in ("production", "sandbox"):
        old.insert("ebay_connect_logs", user_id=both, environment=place, action="connect_success")
    for owner, name in ((clear, "clear"), (both, "both"), (unset, "unset"), (sandbox, "sand")):
        old.token(old.account(owner, name), sealed("v^1.1#x"))

    told = {each["seller"]: each for each in moving.told(environment=None)["accounts"]}

    assert {name: (each["environment"], each["fate"]) for name, each in told.items()} == {
        "clear": ("production", "new"),
        "both": (None, "left_out"),
        "unset": (None, "left_out"),
        "sand": ("sandbox", "new"),
    }
    assert "in production and in sandbox" in told["both"]["reason"]
    assert "--environment" in told["both"]["reason"]
    overridden = moving.told(environment="sandbox")["accounts"]
    assert {each["environment"] for each in overridden} == {"sandbox"}


def test_a_deactivated_account_comes_only_by_its_name(moving: Moving) -> None:
    moving.seller("seller-1")
    moving.seller("seller-2")
    moving.old.sql("UPDATE ebay_accounts SET is_active = ebay_user_id = 'simulated_seller_1'")

    first = moving.told("--yes")["accounts"]
    second = moving.one("--yes", "--account", "simulated_seller_2")
    nobody = moving.run("--account", "nobody")

    assert {each["seller"]: each["fate"] for each in first} == {
        "simulated_seller_1": "new",
        "simulated_seller_2": "left_out",
    }
    assert second["fate"] == "new"
    refused(nobody, 65, "no account 'nobody'")


def test_a_seller_of_two_users_comes_once_with_the_newer_token(moving: Moving) -> None:
    first = moving.seller("seller-1")
    other = moving.old.account(moving.old.user(), "simulated_seller_1", house_name="mine")
    moving.old.token(other, sealed(moving.token("seller-1")), last_refreshed_at=ago(seconds=5))

    told = {each["old_id"]: each for each in moving.told("--yes")["accounts"]}

    assert (told[other]["fate"], told[first]["fate"]) == ("new", "left_out")
    assert "another user" in told[first]["reason"]
    assert moving.site.sql("SELECT name FROM ebay.accounts")[0] == ["mine"]


def test_hostile_names_arrive_as_names_that_can_be_typed(moving: Moving) -> None:
    names = (
        "=HYPERLINK(1)\n\t\x1b[31mred\u202e", "--yes", "x" * 100_000, " \r\n ", "same", "same",
    )  # fmt: skip
    for number, name in enumerate(names, start=1):
        account = moving.old.account(
            moving.old.user(), f"simulated_seller_{number}", house_name=name, purpose="BUYING"
        )
        moving.old.token(account, sealed(moving.token(f"seller-{number}")))
        moving.old.state(account, "orders\x1b]0;", "\x07" * 60)

    ended = moving.run("--yes")
    shown = moving.run()

    assert ended.returncode == 0, ended.stderr
    assert [row[0] for row in moving.site.sql("SELECT name FROM ebay.accounts ORDER BY id")] == [
        "=HYPERLINK(1) [31mred",
        "yes",
        "x" * 100,
        "simulated_seller_4",
        "same",
        "same 2",
    ]
    for text in (ended.stdout, ended.stderr, shown.stdout):
        assert all(char.isprintable() or char == "\n" for char in text)
        assert max(map(len, text.splitlines())) < 600


def test_a_name_that_is_taken_here_gets_a_number(moving: Moving) -> None:
    moving.site.connect(1)
    account = moving.old.account(moving.owner, "simulated_seller_2", house_name="seller-1")
    moving.old.token(account, sealed(moving.token("seller-2")))

    told = moving.one("--yes")

    assert told["name"] == "seller-1 2"
    assert "taken" in " ".join(told["notes"])


def test_r70_a_seller_that_was_never_learned_is_asked_of_ebay(moving: Moving) -> None:
    """Where eBay does not tell either, nothing is stored."""
    account = moving.old.account(moving.owner, "unknown", username="unknown", house_name="shop")
    moving.old.token(account, sealed(moving.token("seller-1")))
    moving.site.simulator.faults.add("missing_scope", operation="getUser", times=1)

    untold = moving.one("--yes")
    told = moving.one("--yes")

    assert (untold["fate"], told["fate"]) == ("left_out", "new")
    assert "neither eBay nor the old connector" in untold["reason"]
    assert moving.site.one("SELECT username FROM ebay.accounts") == "simulated_seller_1"


def test_a_consent_that_does_not_say_who_it_is_keeps_the_name_from_there(moving: Moving) -> None:
    moving.seller()
    moving.site.simulator.faults.add("missing_scope", operation="getUser")

    assert moving.run("--yes").returncode == 0
    assert "nothing changed" in moving.run("--yes").stdout

    [row] = moving.site.sql("SELECT ebay_user_id, username FROM ebay.accounts")
    assert list(row) == [None, "simulated_seller_1"]


def test_two_imports_at_once_have_one_effect(moving: Moving) -> None:
    moving.seller()
    with Gate(moving.site.simulator, "getUser") as gate:
        both = [moving.site.start(*moving.arguments("--yes")) for _ in range(2)]
        gate.wait()
        gate.open()
        ended = [process.communicate(timeout=60) for process in both]

    assert [process.returncode for process in both] == [0, 0], ended
    said = "".join(out for out, _ in ended)
    assert said.count("came, paused") == 1, said
    assert moving.site.one("SELECT count(*) FROM ebay.accounts") == 1
    assert moving.site.one("SELECT count(*) FROM ebay.tokens") == 1


@pytest.mark.parametrize(
    "place",
    [
        "main after moving.insert #2",
        "main after moving.remember #1",
        "main after accounts.store_token #2",
        "main after moving.write_states #1",
        "main before COMMIT #5",
        "main after COMMIT #5",
        "main after answer #2",
    ],
)
def test_killed_in_the_middle_and_again_it_completes(moving: Moving, place: str) -> None:
    moving.seller("seller-1")
    moving.seller("seller-2")

    killed = moving.site.cli(
        *moving.arguments("--yes"),
        command=("-m", "tests.support.launcher", "--crash-at", place, "--"),
    )
    whole = moving.site.sql(
        "SELECT count(DISTINCT account.id), count(DISTINCT token.account_id),"
        " count(DISTINCT moved.account_id), count(DISTINCT state.account_id)"
        " FROM ebay.accounts account LEFT JOIN ebay.tokens token ON token.account_id = account.id"
        " LEFT JOIN ebay.moved_accounts moved ON moved.account_id = account.id"
        " LEFT JOIN ebay.sync_states state ON state.account_id = account.id"
    )[0]
    again = moving.run("--yes")

    assert killed.returncode == -9, killed.stdout + killed.stderr
    assert len(set(whole)) == 1
    assert again.returncode == 0, again.stderr
    assert moving.site.one("SELECT count(*) FROM ebay.moved_accounts") == 2


def test_what_the_reading_role_may_not_see_is_named(moving: Moving) -> None:
    if through_pooler():
        pytest.skip("the tests' pooler makes everybody the administrator")
    moving.old.sql(f"REVOKE SELECT ON users FROM {moving.old.role}")

    refused(moving.run(), 78, "--from: ", "permission denied for table users")


def test_a_commit_whose_answer_is_lost_is_known_again(moving: Moving) -> None:
    """Whether it was applied nobody has seen; the next import looks."""
    moving.seller()
    stored: list[bytes] = []

    def is_the_commit(body: bytes) -> bool:
        stored.extend([body] if b"ebay.moved_accounts (" in body else [])
        return bool(stored) and body.lower().startswith((b"commit", b"\0commit"))

    with relay(parse(moving.site.url), Relay(cut_after=is_the_commit)) as cut:
        lost = moving.run("--yes", DATABASE_URL=cut.reveal())
    again = moving.run("--yes")

    assert lost.returncode == 69, lost.stdout + lost.stderr
    assert stored
    assert again.returncode == 0, again.stderr
    assert moving.site.one("SELECT count(*) FROM ebay.moved_accounts") == 1
    assert moving.site.one("SELECT count(*) FROM ebay.tokens") == 1


def test_another_database_is_not_the_old_connectors(moving: Moving) -> None:
    moving.old.sql("DROP TABLE ebay_sync_state")

    refused(moving.run(), 65, "ebay_sync_state", "not the old connector's")


def test_tables_and_columns_that_came_later_may_be_missing(moving: Moving) -> None:
    moving.seller()
    moving.old.sql("ALTER TABLE ebay_tokens DROP refresh_expires_at")
    moving.old.sql("DROP TABLE ebay_connect_logs, ebay_worker_global_config")

    assert moving.one("--yes")["fate"] == "new"


def test_its_address_may_lie_in_a_file(moving: Moving, tmp_path: Path) -> None:
    moving.seller()
    (tmp_path / "url").write_text(moving.old.url + "\n")

    ended = typed(
        moving.site,
        *("accounts", "import", "--from", str(tmp_path / "url")),
        *("--secret-file", str(moving.secret), "--environment", "simulator"),
    )

    assert ended.returncode == 0, ended.stderr


def test_the_secret_comes_from_stdin_as_well(moving: Moving) -> None:
    moving.seller()
    moving.secret = Path("-")
    ended = moving.site.cli(*moving.arguments(), typed=f"{SECRET}\r\n")

    assert ended.returncode == 0, ended.stderr
    assert "opens with this secret" in ended.stdout


def test_r44_no_secret_is_told_whatever_is_given(moving: Moving, tmp_path: Path) -> None:
    moving.seller("seller-1")
    moving.seller("seller-2")
    moving.site.simulator.world.account("seller-2").revoked = True
    (tmp_path / "two").write_text(f"{SECRET}\n{SECRET}\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + SECRET.encode())
    url = moving.old.url
    import_ = ("accounts", "import", "--from")

    ended = [
        moving.run(),
        moving.run("--json"),
        moving.run("--yes"),
        moving.run("--yes", "--json"),
        typed(moving.site, *import_, url, "--secret-file", SECRET),
        typed(moving.site, *import_, url, "--secret-file", str(tmp_path / "two")),
        typed(moving.site, *import_, url, "--secret-file", str(tmp_path / "binary")),
        typed(moving.site, *import_, PASSWORD, "--secret-file", str(moving.secret)),
        typed(
            moving.site, *import_, f"mysql://u:{PASSWORD}@h/d", "--secret-file", str(moving.secret)
        ),
        typed(
            moving.site,
            *import_,
            f"postgresql://u:{PASSWORD}@127.0.0.1:{free_port()}/d",
            *("--secret-file", str(moving.secret)),
        ),
    ]

    assert [each.returncode for each in ended] == [0, 0, 1, 1, 65, 65, 65, 65, 78, 69]
    tokens = [account.refresh_token for account in moving.site.simulator.world.accounts]
    secrets = [SECRET, PASSWORD, *tokens, *[token[-20:] for token in tokens], "ENC:v1:"]
    secrets.append(KEYS.partition(":")[2])
    texts = [each.stdout + each.stderr for each in ended]
    for table in moving.site.sql(
        "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('ebay', 'ops')"
    ):
        texts += [row[0] for row in moving.site.sql(f"SELECT to_jsonb(t)::text FROM {table[0]} t")]
    assert [secret for secret in secrets for text in texts if secret in text] == []
    assert [text for text in texts if "Traceback" in text] == []


def test_the_statements_of_the_guide_run_there(moving: Moving) -> None:
    account = moving.seller()
    guide = (ROOT / "docs" / "moving-over.md").read_text()
    shown = re.findall(r"^UPDATE .*;$", guide, re.MULTILINE)

    for statement in shown:
        moving.old.sql(statement.replace("…", account))

    assert len(shown) == 6
    assert moving.old.sql("SELECT is_active FROM ebay_accounts")[0] == [True]
    assert moving.old.sql("SELECT count(*) FROM ebay_sync_state WHERE NOT enabled")[0] == [0]


def test_the_old_database_is_never_written_though_it_could_be(moving: Moving) -> None:
    """Not even a row of it is touched by a role that may do everything."""
    moving.seller()
    there = moving.old.checksum()
    moving.old = replace(moving.old, role=moving.old.administrator)

    moving.run()
    moving.run("--yes")
    moving.run("--yes", "--with-history")

    assert moving.old.checksum() == there
    assert len(there) >= len(FAMILIES) - 2
