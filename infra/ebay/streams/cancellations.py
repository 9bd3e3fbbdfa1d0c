"""Requests to cancel an order, whoever made them, by the instant of the request."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.post_order import PostOrderList

# Who asked for the cancellation. Without it eBay shows the seller's own only.
ROLES = ("SELLER", "BUYER")

CANCELLATIONS = PostOrderList(
    stream=Stream(
        name="cancellations",
        list_field="cancellations",
        api="post-order.cancellation",
        interval=timedelta(minutes=15),
        walk=Walk.HALVED,
        page_size=200,
        open_pass=True,
        in_sandbox=False,
        calls_per_page=len(ROLES),
        # 18 months.
        keeps=timedelta(days=540),
    ),
    operation="searchCancellations",
    path="/cancellation/search",
    range_name="creation_date_range",
    key_field="cancelId",
    roles=ROLES,
)
