"""Money movements, by the instant at which they were booked."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.hosts import Host
from infra.ebay.rest import RestList
from infra.ebay.stream_api import SCOPE

TRANSACTIONS = RestList(
    stream=Stream(
        name="transactions",
        list_field="transactions",
        api="sell.finances",
        interval=timedelta(minutes=5),
        walk=Walk.FIXED,
        page_size=1000,
        # 36 months, of any length.
        max_window=timedelta(days=1090),
        offset_ceiling=5000,
        open_pass=True,
        # Five years.
        keeps=timedelta(days=1825),
    ),
    operation="getTransactions",
    host=Host.APIZ,
    path="/sell/finances/v1/transaction",
    filter_name="transactionDate",
    # A sale has its order's id, and one id may stand under several types.
    key_fields=("transactionId", "transactionType"),
    instant_field="transactionDate",
    scope=f"{SCOPE}/sell.finances",
    by_marketplace=True,
    none_is_204=True,
)
