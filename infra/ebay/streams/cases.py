"""Cases that buyers opened, by the instant of their creation."""

from datetime import timedelta

from core.sync.model import Stream, Walk
from infra.ebay.post_order import PostOrderList

CASES = PostOrderList(
    stream=Stream(
        name="cases",
        list_field="members",
        api="post-order.casemanagement",
        interval=timedelta(minutes=15),
        walk=Walk.HALVED,
        page_size=200,
        open_pass=True,
        in_sandbox=False,
        # 18 months.
        keeps=timedelta(days=540),
    ),
    operation="searchCases",
    path="/casemanagement/search",
    range_name="case_creation_date_range",
    key_field="caseId",
)
