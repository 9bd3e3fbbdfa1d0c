"""Whatever eBay answers to one account: a reason, and a cursor at the last stored point.

The other account is read to the end. Once eBay is well again, so is the first one.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from core import tries
from core.report import SENTENCES, Outcome, Reason, RunReport, UnitReport
from infra.simulator.faults import Kind
from infra.simulator.truth import KINDS, digest
from tests.support.postgres import Server
from tests.support.site import Site, new_site

SICK, WELL = "seller-1", "seller-2"
OPERATIONS = {"orders": "getOrders", "transactions": "getTransactions", "payouts": "getPayouts"}
KEYS = {
    "orders": "order_id",
    "transactions": "transaction_id, transaction_type",
    "payouts": "payout_id",
}
SHORT_S = 12.0
"""For what comes too slowly: as long as the other account takes on a slow machine."""
WORTH_TRYING_S = 23.5
"""Of the 25 s for all tries for one page: so there are a few."""


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=5, accounts=3, orders=450) as site:
        site.simulator.world.render_all()
        yield site


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Site:
    _module_site.reset()
    _module_site.connect(2)
    return _module_site


@dataclass(frozen=True, kw_only=True)
class Case:
    """A fault of one account and stream, and what must come of it."""

    name: str
    kind: str
    ends: Reason | None
    stream: str = "orders"
    how: dict[str, Any] = field(default_factory=dict)
    short: bool = False
    quarantined: int = 0
    keeps: int = 0
    """Pages stored before it."""


AWAY, ODD = Reason.UPSTREAM, Reason.BAD_DATA
OFTEN = {
    "truncated JSON",
    "500 for one page only",
    "a byte a second",
    "gzip bomb",
    "foreign next",
    "orders without total",
    "401 for ever",
    "429 with Retry-After",
    "eleven bad rows",
    "one bad row a page",
    "a row without an id",
    "a quantity of 1e400",
    "transactions without total",
    "500 once",
    "401 in mid-run",
}
"""One of each end and of each way to it; the others are part of `make slow`, and the most of them
are met by each stream in `test_every_stream_garbage`."""

CASES = [
    Case(name="truncated JSON", kind=Kind.TRUNCATED_JSON, ends=AWAY),
    Case(name="truncated body", kind=Kind.TRUNCATED_BODY, ends=AWAY),
    Case(name="HTML with 200", kind=Kind.HTML, ends=AWAY),
    Case(name="empty body", kind=Kind.EMPTY_BODY, ends=AWAY),
    Case(name="204 for orders", kind=Kind.NO_CONTENT, ends=AWAY),
    Case(name="500", kind=Kind.SERVER_ERROR, ends=AWAY),
    Case(name="503", kind=Kind.UNAVAILABLE, ends=AWAY),
    Case(name="reset before", kind=Kind.RESET_BEFORE, ends=AWAY),
    Case(name="reset after", kind=Kind.RESET_AFTER, ends=AWAY),
    Case(name="reset in the body", kind=Kind.RESET_MID_BODY, ends=AWAY),
    Case(name="garbage", kind=Kind.GARBAGE, ends=AWAY),
    Case(name="a total too high", kind=Kind.WRONG_TOTAL, ends=AWAY, how={"value": 5},
         keeps=0),
    Case(name="no rows at all", kind=Kind.WRONG_SHAPE, ends=ODD, how={"variant": "missing"}),
    Case(name="another page than asked for", kind=Kind.SAME_PAGE, ends=AWAY),
    Case(name="500 for one page only", kind=Kind.SERVER_ERROR, ends=AWAY, how={"offset": 200},
         keeps=1),
    Case(name="an empty page in the middle", kind=Kind.STATUS, ends=AWAY, keeps=1,
         how={"status": 200, "offset": 200, "body": '{"total":450,"offset":200,"orders":[]}'}),
    Case(name="a byte a second", kind=Kind.DRIP, ends=Reason.DEADLINE, how={"seconds": 1.0},
         short=True),
    Case(name="silence", kind=Kind.HANG, ends=Reason.DEADLINE, how={"seconds": 30.0}, short=True),
    Case(name="slow headers", kind=Kind.SLOW_HEADERS, ends=Reason.DEADLINE, how={"seconds": 1.0},
         short=True),
    Case(name="gzip bomb", kind=Kind.GZIP_BOMB, ends=ODD),
    Case(name="over 10 MB", kind=Kind.BIG_BODY, ends=ODD),
    Case(name="a list instead of an object", kind=Kind.WRONG_SHAPE, ends=ODD,
         how={"variant": "list"}),
    Case(name="null instead of rows", kind=Kind.WRONG_SHAPE, ends=ODD, how={"variant": "null"}),
    Case(name="text instead of rows", kind=Kind.WRONG_SHAPE, ends=ODD, how={"variant": "string"}),
    Case(name="numbers as rows", kind=Kind.WRONG_SHAPE, ends=ODD, how={"variant": "numbers"}),
    Case(name="an object instead of rows", kind=Kind.WRONG_SHAPE, ends=ODD,
         how={"variant": "object"}),
    Case(name="foreign next", kind=Kind.FOREIGN_NEXT, ends=ODD),
    Case(name="foreign next of transactions", kind=Kind.FOREIGN_NEXT, ends=ODD,
         stream="transactions"),
    Case(name="orders without total", kind=Kind.HIDE_TOTAL, ends=ODD),
    Case(name="404", kind=Kind.STATUS, ends=ODD, how={"status": 404, "body": "nothing here"}),
    Case(name="400 with an error of its own", kind=Kind.STATUS, ends=ODD,
         how={"status": 400, "body": '{"errors":[{"errorId":30850,"message":"future"}]}'}),
    Case(name="a redirect", kind=Kind.STATUS, ends=ODD,
         how={"status": 302, "headers": {"Location": "http://ebay.invalid/"}}),
    Case(name="403/1100", kind=Kind.MISSING_SCOPE, ends=Reason.MISSING_SCOPE),
    Case(name="403/215001", kind=Kind.SIGNATURE_REQUIRED, ends=Reason.SIGNATURE_REQUIRED,
         stream="payouts"),
    Case(name="401 for ever", kind=Kind.UNAUTHORIZED, ends=Reason.TOKEN_REFUSED),
    Case(name="429", kind=Kind.RATE_LIMITED, ends=Reason.RATE_LIMITED),
    Case(name="429 with Retry-After", kind=Kind.RATE_LIMITED, ends=Reason.RATE_LIMITED,
         how={"retry_after": "90"}),
    Case(name="eleven bad rows", kind=Kind.BAD_ROW, ends=Reason.QUARANTINE_LIMIT,
         how={"rows": 11}),
    Case(name="one bad row a page", kind=Kind.BAD_ROW, ends=None, how={"rows": 1}, quarantined=3),
    Case(name="a row without an id", kind=Kind.BAD_ROW, ends=None, stream="transactions",
         how={"rows": 1, "variant": "missing_id"}, quarantined=1),
    Case(name="a payout with an impossible date", kind=Kind.BAD_ROW, ends=None, stream="payouts",
         how={"rows": 1, "variant": "date"}, quarantined=1),
    Case(name="a quantity of 1e400", kind=Kind.HUGE_NUMBER, ends=None, quarantined=3),
    Case(name="transactions without total", kind=Kind.HIDE_TOTAL, ends=None,
         stream="transactions"),
    Case(name="NUL in a title", kind=Kind.NUL_ESCAPE, ends=None),
    Case(name="half a surrogate pair", kind=Kind.LONE_SURROGATE, ends=None),
    Case(name="bytes that are no UTF-8", kind=Kind.INVALID_UTF8, ends=None),
    Case(name="500 once", kind=Kind.SERVER_ERROR, ends=None, how={"offset": 200, "times": 1}),
    Case(name="truncated once", kind=Kind.TRUNCATED_JSON, ends=None, how={"times": 1}),
    Case(name="401 in mid-run", kind=Kind.EXPIRE_TOKEN, ends=None,
         how={"offset": 200, "times": 1}),
]  # fmt: skip


def unit(report: RunReport, account: str, stream: str) -> UnitReport:
    wanted = (account, stream, "new")
    [found] = [each for each in report.units if (each.account, each.stream, each.pass_) == wanted]
    return found


def truth(site: Site, account: str, stream: str) -> dict[tuple[str, ...], str]:
    rows = site.simulator.truth(account, stream)
    return {key: digest(row) for key, (_, row) in rows.items()}


def stored(site: Site, account: str, stream: str) -> dict[tuple[str, ...], str]:
    found = site.sql(
        f"SELECT raw, {KEYS[stream]} FROM ebay.{stream}"
        f" JOIN ebay.accounts ON accounts.id = account_id WHERE name = '{account}'"
    )
    return {tuple(row[1:]): digest(row[0]) for row in found}


def state(site: Site, account: str, stream: str) -> dict[str, Any]:
    names = ("cursor_at", "window_offset", "window_total", "failures", "due_at", "last_reason",
             "last_error", "leased_by")  # fmt: skip
    [row] = site.sql(
        f"SELECT {', '.join(names)} FROM ebay.sync_states"
        " JOIN ebay.accounts ON accounts.id = account_id"
        f" WHERE name = '{account}' AND stream = '{stream}' AND pass = 'new'"
    )
    return dict(zip(names, row, strict=True))


def complete(site: Site, account: str, streams: Sequence[str] = KINDS) -> None:
    for stream in streams:
        assert stored(site, account, stream) == truth(site, account, stream)
        assert state(site, account, stream)["cursor_at"] is not None


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=[] if case.name in OFTEN else [pytest.mark.slow])
        for case in CASES
    ],
)
def test_r7_r29_garbage_for_one_account(
    site: Site, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`OFTEN` says which cases are part of `make test`."""
    if case.ends is AWAY:
        monkeypatch.setattr(tries, "WORTH_TRYING_S", WORTH_TRYING_S)
    fault = site.simulator.faults.add(
        case.kind, operation=OPERATIONS[case.stream], account=SICK, **case.how
    )

    report = site.run(deadline_s=SHORT_S if case.short else 60.0)

    assert fault.hits > 0
    ended = unit(report, SICK, case.stream)
    assert ended.reason is case.ends, ended
    assert case.ends is None or SENTENCES[case.ends]
    complete(site, WELL)
    complete(site, SICK, [stream for stream in KINDS if stream != case.stream])
    if case.ends is None:
        assert ended.quarantined == case.quarantined
        assert ended.fetched == len(truth(site, SICK, case.stream))
        assert ended.cursor_after is not None
    else:
        _stands_at_the_last_stored_point(site, case, ended)
        assert report.outcome is (
            Outcome.PARTIAL if case.ends is Reason.DEADLINE else Outcome.DEGRADED
        )
    _is_well_again(site, case)


