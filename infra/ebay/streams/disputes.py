"""Payment disputes, by the instant at which they were opened."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.hosts import Host
from infra.ebay.rest import RestList
from infra.ebay.stream_api import SCOPE

DISPUTES = RestList(
    stream=Stream(
        name="disputes",
        list_field="paymentDisputeSummaries",
        api="sell.fulfillment.payment_dispute",
        interval=timedelta(minutes=60),
        # Documented: `offset` counts disputes, from 0, and `total` is always there.
        walk=Walk.FIXED,
        page_size=200,
        max_window=timedelta(days=90),
        open_pass=True,
        # 18 months.
        keeps=timedelta(days=540),
    ),
    operation="getPaymentDisputeSummaries",
    host=Host.APIZ,
    path="/sell/fulfillment/v1/payment_dispute_summary",
    ends=("open_date_from", "open_date_to"),
    key_fields=("paymentDisputeId",),
    instant_field="openDate",
    scope=f"{SCOPE}/sell.payment.dispute",
)
