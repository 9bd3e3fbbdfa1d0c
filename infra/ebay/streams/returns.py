"""Returns, by the instant of their creation."""

from infra.ebay.post_order import PostOrderList, claims

RETURNS = PostOrderList(
    stream=claims("returns", "return", details=True),
    operation="searchReturns",
    path="/return/search",
    range_name="creation_date_range",
    key_field="returnId",
    detail_path="/return",
    detail_id=("summary", "returnId"),
)