def _stands_at_the_last_stored_point(site: Site, case: Case, ended: UnitReport) -> None:
    stands = state(site, SICK, case.stream)
    assert (stands["cursor_at"], stands["leased_by"]) == (None, None)
    assert stands["last_reason"] == case.ends
    assert stands["last_error"]
    assert stands["failures"] == (0 if case.ends is Reason.DEADLINE else 1)
    rows = stored(site, SICK, case.stream)
    theirs = truth(site, SICK, case.stream)
    assert ended.pages == case.keeps
    assert len(rows) == ended.fetched
    assert rows.items() <= theirs.items()
    assert stands["window_offset"] == (200 if case.keeps else None)


def _is_well_again(site: Site, case: Case) -> None:
    """Rows that were changed on their way stay as they came: nothing tells them from true ones."""
    site.simulator.faults.clear()
    site.all_due()
    report = site.run(deadline_s=60.0)
    assert unit(report, SICK, case.stream).reason is None
    assert report.outcome is Outcome.DONE
    if case.ends is not None:
        complete(site, SICK)


@pytest.mark.parametrize("kind", [Kind.NUL_ESCAPE, Kind.LONE_SURROGATE, Kind.INVALID_UTF8])
def test_a_title_keeps_all_but_the_character_that_is_none(site: Site, kind: str) -> None:
    site.simulator.faults.add(kind, operation="getOrders", account=SICK, rows=1)

    site.run()

    [(before,), *_] = site.sql(
        "SELECT title FROM ebay.order_lines WHERE title LIKE '%\ufffd%' ORDER BY title"
    )
    assert before.rstrip("\ufffd ") != ""
    assert site.one("SELECT count(*) FROM ebay.quarantine") == 0


