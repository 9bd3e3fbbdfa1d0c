"""The stream `inventory_offers`: from the simulated eBay into PostgreSQL, row by row."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.report import Outcome, Reason, RunReport
from core.sync.ports import Progress
from infra.postgres.transaction import Database
from infra.simulator.accounts import Account
from infra.simulator.faults import Kind
from infra.simulator.inventory import SHARED_OFFER_ID
from tests.support.killed import kill_when
from tests.support.postgres import Server
from tests.support.shelf import READ_AT, Shelf
from tests.support.site import Site, new_site
from tests.support.stored import equals_the_truth, stored, there

STREAM, LIST, DETAIL = "inventory_offers", "getInventoryItems", "getOffers"
LATER = READ_AT + timedelta(hours=6)
Rows = dict[Any, Any]


def money(value: str, currency: str = "EUR") -> Rows:
    return {"value": value, "currency": currency}


def offer(number: int = 1, **more: Any) -> Rows:
    return {
        "offerId": f"offer-{number}",
        "sku": "A-1",
        "marketplaceId": "EBAY_DE",
        "format": "FIXED_PRICE",
        "status": "PUBLISHED",
        "availableQuantity": 7,
        "pricingSummary": {"price": money("12.34")},
        "listing": {"listingId": "77", "listingStatus": "ACTIVE", "soldQuantity": 2},
        **more,
    }


def test_the_columns_of_an_offer_are_ebays_fields(database: Database) -> None:
    shelf = Shelf(database, STREAM)

    shelf.save(
        offer(
            format="AUCTION",
            quantityLimitPerBuyer=3,
            lotSize=10,
            pricingSummary={
                "price": money("12.34"),
                "auctionStartPrice": money("1"),
                "auctionReservePrice": money("9.5", "USD"),
            },
            listing={
                "listingId": "77",
                "listingStatus": "OUT_OF_STOCK",
                "soldQuantity": 2,
                "listingOnHold": True,
            },
            tax={"applyTax": False, "vatPercentage": 19.5},
            categoryId="9355",
            secondaryCategoryId="1",
            merchantLocationKey="here",
            listingDuration="GTC",
            listingStartDate="2026-02-01T10:00:00.000Z",
            listingPolicies={
                "fulfillmentPolicyId": "1",
                "paymentPolicyId": "2",
                "returnPolicyId": "3",
            },
            invented={"deep": [1]},
        )
    )

    row = shelf.fields("ebay.inventory_offers")
    assert row.pop("raw")["invented"] == {"deep": [1]}
    assert row == {
        "offer_id": "offer-1",
        "sku": "A-1",
        "marketplace_id": "EBAY_DE",
        "format": "AUCTION",
        "status": "PUBLISHED",
        "listing_id": "77",
        "listing_status": "OUT_OF_STOCK",
        "listing_on_hold": True,
        "sold_quantity": 2,
        "available_quantity": 7,
        "quantity_limit_per_buyer": 3,
        "lot_size": 10,
        "price_value": Decimal("12.34"),
        "price_currency": "EUR",
        "auction_start_price_value": Decimal(1),
        "auction_start_price_currency": "EUR",
        "auction_reserve_price_value": Decimal("9.5"),
        "auction_reserve_price_currency": "USD",
        "vat_percentage": Decimal("19.5"),
        "category_id": "9355",
        "secondary_category_id": "1",
        "merchant_location_key": "here",
        "listing_duration": "GTC",
        "listing_start_date": datetime(2026, 2, 1, 10, tzinfo=UTC),
        "fulfillment_policy_id": "1",
        "payment_policy_id": "2",
        "return_policy_id": "3",
        "note": None,
        "tags": [],
        "ended_at": None,
    }


def test_what_a_user_noted_stays_when_the_offer_changes(database: Database) -> None:
    shelf = Shelf(database, STREAM)
    shelf.save(offer())
    shelf.sql("UPDATE ebay.inventory_offers SET note = 'sale', tags = '{hot}' RETURNING 1")

    saved = shelf.save(offer(availableQuantity=1), read_at=LATER)

    row = shelf.one("SELECT available_quantity, note, tags FROM ebay.inventory_offers")
    assert saved.updated == 1
    assert row == {"available_quantity": 1, "note": "sale", "tags": ["hot"]}


def test_an_offer_without_a_listing_or_a_price_is_stored(database: Database) -> None:
    shelf = Shelf(database, STREAM)

    saved = shelf.save({"offerId": "1", "sku": "A", "status": "UNPUBLISHED", "pricingSummary": {}})

    assert (saved.inserted, saved.quarantined) == (1, 0)


@pytest.mark.parametrize(
    "bad",
    [
        {"offerId": None},
        {"availableQuantity": "many"},
        {"pricingSummary": {"price": money("NaN")}},
        {"tax": {"vatPercentage": "Infinity"}},
        {"listingStartDate": "infinity"},
        {"listing": {"listingOnHold": "perhaps"}},
    ],
)
def test_an_offer_that_cannot_be_stored_is_kept_aside(database: Database, bad: Rows) -> None:
    shelf = Shelf(database, STREAM)

    saved = shelf.save(offer(1), offer(2, **bad), progress=Progress(window=None))

    assert (saved.inserted, saved.quarantined) == (1, 1)
    assert json.loads(shelf.column("SELECT raw FROM ebay.quarantine")[0]) == offer(2, **bad)


@pytest.fixture(scope="module")
def _module_site(_session_server: Server, _template: str) -> Iterator[Site]:
    with new_site(_session_server, _template, seed=9, accounts=2, orders=120) as site:
        yield site


@pytest.fixture
def site(_module_site: Site, postgres_server: Server) -> Iterator[Site]:
    _module_site.reset()
    before = [deepcopy(account.ledger.inventory) for account in sellers(_module_site)]
    yield _module_site
    for account, kept in zip(sellers(_module_site), before, strict=True):
        account.ledger.inventory[:] = kept


def sellers(site: Site) -> list[Account]:
    return site.simulator.world.accounts


def truth(site: Site, account: str) -> Rows:
    return there(site.simulator, account, STREAM)


def again(site: Site, **how: Any) -> RunReport:
    site.all_due()
    return site.run(**how)


def test_r50_the_offers_of_every_sku_are_stored_and_not_written_again(site: Site) -> None:
    site.connect(2, streams=[STREAM])

    first = site.run()
    second = again(site)

    assert (first.outcome, second.outcome) == (Outcome.DONE, Outcome.DONE)
    assert first.counts["inserted"] == sum(len(truth(site, each.name)) for each in sellers(site))
    assert (second.counts["written"], second.counts["quarantined"]) == (0, 0)
    equals_the_truth(site, site.simulator, STREAM)
    shared = f"SELECT count(*) FROM ebay.inventory_offers WHERE offer_id = '{SHARED_OFFER_ID}'"
    assert site.one(shared) == 2
    markets = site.sql("SELECT DISTINCT marketplace_id FROM ebay.inventory_offers ORDER BY 1")
    assert [row[0] for row in markets] == ["EBAY_DE", "EBAY_US"]
    assert site.one("SELECT count(*) > 0 FROM ebay.inventory_offers WHERE listing_id IS NULL")


def test_every_call_is_counted(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    so_far = len(site.simulator.requests)
    stock = sellers(site)[0].ledger.inventory

    report = site.run()

    made = [
        entry
        for entry in site.simulator.requests.entries()[so_far:]
        if entry.operation in {LIST, DETAIL}
    ]
    skus, pages = len(stock), -(-len(stock) // 5)
    assert report.counts["calls"] == len(made) == skus + pages
    assert [entry.offset for entry in made if entry.operation == LIST] == [
        str(number) for number in range(pages)
    ]
    events = "SELECT count(*) FROM ops.run_events WHERE event = 'ebay.called'"
    assert site.one(events) == len(made)


def test_an_offer_has_ended_when_two_snapshots_did_not_show_it(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    site.run()
    account = sellers(site)[0]
    lost = next(stock for stock in account.ledger.inventory if len(stock.offers) == 2)
    gone, kept = lost.offers
    lost.offers = [kept]

    again(site)
    after_one = stored(site, account.name, STREAM, ended=True)
    again(site)
    after_two = stored(site, account.name, STREAM, ended=True)
    lost.offers = [gone, kept]
    again(site)

    assert after_one == {}
    assert list(after_two) == [(gone.offer_id,)]
    assert stored(site, account.name, STREAM) == truth(site, account.name)


def test_a_snapshot_that_was_not_finished_ends_nothing(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    site.run()
    account = sellers(site)[0]
    for stock in account.ledger.inventory:
        stock.offers.clear()
    site.simulator.faults.add(Kind.SERVER_ERROR, operation=LIST, offset=2)

    for _ in range(3):
        report = again(site, deadline_s=3.0)
        assert report.outcome is not Outcome.DONE

    assert stored(site, account.name, STREAM, ended=True) == {}


def test_an_inventory_that_changes_while_it_is_read_is_right_after_quiet_runs(site: Site) -> None:
    site.connect(2, streams=[STREAM])
    site.simulator.world.behaviour.mutations_per_request = 2
    try:
        for _ in range(2):
            again(site)
    finally:
        site.simulator.world.behaviour.mutations_per_request = 0

    outcomes = [again(site).outcome for _ in range(3)]

    assert outcomes[-1] is Outcome.DONE
    equals_the_truth(site, site.simulator, STREAM)


def test_a_run_killed_in_the_middle_goes_on_at_its_page(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    account = sellers(site)[0]
    # The third SKU of the third page.
    site.simulator.faults.add(Kind.HANG, operation=DETAIL, after=12)
    place = f"SELECT window_offset = 10 FROM ebay.sync_states WHERE stream = '{STREAM}'"
    kill_when(site, STREAM, place)
    site.simulator.faults.clear()
    held = stored(site, account.name, STREAM)
    so_far = len(site.simulator.requests.entries(operation=LIST))

    report = site.run()

    assert report.outcome is Outcome.DONE
    assert site.simulator.requests.entries(operation=LIST)[so_far].offset == "2"
    assert 0 < len(held) < len(truth(site, account.name))
    assert stored(site, account.name, STREAM) == truth(site, account.name)
    assert stored(site, account.name, STREAM, ended=True) == {}


def test_a_deadline_in_the_middle_of_a_page_keeps_what_was_found(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    account = sellers(site)[0]
    site.simulator.faults.add(Kind.HANG, operation=DETAIL, after=3)

    cut = site.run(deadline_s=2.5)

    [unit] = cut.units
    assert (unit.outcome, unit.reason) == (Outcome.PARTIAL, Reason.DEADLINE)
    shown = [offer for stock in account.ledger.inventory[:3] for offer in stock.offers]
    assert set(stored(site, account.name, STREAM)) == {(offer.offer_id,) for offer in shown}
    assert shown
    state = f"SELECT cursor_at, window_offset FROM ebay.sync_states WHERE stream = '{STREAM}'"
    assert site.sql(state)[0][0] is None
    site.simulator.faults.clear()
    assert again(site).outcome is Outcome.DONE
    assert stored(site, account.name, STREAM) == truth(site, account.name)


def test_a_seller_without_an_inventory_has_no_offers(site: Site) -> None:
    sellers(site)[0].ledger.inventory.clear()
    site.connect(1, streams=[STREAM])

    report = site.run()

    assert (report.outcome, report.counts["fetched"]) == (Outcome.DONE, 0)
    assert site.one(f"SELECT cursor_at IS NOT NULL FROM ebay.sync_states WHERE stream = '{STREAM}'")


def test_a_sku_that_ebay_cannot_be_asked_for_is_kept_aside_and_in_nobodys_way(site: Site) -> None:
    account = sellers(site)[0]
    odd = next(stock for stock in account.ledger.inventory if stock.offers)
    odd.sku = "a sku with spaces"
    hidden = {(offer.offer_id,) for offer in odd.offers}
    site.connect(1, streams=[STREAM])

    report = site.run()

    expected = {key: row for key, row in truth(site, account.name).items() if key not in hidden}
    assert (report.outcome, report.counts["quarantined"]) == (Outcome.DONE, 1)
    assert stored(site, account.name, STREAM) == expected
    [raw] = [row[0] for row in site.sql("SELECT raw FROM ebay.quarantine")]
    assert json.loads(raw)["sku"] == "a sku with spaces"
    assert json.loads(raw)["errorId"] == 25707


@pytest.mark.parametrize("operation", [LIST, DETAIL])
@pytest.mark.parametrize(
    ("kind", "how", "reason"),
    [
        (Kind.HTML, {}, Reason.UPSTREAM),
        (Kind.TRUNCATED_JSON, {}, Reason.UPSTREAM),
        (Kind.NO_CONTENT, {}, Reason.UPSTREAM),
        (Kind.HIDE_TOTAL, {}, Reason.BAD_DATA),
        (Kind.WRONG_SHAPE, {"variant": "missing"}, Reason.BAD_DATA),
        (Kind.WRONG_SHAPE, {"variant": "numbers"}, Reason.BAD_DATA),
        (Kind.GZIP_BOMB, {}, Reason.BAD_DATA),
        (Kind.RATE_LIMITED, {}, Reason.RATE_LIMITED),
        (Kind.MISSING_SCOPE, {}, Reason.MISSING_SCOPE),
    ],
)
def test_garbage_for_one_seller_is_a_reason_and_the_other_is_read(
    site: Site, *, operation: str, kind: str, how: Rows, reason: Reason
) -> None:
    site.connect(2, streams=[STREAM])
    site.simulator.faults.add(kind, operation=operation, account="seller-1", **how)

    # Only what is tried again needs an end.
    report = site.run(deadline_s=4.0 if reason is Reason.UPSTREAM else None)

    reasons = {unit.account: unit.reason for unit in report.units}
    assert reasons == {"seller-1": reason, "seller-2": None}
    cursor = (
        "SELECT cursor_at FROM ebay.sync_states JOIN ebay.accounts ON accounts.id = account_id"
        f" WHERE stream = '{STREAM}' AND name = 'seller-1'"
    )
    assert site.one(cursor) is None
    assert stored(site, "seller-2", STREAM) == truth(site, "seller-2")
    site.simulator.faults.clear()
    assert again(site).outcome is Outcome.DONE
    equals_the_truth(site, site.simulator, STREAM)


def test_offers_that_are_not_all_shown_are_an_outage(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    site.simulator.faults.add(Kind.WRONG_TOTAL, operation=DETAIL)

    [unit] = site.run(deadline_s=4.0).units

    assert (unit.reason, unit.cursor_after) == (Reason.UPSTREAM, None)


@pytest.mark.parametrize("kind", [Kind.NUL_ESCAPE, Kind.LONE_SURROGATE, Kind.INVALID_UTF8])
@pytest.mark.parametrize("operation", [LIST, DETAIL])
def test_text_that_is_none_costs_nothing_but_the_character(
    site: Site, operation: str, kind: str
) -> None:
    site.connect(1, streams=[STREAM])
    site.simulator.faults.add(kind, operation=operation, times=1)

    report = site.run()

    assert (report.outcome, report.counts["quarantined"]) == (Outcome.DONE, 0)
    assert stored(site, "seller-1", STREAM).keys() == truth(site, "seller-1").keys()


def test_an_inventory_item_without_a_sku_is_kept_aside(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    site.simulator.faults.add(Kind.BAD_ROW, operation=LIST, times=1, variant="missing_id")

    report = site.run()

    assert (report.outcome, report.counts["quarantined"]) == (Outcome.DONE, 1)
    assert stored(site, "seller-1", STREAM).items() <= truth(site, "seller-1").items()


def test_a_dry_run_reads_one_page_and_keeps_nothing(site: Site) -> None:
    site.connect(1, streams=[STREAM])
    first = sellers(site)[0].ledger.inventory[:5]

    report = site.run(dry_run=True)

    assert report.counts["fetched"] == sum(len(stock.offers) for stock in first)
    assert report.counts["calls"] == 6
    assert site.one("SELECT count(*) FROM ebay.inventory_offers") == 0


def test_a_spent_day_stops_the_inventory_alone(site: Site) -> None:
    site.connect(1, streams=[STREAM, "payouts"])
    site.simulator.quotas.set_count("sell.inventory", 2_000_000)

    report = site.run()

    reasons = {unit.stream: unit.reason for unit in report.units}
    assert reasons == {STREAM: Reason.QUOTA, "payouts": None}
