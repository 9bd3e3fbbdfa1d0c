"""Listings and purchases: one unit read, what its table shows, and what is there."""

from typing import Any

from core.report import UnitReport
from infra.simulator.listings import Listing
from tests.support.site import Site

LISTED, BOUGHT = "active_inventory", "buyer"
SELLING, BUYING = "GetMyeBaySelling", "GetMyeBayBuying"
KEYS = {LISTED: "ebay.listings.item_id, sku", BOUGHT: "ebay.purchases.item_id, transaction_id"}
FIRST = "seller-1"


def read(site: Site, stream: str = LISTED, account: str = FIRST, **more: Any) -> UnitReport:
    """One unit, due or not."""
    [unit] = site.run(accounts=(account,), streams=(stream,), **more).units
    return unit


def stored(site: Site, stream: str, account: str = FIRST) -> dict[tuple[str, ...], Any]:
    """What the table shows as there: its keys and the answers in it."""
    schema, table, key = KEYS[stream].split(".")
    alive = "AND ended_at IS NULL" if stream == LISTED else ""
    found = site.sql(
        f"SELECT {key}, raw FROM {schema}.{table} WHERE account_id ="
        f" (SELECT id FROM ebay.accounts WHERE name = '{account}') {alive}"
    )
    return {tuple(row[:-1]): row[-1] for row in found}


def there(site: Site, stream: str, account: str = FIRST) -> dict[tuple[str, ...], Any]:
    return {key: row for key, (_, row) in site.simulator.truth(account, stream).items()}


def pages(site: Site, operation: str = SELLING) -> list[str | None]:
    """The offsets that were asked for, as REST lists count them; then forgotten."""
    asked = [entry.offset for entry in site.simulator.requests.entries(operation=operation)]
    site.simulator.requests.clear()
    return asked


def listing(site: Site, number: int) -> Listing:
    stock = site.simulator.world.stock(site.simulator.world.account(FIRST))
    return next(each for each in stock.active if each.number == number)


def end(site: Site, *numbers: int) -> None:
    stock = site.simulator.world.stock(site.simulator.world.account(FIRST))
    with site.simulator.world.lock:
        for number in numbers:
            stock.end(listing(site, number))
