"""What a rewind costs and fills, what an undo restores, what a pause holds."""

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest

from core.errors import UsageError
from handlers.cli.main import parser
from tests.support.postgres import Server
from tests.support.site import Gate, Site, beside, new_site

pytestmark = pytest.mark.timeout(150)
SELLER = "seller-1"
LAUNCHER = ("-m", "tests.support.launcher")
STREAMS = ("orders", "transactions", "returns", "messages", "buyer")
# Of each stream: its table, its key, the instant that its list is filtered by, eBay's call.
TABLES = {
    "orders": ("orders", "order_id", "last_modified_date", "getOrders"),
    "transactions": (
        "transactions",
        "transaction_id || ' ' || transaction_type",
        "transaction_date",
        "getTransactions",
    ),
    "returns": ("returns", "return_id", "creation_date", "searchReturns"),
    "messages": ("messages", "message_id", "receive_date", "GetMyMessages"),
}


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=2, orders=700) as site:
        yield site


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.reset()
    _module_site.connect(1, streams=STREAMS)
    return _module_site


def typed(site: Site, *arguments: str) -> str:
    """What the command prints, without a process of its own. Raises UsageError."""
    printed = io.StringIO()
    with site.in_this_process(), redirect_stdout(printed):
        options = parser().parse_args(["streams", *arguments])
        assert options.run(options) == 0
    return printed.getvalue()


def streams(site: Site, *arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(typed(site, *arguments, "--json"))
    return told


def of(stream: str) -> tuple[str, ...]:
    return ("--account", SELLER, "--stream", stream)


def rewind(site: Site, stream: str, to: str, *more: str) -> dict[str, Any]:
    return streams(site, "rewind", *of(stream), "--to", to, "--yes", *more)


def days_ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).date().isoformat()


def state(site: Site, column: str, stream: str = "orders") -> Any:
    return site.one(
        f"SELECT {column} FROM ebay.sync_states WHERE stream = '{stream}' AND pass = 'new'"
    )


def stored(site: Site, stream: str) -> set[str]:
    table, key, _, _ = TABLES[stream]
    return {row[0] for row in site.sql(f"SELECT {key} FROM ebay.{table}")}


def truth(site: Site, stream: str) -> set[str]:
    return {" ".join(key) for key in site.simulator.truth(SELLER, stream)}


def calls(site: Site, operation: str) -> int:
    return len(site.simulator.requests.entries(operation=operation))


@pytest.mark.parametrize("stream", list(TABLES))
def test_a_rewind_costs_what_it_said_and_fills_what_was_missing(site: Site, stream: str) -> None:
    site.run()
    table, _, instant, operation = TABLES[stream]
    whole = stored(site, stream)
    site.sql(f"DELETE FROM ebay.{table} WHERE {instant} > now() - interval '40 days'")
    missing = len(whole) - len(stored(site, stream))
    told = rewind(site, stream, days_ago(60), "--reason", "rows were lost")
    before = calls(site, operation)

    report = site.run()

    made = calls(site, operation) - before
    assert missing > 0
    assert stored(site, stream) == whole == truth(site, stream)
    assert report.outcome == "done"
    [unit] = [each for each in report.units if (each.stream, each.pass_) == (stream, "new")]
    assert unit.inserted == missing
    if stream != "returns":
        assert unit.calls == made
    # Of returns the details are asked for by another call.
    listed = told["plan"]["pages"] if stream == "returns" else told["plan"]["calls"]
    # One order more or less may make a page more or less; a mailbox may have more folders.
    assert abs(made - listed) <= 1 + 0.3 * made
    assert abs(unit.fetched - told["plan"]["rows"]) <= 0.2 * unit.fetched
    assert abs(unit.calls - told["plan"]["calls"]) <= 1 + 0.3 * unit.calls


def test_a_dry_run_tells_the_cost_and_changes_nothing(site: Site) -> None:
    site.run()
    before = site.sql("SELECT * FROM ebay.sync_states ORDER BY stream, pass")

    told = streams(site, "rewind", *of("orders"), "--to", "30d", "--dry-run")
    refused = site.cli("streams", "rewind", *of("orders"), "--to", "30d")

    assert told["plan"]["pages"] > 1
    assert not told["changed"]
    assert refused.returncode == 65
    assert "add --yes" in refused.stderr
    assert site.sql("SELECT * FROM ebay.sync_states ORDER BY stream, pass") == before
    assert site.sql("SELECT FROM ebay.cursor_changes") == []


