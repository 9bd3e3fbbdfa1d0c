"""Cases that buyers opened, by the instant of their creation."""

from infra.ebay.post_order import PostOrderList, claims

CASES = PostOrderList(
    stream=claims("cases", "casemanagement"),
    operation="searchCases",
    path="/casemanagement/search",
    range_name="case_creation_date_range",
    key_field="caseId",
)
