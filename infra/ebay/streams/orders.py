"""Orders, by the instant of their last change."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.hosts import Host
from infra.ebay.rest import RestList
from infra.ebay.stream_api import SCOPE

ORDERS = RestList(
    stream=Stream(
        name="orders",
        list_field="orders",
        api="sell.fulfillment",
        interval=timedelta(minutes=5),
        walk=Walk.MOVING,
        page_size=200,
        # eBay refuses ranges of years (error 30830) without naming the limit; 90 days is the range
        # that it serves by default.
        max_window=timedelta(days=90),
        # Two years.
        keeps=timedelta(days=730),
    ),
    operation="getOrders",
    host=Host.API,
    path="/sell/fulfillment/v1/order",
    # Never together with `creationdate`: eBay then ignores this one.
    filter_name="lastmodifieddate",
    key_fields=("orderId",),
    instant_field="lastModifiedDate",
    scope=f"{SCOPE}/sell.fulfillment.readonly",
)