class Terminal(io.TextIOWrapper):
    def __init__(self, typed: str) -> None:
        super().__init__(io.BytesIO(typed.encode()))

    def isatty(self) -> bool:
        return True


def test_a_person_at_a_terminal_is_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run()
    arguments = ("rewind", *of("orders"), "--to", days_ago(30))
    before = state(site, "cursor_at")

    monkeypatch.setattr("sys.stdin", Terminal("\n"))
    with pytest.raises(UsageError, match="nothing was changed"):
        typed(site, *arguments)
    kept = state(site, "cursor_at")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    told = typed(site, *arguments)

    assert kept == before
    assert state(site, "cursor_at") < before
    assert "it is due now" in told
    assert "streams undo --account seller-1 --stream orders" in told
    again = typed(site, *arguments, "--yes")
    assert "being read again already" in again
    typed(site, "pause", *of("orders"))
    assert "stands at" in typed(site, "undo", *of("orders"))
    assert "undone already" in typed(site, "undo", *of("orders"))


def test_what_is_switched_on_and_still_not_read_is_told(site: Site) -> None:
    site.sql("UPDATE ebay.accounts SET status = 'paused'")

    told = typed(site, "resume", *of("orders"))

    assert "seller-1/orders: the account is paused" in told
    assert "streams resumed: 0, so already: 1" in told


def test_an_undo_restores_the_cursor_and_touches_no_row(site: Site) -> None:
    site.run()
    cursor, rows = state(site, "cursor_at"), stored(site, "orders")
    rewind(site, "orders", days_ago(30))

    undone = streams(site, "undo", *of("orders"))
    again = streams(site, "undo", *of("orders"))

    assert (undone["changed"], again["changed"]) == (True, False)
    assert state(site, "cursor_at") == cursor
    assert stored(site, "orders") == rows
    assert site.run().outcome == "done"
    assert state(site, "cursor_at") > cursor


def test_what_was_read_again_past_its_old_place_cannot_be_undone(site: Site) -> None:
    site.run()
    rewind(site, "orders", days_ago(30))
    site.run()

    with pytest.raises(UsageError, match="nothing left to undo"):
        streams(site, "undo", *of("orders"))


def test_a_rewind_in_the_midst_of_a_reading_ends_it_and_nothing_more_is_written(
    site: Site,
) -> None:
    """The old holder's pages come, and are refused by their fence."""
    site.run()
    site.sql("UPDATE ebay.sync_states SET due_at = now() WHERE stream = 'orders'")
    to = f"{days_ago(30)}T00:00:00Z"
    reports = []

    with Gate(site.simulator) as gate, beside(lambda: reports.append(site.run())):
        gate.wait()
        told = rewind(site, "orders", to)
        streams(site, "pause", *of("orders"))
        gate.open()

    assert told["changed"]
    [unit] = reports[0].units
    assert (unit.outcome, unit.reason) == ("failed", "lease_lost")
    assert state(site, "cursor_at").isoformat() == to.replace("Z", "+00:00")
    assert state(site, "window_from") is None
    assert (state(site, "leased_by"), state(site, "failures")) == (None, 0)
    streams(site, "resume", *of("orders"))
    assert site.run().outcome == "done"
    assert state(site, "cursor_at") > datetime.now(UTC) - timedelta(minutes=10)


def test_a_run_that_is_rewound_while_it_reads_reads_again_itself(site: Site) -> None:
    site.run()
    site.sql("DELETE FROM ebay.orders WHERE last_modified_date > now() - interval '20 days'")
    site.sql("UPDATE ebay.sync_states SET due_at = now() WHERE stream = 'orders'")
    reports = []

    with Gate(site.simulator) as gate, beside(lambda: reports.append(site.run())):
        gate.wait()
        rewind(site, "orders", days_ago(30))
        gate.open()

    assert {unit.reason for unit in reports[0].units} == {"lease_lost", None}
    assert stored(site, "orders") == truth(site, "orders")


def test_a_pause_holds_within_a_page_and_a_resume_goes_on_there(site: Site) -> None:
    reports = []

    with (
        Gate(site.simulator) as gate,
        beside(lambda: reports.append(site.run(accounts=(SELLER,), streams=("orders",)))),
    ):
        gate.wait()
        paused = streams(site, "pause", *of("orders"))
        gate.open()

    assert paused["changed"] == 1
    [unit] = reports[0].units
    assert (unit.outcome, unit.reason, unit.pages) == ("skipped", "disabled", 1)
    assert 0 < len(stored(site, "orders")) <= 200
    assert (state(site, "due_at"), state(site, "enabled")) == (None, False)
    again = site.run()
    assert "orders" not in {each.stream for each in again.units}
    streams(site, "resume", *of("orders"))
    site.run()
    assert stored(site, "orders") == truth(site, "orders")


