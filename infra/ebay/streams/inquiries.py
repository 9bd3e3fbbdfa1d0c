"""Inquiries about items that did not arrive, by the instant of their creation."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.post_order import PostOrderList

INQUIRIES = PostOrderList(
    stream=Stream(
        name="inquiries",
        list_field="members",
        api="post-order.inquiry",
        interval=timedelta(minutes=15),
        walk=Walk.HALVED,
        # eBay gives 200. Each new row costs a call, and a page should fit into a run.
        page_size=50,
        open_pass=True,
        details_per_call=1,
        # The search leaves out those that were escalated.
        open_by_key=True,
        in_sandbox=False,
        # 18 months.
        keeps=timedelta(days=540),
    ),
    operation="searchInquiries",
    path="/inquiry/search",
    range_name="inquiry_creation_date_range",
    key_field="inquiryId",
    detail_path="/inquiry",
    detail_id=("inquiryId",),
)
