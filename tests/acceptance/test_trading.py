"""Listings and purchases, from a Trading API that ends, repeats and fails, into the tables."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import patch

import pytest

from core.report import Outcome, Reason
from handlers import selling
from infra.ebay.streams.registry import STREAMS
from infra.simulator.listings import SHARED_ITEM_ID
from infra.simulator.purchases import SHARED_PURCHASE
from infra.simulator.server import Simulator
from tests.support.ebay_shared import trading_sample
from tests.support.my_ebay import (
    BOUGHT,
    BUYING,
    FIRST,
    LISTED,
    SELLING,
    end,
    listing,
    pages,
    read,
    stored,
    there,
)
from tests.support.site import Site, site_of

EVERY = pytest.mark.parametrize("stream", [LISTED, BOUGHT])


@pytest.fixture
def site(database_url: str, direct_database_url: str) -> Iterator[Site]:
    """Two sellers, with three pages of listings each."""
    with Simulator(seed=5, accounts=2, orders=3, listings=450) as simulator:
        yield site_of(database_url, direct_database_url, simulator)


@EVERY
def test_every_row_is_that_of_the_source(site: Site, stream: str) -> None:
    site.connect(2, streams=(stream,))

    report = site.run()

    assert (report.outcome, len(report.units)) == (Outcome.DONE, 2)
    for account in (FIRST, "seller-2"):
        assert stored(site, stream, account) == there(site, stream, account)


@EVERY
def test_what_has_not_changed_is_not_written_again(site: Site, stream: str) -> None:
    """Although each answer tells another time that is left."""
    site.connect(1, streams=(stream,))
    first = read(site, stream)
    site.simulator.clock.shift(timedelta(hours=1))

    again = read(site, stream)

    assert (first.inserted, first.updated) == (len(there(site, stream)), 0)
    assert (again.inserted, again.updated, again.unchanged) == (0, 0, first.fetched)


def test_r17_two_accounts_may_share_ids(site: Site) -> None:
    site.connect(2, streams=(LISTED, BOUGHT))

    site.run()

    assert site.one(f"SELECT count(*) FROM ebay.listings WHERE item_id = '{SHARED_ITEM_ID}'") == 2
    item, transaction = SHARED_PURCHASE
    where = f"item_id = '{item}' AND transaction_id = '{transaction}'"
    assert site.one(f"SELECT count(*) FROM ebay.purchases WHERE {where}") == 2


def test_r56_the_price_is_the_current_one_and_changes_with_the_next_snapshot(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    auction = listing(site, 4)
    prices = (
        "SELECT current_price_value, current_price_currency, start_price_value, bid_count"
        f" FROM ebay.listings WHERE item_id = '{auction.item_id}'"
    )
    read(site)
    before = site.sql(prices)
    with site.simulator.world.lock:
        auction.cents += 150
        auction.bids += 1

    report = read(site)

    assert report.updated == 1
    [[price, currency, start, bids]] = site.sql(prices)
    assert (int(price * 100), currency, start, bids) == (
        auction.cents,
        auction.currency,
        1,
        auction.bids,
    )
    assert before[0][0] < price


def test_r56_listings_without_a_sku_are_there_once(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    bare = listing(site, 5)
    assert bare.sku is None

    read(site)
    read(site)

    assert site.sql(
        f"SELECT sku, quantity, quantity_available FROM ebay.listings"
        f" WHERE item_id = '{bare.item_id}'"
    ) == [["", bare.quantity, bare.quantity - bare.sold]]


def test_each_sku_of_a_listing_with_variations_is_a_row_with_its_own_numbers(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    several = next(
        each
        for each in site.simulator.world.stock(site.simulator.world.account(FIRST)).active
        if len(each.variations) > 2 and all(variation.sku for variation in each.variations)
    )
    several.variations[0].sold = 2

    read(site)

    assert site.sql(
        "SELECT sku, quantity, quantity_available, CAST(current_price_value * 100 AS integer),"
        f" variation_title FROM ebay.listings WHERE item_id = '{several.item_id}' ORDER BY sku"
    ) == [
        [each.sku, each.quantity, each.quantity - each.sold, each.cents,
         f"{several.title} [{each.name}]"]
        for each in several.variations
    ]  # fmt: skip


def test_r54_purchases_are_won_items_with_real_ids(site: Site) -> None:
    site.connect(1, streams=(BOUGHT,))

    read(site, BOUGHT)

    found = site.sql(
        "SELECT item_id, transaction_id, order_line_item_id, seller_user_id, title, order_id"
        " FROM ebay.purchases"
    )
    assert len(found) == len(there(site, BOUGHT)) > 10
    assert all(row[2] == f"{row[0]}-{row[1]}" for row in found)
    assert all(row[3] and row[4] not in {"bid for", "sold"} for row in found)
    assert {row[5] is None for row in found} == {True, False}


def test_purchases_never_end(site: Site) -> None:
    """After 30 days eBay shows them no longer."""
    site.connect(1, streams=(BOUGHT,))
    read(site, BOUGHT)
    before = stored(site, BOUGHT)

    site.simulator.clock.shift(timedelta(days=40))
    for _ in range(3):
        read(site, BOUGHT)

    assert not there(site, BOUGHT)
    assert stored(site, BOUGHT) == before


def test_r11_a_listing_has_ended_when_two_complete_snapshots_did_not_show_it(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    read(site)
    end(site, 1, 300)
    gone = "SELECT count(*) FROM ebay.listings WHERE ended_at IS NOT NULL"

    read(site)
    after_one = site.one(gone)
    read(site)

    assert (after_one, site.one(gone)) == (0, 2)
    assert stored(site, LISTED) == there(site, LISTED)


def test_a_listing_that_comes_back_has_not_ended(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    end(site, 2)
    stock = site.simulator.world.stock(site.simulator.world.account(FIRST))
    [back] = stock.ended
    stock.bring_back(back)
    read(site)
    end(site, 2)
    for _ in range(2):
        read(site)
    assert site.one("SELECT count(*) FROM ebay.listings WHERE ended_at IS NOT NULL") == 1

    stock.bring_back(back)
    read(site)

    assert site.one("SELECT count(*) FROM ebay.listings WHERE ended_at IS NOT NULL") == 0
    assert stored(site, LISTED) == there(site, LISTED)


def test_r11_an_incomplete_snapshot_ends_nothing(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    read(site)
    end(site, 1)
    read(site)
    site.simulator.faults.add("status", status=400, operation=SELLING, offset=200)

    failed = [read(site) for _ in range(2)]

    assert {unit.outcome for unit in failed} == {Outcome.FAILED}
    assert site.one("SELECT count(*) FROM ebay.listings WHERE ended_at IS NOT NULL") == 0


def test_a_snapshot_that_was_killed_goes_on_at_its_page(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    hang = site.simulator.faults.add("hang", operation=SELLING, offset=400)
    process = site.start("ebay")
    while not site.simulator.requests.entries(operation=SELLING)[2:]:
        assert process.poll() is None
    while site.one("SELECT window_offset FROM ebay.sync_states") != 400:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    site.simulator.faults.remove(hang.id)
    pages(site)

    done = site.cli("ebay", "--take-over")

    assert done.returncode == 0, done.stderr
    assert pages(site) == ["400"]
    assert stored(site, LISTED) == there(site, LISTED)


def test_a_source_that_changes_while_it_is_read_is_there_when_it_rests(site: Site) -> None:
    site.connect(1, streams=(LISTED, BOUGHT))
    site.simulator.world.behaviour.stock_changes_per_request = 7
    for _ in range(4):
        site.all_due()
        site.run()

    site.simulator.world.behaviour.stock_changes_per_request = 0
    for _ in range(2):
        site.all_due()
        site.run()

    assert stored(site, LISTED) == there(site, LISTED)
    assert stored(site, BOUGHT) == there(site, BOUGHT)


def test_pages_that_are_shorter_than_was_asked_for_are_all_read(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    site.simulator.world.behaviour.my_ebay_page_size = 70

    report = read(site)

    assert report.outcome is Outcome.DONE
    assert stored(site, LISTED) == there(site, LISTED)


def test_a_list_that_shrinks_below_its_page_ends_the_pass(site: Site) -> None:
    """A number beyond the end brings the last page once more."""
    site.connect(1, streams=(LISTED,))
    read(site)
    site.simulator.faults.add("status", status=400, operation=SELLING, offset=400)
    read(site)
    site.simulator.faults.clear()
    end(site, *range(100, 200))
    pages(site)

    report = read(site)

    assert (report.outcome, pages(site)) == (Outcome.DONE, ["400"])


def test_a_list_that_is_gone_at_a_later_page_has_not_been_read(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    for _ in range(2):
        read(site)
    nothing = (
        '<GetMyeBaySellingResponse xmlns="urn:ebay:apis:eBLBaseComponents"><Ack>Success</Ack>'
        "</GetMyeBaySellingResponse>"
    )
    site.simulator.faults.add("status", status=200, body=nothing, operation=SELLING, offset=200)

    units = [read(site) for _ in range(3)]

    assert {(unit.outcome, unit.reason) for unit in units} == {(Outcome.FAILED, Reason.UPSTREAM)}
    assert stored(site, LISTED) == there(site, LISTED)


def test_a_list_that_was_emptied_while_it_was_read_is_read_from_its_front(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    read(site)
    site.simulator.faults.add("status", status=400, operation=SELLING, offset=200)
    read(site)
    site.simulator.faults.clear()
    end(site, *range(450))

    units = [read(site) for _ in range(4)]

    assert [unit.outcome for unit in units] == [Outcome.FAILED, *[Outcome.DONE] * 3]
    assert stored(site, LISTED) == {}


def test_r7_r11_a_list_above_the_ceiling_is_never_complete(site: Site) -> None:
    small = [
        replace(stream, offset_ceiling=400) if stream.name == LISTED else stream
        for stream in STREAMS
    ]
    site.connect(1, streams=(LISTED,))
    site.simulator.world.behaviour.my_ebay_ceiling = 400

    with patch.object(selling, "STREAMS", tuple(small)):
        units = [read(site) for _ in range(3)]

    assert {(unit.outcome, unit.reason) for unit in units} == {(Outcome.FAILED, Reason.TOO_MANY)}
    assert len({item for item, _ in stored(site, LISTED)}) == 400
    assert site.one("SELECT cursor_at FROM ebay.sync_states") is None


def test_what_belongs_to_the_user_stays(site: Site) -> None:
    site.connect(1, streams=(LISTED, BOUGHT))
    site.run()
    for table in ("listings", "purchases"):
        site.sql(f"UPDATE ebay.{table} SET note = 'mine', tags = '{{a,b}}'")
    with site.simulator.world.lock:
        listing(site, 0).cents += 10
        site.simulator.world.basket(site.simulator.world.account(FIRST)).purchases[0].paid = 1
    end(site, 3)

    for _ in range(2):
        site.all_due()
        site.run()

    for table in ("listings", "purchases"):
        assert site.sql(f"SELECT DISTINCT note, tags FROM ebay.{table}") == [["mine", ["a", "b"]]]


@pytest.mark.parametrize("listings", [0])
def test_an_account_that_offers_nothing_is_read_completely(
    database_url: str, direct_database_url: str, listings: int
) -> None:
    with Simulator(seed=5, accounts=1, orders=3, listings=listings) as simulator:
        site = site_of(database_url, direct_database_url, simulator)
        site.connect(1, streams=(LISTED,))

        report = read(site)

    assert (report.outcome, report.fetched) == (Outcome.DONE, 0)


def test_r28_a_refused_token_in_a_200_is_refreshed_once(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    site.simulator.faults.add("expire_token", operation=SELLING, times=1)

    report = read(site)

    assert report.outcome is Outcome.DONE
    assert pages(site) == ["0", "0", "200", "400"]
    assert stored(site, LISTED) == there(site, LISTED)


def test_r28_a_day_that_is_used_up_blocks_this_call_and_no_other(site: Site) -> None:
    site.connect(1, streams=(LISTED, BOUGHT))
    site.simulator.quotas.set_count(SELLING, 5_000)

    report = site.run()

    assert {unit.stream: unit.reason for unit in report.units} == {
        LISTED: Reason.QUOTA,
        BOUGHT: None,
    }
    assert site.sql("SELECT api FROM ebay.api_budgets WHERE blocked_until IS NOT NULL") == [
        ["trading.GetMyeBaySelling"]
    ]


def test_a_warning_is_no_failure(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    site.simulator.world.behaviour.trading_warnings = True

    read(site)

    assert stored(site, LISTED) == there(site, LISTED)


def test_r58_a_call_names_the_site_of_the_account(site: Site) -> None:
    site.connect(2, streams=(BOUGHT,))

    site.run()

    entries = site.simulator.requests.entries(operation=BUYING)
    sites = {entry.account: entry.headers["x-ebay-api-siteid"] for entry in entries}
    assert sites == {FIRST: "77", "seller-2": "0"}


def test_no_token_is_told(site: Site) -> None:
    site.connect(1, streams=(LISTED,))
    site.simulator.faults.add("unauthorized", operation=SELLING)

    report = read(site)

    assert report.reason is Reason.TOKEN_REFUSED
    told = json.dumps([entry.headers for entry in site.simulator.requests.entries()])
    assert "#t^" not in told + str(report.detail)


def test_the_samples_arrive_field_by_field(site: Site) -> None:
    site.connect(1, streams=(LISTED, BOUGHT))
    for operation in (SELLING, BUYING):
        body = trading_sample(operation).decode()
        # The sample is the first of two pages, and there is no second one.
        body = body.replace(">201<", ">1<").replace("Pages>2<", "Pages>1<")
        site.simulator.faults.add("status", status=200, body=body, operation=operation)

    report = site.run()

    assert report.outcome is Outcome.DONE
    assert site.sql(
        "SELECT item_id, sku, title, listing_type, listing_duration, start_time, view_item_url,"
        " quantity, quantity_available, current_price_value, current_price_currency,"
        " buy_it_now_price_value, buy_it_now_price_currency, watch_count, bid_count, ended_at"
        " FROM ebay.listings"
    ) == [
        [
            *("500000000001", "SKU-1", "Sample item title", "FixedPriceItem", "GTC"),
            datetime(2026, 1, 10, 9, 30, tzinfo=UTC),
            *("http://cgi.sandbox.ebay.com/sample", 4, 2, Decimal(250), "USD"),
            *(Decimal(250), "USD", 3, None, None),
        ]
    ]
    assert site.sql(
        "SELECT item_id, transaction_id, order_line_item_id, title, seller_user_id,"
        " quantity_purchased, current_price_value, current_price_currency, total_price_value,"
        " total_price_currency, buyer_paid_status, end_time, paid_time, shipped_time"
        " FROM ebay.purchases"
    ) == [
        [
            *("111222333", "987654", "111222333-987654", "Sample item title", "testuser_seller"),
            *(1, Decimal(100), "USD", Decimal(105), "USD", "Paid"),
            datetime(2026, 1, 1, tzinfo=UTC),
            datetime(2026, 1, 1, 1, tzinfo=UTC),
            None,
        ]
    ]
