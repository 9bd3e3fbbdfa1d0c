"""GetMyeBaySelling and GetMyeBayBuying: lists of the whole, page by page."""

from collections.abc import Sequence
from typing import Any, TypeVar
from xml.etree.ElementTree import Element

from infra.simulator import listings, purchases
from infra.simulator.accounts import Account
from infra.simulator.trading import place, text
from infra.simulator.world import World
from infra.simulator.xml_text import elements

T = TypeVar("T")

_MOST_ENTRIES = 200
_DEFAULT_DAYS = 31


def get_selling(world: World, account: Account, asked: Element) -> str:
    stock, behaviour = world.stock(account), world.behaviour
    for _ in range(behaviour.stock_changes_per_request):
        stock.mutate(world.clock.now_ms())
    summary = {"Summary": {"ActiveAuctionCount": "0", "SoldDurationInDays": "31"}}
    if text(asked, "ActiveList/Include") != "true" or not stock.active:
        return _sold() + elements(summary)
    shown, number = _page(world, asked, "ActiveList", stock.active)
    now = world.clock.now_ms()
    items = "".join(
        f"<Item>{_item(each, now, unknown=behaviour.unknown_fields)}</Item>" for each in shown
    )
    listed = f"<ActiveList><ItemArray>{items}</ItemArray>{number}</ActiveList>"
    return listed + _sold() + elements(summary)


def get_buying(world: World, account: Account, asked: Element) -> str:
    basket, behaviour = world.basket(account), world.behaviour
    now = world.clock.now_ms()
    for _ in range(behaviour.stock_changes_per_request):
        basket.mutate(now)
    days = int(text(asked, "WonList/DurationInDays") or _DEFAULT_DAYS)
    won = basket.won(now, days)
    if text(asked, "WonList/Include") != "true" or not won:
        return _bids(basket)
    shown, number = _page(world, asked, "WonList", won)
    entries = "".join(
        f"<OrderTransaction>{_entry(each, unknown=behaviour.unknown_fields)}</OrderTransaction>"
        for each in shown
    )
    array = f"<OrderTransactionArray>{entries}</OrderTransactionArray>"
    return f"{_bids(basket)}<WonList>{array}{number}</WonList>"


def _page(world: World, asked: Element, name: str, rows: Sequence[T]) -> tuple[Sequence[T], str]:
    """A number beyond the end brings the last page; so does one beyond the ceiling."""
    size, number = place(asked, f"{name}/Pagination", 25, _MOST_ENTRIES)
    size = min(size, world.behaviour.my_ebay_page_size or size)
    shown = rows[: world.behaviour.my_ebay_ceiling]
    last = max(1, -(-len(shown) // size))
    number = min(number, last)
    result = {"TotalNumberOfPages": str(last), "TotalNumberOfEntries": str(len(rows))}
    return shown[(number - 1) * size : number * size], elements({"PaginationResult": result})


def _item(listing: listings.Listing, now: int, *, unknown: bool) -> str:
    fields = listings.item_fields(listing, now, unknown=unknown)
    return elements(fields, padded=listing.number % 7 == 1)


def _entry(entry: list[purchases.Purchase], *, unknown: bool) -> str:
    fields = purchases.entry_fields(entry, unknown=unknown)
    return elements(fields, padded=entry[0].number % 7 == 1)


def _sold() -> str:
    """A list that nobody asked for, as with `ReturnAll`: its items are sold, not offered."""
    sold: dict[str, Any] = {"Item": {"ItemID": "1", "Title": "sold"}}
    return elements(
        {"SoldList": {"OrderTransactionArray": {"OrderTransaction": {"Transaction": sold}}}}
    )


def _bids(basket: purchases.Basket) -> str:
    """What is bid for and watched: neither is bought."""
    item: dict[str, Any] = {"ItemID": "2", "Title": "bid for", "SellingStatus": {"BidCount": "2"}}
    return elements(
        {
            "BuyingSummary": {"BiddingCount": "1", "WonCount": str(len(basket.purchases))},
            "WatchList": {"ItemArray": {"Item": item}},
            "BidList": {"ItemArray": {"Item": item}},
        }
    )
