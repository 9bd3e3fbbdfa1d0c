"""Returns, by the instant of their creation."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.post_order import PostOrderList

RETURNS = PostOrderList(
    stream=Stream(
        name="returns",
        list_field="members",
        api="post-order.return",
        interval=timedelta(minutes=15),
        walk=Walk.HALVED,
        # eBay gives 200. Each new row costs a call, and a page should fit into a run.
        page_size=50,
        open_pass=True,
        details_per_call=1,
        open_by_key=True,
        in_sandbox=False,
        # 18 months.
        keeps=timedelta(days=540),
    ),
    operation="searchReturns",
    path="/return/search",
    range_name="creation_date_range",
    key_field="returnId",
    detail_path="/return",
    detail_id=("summary", "returnId"),
)
