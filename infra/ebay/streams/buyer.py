"""What the account has bought in the last 30 days: won items only, no bids, nothing watched."""

from collections.abc import Sequence
from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.trading import TradingList
from infra.ebay.trading_xml import Json, as_list, dig, text_at

_LINES = "Order/TransactionArray/Transaction"


def purchase_key(row: Json) -> str:
    return f"{text_at(row, 'Transaction/Item/ItemID')}|{text_at(row, 'Transaction/TransactionID')}"


def by_transaction(entry: Json) -> Sequence[Json]:
    """An order of several transactions as one row for each, the order beside it."""
    if not isinstance(entry, dict):
        return ({},)
    lines = as_list(dig(entry, _LINES))
    if not lines:
        return (_timeless(entry),)
    order = {name: value for name, value in entry["Order"].items() if name != "TransactionArray"}
    return [_timeless({**entry, "Order": order, "Transaction": line}) for line in lines]


def _timeless(row: Json) -> Json:
    """Without what differs at each reading: the row would be written every hour."""
    item = dig(row, "Transaction/Item")
    if not isinstance(item, dict) or "TimeLeft" not in item:
        return row
    kept = {name: value for name, value in item.items() if name != "TimeLeft"}
    return {**row, "Transaction": {**row["Transaction"], "Item": kept}}


BUYER = TradingList(
    stream=Stream(
        name="buyer",
        list_field="OrderTransaction",
        api="trading.GetMyeBayBuying",
        interval=timedelta(minutes=60),
        walk=Walk.SNAPSHOT,
        page_size=200,
    ),
    operation="GetMyeBayBuying",
    container="WonList",
    rows="OrderTransactionArray/OrderTransaction",
    options={"DurationInDays": 30},
    apart=by_transaction,
    key=purchase_key,
)
