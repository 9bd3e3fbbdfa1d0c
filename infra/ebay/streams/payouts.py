"""Payouts, by the instant at which they were made."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.hosts import Host
from infra.ebay.rest import RestList
from infra.ebay.stream_api import SCOPE

PAYOUTS = RestList(
    stream=Stream(
        name="payouts",
        list_field="payouts",
        api="sell.finances",
        interval=timedelta(minutes=30),
        walk=Walk.FIXED,
        page_size=200,
        # 36 months, of any length.
        max_window=timedelta(days=1090),
        offset_ceiling=5000,
        open_pass=True,
        # Five years.
        keeps=timedelta(days=1825),
    ),
    operation="getPayouts",
    host=Host.APIZ,
    path="/sell/finances/v1/payout",
    filter_name="payoutDate",
    key_fields=("payoutId",),
    instant_field="payoutDate",
    scope=f"{SCOPE}/sell.finances",
    by_marketplace=True,
    none_is_204=True,
)
