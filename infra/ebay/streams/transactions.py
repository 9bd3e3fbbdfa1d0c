"""Money movements, by the instant at which they were booked."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.hosts import Host
from infra.ebay.streams.definition import SCOPE, StreamApi

TRANSACTIONS = StreamApi(
    stream=Stream(
        name="transactions",
        api="sell.finances",
        interval=timedelta(minutes=5),
        walk=Walk.FIXED,
        page_size=1000,
        # 36 months, of any length.
        max_window=timedelta(days=1090),
        offset_ceiling=5000,
        open_pass=True,
    ),
    operation="getTransactions",
    host=Host.APIZ,
    path="/sell/finances/v1/transaction",
    filter_name="transactionDate",
    list_field="transactions",
    # A sale has its order's id, and one id may stand under several types.
    key_fields=("transactionId", "transactionType"),
    instant_field="transactionDate",
    scope=f"{SCOPE}/sell.finances",
    by_marketplace=True,
    none_is_204=True,
)