def test_of_two_rewinds_at_once_the_further_one_holds(site: Site) -> None:
    site.run()
    near, far = days_ago(20), days_ago(40)
    together = Barrier(2)
    codes = []

    def at_once(to: str) -> None:
        together.wait(60)
        codes.append(site.cli("streams", "rewind", *of("orders"), "--to", to, "--yes").returncode)

    with beside(lambda: at_once(near)):
        at_once(far)

    # Where the further one came first, the nearer one is on its way.
    assert codes == [0, 0]
    assert state(site, "cursor_at").date().isoformat() == far
    assert site.one("SELECT count(*) FROM ebay.cursor_changes") in {1, 2}
    cursor_before = site.one("SELECT max(old_cursor_at) FROM ebay.cursor_changes")
    streams(site, "undo", *of("orders"))
    assert state(site, "cursor_at") == cursor_before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("rewind", *of("buyer"), "--to", "7d", "--yes"), "no past"),
        (("rewind", *of("orders"), "--to", "2999-01-01", "--yes"), "future"),
        (("rewind", *of("orders"), "--to", "2001-01-01", "--yes"), "the earliest is"),
        (("rewind", *of("orders"), "--to", "7d", "--yes"), "not been read to its end"),
        (("undo", *of("orders")), "never rewound"),
        (("pause", "--account", "nobody", "--stream", "all"), "nobody"),
        (("pause", "--account", "all", "--stream", "feedback"), "feedback"),
        (("every", "5s", *of("orders")), "from 1m to 30d"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_way_out(
    site: Site, arguments: tuple[str, ...], told: str
) -> None:
    before = site.sql("SELECT * FROM ebay.sync_states ORDER BY stream, pass")

    with pytest.raises(UsageError, match=told):
        streams(site, *arguments)

    assert site.sql("SELECT * FROM ebay.sync_states ORDER BY stream, pass") == before


def test_what_a_person_sees(site: Site) -> None:
    never = typed(site, "list")
    site.run()
    typed(site, "pause", "--account", "all", "--stream", "buyer")
    typed(site, "every", "0", *of("returns"))
    typed(site, "rewind", *of("orders"), "--to", days_ago(30), "--yes")

    listed = site.cli("streams", "list").stdout

    words = {line.split()[1]: line for line in listed.splitlines() if line.startswith(SELLER)}
    assert never.count("Never") == len(STREAMS)
    assert "On time" in words["transactions"]
    assert "Paused" in words["buyer"]
    assert "Off" in words["returns"]
    assert "Late" in words["orders"]
    assert "0 %" in words["orders"]
    assert "`streams resume`" in listed
    assert "It was rewound" in listed


def test_an_interval_that_is_changed_holds_from_now_on(site: Site) -> None:
    streams(site, "every", "3h", *of("orders"))

    site.run()

    wait = state(site, "EXTRACT(epoch FROM due_at - last_attempt_at)")
    assert float(wait) == pytest.approx(0.9 * 3 * 3600, abs=60)


KILLED = (
    pytest.param("main after stream_control.lock_states #1", marks=pytest.mark.slow),
    pytest.param("main after stream_control.note_rewind #1", marks=pytest.mark.slow),
    pytest.param("main after stream_control.rewind #1", marks=pytest.mark.slow),
    "main before COMMIT #8",
    "main after COMMIT #8",
)


@pytest.mark.parametrize("place", KILLED)
def test_a_rewind_that_is_killed_is_noted_and_done_or_neither(site: Site, place: str) -> None:
    site.run()
    before = state(site, "cursor_at")
    arguments = ("streams", "rewind", *of("orders"), "--to", days_ago(30), "--yes")

    killed = site.cli(*arguments, command=(*LAUNCHER, "--crash-at", place, "--"))

    done = "after COMMIT" in place
    assert killed.returncode == -9, killed.stdout + killed.stderr
    assert (state(site, "cursor_at") < before) == done
    assert site.one("SELECT count(*) FROM ebay.cursor_changes") == done
    assert site.cli(*arguments).returncode == 0
    assert site.one("SELECT count(*) FROM ebay.cursor_changes") == 1
