"""Requests to cancel an order, whoever made them, by the instant of the request."""

from infra.ebay.post_order import PostOrderList, claims

# Who asked for the cancellation. Without it eBay shows the seller's own only.
ROLES = ("SELLER", "BUYER")

CANCELLATIONS = PostOrderList(
    stream=claims(
        "cancellations",
        "cancellation",
        list_field="cancellations",
        calls_per_page=len(ROLES),
    ),
    operation="searchCancellations",
    path="/cancellation/search",
    range_name="creation_date_range",
    key_field="cancelId",
    roles=ROLES,
)