def test_what_no_contract_knows_is_kept(site: Site) -> None:
    """The simulator adds fields and enum values of its own to some rows."""
    site.run()

    complete(site, SICK)
    complete(site, WELL)


def test_a_spent_quota_stops_that_api_until_its_reset(site: Site) -> None:
    quotas = site.simulator.quotas
    quotas.set_count("sell.fulfillment", quotas.limit("sell.fulfillment"))

    report = site.run(deadline_s=60.0)

    orders = [unit(report, account, "orders") for account in (SICK, WELL)]
    assert {each.reason for each in orders} <= {Reason.QUOTA, Reason.BUDGET}
    assert Reason.QUOTA in {each.reason for each in orders}
    for account in (SICK, WELL):
        complete(site, account, ["transactions", "payouts"])
        due = state(site, account, "orders")["due_at"]
        assert due - datetime.now(UTC) > timedelta(seconds=1)
    assert site.one("SELECT max(blocked_until) > now() FROM ebay.api_budgets")
    calls = len(site.simulator.requests.entries(operation="getOrders"))
    site.all_due()
    again = site.run(deadline_s=60.0)
    assert {each.reason for each in again.units if each.stream == "orders"} == {Reason.BUDGET}
    assert len(site.simulator.requests.entries(operation="getOrders")) == calls


