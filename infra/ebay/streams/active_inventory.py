"""What the seller offers now: a row for each listing, or for each SKU of one with variations."""

from collections.abc import Sequence
from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.trading import TradingList
from infra.ebay.trading_xml import Json, as_list, dig, text_at

_SKU = "Variations/Variation/SKU"


def listing_key(row: Json) -> str:
    """Variations without a SKU are one row, in which they are an array, and its SKU is empty."""
    has_variations = dig(row, "Variations/Variation") is not None
    sku = text_at(row, _SKU if has_variations else "SKU")
    return f"{text_at(row, 'ItemID')}|{sku}"


def by_sku(item: Json) -> Sequence[Json]:
    """The item once for each SKU among its variations, each time with those of that SKU only.

    `TimeLeft` is left out: it differs at each reading, and every row would be written every hour.
    """
    if not isinstance(item, dict):
        return ({},)
    row = {name: value for name, value in item.items() if name != "TimeLeft"}
    skus: dict[str, list[Json]] = {}
    for variation in as_list(dig(row, "Variations/Variation")):
        skus.setdefault(text_at(variation, "SKU"), []).append(variation)
    if not skus:
        return (row,)
    return [
        {**row, "Variations": {**row["Variations"], "Variation": found if found[1:] else found[0]}}
        for found in skus.values()
    ]


ACTIVE_INVENTORY = TradingList(
    stream=Stream(
        name="active_inventory",
        list_field="Item",
        api="trading.GetMyeBaySelling",
        interval=timedelta(minutes=60),
        walk=Walk.SNAPSHOT,
        page_size=200,
        # eBay shows 125 pages of 200, and the last of them for every number beyond.
        offset_ceiling=25_000,
        ends_unseen=True,
    ),
    operation="GetMyeBaySelling",
    container="ActiveList",
    rows="ItemArray/Item",
    # New listings come at the end, where they shift no other.
    options={"Sort": "StartTime"},
    apart=by_sku,
    key=listing_key,
)
