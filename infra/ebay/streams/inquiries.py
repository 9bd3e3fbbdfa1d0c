"""Inquiries about items that did not arrive, by the instant of their creation."""

from infra.ebay.post_order import PostOrderList, claims

INQUIRIES = PostOrderList(
    # The search leaves out those that were escalated: open ones are read again by their ids.
    stream=claims("inquiries", "inquiry", details=True),
    operation="searchInquiries",
    path="/inquiry/search",
    range_name="inquiry_creation_date_range",
    key_field="inquiryId",
    detail_path="/inquiry",
    detail_id=("inquiryId",),
)