NOW_ISH = timedelta(seconds=20)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90", 90),
        pytest.param(" 90 ", 90, marks=pytest.mark.slow),
        pytest.param("90.5", 90, marks=pytest.mark.slow),
        ("0", 60),
        pytest.param("-5", 60, marks=pytest.mark.slow),
        pytest.param("soon", 60, marks=pytest.mark.slow),
        pytest.param("", 60, marks=pytest.mark.slow),
        pytest.param("99999999999999999999", 86_400, marks=pytest.mark.slow),
        pytest.param("Sat, 01 Jan 2000 00:00:00 GMT", 60, marks=pytest.mark.slow),
        ("date", 240),
        ("9" * 400, 86_400),
    ],
)
def test_r59_retry_after_in_every_form(site: Site, value: str, seconds: int) -> None:
    """How each is read, tests/unit/test_ebay_errors.py shows; most runs are in `make slow`."""
    if value == "date":
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
    site.simulator.faults.add(
        Kind.RATE_LIMITED, operation="getPayouts", account=SICK, retry_after=value
    )

    report = site.run(streams=("payouts",))

    assert unit(report, SICK, "payouts").reason is Reason.RATE_LIMITED
    due = state(site, SICK, "payouts")["due_at"]
    assert abs(due - datetime.now(UTC) - timedelta(seconds=seconds)) < NOW_ISH
    complete(site, WELL, ["payouts"])


def test_pages_may_be_short_as_long_as_they_say_that_more_follows(site: Site) -> None:
    rows = [
        {
            "transactionId": str(number),
            "transactionType": "SALE",
            "transactionDate": "2026-02-01T10:00:00.000Z",
        }
        for number in range(5)
    ]
    base = "/sell/finances/v1/transaction?limit=1000&offset="
    for offset, shown, link in ((0, rows[:2], 1000), (2, rows[2:3], 1003), (3, rows[3:], None)):
        body: dict[str, Any] = {"transactions": shown, "offset": offset}
        if link is not None:
            body["next"] = f"{site.simulator.apiz_url}{base}{link}"
        site.simulator.faults.add(
            Kind.STATUS, status=200, body=json.dumps(body), operation="getTransactions",
            account=SICK, offset=offset,
        )  # fmt: skip

    report = site.run(streams=("transactions",))

    assert unit(report, SICK, "transactions").outcome is Outcome.DONE
    assert len(stored(site, SICK, "transactions")) == 5


def test_9000_transactions_without_a_total_are_read_with_offsets_below_5000(site: Site) -> None:
    world = site.simulator.world
    name = "seller-3"
    site.connect(first=2)
    end = world.now
    have = len(world.account(name).ledger.transactions)
    world.add_transactions(name, 9000 - have, end - timedelta(days=30), end - timedelta(days=1))
    world.behaviour.finances_total = False
    world.behaviour.offset_ceiling = 5000

    try:
        report = site.run(accounts=(name,), streams=("transactions", "payouts"))
    finally:
        world.behaviour.finances_total = True
        world.behaviour.offset_ceiling = None

    assert unit(report, name, "transactions").outcome is Outcome.DONE
    assert unit(report, name, "payouts").outcome is Outcome.DONE
    assert len(truth(site, name, "transactions")) == 9000
    complete(site, name, ["transactions", "payouts"])


def test_the_command_line_says_why_and_what_to_do(site: Site) -> None:
    site.simulator.faults.add(Kind.MISSING_SCOPE, operation="getPayouts", account=SICK)
    site.simulator.faults.add(Kind.HTML, operation="getOrders", account=SICK)

    told = site.cli("ebay", "--deadline", "12s")

    assert told.returncode == 1
    assert "failed: missing_scope" in told.stderr
    assert SENTENCES[Reason.MISSING_SCOPE] in told.stderr
    assert SENTENCES[Reason.UPSTREAM] in told.stderr
    assert "sell.finances" in told.stderr
    complete(site, WELL)
