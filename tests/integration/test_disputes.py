"""The stream `disputes`: from the simulated eBay into PostgreSQL, row by row."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.report import Outcome, Reason
from core.sync.ports import Progress
from infra.postgres.transaction import Database
from infra.simulator import disputes
from infra.simulator.accounts import Account
from infra.simulator.clock import to_ms
from infra.simulator.faults import Kind
from infra.simulator.orders import DAY_MS
from tests.support.killed import kill_when
from tests.support.postgres import Server
from tests.support.shelf import READ_AT, Shelf
from tests.support.site import Site, new_site
from tests.support.stored import equals_the_truth, stored, there

STREAM, OPERATION = "disputes", "getPaymentDisputeSummaries"
LATER = READ_AT + timedelta(minutes=5)
Rows = dict[Any, Any]


def dispute(number: int = 1, **more: Any) -> Rows:
    return {
        "paymentDisputeId": f"dispute-{number}",
        "paymentDisputeStatus": "ACTION_NEEDED",
        "orderId": "order-1",
        "buyerUsername": "somebody",
        "reason": "FRAUD",
        "amount": {"value": "12.34", "currency": "EUR"},
        "openDate": "2026-02-01T10:00:00.000Z",
        "respondByDate": "2026-02-06T10:00:00.000Z",
        **more,
    }


def test_the_columns_of_a_dispute_are_ebays_fields(database: Database) -> None:
    shelf = Shelf(database, STREAM)

    shelf.save(dispute(closedDate="2026-02-09T10:00:00.000Z", invented=[1]))

    row = shelf.fields("ebay.disputes")
    assert row.pop("raw")["invented"] == [1]
    assert row == {
        "payment_dispute_id": "dispute-1",
        "payment_dispute_status": "ACTION_NEEDED",
        "order_id": "order-1",
        "buyer_username": "somebody",
        "reason": "FRAUD",
        "amount_value": Decimal("12.34"),
        "amount_currency": "EUR",
        "open_date": datetime(2026, 2, 1, 10, tzinfo=UTC),
        "respond_by_date": datetime(2026, 2, 6, 10, tzinfo=UTC),
        "closed_date": datetime(2026, 2, 9, 10, tzinfo=UTC),
        "note": None,
        "tags": [],
    }


def test_what_a_user_noted_stays_when_the_dispute_changes(database: Database) -> None:
    shelf = Shelf(database, STREAM)
    shelf.save(dispute())
    shelf.sql("UPDATE ebay.disputes SET note = 'called', tags = '{urgent}' RETURNING 1")

    saved = shelf.save(dispute(paymentDisputeStatus="CLOSED"), read_at=LATER)

    row = shelf.one("SELECT payment_dispute_status, note, tags FROM ebay.disputes")
    assert saved.updated == 1
    assert row == {"payment_dispute_status": "CLOSED", "note": "called", "tags": ["urgent"]}


@pytest.mark.parametrize(
    "bad",
    [
        {"paymentDisputeId": None},
        {"openDate": None},
        {"openDate": "infinity"},
        {"amount": {"value": "12,5x"}},
        {"amount": {"value": "NaN"}},
        {"respondByDate": "2026-13-45T99:99:99.000Z"},
    ],
)
def test_a_dispute_that_cannot_be_stored_is_kept_aside(database: Database, bad: Rows) -> None:
    shelf = Shelf(database, STREAM)

    saved = shelf.save(dispute(1), dispute(2, **bad), progress=Progress(window=None))

    assert (saved.inserted, saved.quarantined) == (1, 1)
    assert json.loads(shelf.column("SELECT raw FROM ebay.quarantine")[0]) == dispute(2, **bad)


def test_only_disputes_that_are_not_closed_are_read_again(database: Database) -> None:
    shelf = Shelf(database, STREAM)
    days = [f"2026-02-{day:02}T10:00:00.000Z" for day in range(1, 6)]
    states = ["CLOSED", "OPEN", "ACTION_NEEDED", "NOT_YET_INVENTED", "CLOSED"]
    rows = [
        dispute(number, paymentDisputeStatus=state, openDate=day)
        for number, (day, state) in enumerate(zip(days, states, strict=True))
    ]
    shelf.save(*rows)

    found = shelf.store.open_range(shelf.unit, datetime(2026, 2, 3, tzinfo=UTC))

    assert (found.oldest, found.newest, found.given_up) == (
        datetime.fromisoformat(days[2]), datetime.fromisoformat(days[3]), 1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=2, orders=450) as site:
        yield site


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Iterator[Site]:
    _module_site.reset()
    before = [list(account.ledger.disputes) for account in sellers(_module_site)]
    yield _module_site
    for account, kept in zip(sellers(_module_site), before, strict=True):
        account.ledger.disputes[:] = kept


def sellers(site: Site) -> list[Account]:
    return site.simulator.world.accounts


def truth(site: Site, account: str) -> Rows:
    return there(site.simulator, account, STREAM)


def test_what_is_stored_equals_the_truth_and_is_not_written_again(site: Site) -> None:
    site.connect(2, streams=[STREAM])

    first = site.run()
    site.all_due()
    second = site.run()

    assert (first.outcome, second.outcome) == (Outcome.DONE, Outcome.DONE)
    assert first.counts["inserted"] == sum(len(truth(site, each.name)) for each in sellers(site))
    assert second.counts["written"] == 0
    equals_the_truth(site, site.simulator, STREAM)
    shared = "SELECT count(*) FROM ebay.disputes WHERE payment_dispute_id = '{}'"
    assert site.one(shared.format(disputes.SHARED_DISPUTE_ID)) == 2


def test_a_dispute_that_ends_is_seen_by_the_second_pass(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    site.run()
    account, now = sellers(site)[0], site.simulator.clock.now_ms()
    still_open = [each for each in account.ledger.disputes if each.status != disputes.CLOSED]
    for each in still_open:
        each.status, each.closed = disputes.CLOSED, now

    site.all_due()
    report = site.run()

    [again] = [unit for unit in report.units if unit.pass_ == "open"]
    # The newest of them lie in the first pass's overlap as well.
    assert (again.outcome, report.counts["updated"]) == (Outcome.DONE, len(still_open))
    assert again.updated > 0
    assert stored(site, account.name, STREAM) == truth(site, account.name)
    assert site.one("SELECT count(*) FROM ebay.disputes WHERE closed_date IS NULL") == 0


def test_open_disputes_further_apart_than_ninety_days_are_read_again(site: Site) -> None:
    """eBay refuses wider ranges."""
    account, now = sellers(site)[0], site.simulator.clock.now_ms()
    order = account.ledger.orders[0]
    account.ledger.disputes[:] = [
        disputes.open_new(order, number, now - days * DAY_MS, variety=number)
        for number, days in enumerate((170, 95, 91, 2))
    ]
    site.connect(1, streams=[STREAM])
    since = site.simulator.clock.now() - timedelta(days=175)
    site.run(streams=(STREAM,), since=since)
    assert len(stored(site, account.name, STREAM)) == 4
    for each in account.ledger.disputes:
        disputes.move_on(each, now)

    site.all_due()
    report = site.run()

    assert report.outcome is Outcome.DONE, report.as_json()
    assert stored(site, account.name, STREAM) == truth(site, account.name)


def test_a_list_that_changes_while_it_is_read_is_right_after_a_quiet_run(site: Site) -> None:
    site.connect(2, streams=[STREAM])
    site.simulator.world.behaviour.mutations_per_request = 5
    try:
        site.run()
    finally:
        site.simulator.world.behaviour.mutations_per_request = 0
    site.simulator.clock.shift(timedelta(minutes=-3))
    for account in sellers(site):
        for each in account.ledger.disputes:
            each.opened = min(each.opened, site.simulator.clock.now_ms())
    site.simulator.clock.shift(timedelta(minutes=3))
    site.all_due()

    site.run()
    site.all_due()
    site.run()

    equals_the_truth(site, site.simulator, STREAM)


def many(site: Site, count: int) -> Account:
    account = sellers(site)[0]
    end = to_ms(site.simulator.world.now) - DAY_MS
    order = account.ledger.orders[0]
    account.ledger.disputes[:] = [
        disputes.open_new(order, number, end - (count - number) * 60_000, variety=number)
        for number in range(count)
    ]
    return account


def test_a_run_killed_between_two_pages_goes_on_at_its_page(site: Site) -> None:
    account = many(site, 450)
    site.connect(1, streams=[STREAM])
    site.simulator.faults.add(Kind.HANG, operation=OPERATION, offset=400)
    where = "SELECT window_offset = 400 FROM ebay.sync_states WHERE stream = 'disputes'"
    kill_when(site, STREAM, f"{where} AND pass = 'new'")
    site.simulator.faults.clear()
    so_far = len(site.simulator.requests.entries(operation=OPERATION))

    report = site.run()

    assert report.outcome is Outcome.DONE
    entries = site.simulator.requests.entries(operation=OPERATION)[so_far:]
    assert entries[0].offset == "400"
    assert report.counts["fetched"] == 50
    assert stored(site, account.name, STREAM) == truth(site, account.name)


def test_a_seller_without_disputes_has_none(site: Site) -> None:
    sellers(site)[0].ledger.disputes.clear()
    site.connect(1, streams=[STREAM])

    report = site.run()

    assert (report.outcome, report.counts["fetched"]) == (Outcome.DONE, 0)
    assert site.one("SELECT cursor_at IS NOT NULL FROM ebay.sync_states WHERE pass = 'new'")


@pytest.mark.parametrize(
    ("kind", "how", "reason"),
    [
        (Kind.HTML, {}, Reason.UPSTREAM),
        (Kind.TRUNCATED_JSON, {}, Reason.UPSTREAM),
        (Kind.NO_CONTENT, {}, Reason.UPSTREAM),
        (Kind.WRONG_SHAPE, {"variant": "missing"}, Reason.BAD_DATA),
        (Kind.MISSING_SCOPE, {}, Reason.MISSING_SCOPE),
        (Kind.RATE_LIMITED, {}, Reason.RATE_LIMITED),
    ],
)
def test_garbage_for_one_seller_is_a_reason_and_the_other_is_read(
    site: Site, kind: str, how: Rows, reason: Reason
) -> None:
    site.connect(2, streams=[STREAM])
    site.simulator.faults.add(kind, operation=OPERATION, account="seller-1", **how)

    report = site.run(deadline_s=4.0)

    reasons = {unit.account: unit.reason for unit in report.units if unit.pass_ == "new"}
    assert reasons == {"seller-1": reason, "seller-2": None}
    assert stored(site, "seller-1", STREAM) == {}
    assert stored(site, "seller-2", STREAM) == truth(site, "seller-2")


def test_r47_a_seller_who_has_not_consented_to_disputes_is_told_the_scope(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    account = sellers(site)[0]
    scopes = set(account.scopes)
    account.scopes = {scope for scope in scopes if "dispute" not in scope}
    try:
        report = site.run()
    finally:
        account.scopes = scopes

    [unit] = [each for each in report.units if each.pass_ == "new"]
    assert unit.reason is Reason.MISSING_SCOPE
    assert "sell.payment.dispute" in str(unit.detail)
